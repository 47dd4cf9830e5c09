//! `no-where`

use super::{Facts, Rule};
use windlass_document::{Finding, Severity};
use windlass_sql::Kind;

pub(super) const RULE: Rule = Rule {
    name: "no-where",
    severity: Severity::Warning,
    summary: "an UPDATE or DELETE without WHERE changes every row",
    why: "a forgotten WHERE is the most expensive line of a release",
    bad: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#reset on=db}\nUPDATE booking SET \
          state = 'new';\n```\n\n- [ ] the states are right\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#reset on=db rows=115}\nUPDATE \
           booking SET state = 'new' WHERE state IS NULL;\n```\n\n- [ ] the states are right\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    facts
        .entries()
        .filter_map(|entry| {
            let sql = entry.mark.sql.as_ref().filter(|sql| !sql.has_where)?;
            let what = match sql.kind {
                Kind::Update => "changes",
                Kind::Delete => "deletes",
                _ => return None,
            };
            let name = sql.object.as_ref().map_or("the table", |object| object.base());
            let help = "add a WHERE; if every row is meant, say so: `WHERE true`";
            Some(rule.at(entry.mark.span, format!("this {what} every row of `{name}`")).help(help))
        })
        .collect()
}
