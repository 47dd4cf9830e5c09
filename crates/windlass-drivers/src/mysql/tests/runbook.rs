//! The whole SQL of the first runbook, on 200,000 rows: there and back, with writes in between, killed at each statement.

use super::*;
use crate::testing::Random;
use std::time::Duration;

const ROWS: u32 = 200_000;

/// The tables as they were before the release, as far as its statements tell.
const SETUP: &str = windlass_lab::RUNBOOK_000;

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

/// Run by the test below as a process of its own: one unit, one way, until it is killed.
#[test]
fn controller_process() {
    let Some(argument) = crate::testing::argument() else { return };
    let (url, folder, at, way, capsule): (String, std::path::PathBuf, usize, Way, Capsule) =
        serde_json::from_str(&argument).unwrap();
    let statements = statements();
    let units = units(&statements.iter().map(String::as_str).collect::<Vec<_>>());
    let cx = context(&folder, &url, &units, at);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match way {
            Way::Forward => drop(crate::mysql::MysqlDriver::new().apply(&cx, &units[at], &capsule).await),
            Way::Undo => drop(crate::mysql::MysqlDriver::new().undo(&cx, &units[at], &capsule, None).await),
        }
    });
}

/// Kills a controller at some moment of the unit; then the unit is brought to its end from what the server tells.
fn killed_once(release: &Release, at: usize, way: Way, after: Duration) {
    let folder = release.folder.path();
    let argument = serde_json::to_string(&(&release.url, folder, at, way, &release.capsules[at])).unwrap();
    let mut controller = crate::testing::controller("mysql::tests::runbook::controller_process", &argument);
    // The moment is what is tested: any is right.
    std::thread::sleep(after);
    controller.kill().unwrap();
    controller.wait().unwrap();
    match release.inspect(at, way) {
        Found::Applied(_) => {}
        Found::Unknown(text) => panic!("{text}"),
        Found::NotApplied | Found::Failed(_) => {
            let done = if way == Way::Forward { release.again(at) } else { release.undo(at) };
            drop(done.unwrap_or_else(|failure| panic!("{way:?} {at}: {failure:?}")));
        }
    }
}

#[test]
fn there_and_back_with_200_000_rows_killed_at_every_unit() {
    for flavor in flavors() {
        let mut release = release(flavor, ROWS);
        let before = world(&release);
        let mut random = Random::new(12);
        let mut moment = || Duration::from_millis(random.below(150) as u64);
        for at in 0..release.units.len() {
            let cx = release.context(at);
            let capsule =
                release.wait(crate::mysql::MysqlDriver::new().capture(&cx, &release.units[at])).unwrap();
            release.capsules.push(capsule);
            killed_once(&release, at, Way::Forward, moment());
        }
        assert_ne!(world(&release), before);
        let written = release.rows("SELECT COUNT(*) FROM record WHERE s3_key IS NOT NULL");
        assert!(written.parse::<u32>().unwrap() > 10_000, "{written}");
        for at in (0..release.units.len()).rev() {
            killed_once(&release, at, Way::Undo, moment());
        }
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
                    let capsule = release
                        .wait(crate::mysql::MysqlDriver::new().capture(&cx, &release.units[at]))
                        .unwrap();
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
                                crate::mysql::MysqlDriver::new().apply(&cx, &unit, &capsule),
                            )
                            .await,
                        ),
                        Way::Undo => drop(
                            tokio::time::timeout(
                                patience,
                                crate::mysql::MysqlDriver::new().undo(&cx, &unit, &capsule, None),
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
