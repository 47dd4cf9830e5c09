use crate::{
    Action, Config, ConfigSource,
    lift::{Fence, LineKind, Matched, SqlLine, SqlSource, lift},
    parse_config,
};

const CONFIG: &str = r#"[target.app]
dir = "srv"
[target.pg]
url = "postgres://app@db.example:5433/shop"
[target.local]
url = "postgres:///cshine?host=/var/run/postgresql&user=cshine"
[target.my]
url = "mysql://app@127.0.0.1/biz_core"
[target.hidden]
url = { env = "DATABASE_URL" }
kind = "mysql"
[target.lite]
url = "sqlite:srv/app.db"
"#;

fn config() -> Config {
    let source = ConfigSource { name: "windlass.toml".into(), text: CONFIG.into() };
    let (config, findings) = parse_config(&[source]);
    assert_eq!(findings, []);
    config
}

fn only(on: &str, text: &str) -> (LineKind, Option<Matched>) {
    let (script, findings) = windlass_document::shell::parse(text);
    assert_eq!(findings, [], "{text}");
    match lift(text, &script, (on, (on == "app").then_some("srv")), &config()) {
        Fence::Lines(mut lines) => {
            let line = lines.remove(0);
            (line.kind, line.matched)
        }
        Fence::Whole { because, .. } => panic!("{text}: {because}"),
    }
}

/// The target and the sources of a line that is lifted.
fn sources(on: &str, text: &str) -> (String, Vec<String>) {
    match only(on, text) {
        (LineKind::Sql(SqlLine { sources, .. }), Some(matched)) => {
            let shown = |source: &SqlSource| match source {
                SqlSource::File { path, .. } => path.clone(),
                SqlSource::Text { text: statements, start, .. } => {
                    let start = start.unwrap_or_else(|| panic!("{text}: its place is known"));
                    assert_eq!(&text[start..start + statements.len()], statements);
                    format!("= {}", statements.trim_end())
                }
            };
            (matched.target, sources.iter().map(shown).collect())
        }
        other => panic!("{text}: {other:?}"),
    }
}

/// Why a line is left as it is.
fn refused(on: &str, text: &str) -> String {
    match only(on, text) {
        (LineKind::Opaque { not_understood: Some((_, why)) }, None) => why,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn lines_that_name_a_target_are_lifted_in_any_fence() {
    for (line, target, source) in [
        ("psql -h db.example -p 5433 -U app -d shop -f up.sql", "pg", "srv/up.sql"),
        ("psql -hdb.example -p5433 shop app < ../up.sql", "pg", "up.sql"),
        ("psql --host=db.example --port 5433 --dbname shop -X -q -c 'SELECT 1'", "pg", "= SELECT 1"),
        ("psql postgres://app@db.example:5433/shop -tAc \"SELECT 1\"", "pg", "= SELECT 1"),
        ("psql 'host=db.example port=5433 dbname=shop' -f /x/up.sql", "pg", "/x/up.sql"),
        ("PGHOST=db.example PGPORT=5433 psql -d shop -f up.sql >/dev/null 2>&1", "pg", "srv/up.sql"),
        ("psql -U cshine -f up.sql", "local", "srv/up.sql"),
        ("psql cshine -v ON_ERROR_STOP=1 -1 -f up.sql", "local", "srv/up.sql"),
        ("psql -d cshine <<EOF\nSELECT 1;\nEOF", "local", "= SELECT 1;"),
        ("mysql -h 127.0.0.1 -uapp biz_core < up.sql", "my", "srv/up.sql"),
        ("mysql -h127.0.0.1 --default-character-set=utf8mb4 -D biz_core -e \"SELECT 1\"", "my", "= SELECT 1"),
        ("sqlite3 app.db < up.sql", "lite", "srv/up.sql"),
        ("sqlite3 -batch -bail app.db \"DELETE FROM t\"", "lite", "= DELETE FROM t"),
        ("sqlite3 app.db '.read up.sql'", "lite", "srv/up.sql"),
    ] {
        assert_eq!(sources("app", line), (target.to_owned(), vec![source.to_owned()]), "{line}");
    }
    let (_, several) = sources("app", "psql -d cshine -c 'SELECT 1' -f a.sql -c 'SELECT 2'");
    assert_eq!(several, ["= SELECT 1", "srv/a.sql", "= SELECT 2"], "in the order of the line");
}

#[test]
fn what_a_line_leaves_out_is_that_of_the_fence() {
    for line in [
        "psql -f up.sql",
        "psql -U app < up.sql",
        "docker compose exec -T db psql -U app shop < up.sql",
        "docker-compose -f prod.yml exec -T -e PGPASSWORD=x db psql -h 127.0.0.1 shop < up.sql",
        "docker exec -i db psql shop < up.sql",
    ] {
        assert_eq!(sources("pg", line), ("pg".to_owned(), vec!["up.sql".to_owned()]), "{line}");
    }
    for line in [
        "mysql biz_core < up.sql",
        "mariadb -uapp biz_core < up.sql",
        "docker compose exec -T db mysql -u app -D biz_core < up.sql",
        "docker compose exec -T db mariadb --user=app biz_core < up.sql",
        "docker-compose exec -T -e MYSQL_PWD=x db mysql -uapp biz_core < up.sql",
        "docker exec -i db mariadb biz_core < up.sql",
    ] {
        assert_eq!(sources("my", line), ("my".to_owned(), vec!["up.sql".to_owned()]), "{line}");
    }
    assert_eq!(sources("my", "docker compose exec db mysql -uapp biz_core -e 'SELECT 1'").1, ["= SELECT 1"]);
    let (_, matched) = only("hidden", "mysql --defaults-file=/root/my.cnf -u app biz_core < up.sql");
    let claim = matched.and_then(|matched| matched.claim).expect("only the secret can tell");
    assert_eq!((claim.user.as_deref(), claim.database.as_deref()), (Some("app"), Some("biz_core")));
}

#[test]
fn any_doubt_leaves_the_line_as_it_is() {
    for (on, line, why) in [
        ("app", "psql -h other -d shop -f up.sql", "does not say for certain"),
        ("app", "psql -h db.example -p 5433 -U root -d shop -f up.sql", "does not say for certain"),
        ("app", "psql -h db.example -d shop -f up.sql", "does not say for certain"),
        ("app", "mysql -h localhost biz_core < up.sql", "does not say for certain"),
        ("app", "mysql biz_core < up.sql", "does not say for certain"),
        ("app", "mysql --defaults-file=my.cnf biz_core < up.sql", "a file that is not read"),
        ("app", "docker compose exec -T db psql -U app shop < up.sql", "which server the container runs"),
        ("app", "sqlite3 other.db < up.sql", "is not the file of a target"),
        ("pg", "psql -d other -f up.sql", "goes to database `other`"),
        ("pg", "psql -U root -f up.sql", "goes to user `root`"),
        ("pg", "mysql shop < up.sql", "another kind of database"),
        ("pg", "psql -v schema=x -f up.sql", "variable `schema`"),
        ("pg", "psql -o out -f up.sql", "option `-o`"),
        ("pg", "psql -f up.sql > log", "the output goes to a file"),
        ("pg", "psql -f up.sql < other.sql", "does not read its input"),
        ("pg", "psql -c '\\copy t from x'", "a command of `psql` itself"),
        ("pg", "docker compose exec -T db psql -f up.sql", "one of the container"),
        ("pg", "docker compose exec db psql -Upostgres concurrent", "goes to user `postgres`"),
        ("pg", "docker compose exec db psql", "reads from the terminal"),
        ("pg", "docker exec -it db psql -f up.sql", "option `-t`"),
        ("pg", "PGOPTIONS=-csearch_path=x psql -f up.sql", "`PGOPTIONS`"),
        ("my", "mysql --force < up.sql", "goes on after an error"),
        ("my", "mysql --default-character-set=gbk < up.sql", "only UTF-8"),
        ("my", "mysql --init-command=x < up.sql", "--init-command"),
        ("lite", "sqlite3 srv/app.db '.import a b'", "only `.backup FILE` and `.read FILE`"),
    ] {
        let found = refused(on, line);
        assert!(found.contains(why), "{line}: {found}");
    }
    for secret in [
        "mysql -phunter2 --wrong < x",
        "mysql --password=hunter2 --x=y < x",
        "psql postgres://u:hunter2@h,i/d -f x",
    ] {
        assert!(!refused("my", secret).contains("hunter2"), "{secret}");
    }
}

fn backup(on: &str, line: &str) -> (String, String, Vec<String>, Vec<String>) {
    match only(on, line) {
        (LineKind::Lifted(actions), Some(_)) => match actions.into_iter().next() {
            Some(Action::Backup { target, file, dump, .. }) => {
                let dump = dump.map_or_else(Default::default, |dump| (dump.arguments, dump.through));
                (target, file, dump.0, dump.1)
            }
            other => panic!("{line}: {other:?}"),
        },
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn dumps_are_backups_with_the_arguments_of_the_line() {
    for (line, file, arguments, through) in [
        ("pg_dump > b.sql", "b.sql", "", ""),
        (
            "pg_dump -h db.example -p 5433 -U app -Fc -t orders -f b.dump shop",
            "b.dump",
            "--format=c --table=orders",
            "",
        ),
        (
            "pg_dump --no-owner -xO shop | gzip -9 > b.gz",
            "b.gz",
            "--no-owner --no-privileges --no-owner",
            "gzip -9",
        ),
    ] {
        let found = backup("pg", line);
        assert_eq!((found.0.as_str(), found.1.as_str()), ("pg", file), "{line}");
        assert_eq!(
            (found.2.join(" "), found.3.join(" ")),
            (arguments.to_owned(), through.to_owned()),
            "{line}"
        );
    }
    for (line, arguments) in [
        (
            "mysqldump -uapp -h127.0.0.1 --single-transaction biz_core > b.sql",
            "--single-transaction -- biz_core",
        ),
        ("mariadb-dump -R --hex-blob biz_core t u -r b.sql", "--routines --hex-blob -- biz_core t u"),
        (
            "mysqldump --databases biz_core --set-gtid-purged=OFF > b.sql",
            "--databases --set-gtid-purged=OFF -- biz_core",
        ),
    ] {
        assert_eq!(backup("my", line).2.join(" "), arguments, "{line}");
    }
    assert_eq!(backup("app", "cp app.db old/").1, "old/app.db");
    assert_eq!(backup("app", "cp app.db app.bak").0, "lite");
    for (line, why) in [
        ("mysqldump --all-databases > b.sql", "--all-databases"),
        ("mysqldump --databases biz_core other > b.sql", "several databases"),
        ("mysqldump biz_core >> b.sql", "redirection"),
        ("docker compose exec -T db mysqldump -uapp biz_core > b.sql", "the program of the container"),
        ("mysqldump biz_core", "the one file"),
        ("mysqldump --tab=/x biz_core", "--tab"),
        ("mysqldump --flush-logs biz_core > b.sql", "--flush-logs"),
    ] {
        let found = refused("my", line);
        assert!(found.contains(why), "{line}: {found}");
    }
}

#[test]
fn other_pipes_stay_one_script() {
    for line in [
        "mysqldump biz_core | tee b.sql",
        "mysqldump biz_core | gzip",
        "cat x | gzip > y",
        "psql -f a | gzip > b",
    ] {
        let (script, _) = windlass_document::shell::parse(line);
        let fence = lift(line, &script, ("my", None), &config());
        assert!(matches!(fence, Fence::Whole { .. }), "{line}: {fence:?}");
    }
}

#[test]
fn the_url_of_the_fence_is_its_target() {
    for (line, wanted) in [
        ("psql \"$DATABASE_URL\" -v ON_ERROR_STOP=1 -f migrations/1.sql", "migrations/1.sql"),
        ("psql -d ${DATABASE_URL} -v ON_ERROR_STOP=1 -f 1.sql", "1.sql"),
        ("psql -v ON_ERROR_STOP=1 \"${DATABASE_URL}\" < 1.sql", "1.sql"),
    ] {
        assert_eq!(sources("pg", line), ("pg".to_owned(), vec![wanted.to_owned()]), "{line}");
    }
    let found = backup("pg", "pg_dump -Fc \"$DATABASE_URL\" > b.dump");
    assert_eq!(
        (found.0.as_str(), found.1.as_str(), found.2.join(" ").as_str()),
        ("pg", "b.dump", "--format=c")
    );
    for (on, line) in [
        // Elsewhere the variable is whatever somebody has set.
        ("app", "psql \"$DATABASE_URL\" -f 1.sql"),
        ("my", "mysql \"$DATABASE_URL\" < 1.sql"),
        ("pg", "psql \"$OTHER_URL\" -f 1.sql"),
        // It is another one by then.
        ("pg", "read DATABASE_URL < url.txt\npsql \"$DATABASE_URL\" -f 1.sql"),
        ("pg", "declare DATABASE_URL=x\npsql \"$DATABASE_URL\" -f 1.sql"),
        ("pg", "psql \"$DATABASE_URL\" -f \"$FILE\""),
        ("pg", "psql \"$DATABASE_URL\" -f *.sql"),
        ("pg", "psql \"$DATABASE_URL\" -f 1.sql &"),
        ("pg", "! psql \"$DATABASE_URL\" -f 1.sql"),
        ("pg", "psql \"$DATABASE_URL\" -f 1.sql || true"),
        ("pg", "psql \"$DATABASE_URL\" \"$DATABASE_URL\" -f 1.sql"),
        ("pg", "psql '$DATABASE_URL' -f 1.sql\necho $x"),
    ] {
        let (script, _) = windlass_document::shell::parse(line);
        let fence = lift(line, &script, (on, None), &config());
        assert!(matches!(fence, Fence::Whole { .. }), "{line}: {fence:?}");
    }
}
