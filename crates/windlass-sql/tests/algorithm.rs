//! MariaDB's own word on the best `ALGORITHM` and weakest `LOCK` that it accepts for each change.

use windlass_lab::{Database, Flavor, server};
use windlass_sql::{ColumnType, Dialect, LiveColumn, LiveIndex, LiveTable, Product, Server, ddl, predict};

const TABLE: &str = "DROP TABLE IF EXISTS t, t2; SET FOREIGN_KEY_CHECKS = 1;
    CREATE TABLE IF NOT EXISTS u (id INT PRIMARY KEY) ENGINE=InnoDB;
    CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(20), c VARCHAR(40), d VARCHAR(80), e ENUM('x','y'), f INT NOT NULL,
        g INT, h TEXT, KEY k (g), CONSTRAINT fk FOREIGN KEY (g) REFERENCES u (id), CONSTRAINT ch CHECK (a < 1000))
        ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
    INSERT IGNORE INTO u VALUES (1), (2);
    INSERT INTO t VALUES (1, 1, 'x', 'x', 'x', 'x', 1, NULL, 'x'), (2, 2, 'y', 'y', 'y', 'y', 2, NULL, 'y');";

const STATEMENTS: [&str; 46] = [
    "ADD n INT",
    "ADD n INT NOT NULL DEFAULT 1 COMMENT 'x'",
    "ADD n DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
    "ADD n INT FIRST",
    "ADD COLUMN n VARCHAR(50) COMMENT 's3的key' AFTER a",
    "ADD (n INT, n2 INT)",
    "ADD n CHAR(36) DEFAULT (UUID())",
    "ADD n INT AS (a + 1) STORED",
    "ADD n INT AS (a + 1) VIRTUAL",
    "ADD n INT CHECK (n > 0)",
    "ADD n INT UNIQUE",
    "DROP COLUMN a, DROP CONSTRAINT ch",
    "DROP COLUMN b",
    "RENAME COLUMN b TO n",
    "CHANGE b n VARCHAR(20)",
    "MODIFY b VARCHAR(20) AFTER id",
    "ALTER b SET DEFAULT 'x'",
    "ALTER COLUMN b DROP DEFAULT",
    "MODIFY a BIGINT",
    "MODIFY a INT(11) COMMENT 'x'",
    "MODIFY b VARCHAR(30)",
    "MODIFY b VARCHAR(60)",
    "MODIFY b VARCHAR(70)",
    "MODIFY c VARCHAR(63)",
    "MODIFY c VARCHAR(70)",
    "MODIFY d VARCHAR(200)",
    "MODIFY d VARCHAR(70)",
    "MODIFY b VARCHAR(20) NOT NULL",
    "MODIFY f INT",
    "MODIFY e ENUM('x','y','z')",
    "MODIFY e ENUM('z','x','y')",
    "ADD INDEX n (a)",
    "ADD UNIQUE KEY n (a)",
    "ADD FULLTEXT INDEX n (h)",
    "RENAME INDEX k TO n",
    "DROP PRIMARY KEY",
    "DROP PRIMARY KEY, ADD PRIMARY KEY (f)",
    "ADD CONSTRAINT n FOREIGN KEY (a) REFERENCES u (id)",
    "DROP FOREIGN KEY fk",
    "ADD CONSTRAINT n CHECK (f > 0)",
    "DROP CONSTRAINT ch",
    "CONVERT TO CHARACTER SET utf8mb3",
    "RENAME TO t2",
    "FORCE",
    "ENGINE=InnoDB, ROW_FORMAT=DYNAMIC",
    "COMMENT = 'x', AUTO_INCREMENT = 100",
];

fn kind(name: &str, arguments: &[&str]) -> ColumnType {
    let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
    ColumnType { name: name.to_owned(), arguments, ..ColumnType::default() }
}

fn table() -> LiveTable {
    let column = |name: &str, kind, not_null| LiveColumn {
        name: name.to_owned(),
        kind,
        not_null,
        charset: Some("utf8mb4".to_owned()),
        ..LiveColumn::default()
    };
    let columns = vec![
        column("id", kind("int", &["11"]), true),
        column("a", kind("int", &["11"]), false),
        column("b", kind("varchar", &["20"]), false),
        column("c", kind("varchar", &["40"]), false),
        column("d", kind("varchar", &["80"]), false),
        column("e", kind("enum", &["'x'", "'y'"]), false),
        column("f", kind("int", &["11"]), true),
        column("g", kind("int", &["11"]), false),
        column("h", kind("text", &[]), false),
    ];
    let index = |name: &str, column: &str| LiveIndex {
        name: name.to_owned(),
        columns: vec![column.to_owned()],
        usable: true,
        ..LiveIndex::default()
    };
    LiveTable { columns, indexes: vec![index("PRIMARY", "id"), index("k", "g")], ..LiveTable::default() }
}

/// The best clauses that the server accepts for each change, in one script: what it refuses changes nothing.
fn measured(database: &Database) -> Vec<String> {
    let mut script = String::new();
    for change in STATEMENTS {
        script += TABLE;
        script += "\nSET @best = 'none';\nDELIMITER //\nBEGIN NOT ATOMIC\n\
                   DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET @ok = 0;\n";
        for algorithm in ["INSTANT", "NOCOPY", "INPLACE", "COPY"] {
            for lock in ["NONE", "SHARED", "EXCLUSIVE"] {
                let clauses = format!("ALGORITHM={algorithm}, LOCK={lock}");
                let alter = format!("ALTER TABLE t {change}, {clauses}").replace('\'', "''");
                script += &format!(
                    "IF @best = 'none' THEN SET @ok = 1; EXECUTE IMMEDIATE '{alter}';
                     IF @ok THEN SET @best = '{clauses}'; END IF; END IF;\n"
                );
            }
        }
        script += "END//\nDELIMITER ;\nSELECT CONCAT('best ', @best);\n";
    }
    let answer = database.run(&script);
    answer.lines().filter_map(|line| line.strip_prefix("best ")).map(str::to_owned).collect()
}

#[test]
fn mariadb_accepts_what_is_predicted_and_nothing_better() {
    let best = measured(&server(Flavor::Mariadb).database());
    assert_eq!(best.len(), STATEMENTS.len());
    let known = Server { product: Product::Mariadb, version: (10, 11, 0) };
    let mut wrong = Vec::new();
    for (change, best) in STATEMENTS.iter().zip(best) {
        let ddl = ddl(&format!("ALTER TABLE t {change}"), Dialect::Mysql).unwrap();
        let prediction = predict(&ddl, known, Some(&table()));
        let ours = prediction.map_or_else(|| "nothing".to_owned(), |found| found.clauses(Product::Mariadb));
        if best != ours {
            wrong.push(format!("{change}\n   server {best}\n   ours   {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
