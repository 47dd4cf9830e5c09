//! `secret-in-document`

use super::{Facts, Rule};
use windlass_document::{Finding, Script, Severity};

pub(super) const RULE: Rule = Rule {
    name: "secret-in-document",
    severity: Severity::Warning,
    summary: "a check carries a credential in its header or URL",
    why: "the document stands in the repository, and the plan made from it in the journal and in records: whoever reads \
          one of them has the credential",
    bad: "```http {#check on=app}\nGET http://127.0.0.1:8080/me\nAuthorization: Bearer 0123456789abcdef\nHTTP 200\n```\n",
    good: "```http {#check on=app}\nGET http://127.0.0.1:8080/health\nHTTP 200\n```\n",
    check,
};

/// Headers whose value lets somebody in.
const HEADERS: &[&str] = &["authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"];

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for step in &facts.document.steps {
        let Script::Http(entries) = &step.script else { continue };
        for entry in entries {
            let check = &entry.check;
            let header =
                check.headers.iter().find(|(name, _)| HEADERS.contains(&name.to_ascii_lowercase().as_str()));
            let authority = check.url.split_once("://").map_or("", |(_, rest)| rest);
            let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
            let what = match header {
                Some((name, _)) => format!("the header `{name}`"),
                None if authority.contains('@') => "the URL".to_owned(),
                None => continue,
            };
            let span = step.body.span_to_source(entry.span);
            findings.push(rule.at(span, format!("{what} of this check carries a credential")).help(
                "check something that needs none, or let a script of yours read the credential and check",
            ));
        }
    }
    findings
}
