//! Generated programs: applied, crashed, gone on with, taken back, with and without writes of others; compared to the letter.
//!
//! `WINDLASS_PROGRAMS="FIRST COUNT"` runs others, or one again.

mod generate;

use super::{fine::exact, *};
use crate::testing::{Random, argument};
use generate::{Program, columns, picture, quote, tables};

const COUNT: u64 = 1000;

/// A database with what `setup` makes, and the release.
fn world(program: &Program) -> World {
    let units: Vec<Unit> =
        program.statements.iter().enumerate().map(|(n, sql)| exact(&format!("s/{n}"), sql)).collect();
    let keep = crate::testing::folder();
    let db = Connection::open(keep.path().join("app.db")).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    program.setup.iter().for_each(|sql| db.execute_batch(sql).unwrap());
    World { _keep: Some(keep), ..World::at(&PathBuf::new(), &units) }.kept()
}

impl World {
    fn kept(mut self) -> Self {
        self.folder = self._keep.as_ref().unwrap().path().to_owned();
        self
    }
}

#[derive(Default)]
struct Seen {
    statements: usize,
    copies: usize,
    refused: usize,
    killed: usize,
}

/// What differs between two pictures.
fn difference(wanted: &[String], found: &[String]) -> Option<String> {
    let missing: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).take(4).collect();
    let new: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).take(4).collect();
    (wanted != found).then(|| format!("missing {missing:#?}\nnew {new:#?}"))
}

fn expect(program: &Program, world: &World, at: usize, what: &str) -> Result<(), String> {
    let found = difference(&program.pictures[at], &picture(&world.db()));
    found.map_or(Ok(()), |found| {
        Err(format!(
            "{what}\n{found}\n{}\n-- setup\n{}",
            program.statements.join(";\n"),
            program.setup.join(";\n")
        ))
    })
}

async fn apply(world: &World, n: usize) -> Result<(), String> {
    let id = format!("s/{n}");
    world.capture(&id).await.map_err(|failure| failure.message)?;
    world.apply(&id).await.map(drop).map_err(|failure| format!("{id}: {}", failure.message))
}

/// Applies all from `first` on, as many at once as go together.
async fn apply_together(world: &World, first: usize) -> Result<(), String> {
    let ids: Vec<String> = (first..world.plan.units().count()).map(|n| format!("s/{n}")).collect();
    let mut rest: Vec<&str> = ids.iter().map(String::as_str).collect();
    while !rest.is_empty() {
        let answers = world.together(&rest).await;
        let done = answers.iter().take_while(|answer| matches!(answer, Some(Ok(_)))).count();
        if let Some(Some(Err(failure))) = answers.get(done) {
            return Err(format!("{}: {}", rest[done], failure.message));
        }
        if done == 0 {
            return Err(format!("{}: it was not begun: {answers:?}", rest[0]));
        }
        rest.drain(..done);
    }
    Ok(())
}

async fn undo(world: &World, n: usize) -> Result<(), String> {
    world.undo(&format!("s/{n}")).await.map(drop).map_err(|failure| format!("s/{n}: {}", failure.message))
}

/// Applies all, takes all back, compares after each.
async fn there_and_back(program: &Program, together: bool, seen: &mut Seen) -> Result<(), String> {
    let world = world(program);
    expect(program, &world, 0, "the setup")?;
    if together {
        apply_together(&world, 0).await?;
        expect(program, &world, program.statements.len(), "after applying all together")?;
    } else {
        for n in 0..program.statements.len() {
            apply(&world, n).await?;
            expect(program, &world, n + 1, &format!("after applying s/{n}"))?;
        }
    }
    seen.copies += world.int("SELECT count(*) FROM windlass_ledger WHERE undo LIKE '{\"copy\"%'") as usize;
    for n in (0..program.statements.len()).rev() {
        undo(&world, n).await?;
        expect(program, &world, n, &format!("after undoing s/{n}"))?;
    }
    Ok(())
}

/// Others write between release and undo: nothing of theirs is lost, whatever the undo says.
async fn others_write(program: &Program, seen: &mut Seen, random: &mut Random) -> Result<(), String> {
    let world = world(program);
    for n in 0..program.statements.len() {
        apply(&world, n).await?;
    }
    let db = world.db();
    let mut marks = vec![];
    for table in tables(&db) {
        let names = columns(&db, &table);
        let column = quote(&names[random.below(names.len())]);
        let mark = format!("mark {}", marks.len());
        let sql = match random.below(2) {
            0 => format!("INSERT INTO {} ({column}) VALUES ('{mark}')", quote(&table)),
            _ => format!(
                "UPDATE {} SET {column} = '{mark}' WHERE {column} = (SELECT max({column}) FROM {})",
                quote(&table),
                quote(&table)
            ),
        };
        // Triggers of the service may move what it writes.
        if db.execute_batch(&sql).is_ok() && holds(&db, &mark) {
            marks.push(mark);
        }
    }
    // A later write may have gone over an earlier one by such a trigger.
    marks.retain(|mark| holds(&db, mark));
    for n in (0..program.statements.len()).rev() {
        let before = picture(&db);
        if undo(&world, n).await.is_err() {
            seen.refused += 1;
            let after = difference(&before, &picture(&db));
            if let Some(difference) = after {
                return Err(format!("the refused undo of s/{n} changed something: {difference}"));
            }
            break;
        }
        if let Some(lost) = marks.iter().find(|mark| !holds(&db, mark)) {
            let change = difference(&before, &picture(&db)).unwrap_or_default();
            return Err(format!(
                "`{lost}` is lost by the undo of s/{n}\n{change}\n{}",
                program.statements.join(";\n")
            ));
        }
    }
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    if check == "ok" || check.contains("CHECK") { Ok(()) } else { Err(check) }
}

/// Whether the value stands anywhere in the database, also where things are set aside.
fn holds(db: &Connection, mark: &str) -> bool {
    let mut statement = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        .unwrap();
    let tables: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    tables.iter().filter(|table| *table != "windlass_ledger").any(|table| {
        let columns = columns(db, table);
        let any: Vec<_> = columns.iter().map(|column| format!("{} = '{mark}'", quote(column))).collect();
        let sql = format!("SELECT count(*) FROM {} WHERE {}", quote(table), any.join(" OR "));
        db.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap() > 0
    })
}

/// A controller is killed on its way there and back; another goes on, or back.
async fn killed(program: &Program, seed: u64, seen: &mut Seen, random: &mut Random) -> Result<(), String> {
    let world = world(program);
    let argument = format!("{seed}\n{}", world.folder.display());
    let mut child = controller("sqlite::tests::programs::program_process", &argument);
    wait_until("its begin", || world.folder.join("begun").exists());
    let end = std::time::Instant::now() + Duration::from_micros(random.below(60_000) as u64);
    while std::time::Instant::now() < end && !world.folder.join("ended").exists() {
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    seen.killed += usize::from(!world.folder.join("ended").exists());
    let mut applied = 0;
    for n in 0..program.statements.len() {
        let id = format!("s/{n}");
        match (world.inspect(&id, Way::Forward).await, world.inspect(&id, Way::Undo).await) {
            (Found::Applied(_), Found::NotApplied) if applied == n => applied += 1,
            (Found::NotApplied, Found::Applied(_)) => {}
            other => return Err(format!("{id}: {other:?}")),
        }
    }
    expect(program, &world, applied, &format!("killed, {applied} applied by the ledger"))?;
    if random.below(2) == 0 {
        for n in applied..program.statements.len() {
            apply(&world, n).await?;
        }
        applied = program.statements.len();
        expect(program, &world, applied, "after going on")?;
    }
    for n in (0..applied).rev() {
        undo(&world, n).await?;
    }
    expect(program, &world, 0, "after going back")
}

/// Whether the controller that is killed applies several at once.
fn random_half(seed: &str) -> bool {
    Random::new(seed.parse().unwrap()).below(2) == 0
}

/// Run by [`killed`] as a process of its own.
#[tokio::test]
async fn program_process() {
    let Some(argument) = argument() else { return };
    let (seed, folder) = argument.split_once('\n').unwrap();
    let program = Program::of(seed.parse().unwrap());
    let units: Vec<Unit> =
        program.statements.iter().enumerate().map(|(n, sql)| exact(&format!("s/{n}"), sql)).collect();
    let world = World::at(Path::new(folder), &units);
    fs::write(world.folder.join("begun"), "").unwrap();
    if random_half(seed) {
        apply_together(&world, 0).await.unwrap();
    } else {
        for n in 0..units.len() {
            apply(&world, n).await.unwrap();
        }
    }
    for n in (0..units.len()).rev() {
        undo(&world, n).await.unwrap();
    }
    fs::write(world.folder.join("ended"), "").unwrap();
}

/// Runs every second seed from `parity` on.
async fn run(parity: u64) {
    let chosen = crate::testing::chosen("WINDLASS_PROGRAMS");
    let number = |at: usize| chosen.as_deref()?.split_whitespace().nth(at)?.parse::<u64>().ok();
    let (first, count) =
        (number(0).unwrap_or(1), number(1).unwrap_or(if chosen.is_some() { 1 } else { COUNT }));
    let mut seen = Seen::default();
    for seed in (first..first + count).filter(|seed| seed % 2 == parity) {
        let program = Program::of(seed);
        seen.statements += program.statements.len();
        let mut random = Random::new(seed ^ 0x5eed);
        let result = match seed / 2 % 8 {
            0 | 1 => killed(&program, seed, &mut seen, &mut random).await,
            2..=4 => others_write(&program, &mut seen, &mut random).await,
            other => there_and_back(&program, other < 7, &mut seen).await,
        };
        if let Err(why) = result {
            panic!(
                "WINDLASS_PROGRAMS=\"{seed}\" cargo test -p windlass-drivers --lib sqlite::tests::programs\n{why}"
            );
        }
    }
    assert!(count < 500 || seen.statements > 1000 && seen.killed > 10, "they do something");
    let all = seen.statements.max(1);
    assert!(seen.copies * 10 < all, "{} of {all} statements had to be undone by a copy", seen.copies);
}

#[tokio::test]
async fn generated_programs_of_odd_seeds() {
    run(1).await;
}

#[tokio::test]
async fn generated_programs_of_even_seeds() {
    run(0).await;
}
