//! Targets: named, left out, unknown, not driven yet.

use super::*;

const TWO: &str = "[target.app]\n[target.web]\ndir = \"/srv/web\"\n";

#[test]
fn on_may_be_left_out_where_only_one_target_fits() {
    let plan = plan("```sh {#a}\nmkdir out\n```\n```sql {#b}\nDELETE FROM t WHERE id = 1;\n```\n");
    let on: Vec<_> = plan.steps.iter().map(|step| step.on.as_str()).collect();
    assert_eq!(on, ["app", "db"]);
}

#[test]
fn several_that_fit_are_listed() {
    let body = "```sh {#a}\nmkdir out\n```\n";
    assert_eq!(errors_with(body, TWO), [pair("target-missing", "```sh {#a}")]);
    let text = document(body);
    let (_, findings) = compiled_with(&text, &config(TWO), &NoFiles);
    assert_eq!(findings[0].help, "add one of `on=app`, `on=web`");
    let (_, findings) = compiled_with(&text, &config(""), &NoFiles);
    assert_eq!(findings[0].rule, "target-missing");
    assert!(findings[0].help.contains("[target.app]"), "{}", findings[0].help);
}

#[test]
fn an_unknown_target_is_an_error_with_a_guess() {
    let body = "```sh {on=wep}\nmkdir out\n```\n";
    assert_eq!(errors_with(body, TWO), [pair("unknown-target", "wep")]);
    let (_, findings) = compiled_with(&document(body), &config(TWO), &NoFiles);
    assert!(findings[0].help.starts_with("did you mean `web`?"), "{}", findings[0].help);
}

#[test]
fn a_fence_and_a_target_have_to_fit() {
    assert_eq!(errors("```sql {on=app}\nSELECT 1;\n```\n"), [pair("target-misfit", "app")]);
    assert_eq!(errors("```mysql {on=db}\nSELECT 1;\n```\n"), [pair("dialect-mismatch", "db")]);
    let plan = plan("```sh {#a on=db readonly}\n./look\n```\n");
    assert_eq!(plan.steps[0].on, "db", "a shell line may name a database; it runs beside windlass.toml");
}

#[test]
fn what_this_version_cannot_drive_is_said_in_clear_words() {
    let toml = "[target.app]\nhosts = [\"deploy@10.0.0.1\"]\n[target.here]\nhosts = [\"localhost\"]\n\
                [target.pg]\nurl = { env = \"DB\" }\nkind = \"postgresql\"\n[target.store]\nurl = \"s3://bucket\"\n";
    for (body, marked) in [
        ("```sh {on=app readonly}\n./look\n```\n", "app"),
        ("```sh {on=store irreversible}\naws s3 rm --recursive s3://bucket/discard/\n```\n", "store"),
    ] {
        assert_eq!(errors_with(body, toml), [pair("driver-missing", marked)], "{body}");
    }
    assert_eq!(errors_with("```sh {on=here readonly}\n./look\n```\n", toml), [], "localhost is this machine");
    assert_eq!(
        errors("```sql {on=db batch=100}\nDELETE FROM t WHERE id < 5;\n```\n").len(),
        1,
        "batch= is refused"
    );
}

#[test]
fn several_hosts_get_units_of_their_own() {
    let text = document("");
    let parsed = windlass_document::parse_str(&text).document;
    let config = config("");
    let compiler = Compiler::new(&parsed, DocumentMeta { name: "a", text: &text }, &config, &NoFiles);
    let drafts = ["one", "two"].map(|path| {
        let action = Action::MakeDir { path: path.into(), dir: None, parents: true };
        Draft::new(action, Span::default())
    });
    let hosts = ["a@one".to_owned(), "a@two".to_owned()];
    let units = compiler.units(&StepId("s".into()), &hosts, &drafts, None, |draft| WayBack::Own.of(draft));
    let ids: Vec<_> = units.iter().map(|unit| (unit.id.0.as_str(), unit.host.as_str())).collect();
    assert_eq!(
        ids,
        [("s/1@a@one", "a@one"), ("s/2@a@one", "a@one"), ("s/1@a@two", "a@two"), ("s/2@a@two", "a@two")]
    );
}
