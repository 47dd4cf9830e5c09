//! `MODIFY` and `CHANGE`: what differs from the definition before decides.

use super::{Known, Prediction};
use crate::lock::canonical;
use crate::{Column, ColumnType, LiveColumn};

/// Column `old_name` gets the definition `new`. `None`: the one before is not known.
pub(super) fn modify(old_name: &str, new: &Column, known: Known<'_>) -> Option<Prediction> {
    let old = known.table?.column(old_name)?;
    if old.generated || new.generated.is_some() {
        return None;
    }
    let kind = new.kind.as_ref()?;
    let mut worst = kind_change(old, kind, new.charset.as_deref(), known);
    if old.not_null != new.not_null {
        worst = worst.worse(Prediction::REBUILD);
    }
    if new.position.is_some() {
        worst = worst.worse(known.by(Prediction::INSTANT, Prediction::REBUILD));
    }
    if old.numbered != new.auto_increment {
        worst = worst.worse(Prediction::COPY);
    }
    if !old_name.eq_ignore_ascii_case(&new.name) && !known.mysql_since((8, 0, 28)) {
        worst = worst.worse(Prediction::INPLACE);
    }
    Some(worst)
}

fn kind_change(old: &LiveColumn, new: &ColumnType, charset: Option<&str>, known: Known<'_>) -> Prediction {
    let (from, to) = (mysql_canonical(&old.kind.name), mysql_canonical(&new.name));
    let same_charset = charset.is_none_or(|charset| old.charset.as_deref() == Some(charset));
    if from != to || old.kind.unsigned != new.unsigned || !same_charset {
        return Prediction::COPY;
    }
    match to {
        "varchar" | "varbinary" => lengthened(old, new, known),
        "enum" | "set" => members(&old.kind, new),
        // A display width is no part of the type.
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Prediction::INSTANT,
        _ if old.kind.arguments == new.arguments => Prediction::INSTANT,
        _ => Prediction::COPY,
    }
}

fn mysql_canonical(name: &str) -> &str {
    match name {
        "integer" => "int",
        "bool" | "boolean" => "tinyint",
        "numeric" | "dec" | "fixed" => "decimal",
        other => canonical_text(canonical(other)),
    }
}

fn canonical_text(name: &str) -> &str {
    match name {
        "integer" => "int",
        "numeric" => "decimal",
        "boolean" => "tinyint",
        "double precision" | "real" => "double",
        other => other,
    }
}

/// A longer `VARCHAR` keeps its rows while its length takes as many bytes as before, one up to 255 bytes, two above.
fn lengthened(old: &LiveColumn, new: &ColumnType, known: Known<'_>) -> Prediction {
    let length = |kind: &ColumnType| kind.arguments.first().and_then(|text| text.trim().parse::<u64>().ok());
    let (Some(from), Some(to)) = (length(&old.kind), length(new)) else { return Prediction::COPY };
    let width = match old.charset.as_deref() {
        _ if new.name == "varbinary" => 1,
        Some("latin1" | "ascii" | "binary") => 1,
        Some("ucs2" | "gbk" | "gb2312" | "big5") => 2,
        Some("utf8" | "utf8mb3") => 3,
        _ => 4,
    };
    let (from, to) = (from * width, to * width);
    let same = (from <= 255) == (to <= 255);
    if to < from {
        Prediction::COPY
    } else if from == to {
        Prediction::INSTANT
    } else if known.is_mariadb() {
        if same || from <= 127 { Prediction::INSTANT } else { Prediction::COPY }
    } else if same {
        Prediction::INPLACE
    } else {
        Prediction::COPY
    }
}

/// Members at the end are free while a member takes as many bytes as before.
fn members(old: &ColumnType, new: &ColumnType) -> Prediction {
    let appended = new.arguments.starts_with(&old.arguments);
    let bytes = |kind: &ColumnType| match (kind.name.as_str(), kind.arguments.len()) {
        ("enum", ..=255) => 1,
        ("enum", _) => 2,
        (_, count) if count > 32 => 8,
        (_, count) => count.div_ceil(8),
    };
    if appended && bytes(old) == bytes(new) { Prediction::INSTANT } else { Prediction::COPY }
}
