//! What a statement would make of accounts, as far as its text tells: for the plan, and to tell its work from that of others.

use super::statement::{About, AccountVerb};
use super::{ALL, Account, Accounts, Clause, DYNAMIC, GRANTABLE, OPTION, REVOKED};
use std::collections::{BTreeMap, BTreeSet};

/// The accounts after the statement; `None`: its text does not tell (a new password, part of all privileges).
#[must_use]
pub fn foresee(about: &About<String>, before: &Accounts, mariadb: bool) -> Option<Accounts> {
    use AccountVerb::{CreateRole, CreateUser, DropRole, DropUser, Rename};
    let mut after = before.clone();
    match about.verb {
        CreateUser | CreateRole => {
            let role = mariadb && about.verb == CreateRole;
            for key in &about.targets {
                let entry = after.entry(key.clone()).or_default();
                entry.get_or_insert_with(|| Account { role, ..Account::default() });
            }
        }
        DropUser | DropRole => {
            for key in &about.targets {
                after.insert(key.clone(), None);
                for account in after.values_mut().flatten() {
                    account.roles.remove(key);
                }
            }
        }
        Rename => {
            for (from, to) in about.targets.iter().zip(&about.others) {
                let moved = after.insert(from.clone(), None).flatten();
                after.insert(to.clone(), moved);
            }
        }
        AccountVerb::Grant | AccountVerb::Revoke => {
            for key in &about.targets {
                let account = after.entry(key.clone()).or_default().get_or_insert_default();
                given(about, account)?;
            }
        }
        AccountVerb::Alter | AccountVerb::Password | AccountVerb::DefaultRole => return None,
    }
    Some(after)
}

fn given(about: &About<String>, account: &mut Account) -> Option<()> {
    let grant = about.grant.as_ref().filter(|grant| !grant.more)?;
    if grant.everything {
        account.grants.clear();
        return Some(());
    }
    let Some(on) = &grant.on else {
        for role in &about.others {
            match (grant.revokes, grant.option) {
                (true, false) => drop(account.roles.remove(role)),
                (true, true) => drop(account.roles.insert(role.clone(), false)),
                (false, option) => *account.roles.entry(role.clone()).or_default() |= option,
            }
        }
        return Some(());
    };
    let mut items = grant.items.clone();
    if grant.option && on != GRANTABLE {
        items.insert(OPTION.to_owned());
    }
    let found = account.grants.entry(on.clone()).or_default();
    if !grant.revokes {
        if items.contains(ALL) {
            found.retain(|item| item == OPTION);
        }
        let has_all = found.contains(ALL);
        found.extend(items.into_iter().filter(|item| !has_all || item == OPTION));
        return Some(());
    }
    let splits = found.contains(ALL) && !items.contains(ALL) && items.iter().any(|item| item != OPTION);
    // A table's privilege may be one of all, or stand beside the same of its columns.
    if splits || on == DYNAMIC {
        return None;
    }
    match items.contains(ALL) {
        true => found.retain(|item| item == OPTION && !items.contains(OPTION)),
        false => found.retain(|item| !items.contains(item)),
    }
    Some(())
}

/// Whether what lies between the two is what a statement of this kind does, and nothing else: it happened. A change of somebody else
/// that is of the same kind, on the same accounts, cannot be told from it.
#[must_use]
pub fn fits(about: &About<String>, before: &Accounts, after: &Accounts) -> bool {
    use AccountVerb::{CreateRole, CreateUser, DropRole, DropUser, Rename};
    let at = |accounts: &'_ Accounts, key: &String| accounts.get(key).cloned().flatten();
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter().all(|key| {
        let (old, new) = (at(before, key), at(after, key));
        let is_new = about.verb == Rename && about.others.contains(key);
        if !about.targets.contains(key) && !is_new {
            // Of others only what they had of a role that came or went.
            return match (&old, &new) {
                (Some(old), Some(new)) => same_but_roles(old, new),
                (None, None) => true,
                _ => false,
            };
        }
        match (about.verb, old, new) {
            (CreateUser | CreateRole, _, new) => new.is_some(),
            (DropUser | DropRole, _, new) => new.is_none(),
            (Rename, old, new) if is_new => new.is_some() || old == new,
            (Rename, _, new) => new.is_none(),
            (verb, Some(old), Some(new)) => changed_so(about, verb, &old, &new),
            // `GRANT … IDENTIFIED BY` of MariaDB makes accounts.
            (AccountVerb::Grant, None, new) => new.is_some(),
            (_, old, new) => old == new,
        }
    })
}

fn same_but_roles(old: &Account, new: &Account) -> bool {
    let clauses = |of: &Account| {
        let mut clauses = of.clauses.clone();
        clauses.remove(&Clause::DefaultRole);
        clauses
    };
    clauses(old) == clauses(new) && old.grants == new.grants && old.second == new.second
}

fn changed_so(about: &About<String>, verb: AccountVerb, old: &Account, new: &Account) -> bool {
    let same_rights = old.grants == new.grants && old.roles == new.roles;
    let more = about.grant.as_ref().is_some_and(|grant| grant.more);
    let same_self = more || (old.clauses == new.clauses && old.second == new.second);
    match verb {
        AccountVerb::Alter | AccountVerb::Password => same_rights,
        AccountVerb::DefaultRole => same_but_roles(old, new) && old.roles == new.roles,
        AccountVerb::Grant => same_self && has_all_of(new, old),
        // A role that is revoked is no default role any more.
        AccountVerb::Revoke => {
            same_but_roles(
                &Account { grants: BTreeMap::new(), ..old.clone() },
                &Account { grants: BTreeMap::new(), ..new.clone() },
            ) && has_all_of(old, new)
        }
        _ => true,
    }
}

/// Whether `wide` may all that `narrow` may. What `ALL` is made of is not known, so it covers everything on its object.
fn has_all_of(wide: &Account, narrow: &Account) -> bool {
    let roles =
        narrow.roles.iter().all(|(role, admin)| wide.roles.get(role).is_some_and(|wide| wide >= admin));
    let has = |on: &str, item: &String| {
        let items = wide.grants.get(on);
        items.is_some_and(|items| items.contains(item) || (item != OPTION && items.contains(ALL)))
    };
    roles
        && narrow.grants.iter().all(|(on, items)| {
            // What is taken out of a wider privilege goes the other way.
            on.starts_with(REVOKED)
                || items.iter().all(|item| has(on, item) || (on == DYNAMIC && has(GRANTABLE, item)))
        })
}

/// Whether an undo that was broken off can have left it so: each part stands as before or as after the statement, and what both have is
/// there.
#[must_use]
pub fn is_between(now: &Accounts, before: &Accounts, after: &Accounts) -> bool {
    let at = |accounts: &'_ Accounts, key: &String| accounts.get(key).cloned().flatten();
    let keys: BTreeSet<&String> = now.keys().chain(before.keys()).chain(after.keys()).collect();
    keys.into_iter().all(|key| {
        let (was, is, now) = (at(before, key), at(after, key), at(now, key));
        let Some(now) = now else { return was.is_none() || is.is_none() };
        if was.is_none() && is.is_none() {
            return false;
        }
        let ends: Vec<&Account> = was.iter().chain(&is).collect();
        let nothing = BTreeSet::new();
        let (a, b) = (was.clone().unwrap_or_default(), is.clone().unwrap_or_default());
        let names = now.clauses.keys().chain(ends.iter().flat_map(|end| end.clauses.keys()));
        let clauses = names.copied().filter(|clause| *clause != Clause::DefaultRole).collect::<BTreeSet<_>>();
        let same =
            |clause: &Clause| ends.iter().any(|end| end.clauses.get(clause) == now.clauses.get(clause));
        let objects: BTreeSet<&String> =
            now.grants.keys().chain(a.grants.keys()).chain(b.grants.keys()).collect();
        let lies = |on: &&String| {
            let of = |account: &Account| account.grants.get(*on).unwrap_or(&nothing).clone();
            let (now, a, b) = (of(&now), of(&a), of(&b));
            now.iter().all(|item| a.contains(item) || b.contains(item))
                && a.intersection(&b).all(|item| now.contains(item))
        };
        let roles = now.roles.keys().all(|role| a.roles.contains_key(role) || b.roles.contains_key(role));
        clauses.iter().all(same) && objects.iter().all(lies) && roles
    })
}
