//! One line of `[Asserts]`.

use super::literal::{Bad, Cursor};
use super::{HttpAssert, Literal, Predicate, Query};
use crate::Span;

const QUERIES_HELP: &str = "use `status`, `header \"Name\"`, `body` or `jsonpath \"$.path\"`";
const PREDICATES_HELP: &str = "use `==`, `!=`, `>`, `>=`, `<`, `<=`, `contains`, `startsWith`, `endsWith`, `matches`, \
    `exists`, `isEmpty`, `isInteger`, `isBoolean` or `isString`";

/// Other queries of Hurl.
const QUERIES: [&str; 14] = [
    "xpath",
    "regex",
    "cookie",
    "variable",
    "duration",
    "bytes",
    "rawbytes",
    "sha256",
    "md5",
    "url",
    "version",
    "ip",
    "certificate",
    "redirects",
];

/// Other predicates of Hurl.
const PREDICATES: [&str; 14] = [
    "includes",
    "isFloat",
    "isNumber",
    "isCollection",
    "isList",
    "isObject",
    "isDate",
    "isIsoDate",
    "isIpv4",
    "isIpv6",
    "isUuid",
    "equals",
    "notEquals",
    "greaterThan",
];

/// Filters of Hurl.
const FILTERS: [&str; 26] = [
    "count",
    "nth",
    "first",
    "last",
    "regex",
    "replace",
    "replaceRegex",
    "split",
    "toInt",
    "toFloat",
    "toString",
    "toDate",
    "format",
    "dateFormat",
    "jsonpath",
    "xpath",
    "decode",
    "utf8Decode",
    "utf8Encode",
    "htmlEscape",
    "htmlUnescape",
    "urlEncode",
    "urlDecode",
    "urlQueryParam",
    "daysAfterNow",
    "base64Decode",
];

/// Reads the line at `cursor`.
pub(super) fn read(mut cursor: Cursor<'_>) -> Result<HttpAssert, Bad> {
    cursor.blanks();
    let start = cursor.at;
    let query = query(&mut cursor)?;
    let (mut word, mut span) = cursor.word();
    let not = word == "not";
    if not {
        (word, span) = cursor.word();
    }
    let predicate = predicate(word, span, &mut cursor)?;
    if query == Query::Status {
        check_status(&predicate, span)?;
    }
    let text = cursor.text[start..cursor.at].to_owned();
    if !cursor.is_done() {
        let span = Span::new(cursor.at, cursor.end);
        return Err(Bad::new(span, "text behind the assert", "remove it, or write one assert a line"));
    }
    Ok(HttpAssert { query, not, predicate, text })
}

fn query(cursor: &mut Cursor<'_>) -> Result<Query, Bad> {
    let (word, span) = cursor.word();
    match word {
        "status" => Ok(Query::Status),
        "body" => Ok(Query::Body),
        "header" => Ok(Query::Header(cursor.string()?)),
        "jsonpath" => {
            cursor.blanks();
            let start = cursor.at;
            let path = cursor.string()?;
            if path.starts_with('$') {
                return Ok(Query::JsonPath(path));
            }
            let span = Span::new(start, cursor.at);
            Err(Bad::new(
                span,
                "a JSONPath starts with `$`",
                "write for example `jsonpath \"$.status\" == \"ok\"`",
            ))
        }
        _ if QUERIES.contains(&word) => {
            Err(Bad::unsupported(span, format!("the query `{word}` is not supported"), QUERIES_HELP))
        }
        _ => Err(Bad::new(span, format!("`{word}` is not a query"), QUERIES_HELP)),
    }
}

fn predicate(word: &str, span: Span, cursor: &mut Cursor<'_>) -> Result<Predicate, Bad> {
    Ok(match word {
        "==" => Predicate::Equal(cursor.value()?),
        "!=" => Predicate::NotEqual(cursor.value()?),
        ">" => Predicate::Greater(ordered(cursor)?),
        ">=" => Predicate::GreaterOrEqual(ordered(cursor)?),
        "<" => Predicate::Less(ordered(cursor)?),
        "<=" => Predicate::LessOrEqual(ordered(cursor)?),
        "contains" => Predicate::Contains(cursor.string()?),
        "startsWith" => Predicate::StartsWith(cursor.string()?),
        "endsWith" => Predicate::EndsWith(cursor.string()?),
        "matches" => Predicate::Matches(pattern(cursor)?),
        "exists" => Predicate::Exists,
        "isEmpty" => Predicate::IsEmpty,
        "isInteger" => Predicate::IsInteger,
        "isBoolean" => Predicate::IsBoolean,
        "isString" => Predicate::IsString,
        "" => return Err(Bad::new(span, "the assert expects nothing", PREDICATES_HELP)),
        _ if PREDICATES.contains(&word)
            || word.starts_with("lessThan")
            || word.starts_with("greaterThan") =>
        {
            return Err(Bad::unsupported(
                span,
                format!("the predicate `{word}` is not supported"),
                PREDICATES_HELP,
            ));
        }
        _ if FILTERS.contains(&word) => {
            let help = "ask for the value itself: a JSONPath can select it";
            return Err(Bad::unsupported(span, format!("the filter `{word}` is not supported"), help));
        }
        _ => return Err(Bad::new(span, format!("`{word}` is not a predicate"), PREDICATES_HELP)),
    })
}

/// A number; order is defined for nothing else.
fn ordered(cursor: &mut Cursor<'_>) -> Result<Literal, Bad> {
    cursor.blanks();
    let start = cursor.at;
    match cursor.value()? {
        number @ Literal::Number(_) => Ok(number),
        _ => Err(Bad::new(
            Span::new(start, cursor.at),
            "only numbers have an order",
            "write a number, or use `==`",
        )),
    }
}

/// `/regex/` or a string.
fn pattern(cursor: &mut Cursor<'_>) -> Result<String, Bad> {
    cursor.blanks();
    if !cursor.rest().starts_with('/') {
        return cursor.string();
    }
    let start = cursor.at;
    cursor.at += 1;
    let mut value = String::new();
    let mut escaped = false;
    for character in cursor.rest().chars() {
        cursor.at += character.len_utf8();
        match character {
            '/' if !escaped => return Ok(value),
            // `\/` is a slash; every other escape belongs to the expression.
            '/' => drop(value.pop()),
            _ => {}
        }
        value.push(character);
        escaped = character == '\\' && !escaped;
    }
    Err(Bad::new(
        Span::new(start, start + 1),
        "this expression is never closed",
        "end it with `/` on the same line",
    ))
}

fn check_status(predicate: &Predicate, span: Span) -> Result<(), Bad> {
    use Predicate::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    match predicate {
        Equal(value)
        | NotEqual(value)
        | Greater(value)
        | GreaterOrEqual(value)
        | Less(value)
        | LessOrEqual(value)
            if matches!(value, Literal::Number(_)) =>
        {
            Ok(())
        }
        _ => Err(Bad::new(span, "a status is a number", "compare it with a number: `status < 300`")),
    }
}
