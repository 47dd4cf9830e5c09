//! Accounts as a server has them now.

use super::super::catalog;
use super::super::cover::Refusal;
use super::super::session::{Session, Trouble};
use super::super::statement::Job;
use std::collections::{BTreeMap, BTreeSet};
use windlass_driver::Failure;
use windlass_sql::mysql::{
    About, Account, AccountStatement, AccountVerb, Accounts, Clause, PUBLIC, Who, account_key,
    account_statement,
};

/// Most accounts that one statement may have to do with, and role memberships of a server.
const ACCOUNTS_MAX: usize = 1_000;
const MEMBERS_MAX: usize = 20_000;

/// A connection whose settings do not change what the server prints.
pub(super) async fn reader(job: &Job<'_>) -> Result<Session, Failure> {
    let mut session = job.open_plain().await?;
    let settle = async {
        session.run(catalog::SETTINGS).await?;
        if session.server.mariadb {
            return Ok(());
        }
        // Salts of MySQL hold any character; the first versions of 8.0 know no other form.
        match session.run("SET SESSION print_identified_with_as_hex = ON").await {
            Err(trouble) if trouble.code() == 1193 => Ok(()),
            other => other.map(drop),
        }
    };
    settle.await.map_err(|trouble: Trouble| job.clean(&trouble, "setting up the connection"))?;
    Ok(session)
}

/// The account of the connection.
pub(super) async fn me(session: &mut Session) -> Result<String, Trouble> {
    let name = session.value("SELECT CURRENT_USER()").await?.unwrap_or_default();
    let (user, host) = name.rsplit_once('@').unwrap_or((&name, "%"));
    Ok(account_key(user, Some(host)))
}

/// The accounts that the statement names, as the server does.
pub(super) async fn resolve(
    session: &mut Session,
    statement: &AccountStatement,
    me: &str,
) -> Result<About<String>, Trouble> {
    let users = statement.targets.iter().chain(&statement.others).filter_map(|who| match who {
        Who::Named(user, _) => Some(super::super::ledger::text(user)),
        Who::Current => None,
    });
    let users: Vec<_> = users.collect();
    let mut known = vec![];
    if !users.is_empty() {
        let role = if session.server.mariadb { "is_role" } else { "'N'" };
        let sql = format!("SELECT User, Host, {role} FROM mysql.user WHERE User IN ({})", users.join(", "));
        for row in session.run(&sql).await?.rows {
            let word = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            known.push((word(0), word(1), word(2) == "Y"));
        }
    }
    use AccountVerb::{Grant, Revoke};
    let (mariadb, either) = (session.server.mariadb, matches!(statement.verb, Grant | Revoke));
    Ok(statement.resolved(|who, is_role| match who {
        Who::Current => me.to_owned(),
        Who::Named(user, Some(host)) => {
            let same = |(of, at, role): &&(String, String, bool)| {
                of == user && !role && at.eq_ignore_ascii_case(host)
            };
            // Servers write hosts in lower case.
            let host =
                known.iter().find(same).map_or_else(|| host.to_ascii_lowercase(), |(_, at, _)| at.clone());
            account_key(user, Some(&host))
        }
        Who::Named(user, None) if mariadb && either && user.eq_ignore_ascii_case(PUBLIC) => PUBLIC.to_owned(),
        Who::Named(user, None) => {
            let role = is_role || (either && known.iter().any(|(of, _, role)| of == user && *role));
            account_key(user, if mariadb && role { None } else { Some("%") })
        }
    }))
}

/// Those that a statement may change: the ones that it names, and those that have a role which comes, goes or gets another name.
pub(super) async fn picture(
    session: &mut Session,
    about: &About<String>,
    me: &str,
    also: &Accounts,
) -> Result<Accounts, Refusal> {
    use AccountVerb::{CreateRole, CreateUser, DropRole, DropUser, Rename};
    let mariadb = session.server.mariadb;
    let mut keys: BTreeSet<String> = about.targets.iter().chain(also.keys()).cloned().collect();
    if matches!(about.verb, Rename | CreateRole) {
        keys.extend(about.others.iter().cloned());
    }
    // MariaDB gives a new role to whoever makes it.
    if mariadb && matches!(about.verb, CreateRole | DropRole) {
        keys.insert(me.to_owned());
    }
    if matches!(about.verb, CreateRole | CreateUser | DropRole | DropUser | Rename) {
        let held: BTreeSet<&String> = about.targets.iter().chain(&about.others).collect();
        let members = members(session).await?;
        keys.extend(members.into_iter().filter(|(role, _)| held.contains(role)).map(|(_, member)| member));
    }
    if keys.len() > ACCOUNTS_MAX {
        let why =
            format!("it concerns {} accounts, and up to {ACCOUNTS_MAX} are kept for an undo", keys.len());
        return Err(Refusal::Why(why));
    }
    if !mariadb
        && keys.contains(me)
        && session.value("SELECT CURRENT_ROLE()").await?.as_deref() != Some("NONE")
    {
        let why = "it concerns the account that Windlass uses, and the roles that this has active hide what is its own";
        return Err(Refusal::Why(why.to_owned()));
    }
    let second = second(session).await?;
    let mut accounts = Accounts::new();
    for key in keys {
        let mut account = read(session, &key).await?;
        if let Some(account) = &mut account {
            account.second = second.get(&key).cloned();
            let renamed = about.verb == Rename && about.others.contains(&key);
            if !about.targets.contains(&key) && !renamed {
                member_only(account, about);
            }
        }
        accounts.insert(key, account);
    }
    Ok(accounts)
}

/// Of one that the statement does not name, only what it has of the roles concerned: all else may be changed by others meanwhile.
fn member_only(account: &mut Account, about: &About<String>) {
    account.clauses.retain(|clause, _| *clause == Clause::DefaultRole);
    account.grants.clear();
    account.roles.retain(|role, _| about.targets.contains(role) || about.others.contains(role));
    account.second = None;
}

/// Roles and who has them.
async fn members(session: &mut Session) -> Result<Vec<(String, String)>, Refusal> {
    let mariadb = session.server.mariadb;
    let sql = match mariadb {
        true => "SELECT Role, '', User, Host FROM mysql.roles_mapping",
        false => {
            "SELECT FROM_USER, FROM_HOST, TO_USER, TO_HOST FROM mysql.role_edges UNION ALL \
             SELECT DEFAULT_ROLE_USER, DEFAULT_ROLE_HOST, USER, HOST FROM mysql.default_roles"
        }
    };
    let found = session.read(sql, MEMBERS_MAX).await?;
    if found.count > MEMBERS_MAX as u64 {
        let why =
            format!("the server has {} role memberships, and up to {MEMBERS_MAX} are looked at", found.count);
        return Err(Refusal::Why(why));
    }
    let pair = |row: Vec<Option<String>>| {
        let word = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        // A role of MariaDB has no host, as a role and as a member.
        let key = |user: usize| {
            let host = word(user + 1);
            account_key(&word(user), if mariadb && host.is_empty() { None } else { Some(&host) })
        };
        (key(0), key(2))
    };
    Ok(found.rows.into_iter().map(pair).collect())
}

/// Second passwords of MySQL, which nothing else shows.
async fn second(session: &mut Session) -> Result<BTreeMap<String, String>, Trouble> {
    const SQL: &str = "SELECT User, Host, JSON_UNQUOTE(JSON_EXTRACT(user_attributes, '$.additional_password')) FROM mysql.user \
         WHERE JSON_EXTRACT(user_attributes, '$.additional_password') IS NOT NULL";
    if session.server.mariadb {
        return Ok(BTreeMap::new());
    }
    let found = match session.read(SQL, MEMBERS_MAX).await {
        // The first versions of 8.0 have none.
        Err(trouble) if trouble.code() == 1054 => return Ok(BTreeMap::new()),
        other => other?,
    };
    let pair = |row: Vec<Option<String>>| {
        let word = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        (account_key(&word(0), Some(&word(1))), word(2))
    };
    Ok(found.rows.into_iter().map(pair).collect())
}

/// One account; `None`: there is none of that name.
async fn read(session: &mut Session, key: &str) -> Result<Option<Account>, Refusal> {
    let lines = match session.run(&format!("SHOW GRANTS FOR {key}")).await {
        Err(trouble) if trouble.code() == 1141 || (key == PUBLIC && trouble.code() != 0) => return Ok(None),
        other => first_column(other?.rows),
    };
    let mut create = None;
    if has_host(key) {
        create = match session.run(&format!("SHOW CREATE USER {key}")).await {
            Err(trouble) if matches!(trouble.code(), 1133 | 1396) => return Ok(None),
            other => other?.first().map(str::to_owned),
        };
    }
    let unread = || Refusal::Why(format!("what the server shows of {key} cannot be read"));
    let account = Account::read(key, create.as_deref(), &lines).ok_or_else(unread)?;
    let hidden = |account: &Account| {
        account.clauses.get(&Clause::Identified).is_some_and(|text| text.contains("<secret>"))
    };
    if account.as_ref().is_some_and(hidden) {
        let text = format!("the hash of the password of {key} is not shown");
        return Err(Refusal::Trouble(Trouble::Server { code: 1142, text }));
    }
    Ok(account)
}

/// The lines of `SHOW GRANTS` of the connection itself, with those of its roles.
pub(super) async fn own_rights(session: &mut Session) -> Result<Account, Trouble> {
    Ok(Account::rights(&first_column(session.run("SHOW GRANTS").await?.rows)))
}

fn first_column(rows: Vec<Vec<Option<String>>>) -> Vec<String> {
    rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

/// Whether it is an account, and no role of MariaDB.
fn has_host(key: &str) -> bool {
    let found = account_statement(&format!("DROP USER {key}"), "");
    found.is_some_and(|found| matches!(found.targets.first(), Some(Who::Named(_, Some(_)))))
}
