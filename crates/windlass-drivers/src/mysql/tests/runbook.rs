//! The whole SQL of the first runbook, on 200,000 rows: there and back, with writes in between, killed at each statement.

use super::*;
use crate::testing::Random;
use std::time::Duration;

const ROWS: u32 = 200_000;

/// The tables as they were before the release, as far as its statements tell.
const SETUP: &str = "
CREATE TABLE subscription_transfer_record (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, subscription_id INT(10) UNSIGNED DEFAULT NULL COMMENT '订阅',
  user_id INT UNSIGNED, old_user_id INT UNSIGNED COMMENT '原用户') COMMENT='错误的注释';
CREATE TABLE user_profile (id INT PRIMARY KEY, user_id BIGINT NOT NULL, gender ENUM('M','F') DEFAULT 'M' COMMENT '性别', KEY idx_user (user_id));
CREATE TABLE local_notifications (id INT PRIMARY KEY, frequency ENUM('FrequencyDaily','FrequencyWeekly','FrequencyMonthly'), has_weekdays TINYINT(1) NOT NULL, has_month_days TINYINT(1) NOT NULL);
CREATE TABLE audit_user_credential_update (id INT PRIMARY KEY, updated_record_type ENUM('username','phone','email','password'));
CREATE TABLE audit_user_signin_signout (id INT PRIMARY KEY, user_id INT DEFAULT NULL, record_type ENUM('signin','signout') NOT NULL);
CREATE TABLE verification_code (id INT PRIMARY KEY, sn VARCHAR(40), code VARCHAR(10), send_to VARCHAR(100), send_via ENUM('phone','email') NOT NULL DEFAULT 'phone', expired_at DATETIME NULL);
CREATE TABLE phone_or_email_verfication (id INT PRIMARY KEY, user_id INT, verification_type ENUM('phone','email') NOT NULL, expired_at DATETIME DEFAULT NULL COMMENT '到期');
CREATE TABLE pn_record (id INT PRIMARY KEY, user_id BIGINT);
CREATE TABLE sem_record (id INT PRIMARY KEY, to_address VARCHAR(100), KEY idx_to_address (to_address));
CREATE TABLE sms_record (id INT PRIMARY KEY, phone VARCHAR(20), is_valid TINYINT(1) NOT NULL DEFAULT 1 COMMENT '有效', expired_at DATETIME NOT NULL, text TEXT, KEY idx_phone (phone));
CREATE TABLE user_access_token (id INT PRIMARY KEY, token VARCHAR(64), expired_at DATETIME);
CREATE TABLE wechat_user (id INT PRIMARY KEY, user_id INT UNSIGNED);
CREATE TABLE organization_admin (id INT PRIMARY KEY, name VARCHAR(20));
CREATE TABLE feedback (id INT PRIMARY KEY, content VARCHAR(500) NOT NULL);
CREATE TABLE record (record_id VARCHAR(20) PRIMARY KEY, user_id INT UNSIGNED NOT NULL, transaction_number VARCHAR(50), heart_rate SMALLINT, updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO subscription_transfer_record VALUES (1, 5, 6, 7), (2, 8, 9, 10);
INSERT INTO user_profile VALUES (1, 11, 'M'), (2, 12, 'F'), (3, 13, NULL);
INSERT INTO local_notifications VALUES (1, 'FrequencyDaily', 0, 1), (2, NULL, 1, 0);
INSERT INTO audit_user_credential_update VALUES (1, 'phone'), (2, 'password');
INSERT INTO audit_user_signin_signout VALUES (1, 5, 'signin'), (2, NULL, 'signout');
INSERT INTO verification_code VALUES (1, 's', '1234', 'a@b', 'email', '2020-01-01 00:00:00');
INSERT INTO phone_or_email_verfication VALUES (1, 4, 'email', '2021-01-01 10:00:00');
INSERT INTO pn_record VALUES (1, 3), (2, NULL); INSERT INTO sem_record VALUES (1, 'a@b'), (2, 'c@d');
INSERT INTO sms_record VALUES (1, '13800138000', 0, '2020-02-02 00:00:00', '你好'), (2, NULL, 1, '2021-02-02 00:00:00', NULL);
INSERT INTO user_access_token VALUES (1, 't', NULL); INSERT INTO wechat_user VALUES (1, 77); INSERT INTO organization_admin VALUES (1, '管理员');
INSERT INTO feedback VALUES (1, '很好');
";

/// Statements of its two SQL fences.
fn statements() -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/runbooks/000-backend-release-2.1.0.zh.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut statements = vec![];
    for fence in text.split("```mysql").skip(1) {
        let body = fence.split("```").next().unwrap();
        let (found, problems) = windlass_sql::split(body, windlass_sql::Dialect::Mysql);
        assert!(problems.is_empty());
        statements.extend(found.iter().map(|statement| statement.span.of(body).to_owned()));
    }
    assert_eq!(statements.len(), 32);
    statements
}

fn release(flavor: Flavor, rows: u32) -> Release {
    let statements = statements();
    let texts: Vec<&str> = statements.iter().map(String::as_str).collect();
    let release = Release::new(flavor, SETUP, &texts);
    // Numbers from 0 by ten digits tables, since no server of all versions counts by itself.
    let digits = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    let number = "(a.d + b.d * 10 + c.d * 100 + d.d * 1000 + e.d * 10000 + f.d * 100000)";
    release.rows(&format!(
        "INSERT INTO record SELECT {number}, {number} % 977, CONCAT('T', {number}), 60 + {number} % 40, '2023-05-06 07:08:09' \
         FROM {digits} a, {digits} b, {digits} c, {digits} d, {digits} e, {digits} f WHERE {number} < {rows}"
    ));
    release
}

/// Definitions of all tables, rows of the small ones, a checksum of the large one.
fn world(release: &Release) -> String {
    let sum = "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', record_id, user_id, transaction_number, heart_rate, updated_at))) FROM record";
    let rows = release.rows(sum);
    let columns = release.rows("SELECT GROUP_CONCAT(column_name, column_type, is_nullable, COALESCE(column_default, '-'), column_comment ORDER BY table_name, ordinal_position) \
        FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name NOT LIKE '%windlass\\_%'");
    let tables = release.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT LIKE '%windlass\\_%' AND table_name <> 'record' ORDER BY 1");
    let each = tables.lines().map(|table| {
        let create = release.rows(&format!("SHOW CREATE TABLE {table}")).replace("\\n", "\n");
        let print = windlass_sql::mysql::Table::read(create.split_once('\t').unwrap().1).unwrap().print();
        format!("{table} {print} {}", release.rows(&format!("SELECT * FROM {table} ORDER BY 1")))
    });
    let each: Vec<String> = each.collect();
    format!("{rows}\n{columns}\n{}", each.join("\n"))
}

#[test]
fn there_and_back_with_200_000_rows() {
    for flavor in flavors() {
        let mut release = release(flavor, ROWS);
        let before = world(&release);
        let done = release.apply();
        assert_ne!(world(&release), before);
        assert!(done[31].facts["rows"].as_u64().unwrap() > 10_000, "{done:?}");
        release.roll_back();
        assert_eq!(world(&release), before, "{flavor:?}");
    }
}

#[test]
fn writes_in_between_are_kept_and_listed() {
    for flavor in flavors() {
        let mut release = release(flavor, 101_000);
        release.apply();
        release.rows("UPDATE record SET s3_key = 'theirs' WHERE record_id = '100500'; INSERT INTO sms_record (id, phone) VALUES (9, '1')");
        let done = release.undo(31).unwrap();
        assert!(done.effects[1].starts_with("1 rows were written to since and kept"), "{done:?}");
        assert!(done.output.contains("record_id=100500"), "{done:?}");
        assert_eq!(
            release.rows("SELECT COUNT(*), MAX(s3_key) FROM record WHERE s3_key IS NOT NULL"),
            "1\ttheirs"
        );
        for at in (0..31).rev() {
            release.undo(at).unwrap_or_else(|failure| panic!("{failure:?}"));
        }
        assert_eq!(
            release.rows("SELECT COUNT(*) FROM sms_record WHERE phone = '1' AND is_valid = 1"),
            "1",
            "what was inserted since stays"
        );
    }
}

#[test]
fn killed_at_every_statement_both_ways() {
    for flavor in flavors() {
        let mut release = release(flavor, 1000);
        let before = world(&release);
        let mut random = Random::new(11);
        for way in [Way::Forward, Way::Undo] {
            for step in 0..release.units.len() {
                let at = if way == Way::Forward { step } else { release.units.len() - 1 - step };
                if way == Way::Forward {
                    let cx = release.context(at);
                    let capsule =
                        release.wait(crate::mysql::MysqlDriver.capture(&cx, &release.units[at])).unwrap();
                    release.capsules.push(capsule);
                }
                let cx = release.context(at);
                let (unit, capsule) = (release.units[at].clone(), release.capsules[at].clone());
                let patience = Duration::from_millis(random.below(30) as u64);
                // The controller dies: its future is dropped at some point.
                release.wait(async {
                    match way {
                        Way::Forward => drop(
                            tokio::time::timeout(
                                patience,
                                crate::mysql::MysqlDriver.apply(&cx, &unit, &capsule),
                            )
                            .await,
                        ),
                        Way::Undo => drop(
                            tokio::time::timeout(
                                patience,
                                crate::mysql::MysqlDriver.undo(&cx, &unit, &capsule, None),
                            )
                            .await,
                        ),
                    }
                });
                match release.inspect(at, way) {
                    Found::Applied(_) => {}
                    Found::NotApplied | Found::Failed(_) if way == Way::Forward => {
                        drop(release.again(at).unwrap())
                    }
                    Found::NotApplied | Found::Failed(_) => drop(release.undo(at).unwrap()),
                    Found::Unknown(text) => panic!("{text}"),
                }
            }
        }
        assert_eq!(world(&release), before, "{flavor:?}");
    }
}
