//! Rules of the tree that no compiler checks: licences, sizes of files, layering, suppressions.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the tree has to fail")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// What is built here: dependencies of other platforms are neither downloaded nor shipped.
fn metadata() -> serde_json::Value {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// SPDX expressions as they occur: `A OR B`, `A AND B`, `(A OR B) AND C`, and the old `A/B`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    if let Some(at) = split_outside(expression, " AND ") {
        return is_allowed(&expression[..at], allowed) && is_allowed(&expression[at + 5..], allowed);
    }
    if let Some(at) = split_outside(expression, " OR ") {
        return is_allowed(&expression[..at], allowed) || is_allowed(&expression[at + 4..], allowed);
    }
    match expression.strip_prefix('(').and_then(|e| e.strip_suffix(')')) {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.iter().any(|a| a == expression),
    }
}

fn split_outside(text: &str, word: &str) -> Option<usize> {
    let mut depth = 0;
    (0..text.len()).find(|i| {
        match text.as_bytes()[*i] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        depth == 0 && text[*i..].starts_with(word)
    })
}

#[test]
fn licence_expressions() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-2.0/MIT", true),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(GPL-3.0 OR MIT) AND (GPL-3.0)", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let deny: toml::Table = std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let allowed = deny["licenses"]["allow"].as_array().unwrap();
    let allowed: Vec<_> = allowed.iter().map(|v| v.as_str().unwrap().to_owned()).collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "cargo metadata lists the dependencies");
    let bad: Vec<_> = packages
        .iter()
        .filter(|p| !is_allowed(p["license"].as_str().unwrap_or("none"), &allowed))
        .map(|p| format!("{} {}: {}", p["name"], p["version"], p["license"]))
        .collect();
    assert!(bad.is_empty(), "licences not in deny.toml:\n{}", bad.join("\n"));
}

/// ARCHITECTURE.md, "Layers": what each crate of the workspace may depend on among ours.
#[test]
fn crates_depend_only_downwards() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("windlass-document", [].as_slice()),
        ("windlass-sql", &[]),
        ("windlass-objects", &[]),
        ("windlass-s3", &["objects"]),
        ("windlass-plan", &["document", "sql", "objects"]),
        ("windlass-journal", &["plan"]),
        ("windlass-driver", &["plan"]),
        ("windlass-engine", &["document", "plan", "journal", "driver"]),
        ("windlass-drivers", &["document", "sql", "objects", "s3", "plan", "driver", "proxy"]),
        ("windlass-proxy", &[]),
        ("windlass-report", &["document", "plan", "journal"]),
        ("windlass-notice", &["plan", "driver"]),
        ("windlass-adopt", &["document", "sql", "plan"]),
        ("windlass-lab", &[]),
        ("windlass-sim", &["document", "plan", "journal", "driver", "engine"]),
        (
            "windlass",
            &[
                "document", "sql", "objects", "s3", "plan", "journal", "driver", "engine", "drivers",
                "proxy", "report", "notice", "adopt",
            ],
        ),
    ]);
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if !name.starts_with("windlass") {
            continue;
        }
        let allowed =
            may.get(name).unwrap_or_else(|| panic!("{name} is not in this list nor in ARCHITECTURE.md"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            if dependency["kind"].is_null() && on.starts_with("windlass-") {
                let short = on.trim_start_matches("windlass-");
                assert!(allowed.contains(&short), "{name} must not depend on {on}");
            }
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && path.file_name().unwrap() != "target" {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_stay_small_and_suppressions_expire() {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    let mut lengths = Vec::new();
    let mut problems = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        let is_test = path.components().any(|c| c.as_os_str() == "tests" || c.as_os_str() == "benches")
            || path.file_stem().is_some_and(|s| s.to_string_lossy().contains("tests"));
        let lines = text.lines().count();
        if !is_test {
            lengths.push(lines);
            if lines > 800 {
                problems.push(format!("{}: {lines} lines", path.display()));
            }
        }
        let allow = concat!("#[", "allow(");
        let allow_all = concat!("#![", "allow(");
        if text.contains(allow) || text.contains(allow_all) {
            problems.push(format!("{}: `allow` never expires; use `expect` with a reason", path.display()));
        }
    }
    lengths.sort_unstable();
    let p95 = lengths[lengths.len() * 95 / 100];
    assert!(p95 <= 500, "95 % of the files are to have at most 500 lines, here {p95}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A page as a reader of Markdown takes it: what stands in code, and what is text.
#[derive(Default)]
struct Page {
    /// `#`, `##` …, and the words.
    headings: Vec<(String, String)>,
    /// Fences with their info strings, byte for byte.
    fences: Vec<String>,
    /// Indented lines. What stands behind two spaces and `#` is for readers, in their language.
    indented: Vec<String>,
    /// Everything else, without what stands between backticks.
    text: String,
}

fn page(path: &Path) -> Page {
    let all = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut page = Page::default();
    let mut open: Option<String> = None;
    for line in all.lines() {
        let trimmed = line.trim();
        let ticks: String = trimmed.chars().take_while(|c| *c == '`').collect();
        if let Some(fence) = &open {
            page.fences.last_mut().unwrap().extend([line, "\n"]);
            if trimmed == *fence {
                open = None;
            }
        } else if line.starts_with("    ") {
            let code = line.find("  #").map_or(line, |comment| &line[..comment]);
            page.indented.push(code.trim_end().to_owned());
        } else if ticks.len() >= 3 && !trimmed[ticks.len()..].contains('`') {
            page.fences.push(format!("{line}\n"));
            open = Some(ticks);
        } else {
            let level: String = line.chars().take_while(|c| *c == '#').collect();
            if !level.is_empty() && line[level.len()..].starts_with(' ') {
                page.headings.push((level.clone(), line[level.len()..].trim().to_owned()));
            }
            page.text.extend([line, "\n"]);
        }
    }
    assert!(open.is_none(), "{}: a fence is not closed", path.display());
    page.text = page.text.split('`').step_by(2).collect();
    page
}

/// The anchor that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Whoever changes one guide has to change the other.
#[test]
fn both_guides_have_the_same_sections_and_the_same_code() {
    let (english, chinese) = (page(&root().join("docs/guide.md")), page(&root().join("docs/guide.zh.md")));
    let levels = |page: &Page| page.headings.iter().map(|(level, _)| level.clone()).collect::<Vec<_>>();
    assert!(english.headings.len() > 10 && english.fences.len() > 5 && english.indented.len() > 40);
    assert_eq!(levels(&english), levels(&chinese), "headings of docs/guide.md and docs/guide.zh.md");
    assert_eq!(english.fences, chinese.fences, "fences of docs/guide.md and docs/guide.zh.md");
    assert_eq!(english.indented, chinese.indented, "indented code of docs/guide.md and docs/guide.zh.md");
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
}

/// What is wrong with a link of the page `from`.
fn astray(from: &Path, link: &str) -> Option<String> {
    let (file, wanted) = link.split_once('#').unwrap_or((link, ""));
    let to = if file.is_empty() { from.to_path_buf() } else { from.parent().unwrap().join(file) };
    if !to.exists() {
        return Some(format!("{}: {link}: no such file", from.display()));
    }
    let there = wanted.is_empty() || page(&to).headings.iter().any(|(_, words)| anchor(words) == wanted);
    (!there).then(|| format!("{}: {link}: no such heading", from.display()))
}

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let mut files: Vec<_> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|f| root().join(f)).into();
    pages(&root().join("docs"), &mut files);
    let mut links = 0;
    let mut wrong = Vec::new();
    for file in &files {
        for rest in page(file).text.split("](").skip(1) {
            let link = rest.split([')', ' ', '\n']).next().unwrap();
            if !link.contains("://") && !link.starts_with("mailto:") {
                links += 1;
                wrong.extend(astray(file, link));
            }
        }
    }
    assert!(links > 100, "{links} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
