//! Generated programs: random data and lists of statements, a prefix of them applied, some of it cut off, taken back, and
//! compared with what was before. `WINDLASS_PROGRAMS="FIRST COUNT"` runs others, or one again.

use super::*;
use crate::{
    postgres::{session::Session, snapshot},
    testing::Random,
};
use std::time::Duration;
use windlass_sql::postgres::catalog::{Catalog, Verdict, compare};

/// Programs in an ordinary run.
const PROGRAMS: u64 = 1000;

const BASE: &str = "
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE TABLE a (id int PRIMARY KEY, n int, t text, m mood DEFAULT 'low', d numeric(6,2), u int UNIQUE);
CREATE TABLE b (id serial PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE, v varchar(20) NOT NULL DEFAULT 'v', j jsonb);
CREATE TABLE c (x int, y text);
CREATE INDEX b_v ON b (v); CREATE VIEW va AS SELECT id, t FROM a WHERE n > 1;";

/// A statement that may or may not be possible; what is not is refused cleanly.
fn statement(random: &mut Random) -> String {
    let n = random.below(12) + 1;
    let k = random.below(40);
    let pick = |random: &mut Random, of: &[&str]| of[random.below(of.len())].to_owned();
    match random.below(38) {
        0 => format!("UPDATE a SET n = n + {n} WHERE id % 3 = {}", k % 3),
        1 => format!("UPDATE a SET t = t || '{n}', m = 'high' WHERE id > {k}"),
        2 => format!("DELETE FROM a WHERE id % 7 = {}", k % 7),
        3 => format!(
            "INSERT INTO a (id, n, t) SELECT g, {n}, 'new' FROM generate_series({0}, {0} + {n}) g ON CONFLICT DO NOTHING",
            30 + k
        ),
        4 => format!(
            "INSERT INTO a (id, t) VALUES ({k}, 'up') ON CONFLICT (id) DO UPDATE SET t = EXCLUDED.t, n = {n}"
        ),
        5 => format!("UPDATE b SET v = upper(v), a = NULL WHERE id = {k}"),
        6 => format!("DELETE FROM b WHERE id < {n}"),
        7 => format!("UPDATE c SET y = 'y{n}' WHERE x % 2 = {}", k % 2),
        8 => format!("DELETE FROM c WHERE x = {}", k % 5),
        9 => format!("INSERT INTO c SELECT x + {n}, y FROM c"),
        10 => format!("ALTER TABLE {} ADD COLUMN e{n} int DEFAULT {k}", pick(random, &["a", "b", "c"])),
        11 => {
            format!("ALTER TABLE a DROP COLUMN {}", pick(random, &["n CASCADE", "t CASCADE", "d", "m", "u"]))
        }
        12 => "ALTER TABLE a ALTER COLUMN n TYPE bigint".to_owned(),
        13 => "ALTER TABLE a ALTER COLUMN d TYPE int".to_owned(),
        14 => format!("ALTER TABLE b ALTER COLUMN v TYPE varchar({})", 20 + n),
        15 => format!("ALTER TABLE {} RENAME TO r{n}", pick(random, &["a", "b", "c"])),
        16 => format!("ALTER TABLE b RENAME COLUMN v TO w{n}"),
        17 => format!("DROP TABLE {}", pick(random, &["a CASCADE", "b", "c"])),
        18 => format!("TRUNCATE {}", pick(random, &["a CASCADE", "b", "c", "a, b"])),
        19 => format!("CREATE TABLE t{n} (id int PRIMARY KEY, a int REFERENCES a)"),
        20 => format!("CREATE TABLE s{n} AS SELECT * FROM a WHERE id < {k}"),
        21 => format!("CREATE INDEX i{n} ON a (n, t)"),
        22 => "DROP INDEX b_v".to_owned(),
        23 => format!("CREATE OR REPLACE VIEW va AS SELECT id, t, {n} AS z FROM a"),
        24 => "DROP VIEW va".to_owned(),
        25 => format!("ALTER TABLE a ADD CONSTRAINT k{n} CHECK (n < {}) NOT VALID", 1000 + k),
        26 => "ALTER TABLE b DROP CONSTRAINT b_a_fkey".to_owned(),
        27 => format!("ALTER TYPE mood ADD VALUE 'm{n}'"),
        28 => format!("COMMENT ON TABLE a IS 'c{n}'"),
        29 => format!("ALTER TABLE a ALTER COLUMN {} SET NOT NULL", pick(random, &["t", "n", "m"])),
        30 => format!(
            "WITH g AS (DELETE FROM b WHERE id % 4 = {} RETURNING a, v) INSERT INTO c SELECT a, v FROM g",
            k % 4
        ),
        31 => format!("DO $$ BEGIN UPDATE a SET n = {n} WHERE id = {k}; DELETE FROM c WHERE x = {n}; END $$"),
        32 => format!("UPDATE a SET id = id + 1000 WHERE id = {k}"),
        33 | 34 => format!("CREATE TABLE p{n} (id serial PRIMARY KEY, m mood, v varchar({n}) UNIQUE)"),
        35 | 36 => format!("INSERT INTO c VALUES ({k}, 'w{n}'), ({n}, NULL)"),
        _ => format!("GRANT SELECT ON a TO {}", pick(random, &["PUBLIC", "pg_monitor"])),
    }
}

fn setup(random: &mut Random) -> String {
    let rows = random.below(40) + 1;
    let (mut a, mut b, mut c) = (vec![], vec![], vec![]);
    for id in 1..=rows {
        let text = ["NULL", "'x'", "''", "'Zürich'"][random.below(4)];
        a.push(format!("({id}, {}, {text}, 'low', {}.25, {id})", random.below(20), random.below(900)));
        b.push(format!(
            "({}, 'v{}', '{{\"k\": {}}}')",
            random.below(rows) + 1,
            random.below(5),
            random.below(9)
        ));
        c.push(format!("({}, {text})", random.below(5)));
    }
    format!(
        "INSERT INTO a VALUES {}; INSERT INTO b (a, v, j) VALUES {}; INSERT INTO c VALUES {};",
        a.join(", "),
        b.join(", "),
        c.join(", ")
    )
}

/// The database of all programs, and connections of its own to it.
struct Place {
    database: Database,
    catalog: Session,
    hand: Session,
}

impl Place {
    async fn new() -> Self {
        let database = server(Flavor::Postgres15).database();
        let world = World::on(database.clone(), &["SELECT 1"]);
        let open =
            || async { Session::open(&world.cx, "db", "test", Duration::from_hours(24)).await.unwrap() };
        let catalog = open().await;
        catalog.act("SET search_path = pg_catalog; SET jit = off").await.unwrap();
        Self { catalog, hand: open().await, database }
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

/// Applies the statements from the first on that go together; the number of the one behind them.
async fn together(world: &World, random: &mut Random, applied: &mut Vec<usize>) -> usize {
    if random.below(3) == 0 {
        let wait = Duration::from_micros(random.below(60_000) as u64);
        let _ = tokio::time::timeout(wait, world.together(1)).await;
        // All of them or none, but for those that were not begun.
        for number in 1..=world.units.len() {
            match world.inspect(number, Way::Forward).await {
                Found::Applied(_) => applied.push(number),
                _ => return number,
            }
        }
        return world.units.len() + 1;
    }
    let answers = world.together(1).await;
    let done = answers.iter().take_while(|answer| matches!(answer, Some(Ok(_)))).count();
    applied.extend(1..=done);
    done + 1
}

async fn program(seed: u64, place: &Place) -> Result<usize, String> {
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
    place.run(&format!("{BASE} {}", setup(&mut random))).await;
    let statements: Vec<String> = (0..random.below(5) + 1).map(|_| statement(&mut random)).collect();
    let texts: Vec<&str> = statements.iter().map(String::as_str).collect();
    let world = World::on(place.database.clone(), &texts);
    let before = place.all().await;
    let mut applied = vec![];
    // Half of them run what goes together at once.
    let first = if seed % 4 > 1 { together(&world, &mut random, &mut applied).await } else { 1 };
    for number in first..=statements.len() {
        let cut = random.below(5) == 0;
        if cut {
            // The controller dies at some await: the future is dropped.
            let wait = Duration::from_micros(random.below(60_000) as u64);
            let _ = tokio::time::timeout(wait, world.apply(number)).await;
            match world.inspect(number, Way::Forward).await {
                Found::Applied(_) => {
                    applied.push(number);
                    continue;
                }
                Found::NotApplied => {}
                other => return Err(format!("inspect of {}: {other:?}", statements[number - 1])),
            }
        }
        match world.apply(number).await {
            Ok(_) => applied.push(number),
            Err(failure) if failure.effect != windlass_driver::Effect::None => {
                return Err(format!("{}: {failure:?}", statements[number - 1]));
            }
            // Refused. Had it left something, that would be there at the end.
            Err(_) => {}
        }
    }
    for number in applied.iter().rev() {
        if random.below(8) == 0 {
            let wait = Duration::from_micros(random.below(40_000) as u64);
            let _ = tokio::time::timeout(wait, world.undo(*number)).await;
            match world.inspect(*number, Way::Undo).await {
                Found::Applied(_) => continue,
                Found::NotApplied => {}
                other => return Err(format!("inspect of the undo of {}: {other:?}", statements[number - 1])),
            }
        }
        let done = world
            .undo(*number)
            .await
            .map_err(|failure| format!("undo of {}: {failure:?}", statements[number - 1]))?;
        if done.facts["conflicts"].as_u64().unwrap_or_default() > 0 {
            return Err(format!("undo of {}: {done:?}", statements[number - 1]));
        }
    }
    let after = place.all().await;
    if let Verdict::Different(what) = compare(&before.0, &after.0) {
        return Err(format!("{statements:?}: {what:?}"));
    }
    if before.1 != after.1 {
        return Err(format!("{statements:?}: rows\n{}\n--- are now\n{}", before.1, after.1));
    }
    Ok(applied.len())
}

async fn programs(odd: u64) {
    let chosen = crate::testing::chosen("WINDLASS_PROGRAMS");
    let number = |at: usize| chosen.as_deref()?.split_whitespace().nth(at)?.parse::<u64>().ok();
    let first = number(0).unwrap_or(0);
    let seeds = first..first + number(1).unwrap_or(if chosen.is_some() { 1 } else { PROGRAMS });
    let place = Place::new().await;
    let (mut statements, mut wrong) = (0, vec![]);
    for seed in seeds.filter(|seed| seed % 2 == odd) {
        match program(seed, &place).await {
            Ok(count) => statements += count,
            Err(why) => wrong.push(format!(
                "seed {seed}: {why}\n  replay: WINDLASS_PROGRAMS={seed} cargo test --workspace --lib postgres::tests::programs"
            )),
        }
        if wrong.len() > 8 {
            break;
        }
    }
    assert!(wrong.is_empty(), "after {statements} statements:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn programs_of_even_seeds_are_taken_back_whole() {
    programs(0).await;
}

#[tokio::test]
async fn programs_of_odd_seeds_are_taken_back_whole() {
    programs(1).await;
}
