//! Documents and configurations with errors of their own: what else is told, and what is not.

use super::*;
use crate::{ConfigSource, compile_broken};

type Errors = Vec<(String, String)>;

fn read(toml: &str) -> Config {
    parse_config(&[ConfigSource { name: "windlass.toml".into(), text: toml.into() }]).0
}

/// Rule and marked text of all errors: those of the parser, then those of the compiler.
fn all(body: &str, toml: &str) -> (Errors, Errors) {
    let text = document(body);
    let parsed = windlass_document::parse_str(&text);
    let meta = DocumentMeta { name: "release.md", text: &text };
    let more = compile_broken(&parsed.document, &parsed.findings, meta, &read(toml), &NoFiles);
    let errors = |findings: &[Finding]| {
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|f| (f.rule.clone(), text[f.span.start..f.span.end].to_owned())).collect()
    };
    (errors(&parsed.findings), errors(&more))
}

#[test]
fn errors_of_the_document_do_not_hide_those_of_the_plan() {
    let body = "```sh {#pull on=app timout=5s}\nmkdir new\n```\n\n\
                ```sh {#list on=ap readonly}\n./list\n```\n\n\
                ```sql {#fill on=db rows=two}\nROLLBACK;\n```\n\n\
                ```sh {#cut on=nowhere}\nmkdir 'new\n```\n\n\
                ```sh {#stop on=app}\nwindlass service stop boking\n```\n";
    let (parser, more) = all(body, EXAMPLE_CONFIG);
    let rules: Vec<_> = parser.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(rules, ["unknown-attribute", "attribute-value", "shell-unterminated"]);
    assert_eq!(
        more,
        [
            pair("unknown-target", "ap"),
            pair("sql-not-in-transaction", "ROLLBACK"),
            pair("unknown-target", "nowhere"),
            pair("unknown-service", "boking"),
        ]
    );
}

#[test]
fn what_only_follows_from_an_error_of_the_document_is_not_told() {
    for (body, why) in [
        ("```sh {#a on=app undoo=b}\n./a\n```\n", "the misspelt attribute is the way back"),
        ("```sh {#a onn=app readonly}\n./a\n```\n", "the misspelt attribute is the target"),
        ("```sh {#a on=app}\n./a\n```\n\n```sh {#b undoes=aa}\n./b\n```\n", "the way back names another id"),
        ("```sh {#a on=app}\n./a\n```\n\n```sh {#b undos=a}\n./b\n```\n", "the way back is not one"),
        ("```sh {#a on=app}\n./a 'x\n```\n", "the text has no end"),
        ("```sql {#a on=db rows=x}\nSELECT 1;\nSELECT 2;\n```\n", "the count could not be read"),
    ] {
        let (parser, more) = all(body, &format!("{EXAMPLE_CONFIG}[target.web]\ndir = \"w\"\n"));
        assert!(!parser.is_empty(), "{body}");
        assert_eq!(more, [], "{why}: {body}");
    }
}

#[test]
fn an_unknown_target_hides_nothing_else_of_its_step() {
    let undo = "```sh {#a on=ap}\n./a\n```\n\n```sh {#b undoes=a}\n./b\n```\n";
    assert_eq!(errors(undo), [pair("unknown-target", "ap")], "once, not for the way back as well");
    let found = errors("```sh {#a on=ap}\n./a\n```\n\n```diff {#b on=db}\n--- x\n-a\n+b\n```\n");
    assert_eq!(
        found,
        [pair("unknown-target", "ap"), pair("opaque-without-undo", "./a"), pair("target-misfit", "db")]
    );
}

#[test]
fn errors_of_the_configuration_hide_only_what_depends_on_them() {
    let body = "```sh {#backup on=app}\nsqlite3 app.db '.backup b.db'\n```\n\n\
                ```sql {#fill on=db undo=backup}\nUPDATE a SET b = 1 WHERE c;\n```\n\n\
                ```sh {#stop on=app}\nwindlass service stop booking\n```\n\n\
                ```sh {#do on=app}\n./do\n```\n\n```sh {#list on=ap readonly}\n./list\n```\n";
    let opaque = pair("opaque-without-undo", "./do");
    let unknown = pair("unknown-target", "ap");
    for (from, to, wanted) in [
        ("[target.app]", "[target.app", vec![opaque.clone()]),
        ("[target.app]", "[targets.app]", vec![opaque.clone()]),
        ("dir = \".\"", "dirr = \".\"", vec![opaque.clone(), unknown.clone()]),
        ("url = \"sqlite:app.db\"", "urll = \"sqlite:app.db\"", vec![opaque.clone(), unknown.clone()]),
        ("url = \"sqlite:app.db\"", "url = \"sqlit:app.db\"", vec![opaque.clone(), unknown.clone()]),
        ("run = [", "rnu = [", vec![opaque.clone(), unknown.clone()]),
        ("[target.db]", "[policy]\ntimezone = 3\n[target.db]", vec![opaque.clone(), unknown.clone()]),
    ] {
        let toml = EXAMPLE_CONFIG.replace(from, to);
        assert_ne!(toml, EXAMPLE_CONFIG, "{from}");
        assert_eq!(all(body, &toml), (vec![], wanted), "{to}");
    }
    let unread = crate::Unread { anything: true, ..crate::Unread::default() };
    let text = document(body);
    let parsed = windlass_document::parse_str(&text);
    let config = Config { unread, ..Config::default() };
    let meta = DocumentMeta { name: "release.md", text: &text };
    let found = compile_broken(&parsed.document, &parsed.findings, meta, &config, &NoFiles);
    let rules: Vec<_> = found.iter().filter(|f| f.severity == Severity::Error).map(|f| &f.rule).collect();
    assert_eq!(rules, ["opaque-without-undo"], "not even a file of the configuration could be read");
}

#[test]
fn nothing_is_guessed_when_not_even_all_errors_are_known() {
    let bad = "```sh\nls\n```\n".repeat(windlass_document::FINDINGS_MAX + 1);
    let (_, more) = all(&format!("{bad}```sh {{#a on=ap}}\n./a\n```\n"), EXAMPLE_CONFIG);
    assert_eq!(more, []);
}
