//! The plan's digest: the same everywhere, and another one as soon as anything of the plan is another.

use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use windlass_document::{Finding, Severity, parse_str};
use windlass_plan::{
    Config, ConfigSource, Digest, DocumentMeta, NoFiles, Plan, canonical_json, compile, parse_config,
};

const DOCUMENT: &str = include_str!("golden/release.md");
const CONFIG: &str = include_str!("golden/windlass.toml");
/// Not the version of this crate: a release of it is no reason for another digest in this test.
const TOOL: &str = "0.1.0";

fn config(text: &str) -> Config {
    let source = ConfigSource { name: "windlass.toml".to_owned(), text: text.to_owned() };
    let (config, findings) = parse_config(&[source]);
    assert_eq!(findings, [], "{text}");
    config
}

fn try_plan(name: &str, text: &str, toml: &str) -> Result<Plan, Vec<Finding>> {
    let parsed = parse_str(text);
    let mut findings = parsed.findings;
    if findings.iter().all(|finding| finding.severity != Severity::Error) {
        let meta = DocumentMeta { name, text };
        let (plan, more) = compile(&parsed.document, meta, &config(toml), &NoFiles, TOOL);
        findings.extend(more);
        if let Some(plan) = plan {
            return Ok(plan);
        }
    }
    Err(findings)
}

fn plan(text: &str, toml: &str) -> Plan {
    try_plan("release.md", text, toml).unwrap_or_else(|findings| panic!("a plan is expected: {findings:#?}"))
}

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/plan.txt");

/// The digest, then the plan for people.
fn golden() -> String {
    let plan = plan(DOCUMENT, CONFIG);
    let value: serde_json::Value = serde_json::from_str(&canonical_json(&plan)).expect("JSON");
    format!("{}\n{}\n", plan.digest(), serde_json::to_string_pretty(&value).expect("JSON"))
}

/// One document for two environments: other targets and another digest, the same content.
#[test]
fn the_content_is_that_of_the_document_and_not_of_the_environment() {
    let toml = "[target.db]\nurl = \"sqlite:app.db\"\n";
    let text = "---\nrelease: 2.1.0\n---\n# x\n\n```sql {#s on=db}\nDELETE FROM a WHERE b;\n```\n";
    let (here, there) = (plan(text, toml), plan(text, &toml.replace("app.db", "staging.db")));
    assert_ne!(here.digest(), there.digest());
    assert_eq!(here.content(), there.content());
    let edited = plan(&text.replace("DELETE FROM a", "DELETE FROM c"), toml);
    assert_ne!(here.content(), edited.content());
}

/// A difference here is a change of the plan's format or of what a document means: say so in the changelog.
#[test]
fn the_golden_plan_and_its_digest() {
    let (now, golden) = (golden(), fs::read_to_string(GOLDEN).unwrap_or_default());
    let new = concat!(env!("CARGO_TARGET_TMPDIR"), "/golden-plan.txt");
    fs::write(new, &now).unwrap();
    for (line, (now, golden)) in now.lines().zip(golden.lines()).enumerate().skip(1) {
        assert_eq!(now, golden, "line {} of {GOLDEN}; if the change is meant: cp {new} {GOLDEN}", line + 1);
    }
    assert!(now == golden, "the digest or the length differs; if the change is meant: cp {new} {GOLDEN}");
}

#[test]
fn the_golden_document_is_one_that_lint_has_nothing_against() {
    let parsed = parse_str(DOCUMENT);
    let meta = DocumentMeta { name: "release.md", text: DOCUMENT };
    let (_, findings) = compile(&parsed.document, meta, &config(CONFIG), &NoFiles, TOOL);
    assert_eq!((parsed.findings, findings), (vec![], vec![]));
}

#[test]
fn the_plan_survives_its_own_json() {
    let plan = plan(DOCUMENT, CONFIG);
    let json = canonical_json(&plan);
    let back: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(back, plan);
    assert_eq!(canonical_json(&back), json);
    assert_eq!(plan.digest(), Digest::of(json.as_bytes()));
}

#[test]
fn folders_of_the_machine_are_no_part_of_it() {
    let digest = plan(DOCUMENT, CONFIG).digest();
    for name in ["/home/a/release.md", "./release.md", "C:\\work\\release.md"] {
        assert_eq!(try_plan(name, DOCUMENT, CONFIG).unwrap().digest(), digest, "{name}");
    }
    assert_ne!(try_plan("other.md", DOCUMENT, CONFIG).unwrap().digest(), digest);
}

#[test]
fn the_order_of_tables_and_comments_of_the_configuration_are_no_part_of_it() {
    let digest = plan(DOCUMENT, CONFIG).digest();
    let mut tables: Vec<&str> = CONFIG.split("\n\n").collect();
    for _ in 0..tables.len() {
        tables.rotate_left(1);
        let toml = format!("# rotated\n{}\n", tables.join("\n\n# a comment\n"));
        assert_eq!(plan(DOCUMENT, &toml).digest(), digest, "{toml}");
    }
    tables.reverse();
    assert_eq!(plan(DOCUMENT, &tables.join("\n\n")).digest(), digest);
    let spaced = CONFIG.replace(" = ", "   =  ");
    assert_eq!(plan(DOCUMENT, &spaced).digest(), digest);
}

#[test]
fn what_the_plan_does_not_use_is_no_part_of_it_and_all_else_is() {
    let digest = plan(DOCUMENT, CONFIG).digest();
    let unused = CONFIG.replace("REPORT_URL", "OTHER_URL").replace("Mon-Thu", "Mon-Fri");
    assert_eq!(plan(DOCUMENT, &unused).digest(), digest, "a target that no step uses; policy");
    for (from, to) in [
        ("dir = \".\"", "dir = \"./\""),
        ("sqlite:data/app.db", "sqlite:./data/app.db"),
        ("\"./booking\"", "\"./bookings\""),
        ("{port}/health", "{port}/healthz"),
        ("stable = \"2s\"", "stable = \"3s\""),
        ("127.0.0.1:8080\"", "127.0.0.1:8081\""),
        ("hold = \"20s\"", "hold = \"21s\""),
        ("drain = \"5s\"", "drain = \"6s\""),
        ("proxy = {", "strategy = \"bluegreen\"\nproxy = {"),
    ] {
        let toml = CONFIG.replacen(from, to, 1);
        assert_ne!(toml, CONFIG, "{from} is there");
        assert_ne!(plan(DOCUMENT, &toml).digest(), digest, "{from} → {to}");
    }
    let parsed = parse_str(DOCUMENT);
    let meta = DocumentMeta { name: "release.md", text: DOCUMENT };
    let (other, _) = compile(&parsed.document, meta, &config(CONFIG), &NoFiles, "0.1.1");
    assert_ne!(other.unwrap().digest(), digest, "the version of the tool");
}

/// Keys in order at every level, whole numbers only.
fn check_canonical(value: &serde_json::Value, path: &str) {
    match value {
        serde_json::Value::Number(number) => {
            assert!(
                number.is_u64() || number.is_i64(),
                "{path} is {number}: a number with a fraction differs between machines"
            );
        }
        serde_json::Value::Object(map) => {
            let keys: Vec<_> = map.keys().collect();
            assert!(keys.is_sorted(), "{path}: {keys:?}");
            map.iter().for_each(|(key, value)| check_canonical(value, &format!("{path}.{key}")));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| check_canonical(item, path)),
        _ => {}
    }
}

/// A step of a generated release: all languages, all sorts of undo.
fn step(kind: u8, n: usize, word: &str) -> String {
    match kind % 7 {
        0 => format!("```sh {{#s{n} on=app readonly}}\n./look {word}\n```\n"),
        1 => format!("```sh {{#s{n} on=app}}\ncp {word} copy\nmkdir -p {word}\n```\n"),
        2 => format!("```sql {{#s{n} on=db}}\nUPDATE t SET a = '{word}' WHERE b = {n};\nSELECT {n};\n```\n"),
        3 => format!("```diff {{#s{n} on=app}}\n--- {word}.env\n-A={n}\n+A={word}\n```\n"),
        4 => format!("```http {{#s{n} within=5s}}\nGET http://h/{word}\nHTTP 200\n```\n"),
        5 => format!("- [ ] {word} works\n"),
        _ => format!("```sh {{#s{n} on=app irreversible}}\nset -e\n./{word} | cat\n```\n"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn canonical_json_is_sorted_and_has_no_fractions(steps in prop::collection::vec((any::<u8>(), "[a-z]{1,8}"), 0..12)) {
        let body: String = steps.iter().enumerate().map(|(n, (kind, word))| step(*kind, n, word)).collect::<Vec<_>>().join("\n");
        let text = format!("---\nrelease: 1.0.0\n---\n\n{body}");
        let first = plan(&text, CONFIG);
        let json = canonical_json(&first);
        check_canonical(&serde_json::from_str(&json).unwrap(), "plan");
        prop_assert!(!json.contains('\n'));
        prop_assert_eq!(plan(&text, CONFIG).digest(), first.digest());
    }

    /// Whatever stands in a document that can be compiled at all: another character, another digest.
    #[test]
    fn another_byte_is_another_digest(at in 0..DOCUMENT.len(), with in "[a-z0-9]") {
        let at = (at..DOCUMENT.len()).find(|at| DOCUMENT.is_char_boundary(*at)).unwrap_or(0);
        let mut text = DOCUMENT.to_owned();
        let end = at + text[at..].chars().next().map_or(0, char::len_utf8);
        text.replace_range(at..end, &with);
        prop_assume!(text != DOCUMENT);
        if let Ok(other) = try_plan("release.md", &text, CONFIG) {
            prop_assert_ne!(other.digest(), plan(DOCUMENT, CONFIG).digest());
        }
    }

    /// A document that was cut, doubled or mixed up compiles or is refused; it never panics, and findings stand inside
    /// of it.
    #[test]
    fn broken_documents_are_refused_and_not_more(
        from in 0..DOCUMENT.len(), len in 0..200_usize, to in 0..DOCUMENT.len(), keep in any::<bool>(),
    ) {
        let boundary = |at: usize| DOCUMENT.floor_char_boundary(at.min(DOCUMENT.len()));
        let piece = &DOCUMENT[boundary(from)..boundary(from + len)];
        let mut text = DOCUMENT.to_owned();
        text.insert_str(boundary(to), piece);
        if !keep {
            text = text.replacen(piece, "", 1);
        }
        let parsed = parse_str(&text);
        let (_, findings) = compile(&parsed.document, DocumentMeta { name: "a", text: &text }, &config(CONFIG), &NoFiles, TOOL);
        for finding in findings {
            prop_assert!(finding.span.end <= text.len(), "{:?}", finding);
            prop_assert!(text.is_char_boundary(finding.span.start) && text.is_char_boundary(finding.span.end));
        }
    }

    #[test]
    fn broken_configurations_are_refused_and_not_more(from in 0..CONFIG.len(), len in 0..60_usize, with in "[\\[\\]{}\"=.a-z0-9 \n,]{0,6}") {
        let boundary = |at: usize| CONFIG.floor_char_boundary(at.min(CONFIG.len()));
        let mut text = CONFIG.to_owned();
        text.replace_range(boundary(from)..boundary(from + len), &with);
        let source = ConfigSource { name: "windlass.toml".to_owned(), text: text.clone() };
        for found in parse_config(&[source]).1 {
            prop_assert!(found.finding.span.end <= text.len(), "{:?}", found);
            prop_assert!(text.is_char_boundary(found.finding.span.start));
        }
    }
}

fn many(steps: usize) -> String {
    let body: String = (0..steps).map(|n| step((n % 7) as u8, n, "word")).collect::<Vec<_>>().join("\n");
    format!("---\nrelease: 1.0.0\n---\n\n{body}")
}

/// Ten times the steps take about ten times the work; quadratic work would be a hundred times. Counted is the time of
/// this thread on a processor, so that others on the same machine do not matter.
#[test]
fn a_thousand_steps_cost_ten_times_a_hundred() {
    let config = config(CONFIG);
    let best_ns = |steps: usize| {
        let text = many(steps);
        let parsed = parse_str(&text);
        let once = || {
            let start = thread_ns();
            let meta = DocumentMeta { name: "a.md", text: &text };
            let (plan, findings) = compile(&parsed.document, meta, &config, &NoFiles, TOOL);
            assert!(plan.is_some_and(|plan| plan.steps.len() == steps), "{findings:#?}");
            thread_ns() - start
        };
        (0..5).map(|_| once()).min().unwrap_or_default()
    };
    let (hundred, thousand) = (best_ns(100), best_ns(1_000));
    assert!(thousand < hundred * 30, "100 steps: {hundred} ns, 1,000 steps: {thousand} ns");
}

fn thread_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
