use super::*;
use crate::Severity;

fn ok(text: &str) -> Vec<HttpCheck> {
    let (entries, findings) = parse(text);
    assert_eq!(findings, [], "{text}");
    entries.into_iter().map(|entry| entry.check).collect()
}

fn one(text: &str) -> HttpCheck {
    let mut checks = ok(text);
    assert_eq!(checks.len(), 1, "{text}");
    checks.remove(0)
}

fn rules(text: &str) -> Vec<(String, String)> {
    let (_, findings) = parse(text);
    findings.iter().map(|f| (f.rule.clone(), text[f.span.start..f.span.end].to_owned())).collect()
}

fn rule(rule: &str, at: &str) -> Vec<(String, String)> {
    vec![(rule.to_owned(), at.to_owned())]
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

const GET: &str = "GET http://localhost:8080/health\n";

#[test]
fn the_least_check() {
    let check = one("GET http://localhost:8080/health\nHTTP 200\n");
    assert_eq!((check.method.as_str(), check.url.as_str()), ("GET", "http://localhost:8080/health"));
    assert_eq!((check.status, check.any_status), (Some(200), false));
    let check = one(GET);
    assert_eq!((check.status, check.any_status), (None, false));
    let check = one("PURGE https://[::1]:8080/?a=b#c # why\n\nHTTP * # any\n");
    assert_eq!((check.method.as_str(), check.url.as_str()), ("PURGE", "https://[::1]:8080/?a=b#c"));
    assert_eq!((check.status, check.any_status), (None, true));
}

#[test]
fn headers_and_bodies_of_requests() {
    let check = one("POST http://h/x\nAccept: */*  # all\n X-A : b\\#c \n\n# c\nX-Empty:\nHTTP 201");
    assert_eq!(check.headers, [pair("Accept", "*/*"), pair("X-A", "b#c"), pair("X-Empty", "")]);
    for (body, text, json) in [
        (
            "{\n  \"a\": [1, {\"b\": \"}\"}],\n  \"数\": null\n}",
            "{\n  \"a\": [1, {\"b\": \"}\"}],\n  \"数\": null\n}",
            true,
        ),
        ("[true] # c", "[true]", true),
        ("[\n1]", "[\n1]", true),
        ("\"text\"", "\"text\"", true),
        ("-1.5e3", "-1.5e3", true),
        ("null", "null", true),
        ("`a=b&c=\\`\\n`", "a=b&c=`\n", false),
        ("```\nline 1\n  GET x\n[Asserts]\n```", "line 1\n  GET x\n[Asserts]\n", false),
        ("```json\n{}\n```", "{}\n", true),
        ("```\n```", "", false),
    ] {
        let check = one(&format!("POST http://h/x\n{body}\nHTTP 200\n"));
        assert_eq!(check.body.as_deref(), Some(text), "{body}");
        assert_eq!(check.status, Some(200), "{body}");
        let expected = if json { vec![pair("Content-Type", "application/json")] } else { vec![] };
        assert_eq!(check.headers, expected, "{body}");
    }
    let check = one("POST http://h/x\ncontent-type: text/plain\n{}\n");
    assert_eq!(check.headers, [pair("content-type", "text/plain")]);
}

#[test]
fn asserts() {
    use Predicate::*;
    let string = |text: &str| Literal::String(text.to_owned());
    let number = |text: &str| Literal::Number(text.to_owned());
    let path = |text: &str| Query::JsonPath(text.to_owned());
    let header = |text: &str| Query::Header(text.to_owned());
    for (line, query, not, predicate) in [
        ("status == 200", Query::Status, false, Equal(number("200"))),
        ("status >= 200", Query::Status, false, GreaterOrEqual(number("200"))),
        ("status not == 500", Query::Status, true, Equal(number("500"))),
        ("header \"X-A\" exists", header("X-A"), false, Exists),
        ("header \"X-A\" not exists", header("X-A"), true, Exists),
        ("header \"X\" startsWith \"a\\\"b\"", header("X"), false, StartsWith("a\"b".to_owned())),
        ("body contains \"好\\u{21}\"", Query::Body, false, Contains("好!".to_owned())),
        ("body  ==  `a\\`b`", Query::Body, false, Equal(string("a`b"))),
        ("body isEmpty", Query::Body, false, IsEmpty),
        ("body endsWith \"x\"", Query::Body, false, EndsWith("x".to_owned())),
        ("body matches /^\\d+\\/x$/", Query::Body, false, Matches("^\\d+/x$".to_owned())),
        ("jsonpath \"$.a\" matches \"^a\\\\d$\"", path("$.a"), false, Matches("^a\\d$".to_owned())),
        ("jsonpath \"$.a[?@.b=='c']\" != null", path("$.a[?@.b=='c']"), false, NotEqual(Literal::Null)),
        ("jsonpath \"$.a\" == true # c", path("$.a"), false, Equal(Literal::Bool(true))),
        ("jsonpath \"$.a\" < -1.5", path("$.a"), false, Less(number("-1.5"))),
        ("jsonpath \"$.a\" <= 1e3", path("$.a"), false, LessOrEqual(number("1e3"))),
        ("jsonpath \"$.a\" > 0", path("$.a"), false, Greater(number("0"))),
        ("jsonpath \"$.a\" isInteger", path("$.a"), false, IsInteger),
        ("jsonpath \"$.a\" isBoolean", path("$.a"), false, IsBoolean),
        ("jsonpath \"$.a\" isString", path("$.a"), false, IsString),
    ] {
        let check = one(&format!("{GET}HTTP 200\n[Asserts]\n{line}\n"));
        let text = line.split(" #").next().unwrap().to_owned();
        assert_eq!(check.asserts, [HttpAssert { query, not, predicate, text }], "{line}");
    }
}

#[test]
fn implicit_asserts_stand_for_themselves() {
    let check =
        one("GET http://h/\nHTTP 200\nContent-Type: text/plain\n[Asserts]\nbody isString\nstatus == 200\n");
    assert_eq!(check.asserts.len(), 3);
    assert_eq!(check.asserts[0].query, Query::Header("Content-Type".to_owned()));
    assert_eq!(check.asserts[0].predicate, Predicate::Equal(Literal::String("text/plain".to_owned())));
    assert_eq!(check.asserts[0].text, "Content-Type: text/plain");
    let check = one("GET http://h/\nHTTP 200\n`ok`\n");
    assert_eq!(check.asserts[0].query, Query::Body);
    assert_eq!(check.asserts[0].predicate, Predicate::Equal(Literal::String("ok".to_owned())));
}

#[test]
fn several_entries_with_their_places() {
    let text = "# first\nGET http://h/1\nHTTP 200\n[Asserts]\nbody contains \"a\"\n\n# second\nPOST http://h/2\n{\n}\n\nGET http://h/3";
    let (entries, findings) = parse(text);
    assert_eq!(findings, []);
    let spans: Vec<_> = entries.iter().map(|entry| &text[entry.span.start..entry.span.end]).collect();
    assert_eq!(
        spans,
        [
            "GET http://h/1\nHTTP 200\n[Asserts]\nbody contains \"a\"",
            "POST http://h/2\n{\n}",
            "GET http://h/3"
        ]
    );
    assert_eq!(ok("GET http://h/1\r\nHTTP 200\r\nA: b\r\n")[0].asserts[0].text, "A: b");
}

#[test]
fn what_is_not_supported_is_named() {
    for (rest, at) in [
        ("[Options]\nretry: 3\nHTTP 200\n", "[Options]"),
        ("[Query]\na: b\n", "[Query]"),
        ("[FormParams]\na: b\n", "[FormParams]"),
        ("[Multipart]\na: b\n", "[Multipart]"),
        ("[Cookies]\na: b\n", "[Cookies]"),
        ("[BasicAuth]\na: b\n", "[BasicAuth]"),
        ("HTTP 200\n[Captures]\nx: body\n", "[Captures]"),
        ("X-Token: {{token}}\n", "{{token}}"),
        ("{\"a\": \"{{b}}\"}\n", "{{b}}"),
        ("file,a.bin;\n", "file,a.bin;"),
        ("base64,AA==;\n", "base64,AA==;"),
        ("hex,00;\n", "hex,00;"),
        ("<a/>\n", "<a/>"),
        ("```graphql\nx\n```\n", "```graphql"),
        ("HTTP 200\n{\"a\": 1}\n", "{\"a\": 1}"),
        ("HTTP 200\n[Asserts]\nxpath \"//a\" exists\n", "xpath"),
        ("HTTP 200\n[Asserts]\nduration < 100\n", "duration"),
        ("HTTP 200\n[Asserts]\njsonpath \"$.a\" count == 1\n", "count"),
        ("HTTP 200\n[Asserts]\njsonpath \"$.a\" includes 1\n", "includes"),
        ("HTTP 200\n[Asserts]\nbody == hex,00;\n", "hex,00;"),
        ("HTTP 200\n[Asserts]\nbody contains \"{{x}}\"\n", "{{x}}"),
    ] {
        assert_eq!(rules(&format!("{GET}{rest}")), rule("http-unsupported", at), "{rest}");
    }
    assert_eq!(rules("GET http://h/{{id}}\n"), rule("http-unsupported", "{{id}}"));
    let (_, findings) = parse("GET http://h/\nHTTP/1.1 200");
    assert_eq!((findings[0].rule.as_str(), findings[0].severity), ("http-version", Severity::Note));
}

#[test]
fn what_cannot_be_read() {
    for (text, name, at) in [
        ("", "http-empty", ""),
        ("# GET http://h/\n", "http-empty", "# GET http://h/\n"),
        ("GET /health\n", "http-url", "/health"),
        ("GET ftp://h/\n", "http-url", "ftp://h/"),
        ("GET http:///x\n", "http-url", "http:///x"),
        ("GET http://h/a b\n", "http-url", "b"),
        ("HTTP 200\n", "http-syntax", "HTTP 200"),
        ("hello\nworld\nGET http://h/\n", "http-syntax", "hello"),
        ("get http://h/\n", "http-syntax", "get http://h/"),
        ("GET http://h/\nHTTP OK\n", "http-syntax", "OK"),
        ("GET http://h/\nHTTP\n", "http-syntax", "HTTP"),
        ("GET http://h/\nHTTP 99\n", "http-syntax", "99"),
        ("GET http://h/\nHTTP 200 OK\n", "http-syntax", "OK"),
        ("GET http://h/\nHTTP/9 200\n", "http-syntax", "HTTP/9"),
        ("GET http://h/\nHTTP 200\nHTTP 201\n", "http-syntax", "HTTP 201"),
        ("GET http://h/\n[Asserts]\nstatus == 200\n", "http-syntax", "[Asserts]"),
        ("GET http://h/\nHTTP 200\n[Assert]\nstatus == 200\n", "http-syntax", "[Assert]"),
        ("GET http://h/\nno header\n", "http-syntax", "no header"),
        ("GET http://h/\nX: a\\q\n", "http-syntax", "\\q"),
        ("GET http://h/\nX: a\\nb\n", "http-syntax", "X: a\\nb"),
        ("POST http://h/\n{\"a\": }\n", "http-syntax", "{\"a\": }"),
        ("POST http://h/\n{} x\n", "http-syntax", "x"),
        ("POST http://h/\n{}\n{}\n", "http-syntax", "{}"),
        ("POST http://h/\n{}\nX: y\n", "http-syntax", "X: y"),
        ("POST http://h/\n```\nabc\n", "http-syntax", "```"),
        ("POST http://h/\n`abc\n", "http-syntax", "`"),
    ] {
        assert_eq!(rules(text), rule(name, at), "{text:?}");
    }
    for (line, at) in [
        ("status", ""),
        ("status == \"200\"", "=="),
        ("status exists", "exists"),
        ("status == 200 x", "x"),
        ("status = 200", "="),
        ("stats == 200", "stats"),
        ("header X exists", "X"),
        ("header \"X", "\""),
        ("body contains x", "x"),
        ("body == x", "x"),
        ("body ==", ""),
        ("body == 01", "01"),
        ("body > \"x\"", "\"x\""),
        ("body == \"\\u{110000}\"", "\\u"),
        ("body matches /x", "/"),
        ("jsonpath \".a\" exists", "\".a\""),
    ] {
        let text = format!("{GET}HTTP 200\n[Asserts]\n{line}\nbody isEmpty\n");
        let found = rules(&text);
        assert_eq!((found.len(), found[0].0.as_str()), (1, "http-syntax"), "{line}: {found:?}");
        assert!(found[0].1.starts_with(at), "{line}: {found:?}");
    }
    let all = rules("GET /a\nbad\nHTTP x\n[Asserts]\nxpath \"a\" exists\nstatus\n\nGET /b\n");
    assert_eq!(all.len(), 6, "every problem at once: {all:?}");
}
