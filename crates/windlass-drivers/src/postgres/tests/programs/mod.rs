//! Generated programs: a random schema with random rows, and a list of statements. Connections break and controllers die amid them; all is
//! taken back, and compared with what was before. `WINDLASS_PROGRAMS="FIRST COUNT"` runs others, or one again.

mod generate;

use super::*;
use crate::{
    postgres::{session::Session, snapshot},
    testing::Random,
};
use std::time::Duration;
use windlass_lab::Wire;
use windlass_sql::postgres::catalog::{Catalog, Verdict, compare};

/// Programs in an ordinary run.
const PROGRAMS: u64 = 1000;

/// The database of all programs, and connections of its own to it.
struct Place {
    database: Database,
    wire: Wire,
    catalog: Session,
    hand: Session,
}

impl Place {
    async fn new(flavor: Flavor) -> Self {
        let database = server(flavor).database();
        let world = World::on(database.clone(), &["SELECT 1"]);
        let open =
            || async { Session::open(&world.cx, "db", "test", Duration::from_hours(24)).await.unwrap() };
        let catalog = open().await;
        catalog.act("SET search_path = pg_catalog; SET jit = off").await.unwrap();
        Self { catalog, hand: open().await, wire: server(flavor).wire(), database }
    }

    async fn run(&self, sql: &str) {
        self.hand.act(sql).await.unwrap_or_else(|trouble| panic!("{sql}: {trouble:?}"));
    }

    /// All definitions, and all rows of all tables of users.
    async fn all(&self) -> (Catalog, String) {
        (snapshot::read(&self.catalog).await.unwrap(), self.rows().await)
    }

    async fn rows(&self) -> String {
        let tables = "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";
        let tables = self.hand.ask(tables).await.unwrap();
        let one = |row: &Vec<Option<String>>| {
            let table = row[0].as_deref().unwrap();
            // By name, for columns that came back stand at the end.
            format!(
                "SELECT '{table}', (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(zz)))::text FROM {table} zz"
            )
        };
        let all: Vec<_> = tables.iter().map(one).collect();
        if all.is_empty() {
            return String::new();
        }
        let rows = self.hand.ask(&format!("{} ORDER BY 1, 2", all.join(" UNION ALL "))).await.unwrap();
        let line = |row: &Vec<Option<String>>| row.iter().flatten().cloned().collect::<Vec<_>>().join("|");
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// What happens to a try.
enum Harm {
    None,
    /// The connections break behind a random byte.
    Cut,
    /// The controller dies at some await: the future is dropped.
    Killed,
}

/// A release and the controller that is at it: one driver, with what it keeps from one statement to the next.
struct Controller<'a> {
    world: World,
    wire: &'a Wire,
    driver: PostgresDriver,
}

impl<'a> Controller<'a> {
    fn new(place: &'a Place, statements: &[&str]) -> Self {
        let url = place.database.url_at(place.wire.port());
        Self { world: World::at(&url, statements), wire: &place.wire, driver: PostgresDriver::new() }
    }

    /// Does one way of one unit until it is settled, as the engine would. `None`: it was refused, and had no effect.
    async fn settle(&mut self, number: usize, way: Way, random: &mut Random) -> Result<Option<Done>, String> {
        for attempt in 0..8 {
            let harm = match random.below(if attempt > 3 { 1 } else { 8 }) {
                0..=4 => Harm::None,
                5 => Harm::Killed,
                _ => Harm::Cut,
            };
            let patience = match harm {
                Harm::Killed => Duration::from_micros(random.below(60_000) as u64),
                _ => Duration::from_mins(1),
            };
            if matches!(harm, Harm::Cut) {
                self.wire.cut_by_seed(random.below(1 << 30) as u64, 40_000);
            }
            let (cx, unit, capsule) = (&self.world.cx, &self.world.units[number - 1], Capsule::default());
            let work = async {
                match way {
                    Way::Forward => self.driver.apply(cx, unit, &capsule).await,
                    Way::Undo => self.driver.undo(cx, unit, &capsule, None).await,
                }
            };
            let result = tokio::time::timeout(patience, work).await;
            self.wire.disarm();
            match result {
                Ok(Ok(done)) => return Ok(Some(done)),
                Ok(Err(failure)) if failure.effect == windlass_driver::Effect::None && !failure.retry => {
                    return if way == Way::Forward { Ok(None) } else { Err(format!("{failure:?}")) };
                }
                Ok(Err(failure)) if matches!(harm, Harm::None) && !failure.retry => {
                    return Err(format!("{failure:?}"));
                }
                Ok(Err(_)) => {}
                Err(_) => self.driver = PostgresDriver::new(),
            }
            match self.world.inspect(number, way).await {
                Found::Applied(done) => return Ok(Some(done)),
                Found::NotApplied => {}
                other => return Err(format!("inspect: {other:?}")),
            }
        }
        Err("it never settles".to_owned())
    }

    /// Applies the statements from the first on that go together; the number of the one behind them.
    async fn together(&mut self, random: &mut Random, applied: &mut Vec<usize>) -> usize {
        let count = self.world.units.len();
        if random.below(3) == 0 {
            let wait = Duration::from_micros(random.below(60_000) as u64);
            let _ = tokio::time::timeout(wait, self.world.together(1)).await;
            // All of them or none, but for those that were not begun.
            for number in 1..=count {
                match self.world.inspect(number, Way::Forward).await {
                    Found::Applied(_) => applied.push(number),
                    _ => return number,
                }
            }
            return count + 1;
        }
        let answers = self.world.together(1).await;
        let done = answers.iter().take_while(|answer| matches!(answer, Some(Ok(_)))).count();
        applied.extend(1..=done);
        done + 1
    }
}

/// Runs one, and says how many statements it had and how many of them were applied.
async fn program(seed: u64, place: &Place) -> Result<(usize, usize), String> {
    let mut random = Random::new(seed);
    // One in eight makes what Windlass keeps anew.
    let kept = if seed.is_multiple_of(8) { "" } else { "windlass" };
    place
        .run(&format!(
            "SET client_min_messages = error; DO $$ DECLARE n text; BEGIN FOR n IN SELECT nspname FROM pg_namespace WHERE nspname ~ \
             '^windlass' AND nspname <> '{kept}' OR nspname = 'public' LOOP EXECUTE format('DROP SCHEMA %I CASCADE', n); END LOOP; CREATE \
             SCHEMA public; IF to_regclass('windlass.ledger') IS NOT NULL THEN DELETE FROM windlass.ledger; DELETE FROM windlass.aside; \
             FOR n IN SELECT relname FROM pg_class WHERE relnamespace = 'windlass'::regnamespace AND relname LIKE 'image%' LOOP \
             EXECUTE format('DROP TABLE windlass.%I', n); END LOOP; END IF; END $$"
        ))
        .await;
    let program = generate::program(&mut random);
    place.run(&program.setup).await;
    let texts: Vec<&str> = program.statements.iter().map(String::as_str).collect();
    let mut controller = Controller::new(place, &texts);
    let before = place.all().await;
    let said =
        |what: String| format!("{what}\n-- statements\n{}\n-- setup\n{}", texts.join(";\n"), program.setup);
    let mut applied = vec![];
    // Half of them run what goes together at once.
    let first = if seed % 4 > 1 { controller.together(&mut random, &mut applied).await } else { 1 };
    for number in first..=texts.len() {
        let done = controller.settle(number, Way::Forward, &mut random).await;
        if done.map_err(|why| said(format!("{}: {why}", texts[number - 1])))?.is_some() {
            applied.push(number);
        }
    }
    for number in applied.iter().rev() {
        let done = controller.settle(*number, Way::Undo, &mut random).await;
        let done = done.map_err(|why| said(format!("undo of {}: {why}", texts[number - 1])))?;
        if done.as_ref().is_some_and(|done| done.facts["conflicts"].as_u64().unwrap_or_default() > 0) {
            return Err(said(format!("undo of {}: {done:?}", texts[number - 1])));
        }
    }
    let after = place.all().await;
    if let Verdict::Different(what) = compare(&before.0, &after.0) {
        return Err(said(format!("{what:?}")));
    }
    if before.1 != after.1 {
        return Err(said(format!("rows\n{}\n--- are now\n{}", before.1, after.1)));
    }
    Ok((texts.len(), applied.len()))
}

/// One in four runs on the newer server, where there is one.
async fn programs(odd: u64) {
    let chosen = crate::testing::chosen("WINDLASS_PROGRAMS");
    let number = |at: usize| chosen.as_deref()?.split_whitespace().nth(at)?.parse::<u64>().ok();
    let first = number(0).unwrap_or(0);
    let seeds = first..first + number(1).unwrap_or(if chosen.is_some() { 1 } else { PROGRAMS });
    let mut places = vec![];
    for flavor in flavors() {
        places.push(Place::new(flavor).await);
    }
    let (mut statements, mut applied, mut wrong) = (0, 0, vec![]);
    for seed in seeds.filter(|seed| seed % 2 == odd) {
        let place = if seed % 8 < 2 { places.last() } else { places.first() };
        match program(seed, place.unwrap()).await {
            Ok(count) => {
                statements += count.0;
                applied += count.1;
            }
            Err(why) => wrong.push(format!(
                "seed {seed}: {why}\n  replay: WINDLASS_PROGRAMS={seed} cargo test --workspace --lib postgres::tests::programs"
            )),
        }
        if wrong.len() > 8 {
            break;
        }
    }
    assert!(wrong.is_empty(), "after {applied} statements:\n{}", wrong.join("\n"));
    // Programs of which nothing is possible would prove nothing.
    assert!(chosen.is_some() || applied * 2 > statements, "only {applied} of {statements} were possible");
}

#[tokio::test]
async fn programs_of_even_seeds_are_taken_back_whole() {
    programs(0).await;
}

#[tokio::test]
async fn programs_of_odd_seeds_are_taken_back_whole() {
    programs(1).await;
}
