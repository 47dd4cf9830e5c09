use super::*;
use Dialect::{Mysql as M, Postgresql as P, Sqlite as S};

fn why(statement: &str, dialect: Dialect) -> String {
    batched(statement, dialect).map_or_else(|no| no.why, |_| "batched".to_owned())
}

#[test]
fn what_means_something_else_in_batches_is_refused_with_the_reason() {
    for (statement, dialect, reason) in [
        ("UPDATE t SET a = 1 LIMIT 5", M, "LIMIT"),
        ("DELETE FROM t ORDER BY id LIMIT 5", M, "LIMIT"),
        ("UPDATE t SET a = 1 RETURNING id", P, "returns"),
        ("UPDATE t SET a = b.x FROM b WHERE b.id = t.id", P, "joins"),
        ("DELETE FROM t USING b WHERE b.id = t.id", P, "joins"),
        ("UPDATE t JOIN b ON b.id = t.id SET t.a = 1", M, "joins"),
        ("WITH x AS (SELECT 1) UPDATE t SET a = 1", P, "WITH"),
        ("UPDATE t SET a = (SELECT max(a) FROM t)", P, "reads t itself"),
        ("UPDATE t SET a = 1 WHERE id IN (SELECT u.id FROM x, public.T u)", P, "reads t itself"),
        ("UPDATE t SET a = 1 WHERE EXISTS (SELECT 1 FROM x JOIN t b ON b.p = x.p)", P, "reads t itself"),
        ("UPDATE t SET a = 1 WHERE id IN (WITH q AS (SELECT 1) SELECT * FROM q)", P, "understood"),
        ("UPDATE t SET a = 1 WHERE id IN (TABLE x)", P, "understood"),
        ("UPDATE t SET a = (@i := @i + 1)", M, "variable"),
        ("UPDATE IGNORE t SET a = 1", M, "IGNORE"),
        ("UPDATE t SET a = SYSDATE()", M, "SYSDATE"),
        ("UPDATE t SET a = 'now'::timestamp", P, "'now'"),
        ("UPDATE t SET a = current_timestamp(3)", P, "current_timestamp"),
        ("UPDATE t SET a = datetime()", S, "datetime()"),
        ("INSERT INTO t VALUES (1)", P, "no UPDATE"),
        ("UPDATE t SET a = 'x", P, "understood"),
    ] {
        assert!(why(statement, dialect).contains(reason), "{statement}: {}", why(statement, dialect));
    }
}

#[test]
fn subqueries_of_other_tables_and_calls_are_named() {
    let statement = "UPDATE s.t AS x SET a = (SELECT max(c.n) FROM c, lateral (SELECT 1 FROM d) e WHERE c.id = x.id), b = lower(b), \
                     d = substring(d FROM 2), e = EXTRACT(year FROM e) WHERE f(x.a) IS DISTINCT FROM 3 AND g IN (1, 2)";
    let found = batched(statement, P).unwrap();
    let names: Vec<_> = found.reads.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["c", "d"]);
    let call = |name: &str, in_filter| Call { name: name.to_owned(), in_filter };
    assert!(found.calls.contains(&call("lower", false)) && found.calls.contains(&call("f", true)));
    assert_eq!((found.alias(), found.source()), ("x", "s.t AS \"x\"".to_owned()));
}

#[test]
fn a_range_is_added_to_the_condition_and_the_time_stays_that_of_the_first_batch() {
    let now = "2026-01-02 03:04:05";
    for (statement, dialect, expected) in [
        ("UPDATE t SET a = 1", P, "UPDATE t SET a = 1\nWHERE R"),
        ("UPDATE t SET a = 1 -- all", P, "UPDATE t SET a = 1 -- all\nWHERE R"),
        ("DELETE FROM t WHERE a OR b -- x", P, "DELETE FROM t WHERE (a OR b\n) AND (R) -- x"),
        (
            "UPDATE t SET a = now(), \"now\" = x.now WHERE d < CURRENT_DATE",
            P,
            "UPDATE t SET a = ('2026-01-02 03:04:05'::timestamptz), \"now\" = x.now WHERE (d < ('2026-01-02 \
             03:04:05'::timestamptz::date)\n) AND (R)",
        ),
        (
            "UPDATE t SET a = datetime('now', '-1 day'), b = CURRENT_TIME, c = CURRENT_TIMESTAMP",
            S,
            "UPDATE t SET a = datetime('2026-01-02 03:04:05', '-1 day'), b = '03:04:05', c = '2026-01-02 03:04:05'\nWHERE R",
        ),
        ("UPDATE t SET a = NOW() WHERE b", M, "UPDATE t SET a = NOW() WHERE (b\n) AND (R)"),
    ] {
        assert_eq!(batched(statement, dialect).unwrap().within("R", now), expected, "{statement}");
    }
}

#[test]
fn ranges_of_composite_keys() {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (ab, low, high) = (list(&["a", "b"]), list(&["1", "2"]), list(&["3", "4"]));
    assert_eq!(range(&ab, Some(&low), &high, true), "(a, b) > (1, 2) AND (a, b) <= (3, 4)");
    assert_eq!(
        range(&ab, Some(&low), &high, false),
        "a >= 1 AND ((a > 1) OR (a = 1 AND b > 2)) AND a <= 3 AND ((a < 3) OR (a = 3 AND b <= 4))"
    );
    assert_eq!(range(&list(&["a"]), None, &list(&["9"]), false), "a <= 9");
}
