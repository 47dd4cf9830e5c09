//! Users, roles, privileges and passwords: done, compared, taken back.

use super::*;
use windlass_driver::Effect;

/// `#` stands for the database, whose name is in those of all accounts: they are of the whole server.
const SETUP: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT); CREATE PROCEDURE p () SELECT 1; \
    CREATE USER 'a_#'@'%' IDENTIFIED BY 'first word' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 5 MAX_USER_CONNECTIONS 3 \
      PASSWORD EXPIRE INTERVAL 30 DAY ACCOUNT LOCK; \
    CREATE USER 'b_#'@'10.%', 'bare_#'@'%'; CREATE ROLE r1_#, r2_#; GRANT r1_# TO r2_#; GRANT r1_# TO 'a_#'@'%' WITH ADMIN OPTION; \
    GRANT r2_# TO 'a_#'@'%'; GRANT r2_# TO 'b_#'@'10.%'; \
    GRANT SELECT (id), INSERT (id, v), UPDATE ON #.t TO 'a_#'@'%' WITH GRANT OPTION; GRANT ALL ON #.* TO 'a_#'@'%'; \
    GRANT EXECUTE ON PROCEDURE #.p TO 'a_#'@'%'; GRANT RELOAD, PROCESS ON *.* TO 'b_#'@'10.%' WITH GRANT OPTION; \
    GRANT SELECT ON #.* TO r1_#; GRANT INSERT ON #.t TO 'bare_#'@'%'";

/// A release on a database with those accounts.
fn release(flavor: Flavor, statements: &[&str]) -> (Release, Direct, String) {
    let database = server(flavor).database();
    let n = database.name().to_owned();
    // As the account of the release: MariaDB lets only those give a role who may, and that is who made it.
    let mut direct = Direct::to(&database);
    direct.run(&SETUP.replace('#', &n)).unwrap();
    if flavor == Flavor::Mysql {
        // Salts hold any character.
        direct.run("SET SESSION print_identified_with_as_hex = ON").unwrap();
    }
    let default = if flavor == Flavor::Mariadb { "FOR" } else { "TO" };
    direct.run(&format!("SET DEFAULT ROLE r2_{n} {default} 'a_{n}'@'%'")).unwrap();
    let statements: Vec<_> = statements.iter().map(|statement| statement.replace('#', &n)).collect();
    let statements: Vec<_> = statements.iter().map(String::as_str).collect();
    (Release::on(database, &statements), direct, n)
}

/// Takes them away, for the next tests on the same server.
fn clear(direct: &mut Direct, n: &str) {
    let users = format!(
        "SELECT CONCAT(QUOTE(User), IF(Host = '', '', CONCAT('@', QUOTE(Host)))), Host FROM mysql.user WHERE User LIKE '%\\_{n}'"
    );
    for line in direct.run(&users).unwrap().lines() {
        let (name, host) = line.split_once('\t').unwrap();
        let _ = direct.run(&format!("DROP {} {name}", if host.is_empty() { "ROLE" } else { "USER" }));
    }
}

/// All that the server has of the accounts of this test: what it shows, and its rows but for times and who gave it.
fn world(flavor: Flavor, direct: &mut Direct, n: &str) -> String {
    let mut text = String::new();
    let like = format!("LIKE '%\\_{n}'");
    let users = format!(
        "SELECT CONCAT(QUOTE(User), IF(Host = '', '', CONCAT('@', QUOTE(Host)))), Host FROM mysql.user WHERE User {like} ORDER BY User, Host"
    );
    for line in direct.run(&users).unwrap().lines() {
        let (name, host) = line.split_once('\t').unwrap();
        if !host.is_empty() {
            text += &direct.run(&format!("SHOW CREATE USER {name}")).unwrap();
        }
        let mut grants: Vec<_> =
            direct.run(&format!("SHOW GRANTS FOR {name}")).unwrap().lines().map(str::to_owned).collect();
        grants.sort();
        text += &format!("\n{name}\n{}\n", grants.join("\n"));
    }
    let of_server = match flavor {
        Flavor::Mariadb => [
            format!("SELECT * FROM mysql.user WHERE User {like} ORDER BY User, Host"),
            format!("SELECT * FROM mysql.roles_mapping WHERE Role {like} ORDER BY 1, 2, 3"),
        ],
        _ => [
            format!(
                "SELECT Host, User, Select_priv, Reload_priv, Process_priv, Grant_priv, ssl_type, HEX(ssl_cipher), max_questions, max_updates, \
                 max_connections, max_user_connections, plugin, HEX(authentication_string), password_expired, password_lifetime, \
                 account_locked, Password_reuse_history, Password_reuse_time, Password_require_current, User_attributes \
                 FROM mysql.user WHERE User {like} ORDER BY User, Host"
            ),
            format!("SELECT * FROM mysql.role_edges WHERE FROM_USER {like} ORDER BY 1, 2, 3, 4"),
        ],
    };
    for sql in of_server.into_iter().chain([
        format!("SELECT * FROM mysql.db WHERE User {like} ORDER BY User, Host, Db"),
        format!("SELECT Host, Db, User, Table_name, Table_priv, Column_priv FROM mysql.tables_priv WHERE User {like} ORDER BY User, Host, Db, Table_name"),
        format!("SELECT Host, Db, User, Table_name, Column_name, Column_priv FROM mysql.columns_priv WHERE User {like} ORDER BY User, Host, Db, Table_name, Column_name"),
        format!("SELECT Host, Db, User, Routine_name, Proc_priv FROM mysql.procs_priv WHERE User {like} ORDER BY User, Host, Db, Routine_name"),
    ]) {
        text += &direct.run(&sql).unwrap();
        text += "\n";
    }
    // Attributes that there once were leave an empty object behind, which no statement takes away.
    text.replace(" ATTRIBUTE '{}'", "").replace("{\"metadata\": {}}", "NULL")
}

/// The hash of account `a`, in all forms in which it could be seen.
fn hashes(flavor: Flavor, direct: &mut Direct, n: &str) -> Vec<String> {
    let sql = format!(
        "SELECT authentication_string, HEX(authentication_string) FROM mysql.user WHERE User = 'a_{n}'"
    );
    let found = direct.run(&sql).unwrap();
    let (plain, hex) = found.rsplit_once('\t').unwrap();
    // Of MySQL's the salt may be cut at any odd character; what is behind it is the digest.
    let plain = if flavor == Flavor::Mariadb { plain } else { &plain[plain.len().saturating_sub(43)..] };
    vec![plain.to_owned(), hex.to_owned(), hex.to_lowercase()]
}

/// Applied and taken back; in between something is different.
fn there_and_back(flavor: Flavor, statements: &[&str]) {
    let (mut release, mut direct, n) = release(flavor, statements);
    let before = world(flavor, &mut direct, &n);
    let mut secrets = hashes(flavor, &mut direct, &n);
    let cx = release.context(0);
    let seen = release.wait(release.driver.survey(&cx, &release.units[0])).unwrap();
    assert!(seen.problems.is_empty(), "{flavor:?} {statements:?}: {seen:?}");
    let done = release.apply();
    let after = world(flavor, &mut direct, &n);
    assert_ne!(after, before, "{flavor:?} {statements:?} changes something");
    if after.contains(&format!("'a_{n}'@")) {
        secrets.extend(hashes(flavor, &mut direct, &n).into_iter().filter(|hash| !hash.is_empty()));
    }
    for at in 0..statements.len() {
        assert!(
            matches!(release.inspect(at, Way::Forward), Found::Applied(_) | Found::Unknown(_)),
            "{statements:?}"
        );
    }
    let undone = release.roll_back();
    assert_eq!(world(flavor, &mut direct, &n), before, "{flavor:?} {statements:?} {undone:?}");
    assert!(matches!(release.inspect(0, Way::Undo), Found::Applied(_)), "{statements:?}");
    let told = format!("{seen:?}{done:?}{undone:?}{:?}{}", release.capsules, release.seen.lock().unwrap());
    for secret in secrets {
        assert!(!told.contains(&secret), "{flavor:?} {statements:?}: {secret} in {told}");
    }
    clear(&mut direct, &n);
}

fn each(statements: &[&str]) {
    for flavor in flavors() {
        for statement in statements {
            there_and_back(flavor, &[statement]);
        }
    }
}

#[test]
fn accounts_come_and_go() {
    each(&[
        "CREATE USER 'new_#'@'%' IDENTIFIED BY 'second word'",
        "CREATE USER IF NOT EXISTS 'a_#'@'%', new_#@LOCALHOST ACCOUNT LOCK",
        "CREATE ROLE new_#",
        "DROP USER 'a_#'@'%'",
        "DROP USER IF EXISTS 'b_#'@'10.%', 'nobody_#'@'%', 'bare_#'",
        "DROP ROLE r1_#",
        "DROP ROLE r1_#, r2_#",
        "RENAME USER 'a_#'@'%' TO 'z_#'@'localhost', 'b_#'@'10.%' TO 'a_#'@'%'",
    ]);
}

#[test]
fn what_accounts_are_comes_back() {
    each(&[
        "ALTER USER 'a_#'@'%' IDENTIFIED BY 'second word'",
        "ALTER USER 'a_#'@'%' ACCOUNT UNLOCK",
        "ALTER USER 'a_#'@'%' REQUIRE SUBJECT '/CN=x' WITH MAX_UPDATES_PER_HOUR 7 MAX_USER_CONNECTIONS 0 PASSWORD EXPIRE NEVER",
        "ALTER USER 'a_#'@'%', 'bare_#'@'%' PASSWORD EXPIRE",
        "ALTER USER 'bare_#'@'%' IDENTIFIED BY 'second word' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 2 PASSWORD EXPIRE",
    ]);
    there_and_back(Flavor::Mariadb, &["SET PASSWORD FOR 'a_#'@'%' = PASSWORD('second word')"]);
    there_and_back(Flavor::Mysql, &["SET PASSWORD FOR 'a_#'@'%' = 'second word'"]);
    let beside = "ALTER USER 'a_#'@'%' IDENTIFIED BY 'second word' RETAIN CURRENT PASSWORD";
    there_and_back(Flavor::Mysql, &[beside]);
    there_and_back(
        Flavor::Mysql,
        &[
            "ALTER USER 'a_#'@'%' FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2 ATTRIBUTE '{\"k\": \"it\\'s\"}'",
        ],
    );
    there_and_back(Flavor::Mariadb, &["SET DEFAULT ROLE r1_# FOR 'a_#'@'%'"]);
    there_and_back(Flavor::Mariadb, &["SET DEFAULT ROLE NONE FOR 'a_#'@'%'"]);
    there_and_back(Flavor::Mysql, &["SET DEFAULT ROLE r1_#, r2_# TO 'a_#'@'%'"]);
    there_and_back(
        Flavor::Mysql,
        &["SET DEFAULT ROLE NONE TO 'a_#'@'%', 'b_#'@'10.%'", "SET DEFAULT ROLE r2_# TO 'b_#'@'10.%'"],
    );
}

#[test]
fn privileges_come_back() {
    each(&[
        "GRANT SELECT ON #.* TO 'bare_#'@'%'",
        "GRANT ALL ON #.* TO 'bare_#'@'%' WITH GRANT OPTION",
        "GRANT ALL ON #.t TO 'bare_#'@'%'",
        "GRANT SELECT (v), DELETE ON t TO 'a_#'@'%', 'bare_#'@'%'",
        "GRANT EXECUTE ON PROCEDURE #.p TO 'bare_#'@'%' WITH GRANT OPTION",
        "GRANT CREATE USER ON *.* TO 'b_#'@'10.%'",
        "GRANT r2_# TO 'bare_#'@'%'",
        "GRANT r1_# TO 'b_#'@'10.%' WITH ADMIN OPTION",
        "REVOKE SELECT (id), UPDATE ON #.t FROM 'a_#'@'%'",
        "REVOKE INSERT ON #.* FROM 'a_#'@'%'",
        "REVOKE GRANT OPTION ON *.* FROM 'b_#'@'10.%'",
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'a_#'@'%', 'b_#'@'10.%'",
        "REVOKE r1_# FROM 'a_#'@'%'",
        "REVOKE r1_# FROM r2_#",
    ]);
    there_and_back(Flavor::Mariadb, &["REVOKE ADMIN OPTION FOR r1_# FROM 'a_#'@'%'"]);
    there_and_back(
        Flavor::Mariadb,
        &["GRANT DELETE ON #.t TO 'a_#'@'%' IDENTIFIED BY 'second word' WITH MAX_QUERIES_PER_HOUR 9"],
    );
    there_and_back(Flavor::Mysql, &["GRANT BACKUP_ADMIN ON *.* TO 'b_#'@'10.%' WITH GRANT OPTION"]);
}

#[test]
fn a_chain_comes_back() {
    for flavor in flavors() {
        let default = if flavor == Flavor::Mariadb { "FOR" } else { "TO" };
        let default = format!("SET DEFAULT ROLE app_# {default} 'new_#'@'%'");
        there_and_back(
            flavor,
            &[
                "CREATE ROLE app_#",
                "GRANT SELECT, INSERT ON #.* TO app_#",
                "CREATE USER 'new_#'@'%' IDENTIFIED BY 'second word'",
                "GRANT app_# TO 'new_#'@'%'",
                &default,
                "ALTER USER 'new_#'@'%' ACCOUNT LOCK",
                "DROP USER 'a_#'@'%'",
                "DROP ROLE r1_#",
            ],
        );
    }
}

#[test]
fn the_plan_shows_the_undo() {
    for flavor in flavors() {
        let (release, mut direct, n) = release(
            flavor,
            &[
                "CREATE USER 'new_#'@'%'",
                "GRANT SELECT, INSERT ON #.t TO 'bare_#'@'%'",
                "DROP USER 'a_#'@'%'",
                "RENAME USER bare_# TO other_#",
            ],
        );
        let lines = |at: usize| {
            let cx = release.context(at);
            release.wait(release.driver.survey(&cx, &release.units[at])).unwrap().effects.join("\n")
        };
        assert!(lines(0).contains(&format!("undo: DROP USER `new_{n}`@`%`")), "{}", lines(0));
        assert!(
            lines(1).contains(&format!("undo: REVOKE SELECT ON `{n}`.`t` FROM `bare_{n}`@`%`")),
            "{}",
            lines(1)
        );
        let dropped = lines(2);
        assert!(
            dropped.contains(&format!("undo: CREATE USER `a_{n}`@`%` IDENTIFIED"))
                && dropped.contains("'****'"),
            "{dropped}"
        );
        assert!(
            lines(3).contains(&format!("undo: RENAME USER `other_{n}`@`%` TO `bare_{n}`@`%`")),
            "{}",
            lines(3)
        );
        clear(&mut direct, &n);
    }
}

#[test]
fn the_hashes_are_in_a_file_of_the_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    for flavor in flavors() {
        let (mut release, mut direct, n) = release(flavor, &["DROP USER 'a_#'@'%'"]);
        let hash = hashes(flavor, &mut direct, &n);
        release.apply();
        let file = release.context(0).workspace.join("accounts.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(hash.iter().any(|hash| text.contains(hash)), "{text}");
        let moved = file.with_extension("moved");
        std::fs::rename(&file, &moved).unwrap();
        let failure = release.undo(0).unwrap_err();
        assert!(failure.message.contains("accounts.json") && failure.effect == Effect::None, "{failure:?}");
        std::fs::rename(&moved, &file).unwrap();
        release.roll_back();
        assert_eq!(hashes(flavor, &mut direct, &n), hash);
        clear(&mut direct, &n);
    }
}

#[test]
fn what_somebody_else_changed_since_is_left_alone() {
    for flavor in flavors() {
        for (statement, other) in [
            ("CREATE USER 'new_#'@'%'", "GRANT SELECT ON #.t TO 'new_#'@'%'"),
            ("ALTER USER 'a_#'@'%' ACCOUNT UNLOCK", "ALTER USER 'a_#'@'%' IDENTIFIED BY 'third word'"),
            ("GRANT DELETE ON #.t TO 'bare_#'@'%'", "REVOKE INSERT ON #.t FROM 'bare_#'@'%'"),
            ("DROP USER 'a_#'@'%'", "CREATE USER 'a_#'@'%'"),
            ("CREATE ROLE new_#", "GRANT new_# TO 'bare_#'@'%'"),
        ] {
            let (mut release, mut direct, n) = release(flavor, &[statement]);
            release.apply();
            direct.run(&other.replace('#', &n)).unwrap();
            let changed = world(flavor, &mut direct, &n);
            let failure = release.undo(0).unwrap_err();
            assert!(
                failure.message.contains("was changed since, and is left as it is"),
                "{flavor:?} {statement}: {failure:?}"
            );
            assert_eq!(failure.effect, Effect::None);
            assert_eq!(world(flavor, &mut direct, &n), changed);
            assert!(matches!(release.inspect(0, Way::Undo), Found::Unknown(_)), "{statement}");
            clear(&mut direct, &n);
        }
    }
}

#[test]
fn a_try_whose_end_nobody_saw_is_settled() {
    for flavor in flavors() {
        for statement in [
            "CREATE USER 'new_#'@'%' IDENTIFIED BY 'second word'",
            "ALTER USER 'a_#'@'%' IDENTIFIED BY 'second word'",
            "GRANT SELECT ON #.* TO 'bare_#'@'%'",
            "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'a_#'@'%'",
            "DROP USER 'a_#'@'%', 'b_#'@'10.%'",
            "DROP ROLE r2_#",
            "RENAME USER 'a_#'@'%' TO 'z_#'@'%'",
        ] {
            let (mut release, mut direct, n) = release(flavor, &[statement]);
            let before = world(flavor, &mut direct, &n);
            release.capture(0);
            assert_eq!(release.inspect(0, Way::Forward), Found::NotApplied, "{statement}");
            // The server did it, and the controller died before it could write anything down.
            direct.run(&statement.replace('#', &n)).unwrap();
            assert!(matches!(release.inspect(0, Way::Forward), Found::Applied(_)), "{flavor:?} {statement}");
            assert_eq!(release.inspect(0, Way::Undo), Found::NotApplied);
            release.undo(0).unwrap();
            assert_eq!(world(flavor, &mut direct, &n), before, "{flavor:?} {statement}");
            assert!(matches!(release.inspect(0, Way::Undo), Found::Applied(_)));
            release.capture(0);
            // A change that this statement does not make was made by somebody else.
            direct.run(&format!("ALTER USER 'bare_{n}'@'%' ACCOUNT LOCK; GRANT DELETE ON {n}.t TO 'a_{n}'@'%'; REVOKE RELOAD ON *.* FROM 'b_{n}'@'10.%'")).unwrap();
            let found = release.inspect(0, Way::Forward);
            assert!(!matches!(found, Found::Applied(_)), "{flavor:?} {statement}: {found:?}");
            clear(&mut direct, &n);
        }
    }
}

#[test]
fn an_undo_that_was_broken_off_goes_on() {
    for flavor in flavors() {
        let (mut release, mut direct, n) = release(flavor, &["DROP USER 'a_#'@'%'"]);
        let before = world(flavor, &mut direct, &n);
        // As it is made again, with the same hash.
        let create = direct.run(&format!("SHOW CREATE USER 'a_{n}'@'%'")).unwrap();
        let create = create.replace(&format!(" DEFAULT ROLE `r2_{n}`@`%`"), "");
        release.apply();
        direct.run(&create).unwrap();
        assert!(
            release.undo(0).unwrap_err().message.contains("was changed since"),
            "a first try takes it for somebody else's"
        );
        assert_eq!(release.inspect(0, Way::Undo), Found::NotApplied, "{create}");
        let mut cx = release.context(0);
        cx.attempt = 2;
        release.wait(release.driver.undo(&cx, &release.units[0], &release.capsules[0], None)).unwrap();
        assert_eq!(world(flavor, &mut direct, &n), before);
        clear(&mut direct, &n);
    }
}

#[test]
fn without_a_difference_nothing_is_undone() {
    for flavor in flavors() {
        let (mut release, mut direct, n) = release(
            flavor,
            &[
                "CREATE USER IF NOT EXISTS 'a_#'@'%'",
                "GRANT INSERT ON #.t TO 'bare_#'@'%'",
                "ALTER USER 'a_#'@'%' ACCOUNT LOCK",
            ],
        );
        let before = world(flavor, &mut direct, &n);
        assert!(release.apply().iter().all(|done| !done.changed));
        assert!(release.roll_back().iter().all(|done| !done.changed));
        assert_eq!(world(flavor, &mut direct, &n), before);
        clear(&mut direct, &n);
    }
}

#[test]
fn a_statement_that_fails_changes_no_account() {
    // MariaDB drops those that are there, and says that it failed.
    for flavor in flavors() {
        for statement in [
            "DROP USER 'a_#'@'%', 'nobody_#'@'%'",
            "CREATE USER 'new_#'@'%', 'a_#'@'%'",
            "GRANT SELECT ON #.nothing TO 'a_#'@'%'",
        ] {
            let (mut release, mut direct, n) = release(flavor, &[statement]);
            let before = world(flavor, &mut direct, &n);
            let failure = release.step(0).unwrap_err();
            assert_eq!(failure.effect, Effect::None, "{failure:?}");
            assert_eq!(world(flavor, &mut direct, &n), before, "{flavor:?} {statement}");
            assert_eq!(release.inspect(0, Way::Forward), Found::NotApplied);
            clear(&mut direct, &n);
        }
    }
}

#[test]
fn what_could_not_be_undone_is_refused_before_it_runs() {
    for flavor in flavors() {
        for (statement, part) in [
            ("SET PASSWORD = 'x'", "the account that Windlass itself uses"),
            ("ALTER USER CURRENT_USER() ACCOUNT LOCK", "the account that Windlass itself uses"),
            ("DROP USER 'stale_#'@'%'", "which is not there any more"),
            ("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'stale_#'@'%'", "which is not there any more"),
        ] {
            let (mut release, mut direct, n) = release(flavor, &[statement]);
            direct.run(&format!("CREATE TABLE gone (a INT); CREATE USER 'stale_{n}'@'%'; GRANT SELECT ON {n}.gone TO 'stale_{n}'@'%'; DROP TABLE gone")).unwrap();
            let before = world(flavor, &mut direct, &n);
            let failure = release.step(0).unwrap_err();
            assert!(
                failure.message.contains(part) && failure.effect == Effect::None,
                "{flavor:?} {statement}: {failure:?}"
            );
            assert_eq!(world(flavor, &mut direct, &n), before);
            clear(&mut direct, &n);
        }
    }
    let (mut release, mut direct, n) = release(Flavor::Mysql, &["ALTER USER 'a_#'@'%' DISCARD OLD PASSWORD"]);
    direct
        .run(&format!("ALTER USER 'a_{n}'@'%' IDENTIFIED BY 'second word' RETAIN CURRENT PASSWORD"))
        .unwrap();
    assert!(release.step(0).unwrap_err().message.contains("second password"));
    clear(&mut direct, &n);
}

#[test]
fn a_user_without_the_right_to_look_reads_which_grant_to_give() {
    for flavor in flavors() {
        let (mut release, mut direct, n) =
            release(flavor, &["CREATE USER 'new_#'@'%'", "DROP USER 'a_#'@'%'"]);
        direct.run(&format!("CREATE USER 'low_{n}'@'%'; GRANT CREATE USER ON *.* TO 'low_{n}'@'%'; GRANT SELECT ON {n}.* TO 'low_{n}'@'%'")).unwrap();
        release.url = release.url.replace("root@", &format!("low_{n}@"));
        let before = world(flavor, &mut direct, &n);
        let failure = release.step(0).unwrap_err();
        assert_eq!(failure.effect, Effect::None);
        assert!(failure.hints.iter().any(|hint| hint.contains("GRANT SELECT ON `mysql`.*")), "{failure:?}");
        assert_eq!(world(flavor, &mut direct, &n), before);
        direct.run(&format!("GRANT SELECT ON mysql.* TO 'low_{n}'@'%'")).unwrap();
        let before = world(flavor, &mut direct, &n);
        release.step(0).unwrap();
        let failure = release.step(1).unwrap_err();
        assert!(failure.message.contains("may not give back: GRANT "), "{failure:?}");
        release.undo(0).unwrap();
        assert_eq!(world(flavor, &mut direct, &n), before);
        clear(&mut direct, &n);
    }
}
