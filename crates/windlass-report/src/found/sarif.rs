//! SARIF 2.1.0, as GitHub's code scanning and most other readers of findings take it.

use super::{Found, FoundIn, Region, all, region, words};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use windlass_document::{Confidence, LineIndex, Severity};
use windlass_plan::{AboutRule, about_rules};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const HOME: &str = env!("CARGO_PKG_REPOSITORY");

/// A log with one run of the tool, which has version `tool`.
#[must_use]
pub fn sarif(files: &[FoundIn<'_>], tool: &str) -> Value {
    let found = all(files);
    let lines: BTreeMap<&str, (&str, LineIndex)> =
        files.iter().map(|file| (file.path.as_str(), (file.text, LineIndex::new(file.text)))).collect();
    let rules = rules(&found);
    let results: Vec<Value> = found.iter().map(|found| result(found, &rules, &lines)).collect();
    let failed = found.iter().any(|found| found.finding.severity == Severity::Error);
    let rules: Vec<&Value> = rules.iter().map(|(_, rule)| rule).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "windlass",
                "semanticVersion": tool,
                "informationUri": HOME,
                "rules": rules,
            } },
            // The check itself came to its end; errors are results of it.
            "invocations": [{ "executionSuccessful": true, "exitCode": if failed { 2 } else { 0 } }],
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    })
}

/// The rules of what was found, by name.
fn rules<'a>(found: &[Found<'a>]) -> Vec<(&'a str, Value)> {
    let mut named: BTreeMap<&str, &Found<'a>> = BTreeMap::new();
    for found in found {
        named.entry(&found.finding.rule).or_insert(found);
    }
    named.into_iter().map(|(name, found)| (name, rule(name, found))).collect()
}

fn rule(name: &str, found: &Found<'_>) -> Value {
    let precision = match found.finding.confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    // Rules about windlass.toml have no section in docs/rules.md: their findings say all of it.
    let Some(AboutRule { severity, summary, why, .. }) = about_rules().find(|about| about.name == name)
    else {
        return json!({
            "id": name,
            "shortDescription": { "text": found.finding.message },
            "defaultConfiguration": { "level": level(found.finding.severity) },
            "properties": { "precision": precision },
        });
    };
    json!({
        "id": name,
        "shortDescription": { "text": summary },
        "fullDescription": { "text": why },
        "help": { "text": format!("{summary}: {why}") },
        "helpUri": format!("{HOME}/blob/main/docs/rules.md#{name}"),
        "defaultConfiguration": { "level": level(severity) },
        "properties": { "precision": precision },
    })
}

fn result(found: &Found<'_>, rules: &[(&str, Value)], lines: &BTreeMap<&str, (&str, LineIndex)>) -> Value {
    let finding = found.finding;
    let location = |region: Region| {
        json!({
            "physicalLocation": {
                "artifactLocation": { "uri": uri(found.path), "uriBaseId": "%SRCROOT%" },
                "region": {
                    "startLine": region.line,
                    "startColumn": region.column,
                    "endLine": region.end_line,
                    "endColumn": region.end_column,
                },
            },
        })
    };
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": rules.iter().position(|(name, _)| *name == finding.rule),
        "level": level(finding.severity),
        "message": { "text": words(finding) },
        "locations": [location(found.region)],
        "partialFingerprints": { "windlass/v1": found.fingerprint },
    });
    let (text, index) = &lines[found.path];
    let related = finding.notes.iter().enumerate().map(|(id, note)| {
        let mut place = location(region(text, index, note.span));
        place["id"] = id.into();
        place["message"] = json!({ "text": note.text });
        place
    });
    let related: Vec<Value> = related.collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A path as a relative URI: everything but what RFC 3986 leaves unreserved is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
