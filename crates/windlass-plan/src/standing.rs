//! What units do to what other units find: whether a look at the world before a run still says how it is when a unit's
//! turn comes.

use crate::{
    Action, GitVerb, Plan, Step, Target, Unit, UnitId, UrlKind, Value,
    config::sqlite_path,
    lift::{join, normal},
};

impl Plan {
    /// Whether what stands in the way of `unit` now certainly does so when its turn comes, because no unit before it can
    /// change that. `passed` are gates that are confirmed beforehand: nobody does anything while such a gate is open.
    ///
    /// In doubt it is not certain: a shell line may change anything, and so may a person at a gate, or time that passes.
    #[must_use]
    pub fn certain(&self, unit: &UnitId, passed: impl Fn(&Step, &Unit) -> bool) -> bool {
        let Some((own, unit)) = self.unit(unit) else { return false };
        let before = self.before(&unit.id);
        own.after_ms.is_none()
            && !before
                .filter(|(step, other)| !passed(step, other))
                .any(|(step, other)| step.after_ms.is_some() || self.may_change(other, unit))
    }

    /// Whether `first` may change what `unit` finds.
    fn may_change(&self, first: &Unit, unit: &Unit) -> bool {
        if matches!(unit.action, Action::Http { .. } | Action::Gate { .. } | Action::Watch(_)) {
            // Before a run nothing is said of an answer, only of the text of the check.
            return false;
        }
        match &first.action {
            Action::Shell { readonly, .. } => !readonly,
            Action::Gate { .. } => true,
            Action::Watch(_) => false,
            Action::Http { check } => !matches!(check.method.as_str(), "GET" | "HEAD"),
            action if action.is_keep() => false,
            Action::Service { service, .. } => {
                matches!(&unit.action, Action::Service { service: other, .. } if other == service)
            }
            // What is in front of a service is no file, and none of its processes.
            Action::Mode { service, .. } => {
                matches!(&unit.action, Action::Mode { service: other, .. } if other == service)
            }
            // Whatever starts may mount a folder, open a database, write a file.
            Action::Git(line) if matches!(line.verb, GitVerb::Pin | GitVerb::Fetch) => false,
            Action::Systemd { .. } | Action::Compose(_) | Action::Git(_) => true,
            Action::Sql { target, .. } => self.sql_may_change(target, unit),
            Action::Patch { .. }
            | Action::Copy { .. }
            | Action::Move { .. }
            | Action::Remove { .. }
            | Action::MakeDir { .. }
            | Action::Install(_)
            | Action::Backup { .. }
            | Action::Objects { .. } => match (self.written(first), self.needed(unit)) {
                (Some(written), Some(needed)) => {
                    written.iter().any(|path| needed.iter().any(|other| related(path, other)))
                }
                _ => true,
            },
        }
    }

    /// Statements on SQLite are looked at as they will find the database, with those before them.
    fn sql_may_change(&self, target: &str, unit: &Unit) -> bool {
        let Action::Sql { target: other, .. } = &unit.action else { return false };
        let kind_and_url = |name: &str| match self.targets.get(name) {
            Some(Target::Url { kind, url }) => Some((*kind, url)),
            _ => None,
        };
        match (kind_and_url(target), kind_and_url(other)) {
            (Some((UrlKind::Sqlite, _)), _) if target == other => false,
            (Some((kind, Value::Plain(url))), Some((other_kind, Value::Plain(other_url)))) => {
                kind == other_kind && url == other_url
            }
            (Some((kind, _)), Some((other_kind, _))) => kind == other_kind,
            _ => true,
        }
    }

    /// Paths that a unit writes; `None` if that is not known.
    fn written(&self, unit: &Unit) -> Option<Vec<String>> {
        match &unit.action {
            Action::Patch { file, dir, .. } | Action::Backup { file, dir, .. } => Some(vec![at(dir, file)]),
            Action::Copy { to, dir, .. } => Some(vec![at(dir, to)]),
            Action::Move { from, to, dir } => Some(vec![at(dir, from), at(dir, to)]),
            Action::Remove { path, dir, .. } | Action::MakeDir { path, dir, .. } => Some(vec![at(dir, path)]),
            Action::Install(line) => Some(vec![at(&line.dir, &line.into)]),
            _ => None,
        }
    }

    /// Paths that a unit needs to be as they are; `None` if that is not known.
    fn needed(&self, unit: &Unit) -> Option<Vec<String>> {
        match &unit.action {
            Action::Service { .. } | Action::Mode { .. } => Some(Vec::new()),
            Action::Systemd { .. } | Action::Git(_) => None,
            Action::Install(line) => Some(vec![at(&line.dir, "")]),
            Action::Shell { dir, .. } => Some(vec![at(dir, "")]),
            Action::Copy { from, to, dir, .. } => Some(vec![at(dir, from), at(dir, to)]),
            Action::Sql { target, .. } => self.database(target),
            Action::Backup { target, .. } => {
                let mut paths = self.database(target)?;
                paths.extend(self.written(unit)?);
                Some(paths)
            }
            _ => self.written(unit),
        }
    }

    /// The file of a database; nothing for one on a server.
    fn database(&self, target: &str) -> Option<Vec<String>> {
        match self.targets.get(target)? {
            Target::Url { kind: UrlKind::Sqlite, url: Value::Plain(url) } => {
                Some(vec![normal(sqlite_path(url)?)])
            }
            Target::Url { kind: UrlKind::Sqlite, .. } => None,
            Target::Url { .. } => Some(Vec::new()),
            Target::Hosts { .. } | Target::Store(_) => None,
        }
    }
}

fn at(dir: &Option<String>, path: &str) -> String {
    normal(&join(dir.as_deref(), path))
}

/// Whether one of two paths is, or may be, the other or in it. Where one is absolute and the other is not, the text
/// cannot tell.
fn related(one: &str, other: &str) -> bool {
    let unsure = |path: &str| path.starts_with("..");
    let inside = |path: &str, folder: &str| {
        folder.is_empty()
            || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    one.starts_with('/') != other.starts_with('/')
        || unsure(one)
        || unsure(other)
        || inside(one, other)
        || inside(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigSource, DocumentMeta, NoFiles, compile, parse_config};

    const CONFIG: &str = r#"[target.app]
dir = "srv"
[target.db]
url = "sqlite:data/app.db"
[target.log]
url = "sqlite:log.db"
[target.pg]
url = { env = "PG" }
kind = "postgresql"
[service.web]
on = "app"
run = ["./web"]
[service.api]
on = "app"
run = ["./api"]
"#;

    /// Whether the last unit of the document is certain.
    fn last(body: &str, passed: bool) -> bool {
        let text = format!("---\nrelease: 2.1.0\n---\n{body}");
        let parsed = windlass_document::parse_str(&text);
        let source = ConfigSource { name: "windlass.toml".into(), text: CONFIG.into() };
        let (config, findings) = parse_config(&[source]);
        assert_eq!(findings, []);
        let meta = DocumentMeta { name: "r.md", text: &text };
        let (plan, findings) = compile(&parsed.document, meta, &config, &NoFiles, "1");
        let plan = plan.unwrap_or_else(|| panic!("{body}: {findings:#?}"));
        let (_, last) = plan.units().last().expect("a unit");
        plan.certain(&last.id, |_, unit| passed && matches!(unit.action, Action::Gate { .. }))
    }

    fn sh(line: &str) -> String {
        format!("```sh {{on=app}}\n{line}\n```\n")
    }

    fn sql(on: &str) -> String {
        format!("```sql {{on={on}}}\nDELETE FROM a WHERE b = 1\n```\n")
    }

    #[test]
    fn only_what_nothing_before_can_change_is_certain() {
        let opaque = "```sh {on=app irreversible}\n./any\n```\n";
        let looks = "```sh {on=app readonly}\n./any\n```\n";
        let later = "```sh {on=app readonly after=1d}\n./any\n```\n";
        let get = "```http {on=app}\nGET http://h/\nHTTP 200\n```\n";
        let post = get.replace("GET", "POST");
        let (db, log, pg) = (sql("db"), sql("log"), sql("pg"));
        let diff = "```diff {on=app}\n--- app.env\n-A=1\n+A=2\n```\n".to_owned();
        for (before, unit, certain) in [
            ("", &db, true),
            (opaque, &db, false),
            (looks, &db, true),
            (later, &db, false),
            ("- [ ] made by hand\n\n", &db, false),
            (get, &db, true),
            (&post, &db, false),
            (&diff, &db, true),
            (&db, &diff, true),
            (&db, &db, true),
            (&db, &log, true),
            (&pg, &pg, false),
            (&pg, &db, true),
            (&sh("mkdir new"), &sh("cp a new/b"), false),
            (&sh("mkdir new"), &sh("cp a old/b"), true),
            (&sh("mkdir new"), &sh("cp a /srv/b"), false),
            (&sh("mkdir new"), &sh("cp ../../a b"), false),
            (&sh("cp a ../data/app.db"), &db, false),
            (&sh("mv app.env old"), &diff, false),
            (&sh("rm other.env"), &diff, true),
            (&sh("windlass service restart web"), &sh("windlass service restart web"), false),
            (&sh("windlass service restart web"), &sh("windlass service restart api"), true),
            (&diff, &sh("windlass service restart api"), true),
            (opaque, &get.to_owned(), true),
        ] {
            assert_eq!(last(&format!("{before}\n{unit}"), false), certain, "{before}\n{unit}");
        }
        assert!(last(&format!("- [ ] made by hand\n\n{db}"), true), "it was confirmed before the run");
    }

    #[test]
    fn related_paths() {
        for (one, other, wanted) in
            [("a", "a/b", true), ("a/b", "a", true), ("a", "ab", false), ("", "a", true), ("/a", "/b", false)]
        {
            assert_eq!(related(one, other), wanted, "{one} {other}");
        }
    }
}
