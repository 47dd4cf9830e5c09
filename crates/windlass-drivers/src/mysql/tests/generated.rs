//! Generated programs by seed: a random schema, random rows, random statements; a prefix is applied, some tries lose their
//! connection or their controller at a random byte, the run goes on or back, and schema and rows are compared.
//!
//! `WINDLASS_PROGRAMS="FIRST COUNT"` runs others, or one again.

use super::definitions::world_by;
use super::*;
use crate::testing::Random;
use std::time::Duration;
use windlass_driver::Effect;

/// Programs in an ordinary run, for each server: 1,000 in all.
const PROGRAMS: u64 = 500;

const TYPES: [&str; 10] = [
    "INT",
    "BIGINT UNSIGNED",
    "VARCHAR(20)",
    "VARCHAR(300)",
    "DECIMAL(8,3)",
    "DATETIME(3)",
    "TEXT",
    "ENUM('a','b','c')",
    "VARBINARY(12)",
    "DOUBLE",
];
const VALUES: [&str; 10] = [
    "7",
    "18446744073709551615",
    "'日本'",
    "'it''s'",
    "-1.125",
    "'2024-02-29 12:34:56.789'",
    "'x\\\\y'",
    "'b'",
    "x'00ff'",
    "0.1",
];

/// One table as the generator knows it.
#[derive(Clone)]
struct Known {
    name: String,
    columns: Vec<(String, usize)>,
    key: bool,
}

struct Program {
    setup: String,
    statements: Vec<String>,
}

fn column(random: &mut Random, number: usize) -> (String, usize) {
    (format!("c{number}"), random.below(TYPES.len()))
}

fn program(random: &mut Random) -> Program {
    let mut setup = String::new();
    let mut tables = vec![];
    let mut next = 0;
    for number in 0..1 + random.below(3) {
        let mut known = Known { name: format!("t{number}"), columns: vec![], key: random.below(6) > 0 };
        for _ in 0..2 + random.below(4) {
            next += 1;
            known.columns.push(column(random, next));
        }
        let key = if known.key { "id INT AUTO_INCREMENT PRIMARY KEY" } else { "id INT" };
        let columns: Vec<_> =
            known.columns.iter().map(|(name, kind)| format!("{name} {}", TYPES[*kind])).collect();
        setup += &format!(
            "CREATE TABLE {} ({key}, {}) DEFAULT CHARSET=utf8mb4;\n",
            known.name,
            columns.join(", ")
        );
        for row in 0..random.below(8) {
            let values: Vec<_> = known.columns.iter().map(|(_, kind)| value(random, *kind)).collect();
            setup += &format!("INSERT INTO {} VALUES ({}, {});\n", known.name, row + 1, values.join(", "));
        }
        tables.push(known);
    }
    let count = 3 + random.below(5);
    let mut statements = vec![];
    if random.below(2) == 0 {
        // Values that do not fit are cut with a warning.
        statements.push("SET sql_mode = ''".to_owned());
    }
    statements.extend((0..count).map(|_| statement(random, &mut tables, &mut next)));
    Program { setup, statements }
}

fn value(random: &mut Random, kind: usize) -> String {
    if random.below(4) == 0 { "NULL".to_owned() } else { VALUES[kind].to_owned() }
}

fn statement(random: &mut Random, tables: &mut Vec<Known>, next: &mut usize) -> String {
    let at = random.below(tables.len());
    let table = tables[at].clone();
    let (picked, kind) = table.columns[random.below(table.columns.len())].clone();
    let name = &table.name;
    *next += 1;
    let number = *next;
    match random.below(20) {
        0 | 1 => {
            format!("UPDATE {name} SET {picked} = {} WHERE id > {}", value(random, kind), random.below(4))
        }
        2 => format!("DELETE FROM {name} WHERE id % 2 = {}", random.below(2)),
        3 => format!("INSERT INTO {name} (id, {picked}) VALUES ({}, {})", 100 + number, value(random, kind)),
        4 if table.key => format!("INSERT INTO {name} ({picked}) SELECT {picked} FROM {name}"),
        5 => format!(
            "REPLACE INTO {name} (id, {picked}) VALUES ({}, {})",
            1 + random.below(5),
            value(random, kind)
        ),
        6 => format!(
            "INSERT INTO {name} (id, {picked}) VALUES (2, NULL) ON DUPLICATE KEY UPDATE {picked} = {}",
            value(random, kind)
        ),
        7 => format!("UPDATE {name} SET id = id + 1000 WHERE id = 1"),
        8 => {
            let (new, kind) = column(random, number);
            let position =
                if random.below(2) == 0 { format!(" AFTER {picked}") } else { " FIRST".to_owned() };
            tables[at].columns.push((new.clone(), kind));
            format!("ALTER TABLE {name} ADD COLUMN {new} {}{position}", TYPES[kind])
        }
        9 if table.columns.len() > 1 => {
            tables[at].columns.retain(|(column, _)| *column != picked);
            format!("ALTER TABLE {name} DROP COLUMN {picked}")
        }
        10 => {
            let new = format!("r{number}");
            for column in &mut tables[at].columns {
                if column.0 == picked {
                    column.0.clone_from(&new);
                }
            }
            format!("ALTER TABLE {name} CHANGE {picked} {new} {}", TYPES[kind])
        }
        11 => {
            let new = format!("n{number}");
            tables[at].name.clone_from(&new);
            format!("ALTER TABLE {name} RENAME TO {new}")
        }
        12 => format!("ALTER TABLE {name} MODIFY {picked} LONGTEXT COMMENT 'c{number}', COMMENT='t{number}'"),
        // Values may be lost, or refused by a strict server.
        17..=19 => {
            let to = random.below(TYPES.len());
            for column in &mut tables[at].columns {
                if column.0 == picked {
                    column.1 = to;
                }
            }
            let null = ["", " NOT NULL"][random.below(2)];
            format!("ALTER TABLE {name} MODIFY {picked} {}{null}", TYPES[to])
        }
        13 => format!("CREATE INDEX i{number} ON {name} (id)"),
        14 if tables.len() > 1 => {
            tables.remove(at);
            format!("DROP TABLE {name}")
        }
        15 => {
            tables.push(Known { name: format!("m{number}"), columns: vec![("a".into(), 0)], key: true });
            format!("CREATE TABLE m{number} (id INT PRIMARY KEY, a INT)")
        }
        _ => format!("TRUNCATE TABLE {name}"),
    }
}

/// How a try of a unit is disturbed.
enum Harm {
    None,
    Cut,
    Dropped,
}

/// Does one way of one unit until it is settled, as the engine would.
pub(super) fn settle(
    release: &mut Release,
    at: usize,
    way: Way,
    wire: &windlass_lab::Wire,
    random: &mut Random,
) -> bool {
    for attempt in 0..8 {
        let harm = match random.below(if attempt > 3 { 1 } else { 5 }) {
            0 | 1 => Harm::None,
            2 | 3 => Harm::Cut,
            _ => Harm::Dropped,
        };
        if matches!(harm, Harm::Cut) {
            wire.cut_by_seed(random.below(1 << 30) as u64, 6000);
        }
        if way == Way::Forward && release.capsules.len() == at {
            let cx = release.context(at);
            let captured = release.wait(crate::mysql::MysqlDriver::new().capture(&cx, &release.units[at]));
            match captured {
                Ok(capsule) => release.capsules.push(capsule),
                Err(failure) if failure.retry => {
                    wire.disarm();
                    continue;
                }
                // Refused: it is no part of the program.
                Err(failure) => {
                    assert_eq!(failure.effect, Effect::None, "{failure:?}");
                    wire.disarm();
                    return false;
                }
            }
        }
        let cx = release.context(at);
        let (unit, capsule) = (release.units[at].clone(), release.capsules[at].clone());
        let work = async {
            match way {
                Way::Forward => crate::mysql::MysqlDriver::new().apply(&cx, &unit, &capsule).await,
                Way::Undo => crate::mysql::MysqlDriver::new().undo(&cx, &unit, &capsule, None).await,
            }
        };
        let patience = Duration::from_millis(if matches!(harm, Harm::Dropped) {
            random.below(40) as u64
        } else {
            60_000
        });
        let result = release.wait(async { tokio::time::timeout(patience, work).await });
        wire.disarm();
        let failure = match result {
            Ok(Ok(_)) => return true,
            Ok(Err(failure)) if failure.effect == Effect::None && !failure.retry => {
                assert_eq!(way, Way::Forward, "an undo that fails: {failure:?}");
                return false;
            }
            Ok(Err(failure)) if failure.effect == Effect::None => continue,
            Ok(Err(failure)) => Some(failure),
            Err(_) => None,
        };
        match release.inspect(at, way) {
            Found::Applied(_) => return true,
            // Partly there: the next try goes on.
            Found::NotApplied | Found::Failed(_) => {}
            Found::Unknown(text) => panic!("unknown: {text} after {failure:?}"),
        }
    }
    panic!("it never settles");
}

/// A database that all programs of a server use, one after the other.
struct Place {
    database: Database,
    direct: Direct,
    wire: windlass_lab::Wire,
}

impl Place {
    fn new(flavor: Flavor) -> Self {
        let database = server(flavor).database();
        Self { direct: Direct::to(&database), wire: server(flavor).wire(), database }
    }

    /// Everything in it.
    fn world(&mut self) -> String {
        world_by(&mut |sql| self.direct.run(sql))
    }
}

fn run(place: &mut Place, seed: u64) {
    let mut random = Random::new(seed);
    let program = program(&mut random);
    let name = place.database.name().to_owned();
    place
        .direct
        .run(&format!(
            "DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}; USE {name}; {}",
            program.setup
        ))
        .unwrap();
    let before = place.world();
    let statements: Vec<&str> = program.statements.iter().map(String::as_str).collect();
    let mut release = Release::on(place.database.clone(), &statements);
    release.url = release.database.url_at(place.wire.port());
    // TLS, where the server has it, costs more than all else: one program in eight.
    if !seed.is_multiple_of(8) {
        release.url += "?ssl-mode=DISABLED";
    }
    let prefix = 1 + random.below(statements.len());
    let mut applied = vec![];
    for at in 0..prefix {
        if settle(&mut release, at, Way::Forward, &place.wire, &mut random) {
            applied.push(at);
        } else {
            // What the server refuses had no effect; the rest is not run.
            break;
        }
    }
    for at in applied.into_iter().rev() {
        settle(&mut release, at, Way::Undo, &place.wire, &mut random);
    }
    assert_eq!(place.world(), before, "{:?}", program.statements);
}

fn seeds() -> std::ops::Range<u64> {
    let chosen = testing::chosen("WINDLASS_PROGRAMS");
    let number = |at: usize| chosen.as_deref()?.split_whitespace().nth(at)?.parse::<u64>().ok();
    let first = number(0).unwrap_or(0);
    first..first + number(1).unwrap_or(if chosen.is_some() { 1 } else { PROGRAMS })
}

fn programs(flavor: Flavor) {
    let mut place = Place::new(flavor);
    for seed in seeds() {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&mut place, seed)));
        assert!(
            result.is_ok(),
            "replay: WINDLASS_PROGRAMS={seed} cargo test --workspace --lib mysql::tests::generated::{}",
            flavor.name()
        );
    }
}

#[test]
fn mariadb() {
    programs(Flavor::Mariadb);
}

#[test]
fn mysql() {
    programs(Flavor::Mysql);
}
