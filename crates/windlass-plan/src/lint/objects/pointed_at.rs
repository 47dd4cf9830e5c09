//! `objects-pointed-at`

use super::{Facts, Finding, Rule, lines, url};
use crate::Action;
use windlass_document::Severity;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "objects-pointed-at",
    severity: Severity::Warning,
    summary: "a line of `aws s3` takes away objects whose keys a statement of the release has written",
    why: "the rows then name objects that are not there, and whoever follows them gets an error",
    bad: "```sh {#copy on=files}\naws s3 sync s3://files/old/ s3://files/live/v1/\n```\n\n```sh {#backup on=app}\nsqlite3 app.db \
          \".backup app.bak\"\n```\n\n```sql {#keys on=db}\nUPDATE record SET path = 'v1/' || id WHERE path IS NULL;\n```\n\n```sh \
          {#tidy on=files}\naws s3 mv s3://files/live/v1/ s3://files/discard/ --recursive\n```\n\n- [ ] pages load\n",
    good: "```sh {#copy on=files}\naws s3 sync s3://files/old/ s3://files/live/v1/\n```\n\n```sh {#backup on=app}\nsqlite3 app.db \
           \".backup app.bak\"\n```\n\n```sql {#keys on=db}\nUPDATE record SET path = 'v1/' || id WHERE path IS NULL;\n```\n\n```sh \
           {#tidy on=files}\naws s3 mv s3://files/old/ s3://files/discard/ --recursive\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let lines: Vec<_> = lines(facts).filter(super::Written::is_forward).collect();
    let prefixes: Vec<_> = facts
        .entries()
        .filter(super::super::Entry::changes)
        .flat_map(|entry| {
            let Action::Sql { statement, .. } = &entry.unit.action else { return Vec::new() };
            key_prefixes(statement).into_iter().map(|prefix| (prefix, entry.mark.span)).collect()
        })
        .collect();
    let mut findings = Vec::new();
    for (at, taking) in lines.iter().enumerate() {
        let pointed = lines[..at].iter().filter_map(|copying| copying.line.writes()).find_map(|path| {
            let (prefix, span) = prefixes.iter().find(|(prefix, _)| path.ends_with(&format!("/{prefix}")))?;
            taking.line.takes_below(&path).then_some((path, prefix, *span))
        });
        if let Some((path, prefix, statement)) = pointed {
            let message = format!(
                "this takes objects below `{}` away, whose keys `{prefix}…` a statement writes",
                url(&path)
            );
            findings.push(
                rule.at(taking.at(None), message)
                    .also(statement, "these rows point at them")
                    .help("leave them out with a filter behind all others, `--exclude \"PREFIX/*\"`"),
            );
        }
    }
    findings
}

/// Texts in quotes that end with `/`, as the beginnings of keys do that a statement puts together.
fn key_prefixes(statement: &str) -> Vec<&str> {
    statement.split('\'').skip(1).step_by(2).filter(|text| text.len() > 1 && text.ends_with('/')).collect()
}
