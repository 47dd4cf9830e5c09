use super::*;
use windlass_document::Severity;

const HOSTILE: &str = "50% \u{1b}[31m\r\n::add-mask::x\n##[error]y, a:b";

fn files() -> Vec<FoundIn<'static>> {
    // A byte-order mark, wide characters, and one outside of the basic plane.
    let text = "\u{feff}甲乙🚀DROP\n表 x\n";
    let at = |word: &str| {
        let start = text.find(word).unwrap_or_default();
        Span::new(start, start + word.len())
    };
    let drop = Finding::error("destructive", at("DROP"), HOSTILE)
        .why("it is gone")
        .help("keep it")
        .also(at("x"), "here, too");
    let both = Finding::warning("no-verification", Span::new(at("乙").start, at("x").end), "two lines");
    let config = Finding::note("config-value", Span::new(0, 0), "line 3 is odd");
    vec![
        FoundIn { path: "docs/发布 1,2:3.md".to_owned(), text, findings: vec![drop, both] },
        FoundIn { path: "windlass.toml".to_owned(), text: "", findings: vec![config] },
    ]
}

#[test]
fn annotations_are_one_line_each_whatever_stands_in_them() {
    let said = github_annotations(&files());
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert_eq!(
        lines[0],
        "::error file=docs/发布 1%2C2%3A3.md,line=1,col=5,endLine=1,title=destructive::50%25 \u{fffd}[31m%0A\
         ::add-mask::x%0A##[error]y, a:b%0Awhy: it is gone%0Ahelp: keep it"
    );
    // No column where the place has several lines.
    assert_eq!(
        lines[1],
        "::warning file=docs/发布 1%2C2%3A3.md,line=1,endLine=2,title=no-verification::two lines"
    );
    assert_eq!(
        lines[2],
        "::notice file=windlass.toml,line=1,col=1,endLine=1,title=config-value::line 3 is odd"
    );
}

#[test]
fn code_quality_has_what_gitlab_asks_for() {
    let report = serde_json::to_value(code_quality(&files())).unwrap_or_default();
    let severities: Vec<_> = (0..3).map(|at| report[at]["severity"].as_str().unwrap_or_default()).collect();
    assert_eq!(severities, ["blocker", "major", "info"]);
    assert_eq!(report[1]["location"]["path"], "docs/发布 1,2:3.md");
    assert_eq!(report[1]["location"]["lines"], serde_json::json!({ "begin": 1, "end": 2 }));
    assert_eq!(report[0]["check_name"], "destructive");
    assert!(report[0]["description"].as_str().is_some_and(|text| text.contains("keep it")));
    assert_eq!(code_quality(&[]), []);
}

#[test]
fn a_fingerprint_stays_where_lines_come_before_and_differs_for_the_same_twice() {
    let print = |text: &'static str, messages: &[&str]| {
        let findings = messages.iter().map(|message| {
            let start = text.find('x').unwrap_or_default();
            Finding::new("a-rule", Severity::Warning, Span::new(start, start + 1), *message)
        });
        let files = [FoundIn { path: "a.md".to_owned(), text, findings: findings.collect() }];
        all(&files).into_iter().map(|found| found.fingerprint).collect::<Vec<_>>()
    };
    let before = print("x", &["see line 1", "see line 1"]);
    assert_eq!(before, print("\n\n\nx", &["see line 4", "see line 14"]));
    assert_ne!(before[0], before[1]);
    assert_ne!(before[0], print("x", &["another"])[0]);
    assert!(before.iter().all(|print| print.len() == 64 && print.bytes().all(|b| b.is_ascii_hexdigit())));
}

#[test]
fn sarif_has_every_property_that_the_standard_and_github_require() {
    let log = sarif(&files(), "1.2.3");
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().is_some_and(|schema| schema.contains("sarif-2.1.0")));
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "utf16CodeUnits");
    let driver = &run["tool"]["driver"];
    assert_eq!((&driver["name"], &driver["semanticVersion"]), (&"windlass".into(), &"1.2.3".into()));
    let rules = driver["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let results = run["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!((rules.len(), results.len()), (3, 3));
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap_or(99)).unwrap_or(99)];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["shortDescription"]["text"].is_string());
        assert!(["error", "warning", "note"].iter().any(|level| result["level"] == *level), "{result}");
        assert!(result["message"]["text"].is_string());
        assert!(result["partialFingerprints"]["windlass/v1"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap_or_default();
        assert!(!uri.is_empty() && uri.is_ascii() && !uri.contains([' ', ',', ':']), "{uri}");
        let number = |key: &str| place["region"][key].as_u64().unwrap_or_default();
        assert!(number("startLine") >= 1 && number("startColumn") >= 1, "{place}");
        assert!((number("startLine"), number("startColumn")) <= (number("endLine"), number("endColumn")));
    }
    let known = rules.iter().find(|rule| rule["id"] == "no-verification").map(|rule| &rule["helpUri"]);
    assert!(
        known.and_then(|uri| uri.as_str()).is_some_and(|uri| uri.ends_with("/docs/rules.md#no-verification")),
        "{known:?}"
    );
}

/// 甲 and 乙 are one unit each, 🚀 two, the byte-order mark none.
#[test]
fn columns_of_sarif_are_utf16_code_units() {
    let log = sarif(&files(), "1.2.3");
    let result = &log["runs"][0]["results"][0];
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&1.into(), &5.into()));
    assert_eq!((&region["endLine"], &region["endColumn"]), (&1.into(), &9.into()));
    let related = &result["relatedLocations"][0];
    assert_eq!(related["physicalLocation"]["region"]["startColumn"], 3);
    assert_eq!(related["message"]["text"], "here, too");
}
