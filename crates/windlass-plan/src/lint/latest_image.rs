//! `latest-image`

use super::{Facts, Rule};
use windlass_document::{Finding, Script, Severity};

pub(super) const RULE: Rule = Rule {
    name: "latest-image",
    severity: Severity::Warning,
    summary: "an edit sets an image to `:latest`",
    why: "`latest` names another image tomorrow: putting the file back does not put the version back",
    bad: "```diff {#image on=app}\n--- compose.yml\n-    image: booking:2.0.9\n+    image: booking:latest\n```\n\n- [ ] it \
          answers\n",
    good: "```diff {#image on=app}\n--- compose.yml\n-    image: booking:2.0.9\n+    image: booking:2.1.0\n```\n\n- [ ] it \
           answers\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for step in &facts.document.steps {
        let Script::Diff(patches) = &step.script else { continue };
        for edit in patches.iter().flat_map(|patch| &patch.edits) {
            let latest = |line: &&String| {
                let line = line.trim();
                let line = line.split(" #").next().unwrap_or(line).trim_end().trim_end_matches(['"', '\'']);
                line.starts_with("image:") && line.ends_with(":latest")
            };
            if let Some(line) = edit.add.iter().find(latest) {
                let span = step.body.span_to_source(edit.span);
                findings.push(
                    rule.at(span, format!("`{}` cannot be rolled back", line.trim()))
                        .help("name the version, or the digest: `image: NAME@sha256:…`"),
                );
            }
        }
    }
    findings
}
