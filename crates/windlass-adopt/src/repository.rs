//! A repository to a draft of `windlass.toml`: what its files say of services, databases, migrations and health routes.

use crate::config::text;
use std::collections::{BTreeMap, BTreeSet};

/// A file of the repository.
#[derive(Clone, Debug)]
pub struct RepositoryFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What a repository says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// The draft of `windlass.toml`.
    pub config: String,
    /// What was found where, for people.
    pub found: Vec<String>,
}

/// A service of a compose file.
#[derive(Debug, Default)]
pub(crate) struct Composed {
    pub(crate) image: String,
    port: Option<String>,
}

/// Names that compose files have.
const COMPOSE: &[&str] = &["compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml"];

/// Reads the files of a repository. Values of `.env` files are looked at for their kind only, and written nowhere.
#[must_use]
pub fn repository(files: &[RepositoryFile]) -> Repository {
    let mut draft = Draft::default();
    let health = files.iter().find_map(health_route);
    for file in files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        match name {
            name if COMPOSE.contains(&name) => draft.compose(file),
            name if name.ends_with(".service") => draft.unit(file),
            name if is_settings(name) => draft.settings(file),
            "requirements.txt" | "pyproject.toml" | "package.json" | "go.mod" | "Gemfile"
            | "composer.json" => draft.packages(file),
            _ => draft.migrations(file),
        }
    }
    draft.write(health)
}

#[derive(Default)]
struct Draft {
    /// Name, compose file, port.
    services: Vec<(String, String, Option<String>)>,
    kinds: BTreeSet<&'static str>,
    /// The variable that holds the URL of the database.
    variable: Option<String>,
    dir: Option<String>,
    migrations: BTreeMap<String, usize>,
    found: Vec<String>,
}

/// Whether a file of this name holds settings as `KEY=value`.
pub(crate) fn is_settings(name: &str) -> bool {
    name.starts_with(".env") || name.ends_with(".env")
}

/// The folder of migrations that a file belongs to, and its name there; Diesel has a folder for each of them.
pub(crate) fn migration(path: &str) -> Option<(&str, &str)> {
    let (folders, base) = path.rsplit_once('/')?;
    let is_one = [".sql", ".py", ".sh"].iter().any(|ending| base.ends_with(ending)) && base != "__init__.py";
    let mut end = folders.len();
    loop {
        let folder = &folders[..end];
        if folder.rsplit('/').next().is_some_and(|last| last.contains("migrat")) {
            return is_one.then(|| (folder, &path[end + 1..]));
        }
        end = folder.rfind('/')?;
    }
}

/// The kind of database that a word means.
fn kind_of(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let has = |names: &[&str]| names.iter().any(|name| word.contains(name));
    match () {
        () if has(&["postgres", "postgis", "timescale", "psycopg", "asyncpg"]) => Some("postgresql"),
        () if has(&["mysql", "mariadb"]) => Some("mysql"),
        () if has(&["sqlite"]) => Some("sqlite"),
        () => None,
    }
}

impl Draft {
    fn compose(&mut self, file: &RepositoryFile) {
        for (name, service) in composed(&file.text) {
            if let Some(kind) = kind_of(&service.image) {
                self.found.push(format!("{}: database `{name}` ({kind})", file.path));
                self.kinds.insert(kind);
            } else if !["redis", "memcached", "nginx", "traefik", "rabbitmq"]
                .iter()
                .any(|other| service.image.contains(other))
            {
                self.found.push(format!("{}: service `{name}`", file.path));
                self.services.push((name, file.path.clone(), service.port));
            }
        }
    }

    fn unit(&mut self, file: &RepositoryFile) {
        let value = |key: &str| {
            file.text
                .lines()
                .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
        };
        let Some(start) = value("ExecStart") else { return };
        let program = start.split_whitespace().next().unwrap_or_default();
        self.found.push(format!("{}: unit of systemd, runs `{program}`", file.path));
        self.dir = self.dir.take().or_else(|| value("WorkingDirectory"));
    }

    fn settings(&mut self, file: &RepositoryFile) {
        for line in file.text.lines() {
            let Some((name, value)) = line.trim().trim_start_matches("export ").split_once('=') else {
                continue;
            };
            let scheme = value.trim_matches(['"', '\'']).split_once(':').map(|(scheme, _)| scheme);
            let Some(kind) = scheme.and_then(kind_of) else { continue };
            self.found.push(format!("{}: `{name}` leads to a database ({kind})", file.path));
            self.kinds.insert(kind);
            self.variable = self.variable.take().or_else(|| Some(name.trim().to_owned()));
        }
    }

    fn packages(&mut self, file: &RepositoryFile) {
        let drivers = [
            "psycopg",
            "asyncpg",
            "pymysql",
            "mysqlclient",
            "mysql2",
            "\"pg\"",
            "lib/pq",
            "jackc/pgx",
            "go-sql-driver/mysql",
        ];
        for driver in drivers.iter().filter(|driver| file.text.contains(**driver)) {
            let kind = if driver.contains("mysql") { "mysql" } else { "postgresql" };
            self.found.push(format!("{}: driver {} ({kind})", file.path, driver.trim_matches('"')));
            self.kinds.insert(kind);
        }
    }

    fn migrations(&mut self, file: &RepositoryFile) {
        if let Some((folder, _)) = migration(&file.path) {
            *self.migrations.entry(folder.to_owned()).or_default() += 1;
        }
    }

    fn write(mut self, health: Option<(String, String)>) -> Repository {
        let mut out = vec![
            "# Draft by `windlass init`: where releases of this repository run. Look through it once."
                .to_owned(),
        ];
        out.extend([
            String::new(),
            "[target.app]".to_owned(),
            "# hosts = [\"deploy@web1\"]   # over ssh; without it: this machine".to_owned(),
        ]);
        out.push(format!("dir = {}", text(self.dir.as_deref().unwrap_or("."))));
        if let Some(kind) = self.kinds.iter().next() {
            let variable = self.variable.as_deref().unwrap_or("DATABASE_URL");
            out.extend([
                String::new(),
                "[target.db]".to_owned(),
                format!("url = {{ env = {} }}   # never the URL itself", text(variable)),
            ]);
            out.push(format!("kind = \"{kind}\""));
            if self.kinds.len() > 1 {
                let others: Vec<_> = self.kinds.iter().copied().skip(1).collect();
                out.push(format!("# or {}: the repository names both", others.join(", ")));
            }
        }
        if let Some((path, file)) = &health {
            self.found.push(format!("{file}: route {path}"));
        }
        for (name, file, port) in &self.services {
            out.extend([
                String::new(),
                format!("[service.{}]", key(name)),
                "on = \"app\"".to_owned(),
                format!("compose = {}", text(file)),
            ]);
            match (port, &health) {
                (Some(port), Some((path, _))) => {
                    out.push(format!("health = {}", text(&format!("http://127.0.0.1:{port}{path}"))))
                }
                _ => out.push(
                    "# health = \"http://127.0.0.1:8080/health\"   # what says that it works".to_owned(),
                ),
            }
        }
        for (folder, count) in &self.migrations {
            self.found.push(format!("{folder}: {count} migrations"));
            out.extend([
                String::new(),
                format!("# {folder}: `windlass migrate status {folder} --on db` says what has run"),
            ]);
        }
        Repository { config: out.join("\n") + "\n", found: self.found }
    }
}

/// A key of TOML.
fn key(name: &str) -> String {
    let bare = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare && !name.is_empty() { name.to_owned() } else { text(name) }
}

/// The services of a compose file: keys below `services:`, by their room.
pub(crate) fn composed(source: &str) -> Vec<(String, Composed)> {
    let mut found: Vec<(String, Composed)> = Vec::new();
    let (mut inside, mut room, mut ports) = (false, None, false);
    for line in source.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        if depth == 0 {
            inside = trimmed == "services:";
            continue;
        }
        if !inside {
            continue;
        }
        let level = *room.get_or_insert(depth);
        if depth == level {
            ports = false;
            if let Some(name) = trimmed.split(':').next().filter(|_| trimmed.ends_with(':')) {
                found.push((name.trim_matches(['"', '\'']).to_owned(), Composed::default()));
            }
            continue;
        }
        let Some((_, service)) = found.last_mut() else { continue };
        if let Some(image) = trimmed.strip_prefix("image:") {
            service.image = image.trim().trim_matches(['"', '\'']).to_owned();
        }
        if !trimmed.starts_with('-') {
            ports = trimmed == "ports:";
        } else if ports && service.port.is_none() {
            let mapping = trimmed.trim_start_matches('-').trim().trim_matches(['"', '\'']);
            let outside = mapping.rsplit(':').nth(1).unwrap_or_default();
            service.port = (!outside.is_empty() && outside.bytes().all(|b| b.is_ascii_digit()))
                .then(|| outside.to_owned());
        }
    }
    found
}

/// A route that says whether the service works, in a source file.
fn health_route(file: &RepositoryFile) -> Option<(String, String)> {
    const SOURCES: &[&str] = &[".py", ".js", ".ts", ".go", ".rb", ".java", ".kt", ".php", ".rs"];
    if !SOURCES.iter().any(|ending| file.path.ends_with(ending)) {
        return None;
    }
    ["/healthz", "/health", "/readyz", "/ready", "/ping"]
        .iter()
        .find(|route| ['"', '\''].iter().any(|quote| file.text.contains(&format!("{quote}{route}{quote}"))))
        .map(|route| ((*route).to_owned(), file.path.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> Vec<RepositoryFile> {
        all.iter()
            .map(|(path, text)| RepositoryFile { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect()
    }

    #[test]
    fn compose_settings_migrations_and_routes_make_a_configuration_that_is_accepted() {
        let found = repository(&files(&[
            (
                "docker-compose.yml",
                "services:\n  web:\n    image: shop:2.1.0\n    ports:\n      - \"127.0.0.1:8081:8000\"\n  db:\n    image: postgres:16\n  cache:\n    image: redis:7\nvolumes:\n  data:\n",
            ),
            (".env", "DATABASE_URL=postgres://shop:hunter2@db/shop\nDEBUG=0\n"),
            ("app/main.py", "@app.get(\"/health\")\ndef health(): ...\n"),
            ("migrations/0001_a.sql", "CREATE TABLE a (b int);"),
            ("migrations/0002_b.sql", ""),
        ]));
        assert!(
            !found.config.contains("hunter2") && !found.found.join("\n").contains("hunter2"),
            "{found:?}"
        );
        for part in [
            "[service.web]\non = \"app\"\ncompose = \"docker-compose.yml\"\nhealth = \"http://127.0.0.1:8081/health\"\n",
            "url = { env = \"DATABASE_URL\" }",
            "kind = \"postgresql\"",
            "windlass migrate status migrations --on db",
        ] {
            assert!(found.config.contains(part), "{part}\n{}", found.config);
        }
        assert!(!found.config.contains("cache") && !found.config.contains("service.db"), "{}", found.config);
        assert!(found.found.contains(&"migrations: 2 migrations".to_owned()), "{:?}", found.found);
        accepted(&found.config);
    }

    #[test]
    fn a_migration_knows_its_folder() {
        for (path, expected) in [
            ("migrations/0001_a.sql", Some(("migrations", "0001_a.sql"))),
            (
                "src/main/resources/db/migration/V1__a.sql",
                Some(("src/main/resources/db/migration", "V1__a.sql")),
            ),
            (
                "db/migrations/2024-01-01-000000_a/up.sql",
                Some(("db/migrations", "2024-01-01-000000_a/up.sql")),
            ),
            ("migrations/__init__.py", None),
            ("migrations/README.md", None),
            ("app/models.py", None),
            ("0001_a.sql", None),
        ] {
            assert_eq!(migration(path), expected, "{path}");
        }
    }

    fn accepted(config: &str) {
        let source = windlass_plan::ConfigSource { name: "windlass.toml".into(), text: config.into() };
        let (_, problems) = windlass_plan::parse_config(&[source]);
        assert!(problems.is_empty(), "{problems:#?}\n{config}");
    }

    #[test]
    fn units_and_packages_are_read_and_an_empty_repository_is_no_error() {
        let found = repository(&files(&[
            (
                "deploy/api.service",
                "[Service]\nExecStart=/srv/api/venv/bin/uvicorn main:app\nWorkingDirectory=/srv/api\n",
            ),
            ("requirements.txt", "fastapi\npymysql==1.1\n"),
        ]));
        assert!(
            found.config.contains("dir = \"/srv/api\"") && found.config.contains("kind = \"mysql\""),
            "{}",
            found.config
        );
        accepted(&found.config);
        let none = repository(&[]);
        assert_eq!(none.found, [""; 0]);
        accepted(&none.config);
    }
}
