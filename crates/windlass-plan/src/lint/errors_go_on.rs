//! `errors-go-on`

use super::{Facts, Rule, words};
use windlass_document::{
    Finding, Severity, Span,
    shell::{Redirect, Word},
};

pub(super) const RULE: Rule = Rule {
    name: "errors-go-on",
    severity: Severity::Warning,
    summary: "a client of a database goes on after a statement that failed",
    why: "the statements behind a failure run on a database that is not as they expect it, and `psql` ends with 0 all the \
          same; as typed steps the line stops at the first error and is taken back",
    bad: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sh {#tidy on=app}\nsqlite3 app.db \
          <<EOF\nDELETE FROM booking WHERE seats = 0;\nDELETE FROM seat WHERE id = 7;\nEOF\n```\n\n- [ ] seats can be booked\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sh {#tidy on=app}\nsqlite3 -bail app.db \
           <<EOF\nDELETE FROM booking WHERE seats = 0;\nDELETE FROM seat WHERE id = 7;\nEOF\n```\n\n- [ ] seats can be booked\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    words::all(facts)
        .filter_map(|(step, simple)| {
            let (program, arguments) = words::call(simple, &["psql", "mysql", "mariadb", "sqlite3"])?;
            let name = step.body.span_to_source(program.span);
            let help = goes_on(&program.text, arguments, &simple.redirects)?;
            let mut finding = rule.at(name, "this goes on after an error").help(help);
            let after = Span::new(name.end, name.end);
            match program.text.as_str() {
                "psql" => {
                    finding = finding.fix(after, " -v ON_ERROR_STOP=1", "stop at the first error", false)
                }
                "sqlite3" => finding = finding.fix(after, " -bail", "stop at the first error", false),
                _ => {}
            }
            Some(finding)
        })
        .collect()
}

/// What to do, if it goes on.
fn goes_on(program: &str, arguments: &[Word], redirects: &[Redirect]) -> Option<&'static str> {
    let has = |wanted: &[&str]| arguments.iter().any(|word| wanted.contains(&word.text.as_str()));
    let reads = redirects.iter().any(|redirect| redirect.fd == 0);
    let short = |letter: char| {
        let letters = |word: &&Word| word.text.starts_with('-') && !word.text.starts_with("--");
        // Letters before the one that takes a value.
        arguments.iter().filter(letters).any(|word| {
            let flags = word.text[1..].chars().take_while(|letter| "XqtAxaben1wW".contains(*letter));
            word.text[1..].chars().nth(flags.count()) == Some(letter)
        })
    };
    match program {
        "psql" => {
            let stops = arguments.iter().any(|word| word.text.contains("ON_ERROR_STOP"));
            let file = reads || short('f') || arguments.iter().any(|word| word.text.starts_with("--file"));
            (file && !stops).then_some("add `-v ON_ERROR_STOP=1`")
        }
        "sqlite3" => (reads && !has(&["-bail", "--bail"])).then_some("add `-bail`"),
        _ => has(&["--force", "-f"])
            .then_some("take `--force` out: without it the client stops at the first error"),
    }
}
