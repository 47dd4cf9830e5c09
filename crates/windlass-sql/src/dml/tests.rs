use super::*;
use Dialect::{Mysql as M, Postgresql as P, Sqlite as S};

/// The parts that are there, as `name=text`, in the order of the fields.
fn parts(statement: &str, dialect: Dialect) -> String {
    let Some(d) = dml(statement, dialect) else { return "none".to_owned() };
    let span = |name: &str, span: Option<Span>| span.map(|span| format!("{name}={}", span.of(statement)));
    let flag = |name: &str, set: bool| set.then(|| name.to_owned());
    let list = |name: &str, list: &[String]| (!list.is_empty()).then(|| format!("{name}={}", list.join(",")));
    assert!(d.multi_table || identifier_text(d.table_span.of(statement), dialect) == d.table.to_string());
    [
        Some(format!("{:?}", d.kind)),
        span("with", d.with),
        flag("writes", d.with_writes),
        Some(format!("table={}", d.table)),
        flag("only", d.only),
        d.alias.map(|alias| format!("alias={alias}")),
        d.columns.map(|columns| format!("columns={}", columns.join(","))),
        list("assigned", &d.assigned),
        span("from", d.from),
        span("filter", d.filter),
        span("order", d.order_limit),
        span("source", d.source),
        span("conflict", d.on_conflict),
        span("returning", d.returning),
        flag("ignore", d.ignore),
        d.multi_table.then(|| {
            let tables: Vec<_> = d.tables.iter().map(ToString::to_string).collect();
            format!("multi={}", tables.join(","))
        }),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" | ")
}

fn identifier_text(written: &str, dialect: Dialect) -> String {
    let parts: Vec<_> = written.split('.').map(|part| crate::identifier(part.trim(), dialect)).collect();
    parts.join(".")
}

fn check(dialect: Dialect, rows: &[(&str, &str)]) {
    for (statement, expected) in rows {
        assert_eq!(&parts(statement, dialect), expected, "{dialect:?}: {statement}");
    }
}

#[test]
fn statements_of_real_runbooks() {
    check(
        M,
        &[
            (
                "UPDATE `record` SET `s3_key` = CONCAT('spec-v1/', record_id, '.txt') WHERE record_id >= '100000'",
                "Update | table=record | assigned=s3_key | filter=record_id >= '100000'",
            ),
            (
                "INSERT INTO `a` (`b`, `c`) VALUES (1, 'x;\\'y'), (2, NULL)",
                "Insert | table=a | columns=b,c | source=VALUES (1, 'x;\\'y'), (2, NULL)",
            ),
        ],
    );
    check(
        P,
        &[(
            "update associations set variant = payload->'body'->>'imageUrl' where schema = 'https://a/0.0.1.json'",
            "Update | table=associations | assigned=variant | filter=schema = 'https://a/0.0.1.json'",
        )],
    );
}

#[test]
fn update() {
    check(
        P,
        &[
            (
                "WITH x AS (SELECT 1), y(a) AS NOT MATERIALIZED (DELETE FROM z RETURNING a) UPDATE ONLY Public.\"T\" * AS \
             u SET a = 1, (b, c) = (SELECT 1, 2), d[1] = 2, e.f = 3, d[2] = 4 FROM x JOIN y ON x.a = y.a WHERE u.a IS \
             DISTINCT FROM x.a RETURNING u.a AS \"from\", *",
                "Update | with=WITH x AS (SELECT 1), y(a) AS NOT MATERIALIZED (DELETE FROM z RETURNING a) | writes | \
             table=public.T | only | alias=u | assigned=a,b,c,d,e | from=x JOIN y ON x.a = y.a | filter=u.a IS \
             DISTINCT FROM x.a | returning=u.a AS \"from\", *",
            ),
            ("UPDATE t SET a = b IS DISTINCT FROM c", "Update | table=t | assigned=a"),
            ("UPDATE t SET a = b IS DISTINCT FROM c FROM d", "Update | table=t | assigned=a | from=d"),
            ("UPDATE t SET a = ARRAY[1, 2], b = (1, 2)", "Update | table=t | assigned=a,b"),
            (
                "UPDATE t SET a = r.where WHERE r.from = 1",
                "Update | table=t | assigned=a | filter=r.from = 1",
            ),
            ("UPDATE t x SET a = /* WHERE */ 1 -- WHERE b", "Update | table=t | alias=x | assigned=a"),
            ("UPDATE t SET a = 1 WHERE CURRENT OF c", "none"),
            ("UPDATE t SET a = 1 WHERE", "none"),
            ("UPDATE t SET a = 1 WHERE b WHERE c", "none"),
            ("UPDATE t SET a = WHERE b", "none"),
            ("UPDATE t SET a = 1, WHERE b", "none"),
            ("UPDATE t FOR PORTION OF p FROM 1 TO 2 SET a = 1", "none"),
            ("UPDATE U&\"t\" SET a = 1", "none"),
            ("UPDATE t SET a = 1; DELETE FROM t", "none"),
            ("UPDATE t SET a = (1 WHERE b", "none"),
            ("UPDATE t SET a = 'x WHERE b", "none"),
        ],
    );
    check(
        S,
        &[
            (
                "UPDATE OR IGNORE [a b] AS x INDEXED BY i SET 'c' = 1, (d, \"e\") = (2, 3) FROM f WHERE g RETURNING h \
             ORDER BY i LIMIT 1",
                "Update | table=a b | alias=x | assigned=c,d,e | from=f | filter=g | order=ORDER BY i LIMIT 1 | \
             returning=h | ignore",
            ),
            ("UPDATE main.t NOT INDEXED SET a = 1", "Update | table=main.t | assigned=a"),
            ("UPDATE t SET t.a = 1", "none"),
        ],
    );
    check(
        M,
        &[
            (
                "UPDATE LOW_PRIORITY IGNORE d.t AS x SET x.a = \"WHERE\", d.x.b := 1 WHERE c ORDER BY e LIMIT 5",
                "Update | table=d.t | alias=x | assigned=a,b | filter=c | order=ORDER BY e LIMIT 5 | ignore",
            ),
            ("UPDATE t SET a = 1 LIMIT 5", "Update | table=t | assigned=a | order=LIMIT 5"),
            ("UPDATE t PARTITION (p) SET a = 1", "none"),
            ("UPDATE t SET a = 1 /*!50000 WHERE b */", "none"),
            ("UPDATE t SET (a, b) = (1, 2)", "none"),
            ("UPDATE t SET returning = 1 WHERE b = returning", "none"),
        ],
    );
}

#[test]
fn update_of_several_tables() {
    check(
        M,
        &[
            ("UPDATE a JOIN b.c AS x ON a.i = x.i SET x.d = a.d, b.x.e = 1 WHERE a.f", "none"),
            (
                "UPDATE a LEFT JOIN b.c AS x USING (i) SET x.d = a.d, a.e = 1 WHERE a.f",
                "Update | table=b.c | alias=x | assigned=d,e | from=a LEFT JOIN b.c AS x USING (i) | filter=a.f | \
             multi=b.c,a",
            ),
            (
                "UPDATE a, (SELECT 1 AS i, 2 AS j) b, c k SET a.i = b.i",
                "Update | table=a | assigned=i | from=a, (SELECT 1 AS i, 2 AS j) b, c k | multi=a",
            ),
            ("UPDATE a, b SET i = 1", "Update | table=a | assigned=i | from=a, b | multi=a,b"),
            (
                "UPDATE t a JOIN t b ON a.i = b.j SET b.i = 1",
                "Update | table=t | alias=b | assigned=i | from=t a JOIN t b ON a.i = b.j | multi=t",
            ),
            ("UPDATE a, b SET c.i = 1", "none"),
            ("UPDATE a, (b JOIN c) SET a.i = 1", "none"),
            ("UPDATE a, d.a SET a.i = 1", "none"),
        ],
    );
}

#[test]
fn delete() {
    check(
        P,
        &[
            (
                "DELETE FROM ONLY t u USING v, w WHERE u.a = v.a RETURNING *",
                "Delete | table=t | only | alias=u | from=v, w | filter=u.a = v.a | returning=*",
            ),
            ("DELETE FROM t", "Delete | table=t"),
            (
                "DELETE FROM t WHERE a IN (SELECT b FROM c WHERE d)",
                "Delete | table=t | filter=a IN (SELECT b FROM c WHERE d)",
            ),
            ("DELETE t WHERE a", "none"),
            ("DELETE FROM t b c WHERE a", "none"),
            ("DELETE FROM t WHERE CURRENT OF c", "none"),
        ],
    );
    check(
        S,
        &[
            (
                "WITH x AS (SELECT 1) DELETE FROM t WHERE a IN x",
                "Delete | with=WITH x AS (SELECT 1) | table=t | filter=a IN x",
            ),
            ("DELETE FROM t RETURNING a ORDER BY b", "Delete | table=t | order=ORDER BY b | returning=a"),
        ],
    );
    check(
        M,
        &[
            (
                "DELETE LOW_PRIORITY QUICK IGNORE FROM t WHERE a ORDER BY b LIMIT 3 RETURNING c",
                "Delete | table=t | filter=a | order=ORDER BY b LIMIT 3 | returning=c | ignore",
            ),
            (
                "DELETE a, x.* FROM a JOIN d.b x ON a.i = x.i WHERE x.j",
                "Delete | table=a | from=a JOIN d.b x ON a.i = x.i | filter=x.j | multi=a,d.b",
            ),
            (
                "DELETE FROM a.* USING a INNER JOIN b WHERE b.j",
                "Delete | table=a | from=a INNER JOIN b | filter=b.j | multi=a",
            ),
            ("DELETE FROM a, b WHERE c", "none"),
            ("DELETE HISTORY FROM t", "none"),
            ("DELETE FROM t PARTITION (p) WHERE a", "none"),
            ("DELETE FROM t WHERE a = returning", "none"),
        ],
    );
}

#[test]
fn insert() {
    check(
        P,
        &[
            (
                "INSERT INTO s.t AS u (a, \"B\") OVERRIDING SYSTEM VALUE VALUES (1, 2) ON CONFLICT (a) WHERE b DO UPDATE \
             SET a = excluded.a, (b, c) = (1, 2) WHERE u.a RETURNING a",
                "Insert | table=s.t | alias=u | columns=a,B | assigned=a,b,c | source=VALUES (1, 2) | conflict=ON CONFLICT \
             (a) WHERE b DO UPDATE SET a = excluded.a, (b, c) = (1, 2) WHERE u.a | returning=a",
            ),
            ("INSERT INTO t DEFAULT VALUES", "Insert | table=t | source=DEFAULT VALUES"),
            ("INSERT INTO t (SELECT 1)", "Insert | table=t | source=(SELECT 1)"),
            ("INSERT INTO t (values) VALUES (1)", "Insert | table=t | columns=values | source=VALUES (1)"),
            (
                "INSERT INTO t WITH d AS (DELETE FROM u RETURNING *) SELECT * FROM d",
                "Insert | writes | table=t | source=WITH d AS (DELETE FROM u RETURNING *) SELECT * FROM d",
            ),
            (
                "INSERT INTO t SELECT * FROM a JOIN b ON conflict = 1 ON CONFLICT ON CONSTRAINT k DO NOTHING",
                "Insert | table=t | source=SELECT * FROM a JOIN b ON conflict = 1 | conflict=ON CONFLICT ON CONSTRAINT k \
             DO NOTHING",
            ),
            ("INSERT INTO t (a.b) VALUES (1)", "none"),
            ("INSERT INTO t (a,) VALUES (1)", "none"),
            ("INSERT t VALUES (1)", "none"),
            ("REPLACE INTO t VALUES (1)", "none"),
            ("INSERT INTO t VALUES (1) ON CONFLICT DO SELECT", "none"),
        ],
    );
    check(
        S,
        &[
            ("REPLACE INTO t VALUES (1)", "Replace | table=t | source=VALUES (1)"),
            ("INSERT OR REPLACE INTO t(a) SELECT 1", "Replace | table=t | columns=a | source=SELECT 1"),
            ("INSERT OR IGNORE INTO t VALUES (1)", "Insert | table=t | source=VALUES (1) | ignore"),
            (
                "INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING ON CONFLICT DO UPDATE SET b = 1",
                "Insert | table=t | assigned=b | source=VALUES (1) | conflict=ON CONFLICT (a) DO NOTHING ON CONFLICT DO \
             UPDATE SET b = 1",
            ),
        ],
    );
    check(
        M,
        &[
            (
                "INSERT IGNORE d.t PARTITION (p) (t.a, b) VALUES ROW(1, 2) AS new(m, n) ON DUPLICATE KEY UPDATE t.a = m",
                "Insert | table=d.t | columns=a,b | assigned=a | source=VALUES ROW(1, 2) | conflict=AS new(m, n) ON \
             DUPLICATE KEY UPDATE t.a = m | ignore",
            ),
            (
                "INSERT t SET a = 1, b = DEFAULT",
                "Insert | table=t | columns=a,b | source=SET a = 1, b = DEFAULT",
            ),
            ("INSERT INTO t () VALUES ()", "Insert | table=t | columns= | source=VALUES ()"),
            (
                "REPLACE t SELECT * FROM u JOIN v ON u.a = v.a RETURNING a, b",
                "Replace | table=t | source=SELECT * FROM u JOIN v ON u.a = v.a | returning=a, b",
            ),
            ("INSERT INTO t SELECT a, returning FROM u", "none"),
            ("INSERT INTO t SELECT a returning FROM u", "none"),
        ],
    );
}

#[test]
fn merge() {
    check(
        P,
        &[
            (
                "MERGE INTO t AS a USING s ON a.i = CASE WHEN s.j THEN 1 END WHEN MATCHED AND CASE WHEN 1 THEN 2 END THEN \
             UPDATE SET b = CASE WHEN 1 THEN 2 END, c = 1 WHEN NOT MATCHED THEN INSERT VALUES (1) WHEN NOT MATCHED BY \
             SOURCE THEN DELETE RETURNING a.b",
                "Merge | table=t | alias=a | assigned=b,c | from=s ON a.i = CASE WHEN s.j THEN 1 END | source=WHEN MATCHED \
             AND CASE WHEN 1 THEN 2 END THEN UPDATE SET b = CASE WHEN 1 THEN 2 END, c = 1 WHEN NOT MATCHED THEN INSERT \
             VALUES (1) WHEN NOT MATCHED BY SOURCE THEN DELETE | returning=a.b",
            ),
            ("MERGE INTO t USING s ON a WHEN MATCHED THEN MOVE", "none"),
            ("MERGE INTO t USING s ON a", "none"),
        ],
    );
    check(M, &[("MERGE INTO t USING s ON a WHEN MATCHED THEN DELETE", "none")]);
}

#[test]
fn what_is_no_statement_on_rows() {
    for dialect in [S, P, M] {
        for statement in [
            "",
            "-- x",
            "SELECT 1",
            "EXPLAIN DELETE FROM t",
            "TRUNCATE t",
            "WITH x AS (SELECT 1) SELECT 1",
            "(DELETE FROM t)",
            "CREATE TABLE t (a)",
            "WITH x AS SELECT 1 DELETE FROM t",
            "DELETE",
            "UPDATE",
            "INSERT",
            "INSERT INTO t",
            "CALL f()",
            "数",
        ] {
            assert_eq!(parts(statement, dialect), "none", "{dialect:?}: {statement}");
        }
    }
}
