//! Lists of packages: which package in which version, as far as the list says.

use std::collections::BTreeMap;

/// Names that lists have which are read; requirements files have endless ones.
const LISTS: &[&str] = &["package.json", "go.mod", "Cargo.toml", "pom.xml", "pyproject.toml"];
/// Lists of which only is said that they changed.
const UNREAD: &[&str] = &[
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "go.sum",
    "Cargo.lock",
    "poetry.lock",
    "uv.lock",
    "Pipfile",
    "Pipfile.lock",
    "Gemfile",
    "Gemfile.lock",
    "composer.json",
    "composer.lock",
    "build.gradle",
    "build.gradle.kts",
];

/// Package to version, as written.
pub(crate) type Packages = BTreeMap<String, String>;

/// Whether a file of this name is a list that is read.
pub(crate) fn is_list(name: &str) -> bool {
    LISTS.contains(&name) || is_requirements(name)
}

/// Whether a file of this name says something of packages that is not read.
pub(crate) fn is_unread(name: &str) -> bool {
    UNREAD.contains(&name)
}

fn is_requirements(name: &str) -> bool {
    name.starts_with("requirements") && (name.ends_with(".txt") || name.ends_with(".in"))
}

/// The packages of a list; none where it cannot be read.
pub(crate) fn read(name: &str, text: &str) -> Packages {
    match name {
        "package.json" => npm(text),
        "go.mod" => go(text),
        "Cargo.toml" => cargo(text),
        "pom.xml" => maven(text),
        "pyproject.toml" => python(text),
        _ => text.lines().filter_map(requirement).collect(),
    }
}

/// What of a version may stand in a document: where it is a URL, a token may be in it.
pub(crate) fn shown(version: &str) -> Option<&str> {
    const CHARS_MAX: usize = 40;
    let fits = |c: char| c.is_ascii_alphanumeric() || " .,-+_~^<>=!*|${}".contains(c);
    let is_short = version.chars().count() <= CHARS_MAX;
    (!version.is_empty() && is_short && version.chars().all(fits)).then_some(version)
}

/// `name[extra]==1.2 ; marker  # comment`
fn requirement(line: &str) -> Option<(String, String)> {
    let line = line.split(" #").next()?.split(';').next()?.split(" --").next()?.trim_end_matches('\\').trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let end = line.find(|c| !fits(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let rest = match rest.strip_prefix('[') {
        Some(extras) => extras.split_once(']').map_or("", |(_, rest)| rest),
        None => rest,
    };
    let version = rest.trim().strip_prefix("==").unwrap_or(rest.trim()).trim();
    Some((name.to_ascii_lowercase(), version.to_owned()))
}

fn npm(text: &str) -> Packages {
    let list: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]
        .iter()
        .filter_map(|kind| list.get(kind)?.as_object())
        .flatten()
        .map(|(name, version)| (name.clone(), version.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn go(text: &str) -> Packages {
    let mut found = Packages::new();
    let mut inside = false;
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["require", "("] => inside = true,
            [")"] => inside = false,
            ["require", name, version] => drop(found.insert(name.to_owned(), version.to_owned())),
            [name, version] if inside => drop(found.insert(name.to_owned(), version.to_owned())),
            _ => {}
        }
    }
    found
}

fn cargo(text: &str) -> Packages {
    let Ok(list) = text.parse::<toml::Table>() else { return Packages::new() };
    let workspace = list.get("workspace").and_then(toml::Value::as_table);
    let mut found = Packages::new();
    for table in [Some(&list), workspace].into_iter().flatten() {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
                let version = value.as_str().or_else(|| value.get("version")?.as_str());
                // A path or a revision of git is compared, too.
                let version = version.map_or_else(|| format!("{value:?}"), str::to_owned);
                found.insert(name.clone(), version);
            }
        }
    }
    found
}

fn python(text: &str) -> Packages {
    let Ok(list) = text.parse::<toml::Table>() else { return Packages::new() };
    let project = list.get("project").and_then(|project| project.get("dependencies")?.as_array());
    project.into_iter().flatten().filter_map(|line| requirement(line.as_str()?)).collect()
}

fn maven(text: &str) -> Packages {
    let inside = |part: &str, tag: &str| {
        let (_, rest) = part.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once("</")?.0.trim().to_owned())
    };
    text.split("<dependency>")
        .skip(1)
        .filter_map(|part| {
            let part = part.split("</dependency>").next()?;
            let name = format!("{}:{}", inside(part, "groupId")?, inside(part, "artifactId")?);
            Some((name, inside(part, "version").unwrap_or_default()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_packages_are_read() {
        for (name, text, expected) in [
            (
                "requirements.txt",
                "# web\nFastAPI[all]==0.115.0  # api\nhttpx>=0.27 ; python_version > '3.8'\n-r base.txt\nbare\n",
                &[("fastapi", "0.115.0"), ("httpx", ">=0.27"), ("bare", "")][..],
            ),
            (
                "package.json",
                r#"{"dependencies": {"vue": "^3.5.0"}, "devDependencies": {"vite": "6"}}"#,
                &[("vue", "^3.5.0"), ("vite", "6")],
            ),
            (
                "go.mod",
                "module x\n\ngo 1.23\n\nrequire a.com/b v1.2.0\n\nrequire (\n\tc.com/d v0.1.0 // indirect\n)\n",
                &[("a.com/b", "v1.2.0"), ("c.com/d", "v0.1.0")],
            ),
            (
                "Cargo.toml",
                "[dependencies]\nserde = \"1\"\n[workspace.dependencies]\ntokio = { version = \"1.40\" }\n",
                &[("serde", "1"), ("tokio", "1.40")],
            ),
            (
                "pom.xml",
                "<dependency><groupId>org.a</groupId><artifactId>b</artifactId><version>${b.version}</version></dependency>",
                &[("org.a:b", "${b.version}")],
            ),
            ("pyproject.toml", "[project]\ndependencies = [\"uvicorn==0.30\"]\n", &[("uvicorn", "0.30")]),
            ("package.json", "{", &[]),
            ("Cargo.toml", "[", &[]),
        ] {
            let expected: Packages =
                expected.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect();
            assert_eq!(read(name, text), expected, "{text}");
        }
    }

    #[test]
    fn a_version_that_may_hold_a_token_is_not_shown() {
        assert_eq!(shown("^3.5.0"), Some("^3.5.0"));
        assert_eq!(shown("git+https://oauth2:glpat-x@git.example.com/a"), None);
        assert_eq!(shown("@ https://u:p@h/a.whl"), None);
    }
}
