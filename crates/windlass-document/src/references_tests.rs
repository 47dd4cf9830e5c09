use crate::{Span, parse_str};

/// A document of one step for each pair of braces, and what is found: rule, marked text, label.
fn problems(braces: &[&str]) -> Vec<(String, String, String)> {
    let mut text = "---\nrelease: 1\n---\n".to_owned();
    for braces in braces {
        text.push_str(&format!("```sh {{{braces}}}\nls\n```\n"));
    }
    let slice = |span: Span| text[span.start..span.end].to_owned();
    parse_str(&text).findings.iter().map(|f| (f.rule.clone(), slice(f.span), f.label.clone())).collect()
}

fn rules(braces: &[&str]) -> Vec<(String, String)> {
    problems(braces).into_iter().map(|(rule, text, _)| (rule, text)).collect()
}

fn one(rule: &str, text: &str) -> Vec<(String, String)> {
    vec![(rule.to_owned(), text.to_owned())]
}

#[test]
fn good_references_have_no_problem() {
    assert_eq!(
        problems(&["#backup", "#fill undo=backup", "#undo-fill undoes=copy", "#copy", "again=backup"]),
        [],
        "an undo fence may stand before or behind its step"
    );
}

#[test]
fn an_unknown_id_is_reported_with_the_one_that_was_meant() {
    let found = problems(&["#backup", "undo=bakup"]);
    assert_eq!(found, [("id-unknown".into(), "bakup".into(), "did you mean `backup`?".into())]);
    let found = problems(&["#backup", "undo=zzz"]);
    assert_eq!(found, [("id-unknown".into(), "zzz".into(), "unknown id".into())]);
    let found = problems(&["", "undo=step-1"]);
    assert_eq!(found, [("id-unknown".into(), "step-1".into(), "that step has no id of its own".into())]);
    assert_eq!(rules(&["undoes=a"]), one("id-unknown", "a"));
}

#[test]
fn ids_are_unique_and_not_automatic_ones() {
    assert_eq!(rules(&["#a", "#b", "#a", "#a"]).len(), 2);
    for id in ["step-1", "step-99", "gate-3"] {
        assert_eq!(rules(&[&format!("#{id}")]), one("id-reserved", id));
    }
    assert_eq!(rules(&["#step-one", "#step-"]), []);
}

#[test]
fn references_go_backwards_in_the_file() {
    assert_eq!(rules(&["#a undo=b", "#b"]), one("id-order", "b"));
    assert_eq!(rules(&["#a again=b", "#b"]), one("id-order", "b"));
}

#[test]
fn a_step_does_not_refer_to_itself() {
    for key in ["undo", "undoes", "again"] {
        assert_eq!(rules(&[&format!("#a {key}=a")]), one("undo-cycle", "a"));
    }
}

#[test]
fn a_circle_is_one_problem_that_names_its_steps() {
    let mut text = "---\nrelease: 1\n---\n".to_owned();
    for (id, undoes) in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")] {
        text.push_str(&format!("```sh {{#{id} undoes={undoes}}}\nls\n```\n"));
    }
    let findings = parse_str(&text).findings;
    let circles: Vec<&str> =
        findings.iter().filter(|f| f.rule == "undo-cycle").map(|f| f.message.as_str()).collect();
    assert_eq!(circles, ["steps undo each other in a circle: a → b → c → a"]);
    assert_eq!(rules(&["#a undo=b", "#b undo=a"]), one("undo-cycle", "b"));
    assert_eq!(rules(&["#x", "#a undo=b", "#b undoes=a"]), one("undo-cycle", "b"), "of both kinds");
}

#[test]
fn an_undo_is_no_step_of_the_way_forward() {
    assert_eq!(rules(&["#a", "#b undoes=a", "#c undoes=b"]), one("undo-of-undo", "b"));
    assert_eq!(rules(&["#a", "#b undoes=a", "#c undo=b"]), one("undo-of-undo", "b"));
    assert_eq!(rules(&["#a", "#b undoes=a", "#c again=b"]), one("undo-of-undo", "b"));
}

#[test]
fn a_step_has_one_way_back() {
    assert_eq!(rules(&["#a", "#b undoes=a", "#c undoes=a"]), one("undo-twice", "a"));
    assert_eq!(rules(&["#x", "#a undo=x", "#b undoes=a"]), one("undo-twice", "a"));
    assert_eq!(rules(&["#a readonly", "#b undoes=a"]), one("undo-twice", "a"));
    assert_eq!(rules(&["#a irreversible", "#b undoes=a"]), one("undo-twice", "a"));
}
