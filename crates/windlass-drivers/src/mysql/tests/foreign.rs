//! Foreign keys, the indexes that a server makes for them by itself, and what both are called when tables are renamed.

use super::definitions::world_by;
use super::*;

const PARENT: &str = "CREATE TABLE p (id INT PRIMARY KEY, n INT); CREATE TABLE x (id INT PRIMARY KEY); INSERT INTO p VALUES (1, 1);";

/// The same key with the index that the server makes, with one of its own, and with a name.
const CHILDREN: [&str; 4] = [
    "CREATE TABLE t (id INT PRIMARY KEY, pid INT, h INT, FOREIGN KEY (pid) REFERENCES p (id));",
    "CREATE TABLE t (id INT PRIMARY KEY, pid INT, h INT, KEY pid (pid), FOREIGN KEY (pid) REFERENCES p (id));",
    "CREATE TABLE t (id INT PRIMARY KEY, pid INT, h INT, CONSTRAINT f FOREIGN KEY (pid) REFERENCES p (id) ON DELETE CASCADE);",
    "CREATE TABLE t (id INT PRIMARY KEY, pid INT, h INT, FOREIGN KEY (pid) REFERENCES p (id), FOREIGN KEY (h) REFERENCES t (id));",
];

const STATEMENTS: [&[&str]; 15] = [
    &["ALTER TABLE p RENAME TO p2"],
    &["ALTER TABLE p CHANGE id pid INT NOT NULL"],
    &["RENAME TABLE p TO p_old, x TO p"],
    &["CREATE INDEX i ON t (pid)"],
    &["CREATE INDEX i ON t (pid, h)", "DROP INDEX i ON t"],
    &["ALTER TABLE t ADD UNIQUE KEY u (pid)"],
    &["DROP TABLE t"],
    &["DROP TABLE t, p"],
    &["RENAME TABLE t TO t2"],
    &["ALTER TABLE t RENAME TO t2, ADD COLUMN more INT"],
    &["ALTER TABLE t CHANGE pid parent INT"],
    &["ALTER TABLE t ADD CONSTRAINT g FOREIGN KEY (h) REFERENCES x (id)"],
    &["ALTER TABLE t DROP COLUMN h"],
    &[
        "ALTER TABLE t DROP FOREIGN KEY t_ibfk_1",
        "ALTER TABLE t ADD CONSTRAINT t_ibfk_1 FOREIGN KEY (pid) REFERENCES p (id) ON DELETE SET NULL",
    ],
    &[
        "ALTER TABLE t DROP FOREIGN KEY f",
        "CREATE INDEX i ON t (pid, h)",
        "ALTER TABLE t ADD FOREIGN KEY (pid) REFERENCES p (id)",
    ],
];

fn there_and_back(flavor: Flavor, setup: &str, statements: &[&str]) -> Result<bool, String> {
    let mut release = Release::new(flavor, setup, statements);
    let mut direct = Direct::to(&release.database);
    let before = world_by(&mut |sql| direct.run(sql));
    let mut applied = 0;
    for (at, statement) in statements.iter().enumerate() {
        match release.step(at) {
            Ok(_) => applied += 1,
            // Not each is possible with each table.
            Err(failure) if failure.effect == windlass_driver::Effect::None => {
                if direct.run(statement).is_ok() {
                    return Err(format!("only Windlass refuses it: {}", failure.message));
                }
                break;
            }
            Err(failure) => return Err(failure.whole("\n")),
        }
    }
    for at in (0..applied).rev() {
        release.undo(at).map_err(|failure| failure.whole("\n"))?;
    }
    let after = world_by(&mut |sql| direct.run(sql));
    if before == after { Ok(applied > 0) } else { Err(format!("{before}\n--- is now\n{after}")) }
}

fn all_come_back(flavor: Flavor) {
    let (mut wrong, mut done) = (vec![], 0);
    for child in CHILDREN {
        let drops = "ALTER TABLE t DROP FOREIGN KEY t_ibfk_1";
        for statements in STATEMENTS.into_iter().chain([&[drops] as &[&str]]) {
            let setup = format!("{PARENT} {child} INSERT INTO t (id, pid) VALUES (1, 1);");
            match there_and_back(flavor, &setup, statements) {
                Ok(possible) => done += usize::from(possible),
                Err(why) => wrong.push(format!("{child}\n{statements:?}: {why}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(done > 40, "only {done} were possible");
}

#[test]
fn mariadb_brings_keys_and_their_indexes_back() {
    all_come_back(Flavor::Mariadb);
}

#[test]
fn mysql_brings_keys_and_their_indexes_back() {
    all_come_back(Flavor::Mysql);
}
