//! Lines of an `http` fence to entries.

use super::body::{self, Body};
use super::literal::{Bad, Cursor};
use super::{HttpAssert, HttpCheck, HttpEntry, Literal, Predicate, Query, assert};
use crate::rules::Findings;
use crate::rules::Rule;
use crate::rules_list::{HTTP_EMPTY, HTTP_SYNTAX, HTTP_UNSUPPORTED, HTTP_URL, HTTP_VERSION};
use crate::{Finding, Span};

/// Where in an entry a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first request.
    Start,
    /// Behind a request line: headers, then a body.
    Request,
    /// Behind `HTTP …`: headers, sections, a body.
    Response,
    Asserts,
    /// In a section that has been reported.
    Skipped,
}

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    entries: Vec<HttpEntry>,
    place: Place,
    /// The entry being read has its `HTTP` line.
    answered: bool,
    problems: Findings,
}

/// Sections of Hurl that are not read, with what to write instead.
const SECTIONS: [(&str, &str); 10] = [
    ("Options", "the braces of the fence say how it runs: `within=60s`, `timeout=5s`"),
    ("QueryStringParams", "write the parameters in the URL: `?name=value`"),
    ("Query", "write the parameters in the URL: `?name=value`"),
    (
        "FormParams",
        "write a header `Content-Type: application/x-www-form-urlencoded` and the body in back quotes",
    ),
    ("Form", "write a header `Content-Type: application/x-www-form-urlencoded` and the body in back quotes"),
    ("MultipartFormData", "send files from an `sh` fence with `curl -F`"),
    ("Multipart", "send files from an `sh` fence with `curl -F`"),
    ("Cookies", "write a header `Cookie: name=value`"),
    ("BasicAuth", "check from an `sh` fence with `curl --netrc`, so that no password stands in the document"),
    ("Captures", "each request stands for itself here; check what depends on an answer from an `sh` fence"),
];

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            entries: Vec::new(),
            place: Place::Start,
            answered: false,
            problems: Findings::default(),
        }
    }

    pub(super) fn run(mut self) -> (Vec<HttpEntry>, Vec<Finding>) {
        while self.at < self.text.len() {
            let end = self.text[self.at..].find('\n').map_or(self.text.len(), |length| self.at + length);
            let line = &self.text[self.at..end];
            let start = self.at + (line.len() - line.trim_start().len());
            let span = Span::new(start, self.at + line.trim_end().len());
            self.at = end + 1;
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                self.line(line, span);
            }
        }
        let mut findings = self.problems.finish(self.text.len());
        if self.entries.is_empty() && findings.is_empty() {
            let whole = Span::new(0, self.text.len());
            let help = "write a request and what is expected, for example `GET http://localhost:8080/health` and `HTTP 200`";
            findings.push(HTTP_EMPTY.at(whole, "the fence has no request").help(help));
        }
        (self.entries, findings)
    }

    fn report(&mut self, rule: &Rule, span: Span, message: impl Into<String>, help: &str) {
        self.problems.push(rule.at(span, message).label("here").help(help));
    }

    fn bad(&mut self, bad: Bad) {
        let rule = if bad.unsupported { &HTTP_UNSUPPORTED } else { &HTTP_SYNTAX };
        self.report(rule, bad.span, bad.message, bad.help);
    }

    fn line(&mut self, line: &str, span: Span) {
        if let Some(rest) = request_line(line) {
            self.template(line, span);
            return self.request(line, rest, span);
        }
        if line == "HTTP" || line.starts_with("HTTP ") || line.starts_with("HTTP/") {
            return self.response(line, span);
        }
        if let Some(name) = section(line) {
            self.grow(span.end);
            return self.section(name, span);
        }
        if self.place == Place::Start {
            let help = "start with a request: a method in upper case and an absolute URL";
            self.report(&HTTP_SYNTAX, span, "the line belongs to no request", help);
            // One report for what stands before the first request.
            self.place = Place::Skipped;
            return;
        }
        if self.place == Place::Skipped {
            return self.grow(span.end);
        }
        if self.place == Place::Asserts && !line.starts_with(['{', '[', '`', '<']) {
            self.template(line, span);
            self.grow(span.end);
            match assert::read(Cursor { text: self.text, at: span.start, end: span.end }) {
                Ok(assert) => self.push_assert(assert),
                Err(bad) => self.bad(bad),
            }
            return;
        }
        if body::starts(line) { self.body(span) } else { self.header(line, span) }
    }

    /// `{{name}}`: reported, since it would be sent as it is.
    fn template(&mut self, text: &str, span: Span) -> bool {
        let Some(offset) = text.find("{{") else { return false };
        let length = text[offset..].find("}}").map_or(2, |length| length + 2);
        let at = Span::new(span.start + offset, span.start + offset + length);
        let help = "write the value itself; what is secret or differs by environment belongs into an `sh` fence with `curl`";
        self.report(&HTTP_UNSUPPORTED, at, "templates `{{…}}` are not supported", help);
        true
    }

    fn grow(&mut self, end: usize) {
        if let Some(entry) = self.entries.last_mut() {
            entry.span.end = entry.span.end.max(end);
        }
    }

    fn check(&mut self) -> Option<&mut HttpCheck> {
        self.entries.last_mut().map(|entry| &mut entry.check)
    }

    fn push_assert(&mut self, assert: HttpAssert) {
        if let Some(check) = self.check() {
            check.asserts.push(assert);
        }
    }

    fn request(&mut self, line: &str, rest: &str, span: Span) {
        let method = line.split([' ', '\t']).next().unwrap_or_default().to_owned();
        let offset = line.len() - rest.len();
        let mut cursor = Cursor { text: self.text, at: span.start + offset, end: span.end };
        let (url, url_span) = cursor.word();
        if let Some(message) = bad_url(url) {
            let help = "write the whole URL, for example `http://localhost:8080/health`";
            self.report(&HTTP_URL, url_span, message, help);
        }
        if !cursor.is_done() {
            let rest = Span::new(cursor.at, cursor.end);
            self.report(&HTTP_URL, rest, "text behind the URL", "write a blank in a URL as `%20`");
        }
        let check = HttpCheck { method, url: url.to_owned(), ..HttpCheck::default() };
        self.entries.push(HttpEntry { check, span });
        self.place = Place::Request;
        self.answered = false;
    }

    fn response(&mut self, line: &str, span: Span) {
        if matches!(self.place, Place::Start) || self.entries.is_empty() {
            return self.report(
                &HTTP_SYNTAX,
                span,
                "an answer without a request",
                "write the request line above it",
            );
        }
        if std::mem::replace(&mut self.answered, true) {
            let help = "write one `HTTP` line for a request; asserts can say more";
            self.report(&HTTP_SYNTAX, span, "a second `HTTP` line for one request", help);
        }
        self.place = Place::Response;
        self.grow(span.end);
        let mut cursor = Cursor { text: self.text, at: span.start, end: span.end };
        let (version, version_span) = cursor.word();
        self.version(version, version_span);
        let (status, status_span) = cursor.word();
        let number = status.parse::<u16>().ok().filter(|status| (100..600).contains(status));
        let number = number.filter(|_| status.len() == 3);
        if number.is_none() && status != "*" {
            let at =
                if status.is_empty() { Span::new(span.start, span.start + line.len()) } else { status_span };
            let help = "write `HTTP 200` with the expected status, or `HTTP *` for any";
            self.report(&HTTP_SYNTAX, at, format!("`{status}` is not a status"), help);
        } else if !cursor.is_done() {
            let rest = Span::new(cursor.at, cursor.end);
            self.report(
                &HTTP_SYNTAX,
                rest,
                "text behind the status",
                "remove it, or write it as a comment with `#`",
            );
        }
        if let Some(check) = self.check() {
            check.status = number;
            check.any_status = status == "*";
        }
    }

    fn version(&mut self, version: &str, span: Span) {
        match version {
            "HTTP" => {}
            "HTTP/1.0" | "HTTP/1.1" | "HTTP/2" | "HTTP/3" => {
                let help = "write `HTTP` and the status";
                self.problems.push(
                    HTTP_VERSION
                        .at(span, format!("that the answer is `{version}` is not checked"))
                        .help(help),
                );
            }
            _ => {
                let help = "write `HTTP` and the status";
                self.report(&HTTP_SYNTAX, span, format!("`{version}` is not a version of HTTP"), help);
            }
        }
    }

    fn section(&mut self, name: &str, span: Span) {
        if name == "Asserts" {
            if self.place == Place::Response
                || (self.place == Place::Skipped && self.answered)
                || self.place == Place::Asserts
            {
                self.place = Place::Asserts;
                return;
            }
            let help = "write the `HTTP` line before it, for example `HTTP 200`";
            self.report(&HTTP_SYNTAX, span, "`[Asserts]` stands behind the `HTTP` line", help);
        } else if let Some((_, help)) = SECTIONS.iter().find(|(known, _)| *known == name) {
            self.report(&HTTP_UNSUPPORTED, span, format!("the section `[{name}]` is not supported"), help);
        } else {
            self.report(
                &HTTP_SYNTAX,
                span,
                format!("`[{name}]` is not a section"),
                "the section for checks is `[Asserts]`",
            );
        }
        self.place = Place::Skipped;
    }

    fn header(&mut self, line: &str, span: Span) {
        self.grow(span.end);
        if self.template(line, span) {
            return;
        }
        let header = match read_header(Cursor { text: self.text, at: span.start, end: span.end }) {
            Ok(header) => header,
            Err(bad) => return self.bad(bad),
        };
        if self.place == Place::Response {
            let (name, value) = header;
            let predicate = Predicate::Equal(Literal::String(value));
            return self.push_assert(HttpAssert {
                query: Query::Header(name),
                not: false,
                predicate,
                text: line.to_owned(),
            });
        }
        let late = self.check().is_some_and(|check| check.body.is_some());
        if late {
            let help = "write headers between the request line and the body";
            self.report(&HTTP_SYNTAX, span, "a header behind the body", help);
        } else if let Some(check) = self.check() {
            check.headers.push(header);
        }
    }

    fn body(&mut self, span: Span) {
        let Body { text, json, end } = match body::read(self.text, span.start) {
            Ok(body) => body,
            Err(bad) => {
                // Its further lines would only be reported once more.
                self.place = Place::Skipped;
                self.grow(span.end);
                return self.bad(bad);
            }
        };
        self.at = (end + 1).min(self.text.len());
        let whole = Span::new(span.start, end);
        self.grow(end);
        if self.template(&self.text[span.start..end], whole) {
            return;
        }
        if self.place != Place::Request {
            return self.expected_body(text, json, whole);
        }
        let Some(check) = self.check() else { return };
        if check.body.replace(text).is_some() {
            self.report(
                &HTTP_SYNTAX,
                whole,
                "a second body for one request",
                "write one body; each request starts with its own line",
            );
        } else if json && !check.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            // As Hurl does for a JSON body.
            check.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
    }

    /// A body behind the `HTTP` line is what the answer must be.
    fn expected_body(&mut self, text: String, json: bool, span: Span) {
        if json {
            let help = "check values of the answer: `[Asserts]`, then `jsonpath \"$.status\" == \"ok\"`";
            return self.report(
                &HTTP_UNSUPPORTED,
                span,
                "a JSON body to compare with is not supported",
                help,
            );
        }
        let written = self.text[span.start..span.end].to_owned();
        let predicate = Predicate::Equal(Literal::String(text));
        self.push_assert(HttpAssert { query: Query::Body, not: false, predicate, text: written });
    }
}

/// What stands behind the method, if `line` is a request line.
fn request_line(line: &str) -> Option<&str> {
    let (method, rest) = line.split_once([' ', '\t'])?;
    let upper = method.len() >= 3 && method.bytes().all(|byte| byte.is_ascii_uppercase());
    (upper && method != "HTTP").then_some(rest)
}

/// The name in `[Name]`; `[true]` is JSON.
fn section(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    let letters = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    let json = ["true", "false", "null"].contains(&name);
    (letters && !json && (rest.is_empty() || rest.starts_with('#'))).then_some(name)
}

fn bad_url(url: &str) -> Option<&'static str> {
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
        return Some("the URL is not an absolute http or https URL");
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.starts_with(':') || host.ends_with('@') {
        return Some("the URL has no host");
    }
    url.contains(|c: char| c.is_control() || c.is_whitespace())
        .then_some("the URL has a blank or control character")
}

fn read_header(mut cursor: Cursor<'_>) -> Result<(String, String), Bad> {
    const HELP: &str = "write `Name: value`, a body, `HTTP` and a status, or a section such as `[Asserts]`";
    let line = Span::new(cursor.at, cursor.end);
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let Some((name, _)) = cursor
        .rest()
        .split_once(':')
        .filter(|(name, _)| !name.trim_end().is_empty() && name.trim_end().bytes().all(token))
    else {
        return Err(Bad::new(line, "the line is not part of a request or an answer", HELP));
    };
    cursor.at += name.len() + 1;
    cursor.blanks();
    let mut value = String::new();
    while let Some(character) = cursor.rest().chars().next() {
        let here = Span::new(cursor.at, cursor.at + character.len_utf8());
        match character {
            '#' => break,
            '\\' => {
                cursor.at = here.end;
                value.push(cursor.escape(here)?);
            }
            _ => {
                value.push(character);
                cursor.at = here.end;
            }
        }
    }
    let value = value.trim_end().to_owned();
    if value.contains(char::is_control) {
        return Err(Bad::new(line, "a header cannot hold control characters", "remove the escape"));
    }
    Ok((name.trim_end().to_owned(), value))
}
