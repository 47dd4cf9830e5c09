//! `'${secret.NAME}'` in statements on real servers: the value is what the server gets, and is nowhere else.

use crate::sealed::{Project, Said};
use windlass_lab::{Database, Flavor, server};

/// All that a literal could end by, as long as what servers cut.
const VALUE: &str = "4'x\\y\"; DROP TABLE t; -- ${secret.app} 数据 and some more";

struct Scene {
    project: Project,
    database: Database,
    /// A name of this test's own: accounts are of the whole server.
    role: String,
}

impl Scene {
    fn new(flavor: Flavor) -> Self {
        let database = server(flavor).database();
        let role = format!("r_{}", database.name());
        let project = Project::empty();
        project.write("app.secret", format!("{VALUE}\n"));
        let toml = "[secret.app]\nfile = \"app.secret\"\n";
        project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n{toml}", database.url()));
        Self { project, database, role }
    }

    fn apply(&self, attributes: &str, statements: &str) -> Said {
        let statements = statements.replace("ROLE_NAME", &self.role);
        let text =
            format!("---\nrelease: 1.0.0\n---\n# 1\n\n```sql {{#s on=db {attributes}}}\n{statements}\n```\n");
        self.project.write("release.md", text);
        self.project.run(&["apply", "release.md", "--yes"])
    }

    /// A hand-written undo has a secret of its own: no catalog that is read has the password of before.
    fn goes_back(&self, is: &str) {
        let role = &self.role;
        let config = self.project.read("windlass.toml");
        self.project.write("windlass.toml", format!("{config}[secret.next]\nfile = \"next.secret\"\n"));
        self.project.write("next.secret", "another one\n");
        let change = |id: &str, secret: &str| {
            format!("```sql {{#s on=db {id}}}\nALTER ROLE {role} PASSWORD '${{secret.{secret}}}';\n```\n")
        };
        let undo = change("undoes=s", "app").replace("#s ", "#back ");
        let text = format!("---\nrelease: 1.0.0\n---\n# 1\n\n{}{undo}", change("", "next"));
        self.project.write("release.md", text);
        self.project.run(&["apply", "release.md", "--yes"]).code(0);
        assert_eq!(self.run(is), "f");
        let back = self.project.run(&["rollback", "--yes"]);
        assert_eq!(self.run(is), "t", "{back:?}");
        self.knows_nothing(&[&back]);
        let made = format!("CREATE ROLE {role} LOGIN PASSWORD '${{secret.app}}';");
        let text = "---\nrelease: 1.0.1\n---\n# 1\n\n```sql {#s on=db}\nDROP ROLE ROLE_NAME;\n```\n```sql {#back on=db undoes=s}\n";
        self.project.write("release.md", format!("{text}{made}\n```\n").replace("ROLE_NAME", role));
        self.project.run(&["apply", "release.md", "--yes"]).code(0);
        assert_eq!(self.run("SELECT COUNT(*) FROM pg_roles WHERE rolname = 'ROLE_NAME'"), "0");
        self.project.run(&["rollback", "--yes"]);
        assert_eq!(self.run(is), "t");
    }

    fn run(&self, sql: &str) -> String {
        self.database.run(&sql.replace("ROLE_NAME", &self.role))
    }

    /// Nothing that is kept or said has the value, nor as much of it as would help anybody.
    fn knows_nothing(&self, said: &[&Said]) {
        let record = self.project.run(&["record"]);
        let parts = ["DROP TABLE t", "and some more", "x\\y", "x\\\\y"];
        for text in said.iter().copied().chain([&record]).flat_map(|said| [&said.stdout, &said.stderr]) {
            assert!(parts.iter().all(|part| !text.contains(part)), "{text}");
        }
        for file in self.project.state_files() {
            let bytes = std::fs::read(&file).unwrap();
            let has = |part: &&str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!parts.iter().any(has), "{} holds the secret", file.display());
        }
    }
}

/// As a literal of the server's that is asked whether it has the value.
fn literal(flavor: Flavor) -> String {
    let quoted = VALUE.replace('\'', "''").replace('\\', "\\\\");
    if flavor.is_postgres() { format!("E'{quoted}'") } else { format!("'{quoted}'") }
}

#[test]
fn a_role_of_postgresql_gets_its_password_and_nobody_else() {
    for flavor in [Flavor::Postgres15, Flavor::PostgresNewer] {
        let scene = Scene::new(flavor);
        // Of this form the server lets see whether it is of that password.
        scene.run(&format!("ALTER DATABASE {} SET password_encryption = 'md5'", scene.database.name()));
        let made = scene.apply("", "CREATE ROLE ROLE_NAME LOGIN PASSWORD '${secret.app}';").code(0);
        let is = format!(
            "SELECT rolpassword = 'md5' || md5({} || rolname) FROM pg_authid WHERE rolname = 'ROLE_NAME'",
            literal(flavor)
        );
        assert_eq!(scene.run(&is), "t", "{flavor:?}");
        let twice = scene.apply("", "CREATE ROLE ROLE_NAME LOGIN PASSWORD '${secret.app}';");
        assert_ne!(twice.code, Some(0));
        scene.run("ALTER ROLE ROLE_NAME PASSWORD 'another'");
        let changed =
            scene.apply("irreversible", "ALTER ROLE ROLE_NAME PASSWORD '${secret.app}' VALID UNTIL 'never';");
        assert!(changed.stderr.contains("${secret.app}"), "{}", changed.stderr);
        let changed =
            [twice, changed, scene.apply("irreversible", "ALTER ROLE ROLE_NAME PASSWORD '${secret.app}';")];
        assert_eq!(scene.run(&is), "t", "{flavor:?}");
        scene.knows_nothing(&[&made, &changed[0], &changed[1], &changed[2]]);
        scene.goes_back(&is);
        scene.run("DROP ROLE ROLE_NAME");
    }
}

#[test]
fn an_account_of_mysql_gets_its_password_whatever_a_backslash_is() {
    for flavor in [Flavor::Mariadb, Flavor::Mysql] {
        for mode in ["", "SET sql_mode = 'NO_BACKSLASH_ESCAPES';\n"] {
            let scene = Scene::new(flavor);
            let create = "CREATE USER 'ROLE_NAME'@'%' IDENTIFIED BY '${secret.app}';";
            let made = scene.apply("", &format!("{mode}{create}")).code(0);
            let host = server(flavor);
            let login = scene.database.url().replace("root@", &format!("{}:PASSWORD@", scene.role));
            let encoded: String = VALUE.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let other = Project::empty();
            other.write("url", login.replace("PASSWORD", &encoded));
            other.write("windlass.toml", "[target.db]\nurl = { file = \"url\" }\nkind = \"mysql\"\n");
            other.write(
                "r.md",
                "---\nrelease: 1.0.0\n---\n# 1\n\n```sql {#s on=db readonly}\nSELECT CURRENT_USER();\n```\n",
            );
            host.run(&format!("GRANT SELECT ON {}.* TO '{}'@'%'", scene.database.name(), scene.role));
            other.run(&["apply", "r.md", "--yes"]).code(0);
            host.run(&format!("REVOKE SELECT ON {}.* FROM '{}'@'%'", scene.database.name(), scene.role));
            let twice = scene.apply("", create);
            assert_ne!(twice.code, Some(0));
            let wrong =
                scene.apply("", "ALTER USER 'ROLE_NAME'@'%' IDENTIFIED BY '${secret.app}' NO SUCH WORDS;");
            assert_ne!(wrong.code, Some(0));
            scene.knows_nothing(&[&made, &twice, &wrong]);
            let users = format!("SELECT COUNT(*) FROM mysql.user WHERE user = '{}'", scene.role);
            assert_eq!(host.run(&users), "1");
            host.run(&format!("DROP USER '{}'@'%'", scene.role));
        }
    }
}

#[test]
fn a_row_that_nobody_undoes_gets_the_value() {
    for flavor in [Flavor::Postgres15, Flavor::PostgresNewer, Flavor::Mariadb, Flavor::Mysql] {
        let scene = Scene::new(flavor);
        scene.run("CREATE TABLE setting (id INT PRIMARY KEY, value VARCHAR(200))");
        let insert = "INSERT INTO setting VALUES (1, '${secret.app}');";
        let made = scene.apply("irreversible", insert).code(0);
        let twice = scene.apply("irreversible", insert);
        assert_ne!(twice.code, Some(0));
        let count = format!("SELECT COUNT(*) FROM setting WHERE value = {}", literal(flavor));
        assert_eq!(scene.run(&count), "1", "{flavor:?}");
        scene.knows_nothing(&[&made, &twice]);
    }
}

#[test]
fn a_row_of_sqlite_gets_the_value() {
    let project = Project::empty();
    let live = rusqlite::Connection::open(project.path("app.db")).unwrap();
    live.execute_batch("CREATE TABLE setting (id INTEGER PRIMARY KEY, value TEXT UNIQUE)").unwrap();
    project.write("app.secret", VALUE);
    project.write(
        "windlass.toml",
        "[target.db]\nurl = \"sqlite:app.db\"\n[secret.app]\nfile = \"app.secret\"\n",
    );
    project.write(
        "release.md",
        "---\nrelease: 1.0.0\n---\n# 1\n\n```sql {#s on=db irreversible}\nINSERT INTO setting (value) VALUES ('${secret.app}');\n```\n",
    );
    let shown = project.run(&["plan", "release.md"]).code(0);
    assert!(!shown.stdout.contains("DROP TABLE"), "{}", shown.stdout);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let value: String = live.query_row("SELECT value FROM setting", [], |row| row.get(0)).unwrap();
    assert_eq!(value, VALUE);
    for file in project.state_files() {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"DROP TABLE t"), "{}", file.display());
    }
    // Without the secret `plan` says so, and nothing runs.
    std::fs::remove_file(project.path("app.secret")).unwrap();
    let shown = project.run(&["plan", "release.md"]).code(0);
    assert!(shown.stdout.contains("secret `app` cannot be read"), "{}", shown.stdout);
}
