//! What is expected of an answer against what came.

use super::number::Decimal;
use regex::Regex;
use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json_path::JsonPath;
use std::cmp::Ordering;
use windlass_document::http::{HttpAssert, HttpCheck, Literal, Predicate, Query};

/// Longest value quoted in a failure, characters.
const VALUE_CHARS_MAX: usize = 200;

/// What came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, as far as it was read.
    pub body: Vec<u8>,
    /// Why the body is not all of it.
    pub complete: Result<(), String>,
}

/// Whether the status is as expected: the one named, any, or else any 2xx.
pub fn status_fits(check: &HttpCheck, status: u16) -> bool {
    check.any_status || check.status.map_or((200..300).contains(&status), |wanted| wanted == status)
}

/// All expectations that are not met, one text each.
///
/// # Errors
/// The check itself is malformed: a path or regular expression that cannot be read.
pub fn unmet(check: &HttpCheck, answer: &Answer) -> Result<Vec<String>, String> {
    if let Some(malformed) = malformed(check).first() {
        return Err(malformed.clone());
    }
    let mut unmet = vec![];
    if !status_fits(check, answer.status) {
        let wanted = check.status.map_or_else(|| "2xx".to_owned(), |status| status.to_string());
        unmet.push(format!("status {}, expected {wanted}", answer.status));
    }
    for assert in &check.asserts {
        if let Err(why) = holds(assert, answer) {
            unmet.push(format!("{}: {why}", assert.text));
        }
    }
    Ok(unmet)
}

/// What is wrong with the check itself, whatever comes.
pub fn malformed(check: &HttpCheck) -> Vec<String> {
    let wrong = |assert: &HttpAssert| {
        let path = match &assert.query {
            Query::JsonPath(path) => JsonPath::parse(path).err().map(|error| error.to_string()),
            _ => None,
        };
        let pattern = match &assert.predicate {
            Predicate::Matches(pattern) => Regex::new(pattern).err().map(|error| error.to_string()),
            _ => None,
        };
        path.or(pattern).map(|why| format!("{}: {why}", assert.text))
    };
    check.asserts.iter().filter_map(wrong).collect()
}

/// What an assert looks at.
enum Actual {
    Nothing,
    One(Value),
    Many(Vec<Value>),
}

impl Actual {
    fn from(mut values: Vec<Value>) -> Self {
        match values.len() {
            0 => Self::Nothing,
            1 => Self::One(values.remove(0)),
            _ => Self::Many(values),
        }
    }
}

fn body(answer: &Answer) -> Result<&str, String> {
    answer.complete.as_ref().map_err(|why| format!("the body was not read to its end: {why}"))?;
    std::str::from_utf8(&answer.body).map_err(|error| format!("the body is no UTF-8 text: {error}"))
}

fn look(query: &Query, answer: &Answer) -> Result<Actual, String> {
    Ok(match query {
        Query::Status => Actual::One(answer.status.into()),
        Query::Header(name) => Actual::from(
            answer
                .headers
                .get_all(name.as_str())
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned().into())
                .collect(),
        ),
        Query::Body => Actual::One(body(answer)?.into()),
        Query::JsonPath(path) => {
            let path = JsonPath::parse(path).map_err(|error| error.to_string())?;
            let json: Value = serde_json::from_str(body(answer)?)
                .map_err(|error| format!("the body is no JSON: {error}"))?;
            Actual::from(path.query(&json).all().into_iter().cloned().collect())
        }
    })
}

/// Whether an assert holds; `Err` says what came instead.
fn holds(assert: &HttpAssert, answer: &Answer) -> Result<(), String> {
    let actual = look(&assert.query, answer)?;
    // A predicate that cannot be asked of what came fails, with `not` as well as without: neither is known to hold.
    let met = ask(&assert.predicate, &actual).map_err(|why| format!("found {}, {why}", show(&actual)))?;
    if met == assert.not { Err(format!("found {}", show(&actual))) } else { Ok(()) }
}

fn ask(predicate: &Predicate, actual: &Actual) -> Result<bool, String> {
    let value = match (predicate, actual) {
        (Predicate::Exists, _) => return Ok(!matches!(actual, Actual::Nothing)),
        (_, Actual::Nothing) => return Err("so there is nothing to compare".to_owned()),
        (Predicate::Contains(part), Actual::Many(values)) => {
            return Ok(values.iter().any(|value| value.as_str() == Some(part)));
        }
        (Predicate::IsEmpty, Actual::Many(_)) => return Ok(false),
        (_, Actual::Many(values)) => return Err(format!("{} values where one is compared", values.len())),
        (_, Actual::One(value)) => value,
    };
    match predicate {
        Predicate::Exists => Ok(true),
        Predicate::Equal(literal) => Ok(equal(value, literal)),
        Predicate::NotEqual(literal) => Ok(!equal(value, literal)),
        Predicate::Greater(literal) => Ok(order(value, literal)? == Ordering::Greater),
        Predicate::GreaterOrEqual(literal) => Ok(order(value, literal)? != Ordering::Less),
        Predicate::Less(literal) => Ok(order(value, literal)? == Ordering::Less),
        Predicate::LessOrEqual(literal) => Ok(order(value, literal)? != Ordering::Greater),
        Predicate::Contains(part) => match value {
            Value::Array(values) => Ok(values.iter().any(|value| value.as_str() == Some(part))),
            _ => Ok(text(value)?.contains(part)),
        },
        Predicate::StartsWith(part) => Ok(text(value)?.starts_with(part)),
        Predicate::EndsWith(part) => Ok(text(value)?.ends_with(part)),
        Predicate::Matches(pattern) => {
            Ok(Regex::new(pattern).map_err(|error| error.to_string())?.is_match(text(value)?))
        }
        Predicate::IsEmpty => match value {
            Value::String(text) => Ok(text.is_empty()),
            Value::Array(values) => Ok(values.is_empty()),
            Value::Object(fields) => Ok(fields.is_empty()),
            _ => Err("which is neither text nor a list nor an object".to_owned()),
        },
        Predicate::IsInteger => Ok(value.is_i64() || value.is_u64()),
        Predicate::IsBoolean => Ok(value.is_boolean()),
        Predicate::IsString => Ok(value.is_string()),
    }
}

/// Values of different types are not equal. Numbers are compared as decimals: an integer of JSON exactly, another
/// number by its shortest form that reads back the same.
fn equal(value: &Value, literal: &Literal) -> bool {
    match (value, literal) {
        (Value::String(text), Literal::String(wanted)) => text == wanted,
        (Value::Bool(value), Literal::Bool(wanted)) => value == wanted,
        (Value::Null, Literal::Null) => true,
        (Value::Number(_), Literal::Number(_)) => order(value, literal) == Ok(Ordering::Equal),
        _ => false,
    }
}

fn order(value: &Value, literal: &Literal) -> Result<Ordering, String> {
    match (value, literal) {
        (Value::Number(number), Literal::Number(wanted)) => {
            let wanted = Decimal::read(wanted).ok_or_else(|| format!("and {wanted} is no number"))?;
            let number = Decimal::read(&number.to_string()).ok_or_else(|| "which is no number".to_owned())?;
            Ok(number.cmp(&wanted))
        }
        (Value::String(text), Literal::String(wanted)) => Ok(text.as_str().cmp(wanted)),
        _ => Err("which is of another type than what it is compared with".to_owned()),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "which is no text".to_owned())
}

fn show(actual: &Actual) -> String {
    let text = match actual {
        Actual::Nothing => return "nothing".to_owned(),
        Actual::One(value) => value.to_string(),
        Actual::Many(values) => Value::Array(values.clone()).to_string(),
    };
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.append("set-cookie", "a=1".parse().unwrap());
        headers.append("set-cookie", "b=2".parse().unwrap());
        Answer { status: 200, headers, body: body.into(), complete: Ok(()) }
    }

    fn assert(query: Query, not: bool, predicate: Predicate) -> HttpAssert {
        HttpAssert { query, not, predicate, text: "it".into() }
    }

    fn path(path: &str) -> Query {
        Query::JsonPath(path.into())
    }

    fn number(text: &str) -> Literal {
        Literal::Number(text.into())
    }

    fn word(text: &str) -> Literal {
        Literal::String(text.into())
    }

    const BODY: &str = r#"{"version":"2.1.0","rows":115,"ratio":0.1,"big":9007199254740993,"ok":true,
        "none":null,"list":["a","b"],"empty":[],"deep":[{"n":1},{"n":2}]}"#;

    #[test]
    fn every_predicate_holds_and_fails() {
        use Predicate::*;
        let cases = [
            (Query::Status, Equal(number("200")), Equal(number("201"))),
            (Query::Header("Content-Type".into()), Equal(word("application/json")), Equal(word("text/html"))),
            (Query::Header("set-cookie".into()), Contains("b=2".into()), Contains("c=3".into())),
            (Query::Body, StartsWith("{".into()), EndsWith("{".into())),
            (path("$.version"), Matches(r"^2\.\d".into()), Matches("^3".into())),
            (path("$.version"), IsString, IsInteger),
            (path("$.rows"), IsInteger, IsString),
            (path("$.rows"), Greater(number("114.9")), Greater(number("115"))),
            (path("$.rows"), GreaterOrEqual(number("115.0")), GreaterOrEqual(number("115.5"))),
            (path("$.rows"), Less(number("1.16e2")), Less(number("115"))),
            (path("$.rows"), LessOrEqual(number("115")), LessOrEqual(number("114"))),
            (path("$.rows"), NotEqual(number("114")), NotEqual(number("115.0"))),
            (path("$.rows"), NotEqual(word("115")), Equal(word("115"))),
            (path("$.ratio"), Equal(number("0.10")), Equal(number("0.1000001"))),
            (path("$.big"), Equal(number("9007199254740993")), Equal(number("9007199254740992"))),
            (path("$.ok"), Equal(Literal::Bool(true)), Equal(Literal::Bool(false))),
            (path("$.ok"), IsBoolean, IsString),
            (path("$.none"), Equal(Literal::Null), NotEqual(Literal::Null)),
            (path("$.none"), Exists, IsBoolean),
            (path("$.list"), Contains("a".into()), IsEmpty),
            (path("$.empty"), IsEmpty, Contains("a".into())),
        ];
        let answer = answer(BODY);
        for (query, yes, no) in cases {
            let label = format!("{query:?} {yes:?} {no:?}");
            assert_eq!(holds(&assert(query.clone(), false, yes.clone()), &answer), Ok(()), "{label}");
            assert!(holds(&assert(query.clone(), false, no.clone()), &answer).is_err(), "{label}");
            assert!(holds(&assert(query.clone(), true, yes), &answer).is_err(), "not {label}");
            assert_eq!(holds(&assert(query, true, no), &answer), Ok(()), "not {label}");
        }
    }

    #[test]
    fn what_cannot_be_asked_fails_with_and_without_not() {
        use Predicate::*;
        let answer = answer(BODY);
        for (query, predicate, says) in [
            (path("$.missing"), Equal(number("1")), "nothing to compare"),
            (path("$.rows"), StartsWith("1".into()), "no text"),
            (path("$.version"), Greater(number("1")), "another type"),
            (path("$.deep[*].n"), Equal(number("1")), "2 values"),
            (path("$.rows"), IsEmpty, "neither text"),
        ] {
            for not in [false, true] {
                let why = holds(&assert(query.clone(), not, predicate.clone()), &answer).unwrap_err();
                assert!(why.contains(says), "{why}");
            }
        }
        assert_eq!(holds(&assert(path("$.missing"), true, Exists), &answer), Ok(()));
    }

    #[test]
    fn all_that_is_unmet_is_said_at_once() {
        let check = HttpCheck {
            status: Some(201),
            asserts: vec![
                assert(path("$.rows"), false, Predicate::Equal(number("1"))),
                assert(Query::Status, false, Predicate::Equal(number("200"))),
                assert(Query::Header("x-none".into()), false, Predicate::Exists),
            ],
            ..HttpCheck::default()
        };
        let unmet = unmet(&check, &answer(BODY)).unwrap();
        assert_eq!(unmet, ["status 200, expected 201", "it: found 115", "it: found nothing"]);
    }

    #[test]
    fn a_body_that_is_no_json_or_not_complete_says_so() {
        let rows = assert(path("$.rows"), false, Predicate::Exists);
        assert!(holds(&rows, &answer("<html>")).unwrap_err().contains("no JSON"));
        let cut = Answer { complete: Err("too long".into()), ..answer(BODY) };
        assert!(holds(&rows, &cut).unwrap_err().contains("too long"));
        let binary = Answer { body: vec![0xff], ..answer("") };
        assert!(
            holds(&assert(Query::Body, false, Predicate::Exists), &binary).unwrap_err().contains("UTF-8")
        );
    }

    #[test]
    fn a_malformed_check_is_the_documents_fault() {
        let check = HttpCheck {
            asserts: vec![
                assert(path("$["), false, Predicate::Exists),
                assert(Query::Body, false, Predicate::Matches("(".into())),
            ],
            ..HttpCheck::default()
        };
        assert_eq!(malformed(&check).len(), 2);
        assert!(unmet(&check, &answer(BODY)).is_err());
    }

    #[test]
    fn without_a_status_any_2xx_fits() {
        let check = HttpCheck::default();
        assert!(status_fits(&check, 204) && !status_fits(&check, 302));
        assert!(status_fits(&HttpCheck { any_status: true, ..check }, 503));
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let shown = show(&Actual::One("名".repeat(10_000).into()));
        assert!(shown.len() < 1_000 && shown.contains("30002 bytes"), "{shown}");
    }
}
