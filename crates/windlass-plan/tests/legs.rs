//! In which order the units of several hosts run.

use windlass_plan::{Config, ConfigSource, DocumentMeta, Leg, NoFiles, Plan, compile, parse_config};

const THREE: &str = "[target.app]\nhosts = [\"a\", \"b\", \"c\"]\n[target.web]\nhosts = [\"d\", \"e\"]\n";

const HERE: &str = "[target.app]\n";

fn config(toml: &str) -> Config {
    parse_config(&[ConfigSource { name: "windlass.toml".into(), text: toml.into() }]).0
}

fn planned(body: &str, toml: &str) -> Plan {
    let text = format!("---\nrelease: 2\n---\n# 2\n\n{body}");
    let document = windlass_document::parse_str(&text).document;
    let meta = DocumentMeta { name: "release.md", text: &text };
    let (plan, findings) = compile(&document, meta, &config(toml), &NoFiles, "0.1.0");
    plan.unwrap_or_else(|| panic!("a plan is expected: {findings:#?}"))
}

fn on_hosts(body: &str) -> Plan {
    planned(body, THREE)
}

/// The step of each leg, by its id, with its part.
fn legs(plan: &Plan) -> String {
    let words = |leg: &Leg| format!("{}.{}", plan.steps[leg.step].id, leg.part);
    plan.legs().iter().map(words).collect::<Vec<_>>().join(" ")
}

#[test]
fn lines_that_only_prepare_are_a_leg_of_their_own() {
    for (lines, parts) in [
        ("docker compose pull\ndocker compose up -d\ndocker compose ps", &[0, 1, 1][..]),
        ("docker ps\ngit fetch\ndocker compose down", &[0, 0, 1]),
        ("docker compose up -d\ndocker compose pull", &[0, 0]),
        ("docker compose pull\ndocker compose ps", &[0, 0]),
        ("git pull\nsystemctl restart app", &[0, 0]),
    ] {
        let plan = on_hosts(&format!("```sh {{#up on=app}}\n{lines}\n```\n"));
        let step = plan.steps.iter().find(|step| step.id.0 == "up").unwrap();
        let of = step.parts(&step.units);
        assert_eq!(of, [parts, parts, parts].concat(), "{lines}");
        let first = parts.iter().filter(|part| **part == 0).count();
        assert_eq!(step.prepared().count(), if first < parts.len() { first } else { 0 }, "{lines}");
    }
    let here = planned("```sh {#up on=app}\ndocker compose pull\ndocker compose up -d\n```\n", HERE);
    assert_eq!(legs(&here), "up.0", "one machine waits for nobody");
    let serial = on_hosts("```sh {#up on=app serial=2}\ndocker compose pull\ndocker compose up -d\n```\n");
    assert_eq!(legs(&serial), "up.0 up.1", "each batch does all its lines");
    assert_eq!(serial.steps[0].batches(), [vec!["a", "b"], vec!["c"]]);
}

#[test]
fn checks_go_with_the_batches_of_the_step_before_them_if_they_say_so() {
    let of = |checks: &str| {
        legs(&on_hosts(&format!("```sh {{#up on=app serial=1,100%}}\ndocker compose up -d\n```\n{checks}")))
    };
    let check =
        |id: &str, words: &str| format!("```http {{#{id} {words}}}\nGET http://localhost/\nHTTP 200\n```\n");
    let own = check("well", "on=app serial=1,100%");
    assert_eq!(of(&own), "up.0 well.0 up.1 well.1");
    assert_eq!(
        of(&(own.clone() + &check("too", "on=app serial=1,100%"))),
        "up.0 well.0 too.0 up.1 well.1 too.1"
    );
    for other in [
        "on=app",
        "on=app serial=1",
        "on=web serial=1,100%",
        "on=app serial=1,100% after=1d",
        "serial=1,100%",
    ] {
        let legs = of(&check("well", other));
        assert!(legs.starts_with("up.0 up.1 well.0"), "{other}: {legs}");
    }
    let change = "```sh {#two on=app serial=1,100%}\ndocker compose restart\n```\n";
    assert_eq!(of(change), "up.0 up.1 two.0 two.1", "another change is another step");
    assert!(of(&("- [ ] a person looks\n\n".to_owned() + &own)).starts_with("up.0 up.1 gate-1.0 well.0"));
}
