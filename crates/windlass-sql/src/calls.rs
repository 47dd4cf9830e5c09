//! Functions that a query calls: whether it only reads, the server alone knows of any other than those listed here.

use crate::{Dialect, ObjectName, identifier, lexer::TokenKind, reader::Reader};

/// Words that a parenthesis may follow and that call nothing.
const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "DISTINCT",
    "ELSE",
    "EXCEPT",
    "EXISTS",
    "FILTER",
    "FROM",
    "GROUP",
    "HAVING",
    "IN",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LATERAL",
    "LIKE",
    "LIMIT",
    "MATERIALIZED",
    "NOT",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "PARTITION",
    "RECURSIVE",
    "RETURNING",
    "ROW",
    "SELECT",
    "SETS",
    "SOME",
    "THEN",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
    "WITHIN",
    "CHAR",
    "VARCHAR",
    "DECIMAL",
    "NUMERIC",
    "SIGNED",
    "BINARY",
];

/// Functions of PostgreSQL, MySQL and MariaDB that change neither rows nor definitions: `provolatile` is not `v` in pg_proc, or the
/// manual says so ("Built-In Function and Operator Reference"; "System Administration Functions").
const READING: &[&str] = &[
    "ABS",
    "ADDDATE",
    "ADDTIME",
    "AGE",
    "ANY_VALUE",
    "ARRAY_AGG",
    "ARRAY_LENGTH",
    "ARRAY_TO_STRING",
    "ASCII",
    "ATAN",
    "AVG",
    "BENCHMARK",
    "BIN",
    "BIT_AND",
    "BIT_COUNT",
    "BIT_LENGTH",
    "BIT_OR",
    "BIT_XOR",
    "BOOL_AND",
    "BOOL_OR",
    "BTRIM",
    "CARDINALITY",
    "CAST",
    "CEIL",
    "CEILING",
    "CHARACTER_LENGTH",
    "CHARSET",
    "CHAR_LENGTH",
    "CLOCK_TIMESTAMP",
    "COALESCE",
    "COERCIBILITY",
    "COLLATION",
    "COL_DESCRIPTION",
    "CONCAT",
    "CONCAT_WS",
    "CONNECTION_ID",
    "CONV",
    "CONVERT",
    "COS",
    "COT",
    "COUNT",
    "CRC32",
    "CUME_DIST",
    "CURDATE",
    "CURRENT_DATABASE",
    "CURRENT_DATE",
    "CURRENT_SCHEMA",
    "CURRENT_SETTING",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "CURRVAL",
    "CURTIME",
    "DATABASE",
    "DATE",
    "DATEDIFF",
    "DATE_ADD",
    "DATE_BIN",
    "DATE_FORMAT",
    "DATE_PART",
    "DATE_SUB",
    "DATE_TRUNC",
    "DAY",
    "DAYNAME",
    "DAYOFWEEK",
    "DAYOFYEAR",
    "DECODE",
    "DEGREES",
    "DENSE_RANK",
    "ELT",
    "ENCODE",
    "EVERY",
    "EXP",
    "EXTRACT",
    "EXTRACTVALUE",
    "FIELD",
    "FIND_IN_SET",
    "FIRST_VALUE",
    "FLOOR",
    "FORMAT",
    "FORMAT_TYPE",
    "FOUND_ROWS",
    "FROM_DAYS",
    "FROM_UNIXTIME",
    "GENERATE_SERIES",
    "GEN_RANDOM_UUID",
    "GREATEST",
    "GROUP_CONCAT",
    "HAS_SCHEMA_PRIVILEGE",
    "HAS_TABLE_PRIVILEGE",
    "HEX",
    "HOUR",
    "IF",
    "IFNULL",
    "INET_ATON",
    "INET_CLIENT_ADDR",
    "INET_NTOA",
    "INITCAP",
    "INSTR",
    "ISNULL",
    "JSONB_AGG",
    "JSONB_ARRAY_ELEMENTS",
    "JSONB_BUILD_OBJECT",
    "JSONB_OBJECT_AGG",
    "JSONB_SET",
    "JSONB_TYPEOF",
    "JSON_AGG",
    "JSON_ARRAY",
    "JSON_ARRAYAGG",
    "JSON_BUILD_OBJECT",
    "JSON_CONTAINS",
    "JSON_EXTRACT",
    "JSON_KEYS",
    "JSON_LENGTH",
    "JSON_OBJECT",
    "JSON_OBJECTAGG",
    "JSON_SEARCH",
    "JSON_TYPE",
    "JSON_TYPEOF",
    "JSON_UNQUOTE",
    "JSON_VALID",
    "JSON_VALUE",
    "LAG",
    "LASTVAL",
    "LAST_DAY",
    "LAST_INSERT_ID",
    "LAST_VALUE",
    "LCASE",
    "LEAD",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LN",
    "LOCATE",
    "LOG",
    "LOWER",
    "LPAD",
    "LTRIM",
    "MAKETIME",
    "MAKE_DATE",
    "MAX",
    "MD5",
    "MICROSECOND",
    "MID",
    "MIN",
    "MINUTE",
    "MOD",
    "MONTH",
    "MONTHNAME",
    "NOW",
    "NTH_VALUE",
    "NTILE",
    "NULLIF",
    "OBJ_DESCRIPTION",
    "OCT",
    "OCTET_LENGTH",
    "ORD",
    "PERCENTILE_CONT",
    "PERCENT_RANK",
    "PG_BACKEND_PID",
    "PG_CANCEL_BACKEND",
    "PG_COLUMN_SIZE",
    "PG_CURRENT_WAL_LSN",
    "PG_DATABASE_SIZE",
    "PG_GET_CONSTRAINTDEF",
    "PG_GET_EXPR",
    "PG_GET_FUNCTIONDEF",
    "PG_GET_INDEXDEF",
    "PG_GET_SERIAL_SEQUENCE",
    "PG_GET_VIEWDEF",
    "PG_INDEXES_SIZE",
    "PG_IS_IN_RECOVERY",
    "PG_IS_WAL_REPLAY_PAUSED",
    "PG_LAST_WAL_REPLAY_LSN",
    "PG_POSTMASTER_START_TIME",
    "PG_RELATION_SIZE",
    "PG_RELOAD_CONF",
    "PG_SIZE_PRETTY",
    "PG_SLEEP",
    "PG_SLEEP_FOR",
    "PG_STAT_RESET",
    "PG_TABLE_SIZE",
    "PG_TERMINATE_BACKEND",
    "PG_TOTAL_RELATION_SIZE",
    "PG_TYPEOF",
    "PG_WAL_LSN_DIFF",
    "PI",
    "POSITION",
    "POWER",
    "QUARTER",
    "QUOTE",
    "QUOTE_IDENT",
    "QUOTE_LITERAL",
    "QUOTE_NULLABLE",
    "RADIANS",
    "RAND",
    "RANDOM",
    "RANK",
    "REGEXP_LIKE",
    "REGEXP_MATCH",
    "REGEXP_MATCHES",
    "REGEXP_REPLACE",
    "REGEXP_SUBSTR",
    "REPEAT",
    "REPLACE",
    "REVERSE",
    "RIGHT",
    "ROUND",
    "ROW_COUNT",
    "ROW_NUMBER",
    "ROW_TO_JSON",
    "RPAD",
    "RTRIM",
    "SCHEMA",
    "SECOND",
    "SESSION_USER",
    "SHA1",
    "SHA2",
    "SHA256",
    "SIGN",
    "SIN",
    "SLEEP",
    "SPACE",
    "SPLIT_PART",
    "SQRT",
    "STATEMENT_TIMESTAMP",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "STRCMP",
    "STRING_AGG",
    "STRING_TO_ARRAY",
    "STRPOS",
    "STR_TO_DATE",
    "SUBDATE",
    "SUBSTR",
    "SUBSTRING",
    "SUBSTRING_INDEX",
    "SUBTIME",
    "SUM",
    "SYSDATE",
    "SYSTEM_USER",
    "TAN",
    "TIME",
    "TIMEDIFF",
    "TIMESTAMP",
    "TIMESTAMPADD",
    "TIMESTAMPDIFF",
    "TIME_FORMAT",
    "TO_CHAR",
    "TO_DATE",
    "TO_DAYS",
    "TO_HEX",
    "TO_JSON",
    "TO_JSONB",
    "TO_NUMBER",
    "TO_REGCLASS",
    "TO_REGTYPE",
    "TO_TIMESTAMP",
    "TRANSLATE",
    "TRIM",
    "TRUNC",
    "TRUNCATE",
    "TXID_CURRENT",
    "UCASE",
    "UNHEX",
    "UNIX_TIMESTAMP",
    "UNNEST",
    "UPPER",
    "USER",
    "UTC_TIMESTAMP",
    "UUID",
    "UUID_SHORT",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
    "VERSION",
    "WEEK",
    "WEEKDAY",
    "WEEKOFYEAR",
    "YEAR",
    "YEARWEEK",
];

/// The functions that a query calls of which it is not known here that they change nothing, each once, as the server sees their
/// names.
#[must_use]
pub fn unknown_calls(query: &str, dialect: Dialect) -> Vec<ObjectName> {
    let Some(mut reader) = Reader::through_marks(query, dialect) else { return vec![] };
    let mut found: Vec<ObjectName> = vec![];
    for at in 1..reader.len() {
        if !reader.is_symbol(at, b'(') || names_columns(&mut reader, at) {
            continue;
        }
        let called = called(&reader, at - 1).filter(|called| !is_known(&reader, at - 1, called));
        if let Some(called) = called.filter(|called| !found.contains(called)) {
            found.push(called);
        }
    }
    let draws = |at: &usize| {
        ["NEXT", "VALUE", "FOR"].iter().enumerate().all(|(more, word)| reader.is(at + more, word))
    };
    // MariaDB's other name of that function.
    let nextval = ObjectName { parts: vec!["nextval".to_owned()] };
    if dialect == Dialect::Mysql && !found.contains(&nextval) && (0..reader.len()).any(|at| draws(&at)) {
        found.push(nextval);
    }
    found
}

/// Whether the parenthesis is that of `WITH x (a) AS (SELECT …)`, or of `AS x (a)`; that of `f(1) AS (a INT)` is a call.
fn names_columns(reader: &mut Reader<'_>, open: usize) -> bool {
    /// What a query, or a statement in a CTE, begins with.
    const QUERY: &[&str] = &["SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE"];
    if open.checked_sub(2).is_some_and(|before| reader.is(before, "AS")) {
        return true;
    }
    reader.at = open;
    reader.group();
    let next = reader.at + 1;
    let is_query =
        reader.is_symbol(next, b'(') && (reader.is_any(next + 1, QUERY) || reader.is_symbol(next + 1, b'('));
    reader.is(reader.at, "AS") && (is_query || reader.is_any(next, &["MATERIALIZED", "NOT"]))
}

/// The name that ends at `at`.
fn called(reader: &Reader<'_>, at: usize) -> Option<ObjectName> {
    let is_name = |at: usize| matches!(reader.kind(at), Some(TokenKind::Word | TokenKind::Name));
    let mut from = at;
    while from > 1 && reader.is_symbol(from - 1, b'.') && is_name(from - 2) {
        from -= 2;
    }
    let part = |at: usize| identifier(reader.written(at), reader.dialect);
    is_name(at).then(|| ObjectName { parts: (from..=at).step_by(2).map(part).collect() })
}

/// Whether it is no call, or one that changes nothing: `"ABS"` with capitals in quotes is a function of somebody, and so is one of
/// another schema.
fn is_known(reader: &Reader<'_>, at: usize, called: &ObjectName) -> bool {
    let base = called.base().to_ascii_uppercase();
    let is_folded =
        reader.dialect != Dialect::Postgresql || called.base().to_ascii_lowercase() == called.base();
    let reads = is_folded && READING.contains(&base.as_str());
    match called.parts.as_slice() {
        [_] => reads || reader.kind(at) == Some(TokenKind::Word) && KEYWORDS.contains(&base.as_str()),
        [schema, _] => reads && schema == "pg_catalog",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_may_write_are_named() {
        for (query, names) in [
            ("SELECT pg_catalog.setval('t_id_seq', (SELECT max(id) FROM t))", "pg_catalog.setval"),
            ("SELECT my_migration(), App.Fix(1), my_migration()", "my_migration app.fix"),
            ("SELECT count(*), max(id) FROM t WHERE a IN (1, 2) AND (b OR c)", ""),
            ("SELECT pg_catalog.now(), app.now()", "app.now"),
            ("WITH x AS (SELECT 1) SELECT * FROM x", ""),
            ("WITH x (a) AS (SELECT 1), y(b) AS NOT MATERIALIZED (SELECT f()) SELECT * FROM x", "f"),
            ("SELECT * FROM generate_series(1, 2) AS g(n)", ""),
            ("SELECT * FROM fill(1) AS (a int)", "fill"),
            ("WITH x (a) AS (SELECT 1), y (b) AS ((SELECT 2)) SELECT * FROM x, y", ""),
            ("SELECT extract(year FROM now()), \"ABS\"(1), \"abs\"(1)", "ABS"),
            ("SELECT \"do it\"(1)", "do it"),
        ] {
            let found: Vec<String> =
                unknown_calls(query, Dialect::Postgresql).iter().map(ObjectName::to_string).collect();
            assert_eq!(found.join(" "), names, "{query}");
        }
        let of = |query: &str| unknown_calls(query, Dialect::Mysql).len();
        assert_eq!((of("SELECT NEXT VALUE FOR s"), of("SELECT PREVIOUS VALUE FOR s")), (1, 0));
    }
}
