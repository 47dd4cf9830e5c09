//! Generated programs: random data and lists of statements, a prefix of them applied, some of it cut off, taken back, and
//! compared with what was before. `WINDLASS_POSTGRES_SEED=n` replays one, `WINDLASS_POSTGRES_PROGRAMS=n` runs another number of them.

use super::*;
use crate::testing::Random;
use std::time::{Duration, Instant};
use windlass_sql::postgres::catalog::{Verdict, compare};

/// Programs in an ordinary run, and the longest that it takes on a busy machine: what has not run then is left out. A number
/// that is asked for runs to its end.
const PROGRAMS: u64 = 1000;
const LONGEST: Duration = Duration::from_secs(90);

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
    match random.below(34) {
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

/// All rows of all tables of users.
fn rows(world: &World) -> String {
    let tables = world.run("SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1");
    let one = |table: &str| {
        // By name, for columns that came back stand at the end.
        format!(
            "SELECT '{table}', (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(zz)))::text FROM {table} zz"
        )
    };
    let all: Vec<_> = tables.lines().map(one).collect();
    if all.is_empty() {
        String::new()
    } else {
        world.run(&format!("{} ORDER BY 1, 2", all.join(" UNION ALL ")))
    }
}

async fn program(seed: u64, database: &Database) -> Result<usize, String> {
    let mut random = Random::new(seed);
    database.run("SET client_min_messages = error; DO $$ DECLARE n text; BEGIN FOR n IN SELECT nspname FROM pg_namespace WHERE nspname ~ \
                  '^windlass' OR nspname = 'public' LOOP EXECUTE format('DROP SCHEMA %I CASCADE', n); END LOOP; CREATE SCHEMA public; END $$");
    database.run(&format!("{BASE} {}", setup(&mut random)));
    let statements: Vec<String> = (0..random.below(5) + 1).map(|_| statement(&mut random)).collect();
    let texts: Vec<&str> = statements.iter().map(String::as_str).collect();
    let world = World::on(database.clone(), &texts);
    let before = (super::schema::catalog(&world).await, rows(&world));
    let mut applied = vec![];
    for number in 1..=statements.len() {
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
        let held = (super::schema::catalog(&world).await, rows(&world));
        match world.apply(number).await {
            Ok(_) => applied.push(number),
            Err(failure) if failure.effect != windlass_driver::Effect::None => {
                return Err(format!("{}: {failure:?}", statements[number - 1]));
            }
            Err(_) => {
                let now = (super::schema::catalog(&world).await, rows(&world));
                if compare(&held.0, &now.0) != Verdict::Exact || held.1 != now.1 {
                    return Err(format!("{} was refused and left something", statements[number - 1]));
                }
            }
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
    let after = (super::schema::catalog(&world).await, rows(&world));
    if let Verdict::Different(what) = compare(&before.0, &after.0) {
        return Err(format!("{statements:?}: {what:?}"));
    }
    if before.1 != after.1 {
        return Err(format!("{statements:?}: rows\n{}\n--- are now\n{}", before.1, after.1));
    }
    Ok(applied.len())
}

#[tokio::test]
async fn programs_are_taken_back_whole() {
    let number = |name: &str| std::env::var_os(name).and_then(|text| text.to_str()?.parse::<u64>().ok());
    let database = server(Flavor::Postgres15).database();
    let seeds: Vec<u64> = match number("WINDLASS_POSTGRES_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("WINDLASS_POSTGRES_PROGRAMS").unwrap_or(PROGRAMS)).collect(),
    };
    let begun = Instant::now();
    let (mut statements, mut wrong) = (0, vec![]);
    for seed in &seeds {
        match program(*seed, &database).await {
            Ok(count) => statements += count,
            Err(why) => wrong.push(format!("seed {seed}: {why}\n  replay: WINDLASS_POSTGRES_SEED={seed} cargo test -p windlass-drivers programs_are_taken_back")),
        }
        let is_late = number("WINDLASS_POSTGRES_PROGRAMS").is_none() && begun.elapsed() > LONGEST;
        if wrong.len() > 8 || is_late {
            break;
        }
    }
    assert!(wrong.is_empty(), "after {:?}, {statements} statements:\n{}", begun.elapsed(), wrong.join("\n"));
}
