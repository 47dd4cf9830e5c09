//! PostgreSQL's own word on the locks of each statement, and on whether it writes the table anew.

use windlass_lab::{Database, Flavor, server};
use windlass_sql::{Dialect, Live, LiveColumn, LiveTable, ObjectName, Work, ddl, postgres_locks};

const SCHEMA: &str = "
    CREATE TABLE u (id int PRIMARY KEY);
    CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(10), c numeric(8,2), d text, j int);
    INSERT INTO u SELECT generate_series(1, 50);
    INSERT INTO t SELECT i, i, 'x', 1, 'y', i FROM generate_series(1, 50) i;
    CREATE INDEX t_a ON t (a);
    CREATE UNIQUE INDEX t_u ON t (j);
    ALTER TABLE t ADD CONSTRAINT t_check CHECK (a > 0) NOT VALID;
    ALTER TABLE t ADD CONSTRAINT t_fk FOREIGN KEY (a) REFERENCES u NOT VALID;
    CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
    CREATE UNIQUE INDEX m_id ON m (id);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();
    CREATE TABLE p (id int, k int) PARTITION BY LIST (k);
    CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
    CREATE TABLE p2 (id int, k int);
    CREATE SCHEMA other;
    CREATE TYPE e AS ENUM ('a', 'b');";

/// Each may run in a transaction.
const STATEMENTS: [&str; 66] = [
    "ALTER TABLE t ADD COLUMN n int",
    "ALTER TABLE t ADD n int NOT NULL DEFAULT 1",
    "ALTER TABLE t ADD n timestamptz DEFAULT now()",
    "ALTER TABLE t ADD n date DEFAULT CURRENT_DATE, ADD n2 text DEFAULT 'a' || 'b'::text",
    "ALTER TABLE t ADD n interval DEFAULT interval '1 day'",
    "ALTER TABLE t ADD n int[] DEFAULT ARRAY[1, 2]",
    "ALTER TABLE t ADD n jsonb NOT NULL DEFAULT '{}'::jsonb",
    "ALTER TABLE t ADD n uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE t ADD n timestamptz DEFAULT clock_timestamp()",
    "ALTER TABLE t ADD n double precision DEFAULT random()",
    "ALTER TABLE t ADD n serial",
    "ALTER TABLE t ADD n bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE t ADD n int GENERATED ALWAYS AS (a + 1) STORED",
    "ALTER TABLE t ADD n int REFERENCES u",
    "ALTER TABLE t ADD n int CHECK (n > 0)",
    "ALTER TABLE t ADD n int UNIQUE",
    "ALTER TABLE t DROP COLUMN d",
    "ALTER TABLE t RENAME COLUMN d TO n",
    "ALTER TABLE t RENAME TO n",
    "ALTER TABLE t SET SCHEMA other",
    "ALTER TABLE t ALTER a TYPE bigint",
    "ALTER TABLE t ALTER b TYPE varchar(20)",
    "ALTER TABLE t ALTER COLUMN b SET DATA TYPE text",
    "ALTER TABLE t ALTER d TYPE varchar",
    "ALTER TABLE t ALTER c TYPE numeric(10, 2)",
    "ALTER TABLE t ALTER c TYPE numeric(10, 3)",
    "ALTER TABLE t ALTER b TYPE varchar(5)",
    "ALTER TABLE t ALTER b TYPE int USING length(b)",
    "ALTER TABLE t ALTER a SET NOT NULL",
    "ALTER TABLE t ALTER a DROP NOT NULL",
    "ALTER TABLE t ALTER a SET DEFAULT random()",
    "ALTER TABLE t ALTER a DROP DEFAULT",
    "ALTER TABLE t ALTER a SET STATISTICS 10",
    "ALTER TABLE t ADD CONSTRAINT n CHECK (a < 1000)",
    "ALTER TABLE t ADD CONSTRAINT n CHECK (a < 1000) NOT VALID",
    "ALTER TABLE t ADD FOREIGN KEY (j) REFERENCES u (id) ON DELETE CASCADE",
    "ALTER TABLE t ADD FOREIGN KEY (j) REFERENCES u (id) NOT VALID",
    "ALTER TABLE t ADD UNIQUE (a)",
    "ALTER TABLE t ADD CONSTRAINT n UNIQUE USING INDEX t_u",
    "ALTER TABLE t ADD EXCLUDE USING btree (a WITH =)",
    "ALTER TABLE t DROP CONSTRAINT t_check",
    "ALTER TABLE t DROP CONSTRAINT t_fk",
    "ALTER TABLE t DROP COLUMN a CASCADE",
    "DROP TABLE t CASCADE",
    "DROP TABLE p, u CASCADE",
    "ALTER TABLE t VALIDATE CONSTRAINT t_check",
    "ALTER TABLE t VALIDATE CONSTRAINT t_fk",
    "ALTER TABLE t DISABLE TRIGGER g",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE t SET (fillfactor = 70)",
    "ALTER TABLE t SET UNLOGGED",
    "ALTER TABLE t CLUSTER ON t_a",
    "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (2)",
    "ALTER TABLE p DETACH PARTITION p1",
    "CREATE TABLE n (id int REFERENCES u)",
    "CREATE TABLE n (id int, FOREIGN KEY (id) REFERENCES u (id))",
    "CREATE INDEX n ON t (d)",
    "CREATE TRIGGER n AFTER INSERT OR UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE STATISTICS n ON a, b FROM t",
    "DROP INDEX t_a",
    "DROP TRIGGER g ON t",
    "REINDEX TABLE t",
    "REINDEX INDEX t_a",
    "TRUNCATE t, p",
    "CLUSTER t USING t_a",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
];

fn live() -> Live {
    let columns = [
        ("id", "integer", &[][..]),
        ("a", "integer", &[]),
        ("b", "character varying", &["10"]),
        ("c", "numeric", &["8", "2"]),
        ("d", "text", &[]),
        ("j", "integer", &[]),
    ];
    let columns = columns.map(|(name, kind, arguments)| LiveColumn {
        name: name.to_owned(),
        kind: windlass_sql::ColumnType {
            name: kind.to_owned(),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            ..Default::default()
        },
        ..LiveColumn::default()
    });
    let references = ObjectName { parts: vec!["u".to_owned()] };
    let key =
        windlass_sql::LiveForeignKey { name: "t_fk".to_owned(), columns: vec!["a".to_owned()], references };
    let table = LiveTable {
        name: ObjectName { parts: vec!["t".to_owned()] },
        columns: columns.to_vec(),
        foreign_keys: vec![key],
        ..LiveTable::default()
    };
    Live { tables: vec![table], ..Live::default() }
}

/// The strongest lock on each of the tables, and the tables that were written anew, as the server says.
fn measured(database: &Database, statement: &str) -> Vec<String> {
    let answer = database.run(&format!(
        "CREATE TEMP TABLE before AS SELECT oid, relname, relfilenode FROM pg_class WHERE relname IN ('t','u','p','p1','p2','m');
         BEGIN; {statement};
         SELECT 'lock ' || b.relname || ' ' || l.mode || ' ' || coalesce(c.relfilenode <> b.relfilenode, false)
         FROM before b JOIN pg_locks l ON l.relation = b.oid AND l.pid = pg_backend_pid() LEFT JOIN pg_class c ON c.oid = b.oid;
         ROLLBACK; DROP TABLE before;"
    ));
    let mut found: Vec<(String, usize, bool)> = Vec::new();
    const MODES: [&str; 8] = [
        "AccessShareLock",
        "RowShareLock",
        "RowExclusiveLock",
        "ShareUpdateExclusiveLock",
        "ShareLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    ];
    for line in answer.lines().filter_map(|line| line.trim().strip_prefix("lock ")) {
        let words: Vec<_> = line.split(' ').collect();
        let mode = MODES.iter().position(|mode| *mode == words[1]).expect("a mode that the manual names");
        let rewritten = words[2] == "true";
        match found.iter_mut().find(|(name, ..)| name == words[0]) {
            Some((_, strongest, anew)) => (*strongest, *anew) = (mode.max(*strongest), rewritten || *anew),
            None => found.push((words[0].to_owned(), mode, rewritten)),
        }
    }
    // Locks of readers tell nothing: the catalog look-ups of any statement take them.
    found.retain(|(_, mode, anew)| *mode > 0 || *anew);
    found.sort();
    let name = |mode: usize| MODES[mode].trim_end_matches("Lock");
    found.into_iter().map(|(table, mode, anew)| format!("{table} {} {anew}", name(mode))).collect()
}

fn predicted(statement: &str) -> Vec<String> {
    let ddl = ddl(statement, Dialect::Postgresql).unwrap_or_else(|| panic!("{statement}"));
    let truncates = matches!(ddl, windlass_sql::Ddl::Truncate { .. });
    let mut lines: Vec<_> = postgres_locks(&ddl, Some(&live()))
        .into_iter()
        .map(|lock| {
            let mode = format!("{:?}", lock.mode);
            let table = if lock.of_index { "t".to_owned() } else { lock.object.to_string() };
            format!("{table} {mode} {}", lock.work == Work::Rewrite || truncates && table == "t")
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn postgresql_takes_the_locks_that_are_predicted() {
    let database = server(Flavor::Postgres15).database();
    database.run(SCHEMA);
    let mut wrong = Vec::new();
    for statement in STATEMENTS {
        // A partitioned table has its partitions locked as well, and CASCADE takes views along: the text names neither.
        let named: Vec<_> = measured(&database, statement)
            .into_iter()
            .filter(|line| {
                let along = statement.starts_with("TRUNCATE") || statement.starts_with("DROP TABLE");
                !(along && (line.starts_with("p1 ") || line.starts_with("m ")))
            })
            .collect();
        let ours = predicted(statement);
        if named != ours {
            wrong.push(format!("{statement}\n   server {named:?}\n   ours   {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
