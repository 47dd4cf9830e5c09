//! Several statements in one transaction: each stands or falls as it would alone.

use super::{fine::exact, *};
use windlass_driver::Work;

impl World {
    fn works(&self, ids: &[&str]) -> Vec<Work> {
        let work = |id: &&str| {
            let unit = self.unit(id);
            Work { cx: self.cx(&unit), unit, capsule: Capsule::default() }
        };
        ids.iter().map(work).collect()
    }

    pub(super) async fn together(&self, ids: &[&str]) -> Vec<Option<Result<Done, Failure>>> {
        self.driver.apply_together(&self.works(ids)).await
    }

    /// What the ledger says of each.
    async fn applied(&self, ids: &[&str]) -> Vec<bool> {
        let mut applied = vec![];
        for id in ids {
            applied.push(matches!(self.inspect(id, Way::Forward).await, Found::Applied(_)));
        }
        applied
    }
}

const IDS: [&str; 4] = ["s/1", "s/2", "s/3", "s/4"];

fn units(third: &str) -> [Unit; 4] {
    [
        exact("s/1", "ALTER TABLE booking ADD COLUMN paid"),
        exact("s/2", "UPDATE booking SET paid = seats"),
        exact("s/3", third),
        exact("s/4", "DROP TABLE note"),
    ]
}

#[tokio::test]
async fn all_of_them_become_durable_with_one_commit_and_go_back_one_by_one() {
    for mode in MODES {
        let world = World::new(mode, &units("CREATE INDEX paid ON booking (paid)"));
        let before = world.print();
        let answers = world.together(&IDS).await;
        assert!(answers.iter().all(|answer| matches!(answer, Some(Ok(done)) if done.changed)), "{answers:?}");
        assert_eq!(world.applied(&IDS).await, [true; 4]);
        assert_eq!(world.int("SELECT count(*) FROM windlass_ledger"), 4);
        assert_eq!(world.int("SELECT sum(paid) FROM booking"), 3);
        for id in IDS.iter().rev() {
            world.undo(id).await.unwrap();
        }
        assert_eq!(before.differences(&world.print()), [""; 0], "{mode}");
    }
}

#[tokio::test]
async fn those_before_a_failure_stand_and_those_behind_it_are_not_begun() {
    for third in ["UPDATE booking SET nosuch = 1", "INSERT INTO booking (id, who) VALUES (1, 'twice')"] {
        let world = World::new("wal", &units(third));
        let before = world.print();
        let answers = world.together(&IDS).await;
        let [Some(Ok(_)), Some(Ok(_)), Some(Err(failure))] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(failure.effect, Effect::None);
        assert!(failure.message.contains("rolled back, nothing was changed"), "{}", failure.message);
        assert_eq!(world.applied(&IDS).await, [true, true, false, false]);
        world.undo("s/2").await.unwrap();
        world.undo("s/1").await.unwrap();
        assert_eq!(before.differences(&world.print()), [""; 0], "{third}");
    }
    // The first of them, alone and in company.
    let world =
        World::new("wal", &[exact("s/1", "UPDATE nosuch SET a = 1"), exact("s/2", "DELETE FROM note")]);
    let before = world.print();
    let answers = world.together(&["s/1", "s/2"]).await;
    assert!(matches!(&answers[..], [Some(Err(_))]), "{answers:?}");
    assert_eq!(world.print(), before);
}

/// SQLite takes back the whole transaction: nothing of the others may be told as done.
#[tokio::test]
async fn a_statement_that_takes_everything_back_takes_all_of_them_back() {
    let world = World::new("wal", &units("INSERT OR ROLLBACK INTO booking (id, who) VALUES (1, 'twice')"));
    let before = world.print();
    let answers = world.together(&IDS).await;
    assert!(matches!(&answers[..], [None, None, Some(Err(_))]), "{answers:?}");
    assert_eq!(world.applied(&IDS).await, [false; 4]);
    assert_eq!(world.print(), before);
    assert!(matches!(&world.together(&IDS[..2]).await[..], [Some(Ok(_)), Some(Ok(_))]), "they begin anew");
}

#[tokio::test]
async fn what_needs_a_copy_or_ran_before_is_left_to_its_own_turn() {
    let world = World::new("wal", &units("REPLACE INTO t VALUES (1, 'b')"));
    world.exec(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a');
         CREATE TRIGGER t_del AFTER DELETE ON t BEGIN SELECT 1; END",
    );
    let answers = world.together(&IDS).await;
    assert!(matches!(&answers[..], [Some(Ok(_)), Some(Ok(_))]), "{answers:?}");
    let answers = world.together(&IDS[2..]).await;
    assert!(matches!(&answers[..], [Some(Ok(_))]), "it has its copy: {answers:?}");
    let answers = world.together(&["s/2", "s/4"]).await;
    assert!(matches!(&answers[..], [Some(Ok(done))] if !done.changed), "by the ledger: {answers:?}");
    assert!(matches!(&world.together(&IDS[3..]).await[..], [Some(Ok(_))]));
}

#[tokio::test]
async fn a_wrong_count_of_rows_takes_only_its_own_statement_back() {
    let world = World::new(
        "wal",
        &[exact("s/1", "UPDATE booking SET seats = 7"), with_rows(exact("s/2", "DELETE FROM booking"), 2)],
    );
    let answers = world.together(&["s/1", "s/2"]).await;
    assert!(matches!(&answers[..], [Some(Ok(_)), Some(Err(_))]), "{answers:?}");
    assert_eq!(world.int("SELECT count(*) FROM booking WHERE seats = 7"), 3);
}

#[tokio::test]
async fn only_statements_on_one_database_go_together() {
    let [first, second, ..] = units("SELECT 1");
    let driver = SqliteDriver::new();
    assert!(driver.goes_with(&first, &second));
    assert!(!driver.goes_with(&first, &backup("s/3", "x.db")));
    assert!(!driver.goes_with(&first, &sql("s/3", "SELECT 1")), "undone by a copy");
    let mut batched = second.clone();
    if let Action::Sql { batch, .. } = &mut batched.action {
        *batch =
            Some(Box::new(windlass_plan::Batch { rows: 100, throttle: windlass_plan::Throttle::default() }));
    }
    assert!(!driver.goes_with(&first, &batched) && !driver.goes_with(&batched, &first));
}
