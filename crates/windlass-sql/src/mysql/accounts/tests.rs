use super::*;

fn read(key: &str, create: Option<&str>, lines: &[&str]) -> Account {
    let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
    Account::read(key, create, &lines).expect("it can be read").expect("it is there")
}

fn items(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

const HASH: &str = "*D821809F681A40A6E379B50D0463EFAE20BDD122";

fn mariadb() -> Account {
    let own = format!(
        "GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '{HASH}' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 5"
    );
    read(
        "`a`@`%`",
        Some(&format!(
            "CREATE USER `a`@`%` IDENTIFIED BY PASSWORD '{HASH}' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 5 ACCOUNT LOCK PASSWORD EXPIRE INTERVAL 30 DAY"
        )),
        &[
            "GRANT `r1` TO `a`@`%` WITH ADMIN OPTION",
            "GRANT `r2` TO `a`@`%`",
            &own,
            "GRANT SELECT (`id`), INSERT (`id`, `v`), UPDATE ON `d`.`t` TO `a`@`%` WITH GRANT OPTION",
            "GRANT EXECUTE ON PROCEDURE `d`.`p` TO `a`@`%`",
            "GRANT SELECT ON `x\\_%`.* TO `r2`",
            "SET DEFAULT ROLE `r2` FOR `a`@`%`",
        ],
    )
}

#[test]
fn what_servers_show_is_read() {
    let account = mariadb();
    assert_eq!(account.clauses[&Clause::Lock], "ACCOUNT LOCK");
    assert_eq!(account.clauses[&Clause::Expire], "PASSWORD EXPIRE INTERVAL 30 DAY");
    assert_eq!(account.clauses[&Clause::DefaultRole], "DEFAULT ROLE `r2`");
    assert_eq!(account.roles, [("`r1`".to_owned(), true), ("`r2`".to_owned(), false)].into());
    let wanted = items(&["SELECT (`id`)", "INSERT (`id`)", "INSERT (`v`)", "UPDATE", "GRANT OPTION"]);
    assert_eq!(account.grants["`d`.`t`"], wanted);
    assert_eq!(account.grants["PROCEDURE `d`.`p`"], items(&["EXECUTE"]));
    assert_eq!(account.grants.len(), 2, "that of a role is its own, and USAGE is nothing");
    let mysql = read(
        "`b`@`h`",
        Some(
            "CREATE USER `b`@`h` IDENTIFIED WITH 'caching_sha2_password' AS 0x2441 DEFAULT ROLE `r1`@`%`,`r2`@`%` REQUIRE NONE PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL 4 DAY PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2 ATTRIBUTE '{}'",
        ),
        &[
            "GRANT SELECT ON *.* TO `b`@`h` WITH GRANT OPTION",
            "GRANT CLONE_ADMIN ON *.* TO `b`@`h`",
            "GRANT BACKUP_ADMIN,ROLE_ADMIN ON *.* TO `b`@`h` WITH GRANT OPTION",
            "REVOKE SELECT ON `d`.* FROM `b`@`h`",
            "GRANT PROXY ON `p`@`` TO `b`@`h` WITH GRANT OPTION",
            "GRANT `r1`@`%`,`r2`@`%` TO `b`@`h`",
        ],
    );
    assert_eq!(mysql.clauses.len(), 10, "{:?}", mysql.clauses.keys());
    assert_eq!(mysql.clauses[&Clause::DefaultRole], "DEFAULT ROLE `r1`@`%`,`r2`@`%`");
    let on: Vec<_> = mysql.grants.keys().map(String::as_str).collect();
    assert_eq!(on, ["*.*", "DYNAMIC", "DYNAMIC GRANTABLE", "PROXY `p`@``", "REVOKED `d`.*"]);
    assert_eq!(Account::read("`c`@`h`", None, &["GRANT USAGE ON *.* TO `d`@`h`".to_owned()]), Some(None));
}

#[test]
fn no_hash_is_seen() {
    let text = mariadb().print(&|secret| format!("#{}", secret.len()));
    assert!(text.contains("IDENTIFIED BY PASSWORD #43\n") && !text.contains("D82180"), "{text}");
    let mut all = Accounts::new();
    let mut none = Accounts::new();
    all.insert("`a`@`%`".into(), Some(mariadb()));
    none.insert("`a`@`%`".into(), None);
    let steps = account_steps(&none, &all, true);
    assert!(steps[0].sql.contains(HASH) && !steps[0].shown.contains("D82180"), "{steps:?}");
    assert!(!format!("{steps:?}").contains("D82180"));
    let hex = "ALTER USER u IDENTIFIED WITH 'caching_sha2_password' AS 0x2441 REQUIRE NONE";
    assert_eq!(masked(hex), "ALTER USER u IDENTIFIED WITH 'caching_sha2_password' AS '****' REQUIRE NONE");
}

fn steps(from: Option<Account>, to: Option<Account>, is_mariadb: bool) -> Vec<String> {
    let one = |account| Accounts::from([("`a`@`%`".to_owned(), account)]);
    account_steps(&one(from), &one(to), is_mariadb).into_iter().map(|step| step.shown).collect()
}

#[test]
fn an_account_that_went_is_made_again() {
    assert_eq!(
        steps(None, Some(mariadb()), true),
        [
            "CREATE USER `a`@`%` IDENTIFIED BY PASSWORD '****' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 5 PASSWORD EXPIRE INTERVAL 30 DAY ACCOUNT LOCK",
            "GRANT `r1` TO `a`@`%` WITH ADMIN OPTION",
            "GRANT `r2` TO `a`@`%`",
            "GRANT EXECUTE ON PROCEDURE `d`.`p` TO `a`@`%`",
            "GRANT INSERT (`id`), INSERT (`v`), SELECT (`id`), UPDATE ON `d`.`t` TO `a`@`%` WITH GRANT OPTION",
            "SET DEFAULT ROLE `r2` FOR `a`@`%`",
        ]
    );
    assert_eq!(steps(Some(mariadb()), None, true), ["DROP USER `a`@`%`"]);
}

#[test]
fn what_differs_is_set_back() {
    let bare = read(
        "`a`@`%`",
        Some("CREATE USER `a`@`%`"),
        &["GRANT ALL PRIVILEGES ON `d`.* TO `a`@`%` WITH GRANT OPTION"],
    );
    let mut other = bare.clone();
    other.grants.insert("`d`.*".into(), items(&["SELECT"]));
    other.clauses.insert(Clause::Limits, "WITH MAX_QUERIES_PER_HOUR 5 MAX_USER_CONNECTIONS 3".into());
    other.clauses.insert(Clause::Expire, "PASSWORD EXPIRE".into());
    assert_eq!(
        steps(Some(other.clone()), Some(bare.clone()), true),
        [
            "ALTER USER `a`@`%` IDENTIFIED VIA mysql_native_password USING '' WITH MAX_QUERIES_PER_HOUR 0 MAX_USER_CONNECTIONS 0 PASSWORD EXPIRE DEFAULT",
            "GRANT ALL PRIVILEGES ON `d`.* TO `a`@`%` WITH GRANT OPTION",
        ]
    );
    other.clauses.clear();
    assert_eq!(
        steps(Some(bare), Some(other), true),
        [
            "REVOKE ALL PRIVILEGES ON `d`.* FROM `a`@`%`",
            "REVOKE GRANT OPTION ON `d`.* FROM `a`@`%`",
            "GRANT SELECT ON `d`.* TO `a`@`%`",
        ]
    );
    let with = |attribute: &str| {
        let mut account = Account::default();
        account.clauses.insert(Clause::Attribute, attribute.to_owned());
        Some(account)
    };
    assert_eq!(
        steps(
            with(r#"ATTRIBUTE '{"a": {"x": ":"}, "b\\"c": "it\'s"}'"#),
            with(r#"ATTRIBUTE '{"a": 1}'"#),
            false
        ),
        [
            r#"ALTER USER `a`@`%` ATTRIBUTE '{"a": null, "b\\"c": null}'"#,
            r#"ALTER USER `a`@`%` ATTRIBUTE '{"a": 1}'"#
        ]
    );
}

fn about(statement: &str) -> Option<About<String>> {
    let name = |who: &Who, _: bool| match who {
        Who::Current => "me".to_owned(),
        Who::Named(user, host) => account_key(user, Some(host.as_deref().unwrap_or("%"))),
    };
    account_statement(statement, "d").map(|found| found.resolved(name))
}

#[test]
fn statements_name_accounts() {
    use AccountVerb::*;
    for (statement, verb, targets, others) in [
        (
            "CREATE USER IF NOT EXISTS a, 'b'@'h' IDENTIFIED BY 'x,y', c IDENTIFIED VIA z USING PASSWORD('p'), d REQUIRE SSL",
            CreateUser,
            "`a`@`%` `b`@`h` `c`@`%` `d`@`%`",
            "",
        ),
        ("CREATE OR REPLACE ROLE r WITH ADMIN u@h", CreateRole, "`r`@`%`", "`u`@`h`"),
        ("CREATE USER a DEFAULT ROLE r1, r2", CreateUser, "`a`@`%`", ""),
        ("DROP USER IF EXISTS a@localhost, b", DropUser, "`a`@`localhost` `b`@`%`", ""),
        (
            "ALTER USER USER() IDENTIFIED BY 'x' RETAIN CURRENT PASSWORD, b ACCOUNT LOCK",
            Alter,
            "me `b`@`%`",
            "",
        ),
        ("RENAME USER a TO b, c@h TO d", Rename, "`a`@`%` `c`@`h`", "`b`@`%` `d`@`%`"),
        ("GRANT r1, r2 TO a, CURRENT_USER WITH ADMIN OPTION", Grant, "`a`@`%` me", "`r1`@`%` `r2`@`%`"),
        ("GRANT SELECT ON t TO a IDENTIFIED BY 'x', b", Grant, "`a`@`%` `b`@`%`", ""),
        ("REVOKE ALL PRIVILEGES, GRANT OPTION FROM a, b", Revoke, "`a`@`%` `b`@`%`", ""),
        ("SET PASSWORD = 'x'", Password, "me", ""),
        ("SET PASSWORD FOR 'a'@'h' = PASSWORD('x')", Password, "`a`@`h`", ""),
        ("SET DEFAULT ROLE r1, r2 TO a, b", DefaultRole, "`a`@`%` `b`@`%`", "`r1`@`%` `r2`@`%`"),
        ("SET DEFAULT ROLE NONE FOR a", DefaultRole, "`a`@`%`", ""),
        ("SET DEFAULT ROLE r", DefaultRole, "me", "`r`@`%`"),
    ] {
        let found = about(statement).unwrap_or_else(|| panic!("{statement}"));
        assert_eq!(
            (found.verb, found.targets.join(" ").as_str(), found.others.join(" ").as_str()),
            (verb, targets, others),
            "{statement}"
        );
    }
    for statement in [
        "SELECT 1",
        "CREATE TABLE t (a INT)",
        "GRANT SELECT, CLONE_ADMIN ON *.* TO a",
        "DROP USER 'a\\'b'",
        "SET @a = 1",
    ] {
        assert_eq!(about(statement), None, "{statement}");
    }
}

#[test]
fn grants_of_scripts_are_read_as_servers_print_them() {
    for (statement, on, wanted) in [
        (
            "GRANT select (a, `b`), INSERT ON t TO u",
            "`d`.`t`",
            items(&["SELECT (`a`)", "SELECT (`b`)", "INSERT"]),
        ),
        ("GRANT ALL ON * TO u", "`d`.*", items(&["ALL PRIVILEGES"])),
        ("GRANT CREATE TEMPORARY TABLES ON e.* TO u", "`e`.*", items(&["CREATE TEMPORARY TABLES"])),
        ("REVOKE GRANT OPTION, RELOAD ON *.* FROM u", "*.*", items(&["RELOAD"])),
        ("GRANT EXECUTE ON FUNCTION e.f TO u", "FUNCTION `e`.`f`", items(&["EXECUTE"])),
        ("GRANT CLONE_ADMIN ON *.* TO u WITH GRANT OPTION", "DYNAMIC GRANTABLE", items(&["CLONE_ADMIN"])),
        ("GRANT PROXY ON p TO u", "PROXY `p`", items(&["PROXY"])),
    ] {
        let found = grant(statement, "d").unwrap_or_else(|| panic!("{statement}"));
        assert_eq!((found.on.as_deref(), found.items), (Some(on), wanted), "{statement}");
    }
}

#[test]
fn what_a_statement_would_do_is_foreseen_and_recognised() {
    let key = "`a`@`%`".to_owned();
    let before = Accounts::from([(key.clone(), Some(mariadb()))]);
    let back = |statement: &str| -> Option<Vec<String>> {
        let after = foresee(&about(statement)?, &before, true)?;
        assert!(
            fits(&about(statement)?, &before, &after) && is_between(&after, &before, &after),
            "{statement}"
        );
        Some(account_steps(&after, &before, true).into_iter().map(|step| step.shown).collect())
    };
    assert_eq!(back("GRANT UPDATE, DELETE ON d.t TO a").unwrap(), ["REVOKE DELETE ON `d`.`t` FROM `a`@`%`"]);
    assert_eq!(back("GRANT SELECT ON e.* TO a").unwrap(), ["REVOKE SELECT ON `e`.* FROM `a`@`%`"]);
    assert_eq!(back("GRANT UPDATE ON d.t TO a").unwrap(), Vec::<String>::new());
    assert_eq!(
        back("REVOKE EXECUTE ON PROCEDURE d.p FROM a").unwrap(),
        ["GRANT EXECUTE ON PROCEDURE `d`.`p` TO `a`@`%`"]
    );
    assert_eq!(back("DROP USER a").unwrap().len(), 6);
    assert_eq!(back("ALTER USER a ACCOUNT UNLOCK"), None);
    let mut locked = before.clone();
    locked.get_mut(&key).unwrap().as_mut().unwrap().clauses.remove(&Clause::Lock);
    for (statement, wanted) in [
        ("ALTER USER a ACCOUNT UNLOCK", true),
        ("SET PASSWORD FOR a = 'x'", true),
        ("GRANT SELECT ON e.* TO a", false),
        ("REVOKE UPDATE ON d.t FROM a", false),
        ("DROP USER a", false),
        ("SET DEFAULT ROLE NONE FOR a", false),
    ] {
        assert_eq!(fits(&about(statement).unwrap(), &before, &locked), wanted, "{statement}");
    }
    let mut other = locked.clone();
    other.get_mut(&key).unwrap().as_mut().unwrap().grants.insert("`e`.*".into(), items(&["SELECT"]));
    assert!(!is_between(&other, &before, &locked));
}
