//! Whether two types are one, however they are written.
//!
//! Sources: PostgreSQL 15 manual, chapter 8 (aliases of table 8.1, `serial` of 8.1.4); MySQL 8.0 manual, 11.1.1, 11.1.2 and 11.9;
//! MariaDB's `JSON` is an alias of `LONGTEXT`.

use super::column::ColumnType;
use crate::Dialect;

impl ColumnType {
    /// Whether the two surely hold different values: another type, another length or precision, another sign.
    #[must_use]
    pub fn differs_from(&self, other: &Self, dialect: Dialect) -> bool {
        let (one, two) = (canonical(self, dialect), canonical(other, dialect));
        one.is_some() && two.is_some() && one != two
    }
}

/// Name, arguments as far as they say what fits, sign, array; `None`: not to be compared.
fn canonical(kind: &ColumnType, dialect: Dialect) -> Option<(&str, Vec<String>, bool, bool)> {
    let name = match dialect {
        Dialect::Postgresql => postgresql(&kind.name),
        Dialect::Mysql => mysql(&kind.name),
        // A type of SQLite is an affinity, and says little of what a column holds.
        Dialect::Sqlite => return None,
    };
    // One that was not understood has no name; `float(n)` is one of two types by its precision; `national …` has a character set of its own.
    if name.is_empty()
        || name.starts_with("national")
        || (kind.name.starts_with("float") && !kind.arguments.is_empty())
    {
        return None;
    }
    let arguments = arguments(name, kind, dialect);
    let unsigned = kind.unsigned || (dialect == Dialect::Mysql && kind.name == "serial");
    Some((name, arguments, unsigned, kind.array))
}

fn postgresql(name: &str) -> &str {
    match name {
        "int2" | "smallserial" | "serial2" => "smallint",
        "int" | "int4" | "serial" | "serial4" => "integer",
        "int8" | "bigserial" | "serial8" => "bigint",
        "varchar" | "char varying" => "character varying",
        "char" | "bpchar" => "character",
        "decimal" | "dec" => "numeric",
        "float4" => "real",
        "float8" | "float" => "double precision",
        "bool" => "boolean",
        "timestamptz" => "timestamp with time zone",
        "timestamp" => "timestamp without time zone",
        "timetz" => "time with time zone",
        "time" => "time without time zone",
        "varbit" => "bit varying",
        other => other,
    }
}

fn mysql(name: &str) -> &str {
    match name {
        "integer" | "int4" => "int",
        "int8" | "serial" => "bigint",
        "int2" => "smallint",
        "bool" | "boolean" | "int1" => "tinyint",
        "int3" | "middleint" => "mediumint",
        "character varying" | "char varying" => "varchar",
        "character" => "char",
        "dec" | "numeric" | "fixed" => "decimal",
        "double precision" | "real" => "double",
        "json" => "longtext",
        other => other,
    }
}

/// Arguments that say which values fit. Widths of integers and precisions of times only say how values are shown or rounded.
fn arguments(name: &str, kind: &ColumnType, dialect: Dialect) -> Vec<String> {
    let mut arguments = kind.arguments.clone();
    match name {
        "character varying" | "varchar" | "varbinary" | "enum" | "set" | "bit varying" => {}
        "character" | "char" | "binary" | "bit" if arguments.is_empty() => arguments.push("1".to_owned()),
        "character" | "char" | "binary" | "bit" => {}
        "decimal" if arguments.is_empty() => arguments.extend(["10".to_owned(), "0".to_owned()]),
        // Without a precision it holds any number in PostgreSQL.
        "numeric" | "decimal" if arguments.len() == 1 => arguments.push("0".to_owned()),
        "numeric" | "decimal" => {}
        // An own type's arguments are its own (`vector(3)`); those of built-in ones are left out.
        _ if dialect == Dialect::Postgresql && !name.contains("time") && name != "interval" => {}
        _ => arguments.clear(),
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column_type;

    #[test]
    fn types_are_compared_by_what_they_hold() {
        let differs = |one: &str, two: &str, dialect| {
            let read = |text: &str| column_type(text, dialect);
            read(one).differs_from(&read(two), dialect)
        };
        for (one, two, wanted) in [
            ("int", "integer", false),
            ("bigserial", "bigint", false),
            ("varchar(50)", "character varying(50)", false),
            ("varchar(50)", "character varying(60)", true),
            ("varchar(50)", "text", true),
            ("numeric(10)", "numeric(10,0)", false),
            ("numeric", "numeric(10,0)", true),
            ("timestamptz", "timestamp with time zone", false),
            ("timestamp", "timestamp with time zone", true),
            ("text[]", "text", true),
            ("float(20)", "real", false),
            ("citext", "text", true),
        ] {
            assert_eq!(differs(one, two, Dialect::Postgresql), wanted, "{one}, {two}");
        }
        for (one, two, wanted) in [
            ("int(11)", "int", false),
            ("int unsigned", "int", true),
            ("boolean", "tinyint(1)", false),
            ("varchar(50)", "varchar(60)", true),
            ("enum('a','b')", "enum('a','b')", false),
            ("enum('a','b')", "enum('a','c')", true),
            ("decimal", "decimal(10,0)", false),
            ("json", "longtext", false),
            ("datetime(6)", "datetime", false),
        ] {
            assert_eq!(differs(one, two, Dialect::Mysql), wanted, "{one}, {two}");
        }
    }
}
