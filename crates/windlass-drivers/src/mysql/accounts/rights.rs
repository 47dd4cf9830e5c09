//! Whether the accounts could be set right again: looked at before the statement runs.

use super::super::cover::Refusal;
use super::super::session::{Session, Trouble};
use super::look;
use std::collections::BTreeSet;
use windlass_sql::mysql::{About, Account, AccountVerb, Accounts, Clause};

/// What `ALL PRIVILEGES` on a database is made of, as far as all versions have it: MySQL writes it out for the whole server.
const OF_DATABASES: [&str; 18] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "EXECUTE",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EVENT",
    "TRIGGER",
];

/// Refuses what could not be undone.
pub(super) async fn check(
    session: &mut Session,
    about: &About<String>,
    me: &str,
    before: &Accounts,
    replaces: bool,
) -> Result<(), Refusal> {
    use AccountVerb::{Alter, CreateRole, DropRole, DropUser, Password};
    own(about, me)?;
    let goes = replaces || matches!(about.verb, DropUser | DropRole);
    let more = about.grant.as_ref().is_some_and(|grant| grant.more);
    // What a statement takes that names it could be given by whoever may take it; of everything that is not said.
    let everything = about.grant.as_ref().is_some_and(|grant| grant.everything);
    if !goes && !more && !everything && !matches!(about.verb, Alter | Password) {
        return Ok(());
    }
    let targets = about.targets.iter().filter_map(|key| Some((key, before.get(key)?.as_ref()?)));
    let targets: Vec<(&String, &Account)> = targets.collect();
    for (key, account) in &targets {
        if account.second.is_some() && !everything {
            return Err(why(format!(
                "{key} has a second password (RETAIN CURRENT PASSWORD), whose hash no statement brings back: `ALTER USER {key} DISCARD \
                 OLD PASSWORD` first"
            )));
        }
        if !goes
            && !everything
            && account.clauses.get(&Clause::Identified).is_some_and(|text| text.contains(" AND IDENTIFIED "))
        {
            return Err(why(format!(
                "{key} has more than one way to prove itself, which no single statement brings back"
            )));
        }
    }
    if !everything {
        passwords(session, &targets).await?;
    }
    if !goes && !everything {
        return Ok(());
    }
    let mine = look::own_rights(session).await?;
    for (key, account) in &targets {
        may_give(account, &mine, session.server.mariadb).map_err(|(what, grant)| {
            why(format!(
                "{key} has {what}, which the account of the target, {me}, may not give back: {}",
                grant.replace("{me}", me)
            ))
        })?;
        objects(session, key, account).await?;
    }
    // MariaDB gives a new role to whoever makes it, MySQL does not.
    let held = before
        .values()
        .flatten()
        .any(|account| about.targets.iter().any(|key| account.roles.contains_key(key)));
    if held && goes && !session.server.mariadb && about.verb != CreateRole && !may_give_roles(&mine) {
        return Err(why(format!(
            "others have it as a role, which {me} may not give back: GRANT ROLE_ADMIN ON *.* TO {me}"
        )));
    }
    Ok(())
}

fn why(text: String) -> Refusal {
    Refusal::Why(text)
}

/// The account that Windlass uses stays as it is: without it nothing could be undone.
fn own(about: &About<String>, me: &str) -> Result<(), Refusal> {
    use AccountVerb::{CreateRole, DefaultRole, Grant};
    let only_adds = match about.verb {
        Grant => !about.grant.as_ref().is_some_and(|grant| grant.more),
        CreateRole | DefaultRole => true,
        _ => false,
    };
    if only_adds || !about.targets.iter().any(|key| key == me) {
        return Ok(());
    }
    Err(why(format!(
        "it changes {me}, the account that Windlass itself uses, which could then not undo it: change that by hand, with the URL of the \
         target, or let the target use another account"
    )))
}

/// Whether hashes can be set again on this server.
async fn passwords(session: &mut Session, targets: &[(&String, &Account)]) -> Result<(), Refusal> {
    const ACTIVE: &str = "SELECT LOWER(plugin_name), plugin_type FROM information_schema.plugins WHERE plugin_status = 'ACTIVE' \
         AND (plugin_type = 'AUTHENTICATION' OR plugin_type LIKE 'PASSWORD%')";
    let rows = session.run(ACTIVE).await?.rows;
    let word = |row: &Vec<Option<String>>, at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    let of_kind = |is_check: bool| -> BTreeSet<String> {
        let kind = |row: &&Vec<Option<String>>| word(row, 1).starts_with("PASSWORD") == is_check;
        rows.iter().filter(kind).map(|row| word(row, 0)).collect()
    };
    let (proofs, checks) = (of_kind(false), of_kind(true));
    for (key, account) in targets {
        let Some(text) = account.clauses.get(&Clause::Identified) else { continue };
        let missing = plugins(text).into_iter().find(|name| !proofs.contains(name));
        if let Some(name) = missing {
            return Err(why(format!(
                "{key} proves itself by `{name}`, which is not loaded, so it could not be made again"
            )));
        }
        if let Some(check) = checks.first().filter(|_| session.server.mariadb && text.contains('*'))
            && session.value("SELECT @@strict_password_validation").await?.as_deref() == Some("1")
        {
            return Err(why(format!(
                "the server takes no hash of a password while `{check}` and strict_password_validation are on, so that of {key} could not be \
                 set again"
            )));
        }
    }
    Ok(())
}

/// The names behind `WITH`, `VIA` and `OR`.
fn plugins(clause: &str) -> Vec<String> {
    let words: Vec<&str> = clause.split_whitespace().collect();
    let names = words.windows(2).filter(|pair| matches!(pair[0], "WITH" | "VIA" | "OR"));
    names.map(|pair| pair[1].trim_matches(['\'', '`', '"']).to_ascii_lowercase()).collect()
}

/// Whether all that the account has can be given to it again; else what, and which GRANT helps.
fn may_give(account: &Account, mine: &Account, mariadb: bool) -> Result<(), (String, String)> {
    for (on, items) in &account.grants {
        for item in items {
            if !covers(mine, on, item) {
                let (name, what) = match on.as_str() {
                    "DYNAMIC" | "DYNAMIC GRANTABLE" => ("*.*", item.as_str()),
                    _ => (on.strip_prefix("REVOKED ").unwrap_or(on), item.as_str()),
                };
                let right = if what == "GRANT OPTION" { "USAGE" } else { what };
                let grant = match name.strip_prefix("PROXY ") {
                    Some(of) => format!("GRANT PROXY ON {of} TO {{me}} WITH GRANT OPTION"),
                    None => format!("GRANT {right} ON {name} TO {{me}} WITH GRANT OPTION"),
                };
                return Err((format!("{what} ON {name}"), grant));
            }
        }
    }
    let missing = account.roles.keys().find(|role| mine.roles.get(*role) != Some(&true));
    match missing.filter(|_| mariadb || !may_give_roles(mine)) {
        Some(role) => Err((format!("the role {role}"), format!("GRANT {role} TO {{me}} WITH ADMIN OPTION"))),
        None => Ok(()),
    }
}

fn may_give_roles(mine: &Account) -> bool {
    let has = |on: &str, item: &str| mine.grants.get(on).is_some_and(|items| items.contains(item));
    has("DYNAMIC", "ROLE_ADMIN") || has("DYNAMIC GRANTABLE", "ROLE_ADMIN") || has("*.*", "SUPER")
}

/// Whether `mine` may give `item` on `on` to others: with the same object, its database, or everything.
fn covers(mine: &Account, on: &str, item: &str) -> bool {
    let at = |level: &str| mine.grants.get(level);
    if on.starts_with("DYNAMIC") {
        return at("DYNAMIC GRANTABLE").is_some_and(|items| items.contains(item));
    }
    if on.starts_with("PROXY ") {
        let own = mine
            .grants
            .iter()
            .filter(|(name, _)| *name == on || matches!(name.as_str(), "PROXY ``@``" | "PROXY ``@`%`"));
        return own.into_iter().any(|(_, items)| items.contains("GRANT OPTION"));
    }
    let object = on.strip_prefix("REVOKED ").unwrap_or(on);
    let bare = ["PROCEDURE ", "FUNCTION ", "PACKAGE BODY ", "PACKAGE "];
    let name = bare.iter().find_map(|kind| object.strip_prefix(kind)).unwrap_or(object);
    let database = name.split("`.").next().map(|of| format!("{of}`.*")).unwrap_or_default();
    let right = item.split(" (").next().unwrap_or(item);
    [object, &database, "*.*"].iter().filter_map(|level| at(level)).any(|items| {
        let whole = items.contains("ALL PRIVILEGES")
            || (right == "ALL PRIVILEGES"
                && object != "*.*"
                && OF_DATABASES.iter().all(|one| items.contains(*one)));
        items.contains("GRANT OPTION") && (whole || items.contains(right) || items.contains(item))
    })
}

/// A privilege on what is not there any more cannot be given again.
async fn objects(session: &mut Session, key: &str, account: &Account) -> Result<(), Refusal> {
    for on in account.grants.keys() {
        let sql = match on.split_once(" `") {
            Some((kind @ ("PROCEDURE" | "FUNCTION" | "PACKAGE" | "PACKAGE BODY"), name)) => {
                format!("SHOW CREATE {kind} `{name}")
            }
            None if on.starts_with('`') && !on.ends_with(".*") => format!("SELECT 1 FROM {on} LIMIT 0"),
            _ => continue,
        };
        match session.run(&sql).await {
            Err(Trouble::Server { code: 1146 | 1305 | 1049, .. }) => {
                return Err(why(format!(
                    "{key} has privileges on {on}, which is not there any more, so they could not be given back: REVOKE them first"
                )));
            }
            // Whether it may be read is another question.
            Err(Trouble::Server { .. }) | Ok(_) => {}
            Err(other) => return Err(Refusal::Trouble(other)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(lines: &[&str]) -> Account {
        Account::rights(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_may_be_given_back() {
        let all = rights(&["GRANT ALL PRIVILEGES ON *.* TO `m`@`%` WITH GRANT OPTION"]);
        let written = format!("GRANT {}, SUPER ON *.* TO `m`@`%` WITH GRANT OPTION", OF_DATABASES.join(", "));
        let written = rights(&[&written]);
        let one = rights(&[
            "GRANT SELECT, INSERT ON `d`.* TO `m`@`%` WITH GRANT OPTION",
            "GRANT UPDATE ON *.* TO `m`@`%`",
        ]);
        let account = |line: &str| rights(&[line]);
        for line in [
            "GRANT ALL PRIVILEGES ON `d`.* TO `a`@`%`",
            "GRANT SELECT (`x`) ON `d`.`t` TO `a`@`%` WITH GRANT OPTION",
        ] {
            assert!(may_give(&account(line), &all, true).is_ok(), "{line}");
            assert!(may_give(&account(line), &written, false).is_ok(), "{line}");
        }
        for (line, wanted) in [
            ("GRANT SELECT (`x`) ON `d`.`t` TO `a`@`%`", true),
            ("GRANT SELECT ON `e`.`t` TO `a`@`%`", false),
            ("GRANT UPDATE ON `d`.`t` TO `a`@`%`", false),
            ("GRANT EXECUTE ON PROCEDURE `d`.`p` TO `a`@`%`", false),
            ("GRANT `r` TO `a`@`%`", false),
        ] {
            assert_eq!(may_give(&account(line), &one, true).is_ok(), wanted, "{line}");
        }
        let (what, grant) = may_give(&account("GRANT UPDATE ON `d`.* TO `a`@`%`"), &one, true).unwrap_err();
        assert_eq!(
            (what.as_str(), grant.as_str()),
            ("UPDATE ON `d`.*", "GRANT UPDATE ON `d`.* TO {me} WITH GRANT OPTION")
        );
    }

    #[test]
    fn ways_to_prove_oneself() {
        assert_eq!(plugins("IDENTIFIED WITH 'caching_sha2_password' AS 0x24"), ["caching_sha2_password"]);
        assert_eq!(plugins("IDENTIFIED VIA unix_socket OR ed25519 USING 'x'"), ["unix_socket", "ed25519"]);
        assert_eq!(plugins("IDENTIFIED BY PASSWORD '*D8'"), Vec::<String>::new());
    }
}
