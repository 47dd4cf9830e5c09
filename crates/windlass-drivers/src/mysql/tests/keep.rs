//! Connections that are kept from one statement to the next.

use super::*;
use crate::mysql::{keep::Keeper, statement::Job};

const CONNECTED: &str = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() ORDER BY 1";

#[test]
fn they_serve_all_statements_of_a_target_and_nobody_is_connected_behind_the_last() {
    for flavor in flavors() {
        let statements = [
            "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))",
            "INSERT INTO t VALUES (1, 'a')",
            "ALTER TABLE t ADD COLUMN n INT",
            "UPDATE t SET n = 1",
        ];
        let mut release = Release::new(flavor, "", &statements);
        let connected = |release: &Release| release.rows(CONNECTED).lines().count();
        let kept = |release: &mut Release, at: usize| {
            release.step(at).unwrap();
            release.rows(CONNECTED).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let first = kept(&mut release, 0);
        assert!(!first.is_empty() && first.len() <= 3, "{first:?}");
        for at in 1..3 {
            let now = kept(&mut release, at);
            assert!(first.iter().any(|id| now.contains(id)), "{flavor:?} {at}: {first:?} {now:?}");
        }
        // One that the server closed meanwhile is replaced.
        for id in release.rows(CONNECTED).lines() {
            release.rows(&format!("KILL {id}"));
        }
        release.step(3).unwrap();
        testing::wait_until("they are closed", || connected(&release) == 0);
        release.roll_back();
        testing::wait_until("they are closed", || connected(&release) == 0);
    }
}

#[test]
fn what_one_statement_left_is_not_there_for_the_next() {
    for flavor in flavors() {
        let release = Release::new(flavor, "CREATE TABLE t (id INT PRIMARY KEY)", &["SELECT 1"]);
        let cx = release.context(0);
        let lock = format!("windlass_test_{}", release.database.name());
        let state = format!(
            "SELECT CONCAT_WS('|', DATABASE(), @@sql_mode, @@time_zone, @@autocommit, @@character_set_client, @@foreign_key_checks, \
             @@tx_isolation, COALESCE(@mine, 'none'), IS_FREE_LOCK('{lock}'))"
        );
        let state = if flavor == Flavor::Mysql { state.replace("tx_iso", "transaction_iso") } else { state };
        let id = "SELECT CONNECTION_ID()";
        release.wait(async {
            let keeper = Keeper::default();
            let job = Job::new(&cx, &release.units[0]).unwrap().with(&keeper);
            let mut session = job.open().await.unwrap();
            let new = session.value(&state).await.unwrap();
            let was = session.value(id).await.unwrap();
            let dirty = [
                "SET @mine = 1, sql_mode = '', time_zone = '+03:00', foreign_key_checks = 0",
                "SET NAMES latin1",
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                "CREATE TEMPORARY TABLE mine (id INT)",
                "LOCK TABLES t WRITE",
            ];
            for statement in dirty {
                session.run(statement).await.unwrap_or_else(|t| panic!("{statement}: {}", t.text()));
            }
            job.close(session).await;
            let mut session = job.open().await.unwrap();
            assert_eq!(session.value(id).await.unwrap(), was, "it is the same");
            assert_eq!(session.value(&state).await.unwrap(), new, "{flavor:?}");
            assert_eq!(session.run("SELECT * FROM mine").await.unwrap_err().code(), 1146);
            release.rows("INSERT INTO t VALUES (1)");
            for statement in [
                format!("SELECT GET_LOCK('{lock}', 0)"),
                "USE information_schema".to_owned(),
                "START TRANSACTION".to_owned(),
                format!("DELETE FROM {}.t", release.database.name()),
            ] {
                session.run(&statement).await.unwrap();
            }
            job.close(session).await;
            assert_eq!(release.rows("SELECT COUNT(*) FROM t FOR UPDATE"), "1", "it was rolled back");
            let mut session = job.open().await.unwrap();
            assert_eq!(session.value(&state).await.unwrap(), new, "{flavor:?}");
            // One on which a statement was stopped is not kept.
            session.limit(std::time::Duration::from_millis(50));
            let _ = session.run("SELECT SLEEP(30)").await;
            job.close(session).await;
            let mut session = job.open().await.unwrap();
            assert_ne!(session.value(id).await.unwrap(), was);
            // And one that has another role.
            job.close(session).await;
            let mut session = job.open().await.unwrap();
            let was = session.value(id).await.unwrap();
            let role = format!("windlass_test_{}", release.database.name());
            let user = session.value("SELECT CURRENT_USER()").await.unwrap().unwrap().replace('@', "'@'");
            release.rows(&format!("CREATE ROLE {role}; GRANT {role} TO '{user}'"));
            session.run(&format!("SET ROLE {role}")).await.unwrap();
            job.close(session).await;
            let mut session = job.open().await.unwrap();
            assert_ne!(session.value(id).await.unwrap(), was);
            session.close().await;
            release.rows(&format!("DROP ROLE {role}"));
        });
    }
}
