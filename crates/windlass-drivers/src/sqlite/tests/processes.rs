//! Drivers beside other processes, and in controllers that are killed.

use super::*;
use crate::testing::argument;

/// A writer that never stops, in another process, while statements run and are taken back: no acknowledged write is lost.
#[tokio::test]
async fn no_acknowledged_write_is_lost_beside_a_writing_service() {
    for mode in ["wal", "delete"] {
        let world = World::new(mode, &two_steps());
        let argument = format!("write\n{}", world.folder.display());
        let mut service = controller("sqlite::tests::processes::controller_process", &argument);
        let acknowledged = world.folder.join("acknowledged");
        let count = || fs::read_to_string(&acknowledged).map_or(0, |text| text.lines().count());
        wait_until("a first write", || count() > 0);
        for _ in 0..5 {
            world.go("one/1").await;
            world.go("one/2").await;
            let seen = count();
            wait_until("a write", || count() > seen);
            assert!(world.undo("one/2").await.is_err(), "{mode}: there was a write since");
            world.exec("ALTER TABLE booking DROP COLUMN paid; DELETE FROM windlass_ledger");
        }
        service.kill().unwrap();
        service.wait().unwrap();
        for line in fs::read_to_string(&acknowledged).unwrap().split_inclusive('\n') {
            if let Some(who) = line.strip_suffix('\n') {
                let found = world.int(&format!("SELECT count(*) FROM booking WHERE who = '{who}'"));
                assert_eq!(found, 1, "{mode}: {who}");
            }
        }
    }
}

/// Run by other tests as a process of its own: `COMMAND`, then the folder.
#[test]
fn controller_process() {
    let Some(argument) = argument() else { return };
    let (command, folder) = argument.split_once('\n').unwrap();
    let world = World::at(Path::new(folder), &slow_step());
    let mark = |name: &str| fs::write(world.folder.join(name), "").unwrap();
    match command {
        "hold" => {
            let db = world.db();
            db.execute_batch("BEGIN IMMEDIATE").unwrap();
            mark("held");
            std::thread::sleep(Duration::from_secs(60));
        }
        "write" => {
            use std::io::Write as _;
            let db = world.db();
            let mut log = fs::File::create(world.folder.join("acknowledged")).unwrap();
            for number in 0.. {
                db.execute("INSERT INTO booking (who) VALUES (?1)", [format!("w{number}")]).unwrap();
                writeln!(log, "w{number}").unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        "release" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                mark("begun");
                for id in ["s/1", "s/2", "s/3"] {
                    world.go(id).await;
                }
                for id in ["s/3", "s/2", "s/1"] {
                    world.undo(id).await.unwrap();
                }
                mark("ended");
            });
        }
        other => panic!("{other}"),
    }
}

/// Statements that take long enough to be killed in.
fn slow_step() -> Vec<Unit> {
    let many = "INSERT INTO booking (who, seats) WITH RECURSIVE n(i) AS \
                (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT 'n' || i, i FROM n";
    vec![
        sql("s/1", many),
        sql("s/2", "ALTER TABLE booking ADD COLUMN paid INTEGER NOT NULL DEFAULT 0"),
        sql("s/3", "UPDATE booking SET paid = coalesce(seats, 0)"),
    ]
}

/// Starts a controller that releases and takes back, and kills it after a time; how long it lived.
fn killed_after(world: &World, limit: Duration) -> Duration {
    let argument = format!("release\n{}", world.folder.display());
    let mut child = controller("sqlite::tests::processes::controller_process", &argument);
    wait_until("its begin", || world.folder.join("begun").exists());
    let begun = std::time::Instant::now();
    while begun.elapsed() < limit && !world.folder.join("ended").exists() {
        let exit = child.try_wait().unwrap().filter(|exit| !exit.success());
        assert!(exit.is_none(), "the controller failed by itself");
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    begun.elapsed()
}

/// Kills a controller at points spread over its whole life, and compares what `inspect` says with what is there.
#[tokio::test]
async fn a_controller_killed_at_any_point_leaves_the_truth() {
    const POINTS: u32 = 16;
    let mut seen = BTreeMap::<usize, u32>::new();
    for mode in ["wal", "delete"] {
        let life = killed_after(&World::new(mode, &slow_step()), Duration::from_secs(60));
        for point in 0..POINTS {
            let place = format!("{mode}, killed at {point}/{POINTS} of {life:?}");
            let world = World::new(mode, &slow_step());
            let start = world.print();
            killed_after(&world, life * point / POINTS);
            let mut applied = 0;
            for id in ["s/1", "s/2", "s/3"] {
                match (world.inspect(id, Way::Forward).await, world.inspect(id, Way::Undo).await) {
                    (Found::Applied(_), Found::NotApplied) => applied += 1,
                    (Found::NotApplied, Found::Applied(_)) => {}
                    other => panic!("{place}: {id}: {other:?}"),
                }
            }
            let rows = world.int("SELECT count(*) FROM booking");
            let paid =
                world.int("SELECT count(*) FROM pragma_table_info('booking') WHERE name = 'paid'") == 1;
            let set = paid && world.int("SELECT count(*) FROM booking WHERE paid > 0") > 0;
            let truth = usize::from(rows > 3) + usize::from(paid) + usize::from(set);
            assert_eq!(applied, truth, "{place}");
            *seen.entry(applied).or_default() += 1;
            // From wherever it stopped, the rest can be taken back.
            for id in ["s/3", "s/2", "s/1"] {
                world.undo(id).await.unwrap();
            }
            assert_eq!(world.print(), start, "{place}");
        }
    }
    assert!(seen.len() >= 2, "the kills hit different points: {seen:?}");
}

#[tokio::test]
async fn no_connection_stays_open_beside_what_a_hand_written_undo_copies_over_the_file() {
    let fine = |id: &str, by: UndoBy| {
        let unit = sql(id, "UPDATE booking SET seats = 9");
        Unit { undo: Undo { class: Class::Exact, by, ..unit.undo }, ..unit }
    };
    let wal = |world: &World| world.folder.join("app.db-wal").exists();
    // Forwards a connection is kept for the next statement, and none on the way back, whatever the plan has beside it.
    let world = World::new("wal", &[fine("one/1", UndoBy::Driver), fine("two/1", UndoBy::Driver)]);
    world.go("one/1").await;
    assert!(wal(&world), "kept for two/1");
    world.go("two/1").await;
    assert!(!wal(&world));
    world.undo("two/1").await.unwrap();
    assert!(!wal(&world), "a shell line may be next");
    // The next statement may fail before it begins; then the step's own undo is next.
    let world = World::new("wal", &[fine("one/1", UndoBy::Script), fine("two/1", UndoBy::Driver)]);
    world.go("one/1").await;
    assert!(!wal(&world));
}
