//! `http` fences: the part of Hurl syntax that checks need (https://hurl.dev/docs/hurl-file.html).
//!
//! Our own reader: every release of `hurl_core` needs libclang and libxml2 to build, which a machine with only a Rust
//! toolchain does not have. What is not supported is an error, never skipped.

mod assert;
mod body;
mod literal;
mod parser;
#[cfg(test)]
mod tests;

use crate::{Finding, Span};
use serde::{Deserialize, Serialize};

/// Reads an `http` fence. Returns every problem; the checks may be run only if none is an error.
#[must_use]
pub fn parse(text: &str) -> (Vec<HttpEntry>, Vec<Finding>) {
    parser::Parser::new(text).run()
}

/// One request with what is expected of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpEntry {
    /// The check in plain data, as it goes into the plan.
    pub check: HttpCheck,
    /// Its bytes in the fence text.
    pub span: Span,
}

/// A request and its asserts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// Method, upper case.
    pub method: String,
    /// Absolute `http://` or `https://` URL.
    pub url: String,
    /// Request headers in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Request body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// `HTTP 200`; `None` for `HTTP *` or no response line (then any 2xx).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `HTTP *`: any status.
    #[serde(default)]
    pub any_status: bool,
    /// Asserts in order, implicit header lines of the response included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asserts: Vec<HttpAssert>,
}

/// One assert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAssert {
    /// What is looked at.
    pub query: Query,
    /// Negated with `not`.
    #[serde(default)]
    pub not: bool,
    /// What is expected of it.
    pub predicate: Predicate,
    /// As written, for messages.
    pub text: String,
}

/// What an assert looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Query {
    /// Status code.
    Status,
    /// A header by name.
    Header(String),
    /// The body as text.
    Body,
    /// A JSONPath (RFC 9535) over the body.
    JsonPath(String),
}

/// What is expected. Numbers are kept as written, so that the plan has no floating point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Predicate {
    /// `==`
    Equal(Literal),
    /// `!=`
    NotEqual(Literal),
    /// `>`
    Greater(Literal),
    /// `>=`
    GreaterOrEqual(Literal),
    /// `<`
    Less(Literal),
    /// `<=`
    LessOrEqual(Literal),
    /// `contains`
    Contains(String),
    /// `startsWith`
    StartsWith(String),
    /// `endsWith`
    EndsWith(String),
    /// `matches` a regular expression
    Matches(String),
    /// `exists`
    Exists,
    /// `isEmpty`
    IsEmpty,
    /// `isInteger`
    IsInteger,
    /// `isBoolean`
    IsBoolean,
    /// `isString`
    IsString,
}

/// A literal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Literal {
    /// Text.
    String(String),
    /// A number, as written.
    Number(String),
    /// `true` or `false`.
    Bool(bool),
    /// `null`
    Null,
}
