//! Accounts of MySQL and MariaDB: what statements say of them, how a server shows them, what makes one of another.
//!
//! Sources: MySQL 8.0 and 9 manual, "Account Management Statements"; MariaDB's `CREATE USER`, `GRANT`, `CREATE ROLE`; and what
//! both servers print for `SHOW CREATE USER` and `SHOW GRANTS`.

mod change;
mod foresee;
mod grant;
mod show;
mod statement;
#[cfg(test)]
mod tests;

pub use change::{AccountStep, account_steps};
pub use foresee::{fits, foresee, is_between};
pub use grant::{Grant, grant};
pub use show::masked;
pub use statement::{About, AccountStatement, AccountVerb, account_statement};

use crate::{Dialect, quote};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An account as a statement names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// `CURRENT_USER()`, `USER()`
    Current,
    /// A name, and the host where one is said: without, it may be a role.
    Named(String, Option<String>),
}

/// As servers write it: `` `user`@`host` ``.
#[must_use]
pub fn account_key(user: &str, host: Option<&str>) -> String {
    let name = quote(user, Dialect::Mysql);
    host.map_or_else(|| name.clone(), |host| format!("{name}@{}", quote(host, Dialect::Mysql)))
}

/// What everybody may do, on MariaDB: a role that is always there.
pub const PUBLIC: &str = "PUBLIC";

/// A part of `SHOW CREATE USER`, in the order in which statements take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clause {
    /// `IDENTIFIED …`
    Identified,
    /// `REQUIRE SSL`
    Require,
    /// `WITH MAX_USER_CONNECTIONS 3`
    Limits,
    /// `PASSWORD EXPIRE …`
    Expire,
    /// `ACCOUNT LOCK`
    Lock,
    /// `PASSWORD HISTORY …`
    History,
    /// `PASSWORD REUSE INTERVAL …`
    Reuse,
    /// `PASSWORD REQUIRE CURRENT …`
    Current,
    /// `FAILED_LOGIN_ATTEMPTS …`
    Failures,
    /// `PASSWORD_LOCK_TIME …`
    LockTime,
    /// `ATTRIBUTE '{…}'`
    Attribute,
    /// `DEFAULT ROLE …`; of MariaDB, where a statement of its own shows it, too.
    DefaultRole,
}

/// An account or a role.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// A role of MariaDB. Those of MySQL are accounts like all others.
    pub role: bool,
    /// `SHOW CREATE USER`, with the hash of the password: **secret**.
    pub clauses: BTreeMap<Clause, String>,
    /// What it may do on what. The key is what stands behind `ON`; `DYNAMIC` (of MySQL), `PROXY …` and `REVOKED …` before it
    /// keep apart what is granted in other ways.
    pub grants: BTreeMap<String, BTreeSet<String>>,
    /// Roles that it has, and whether it may give them to others.
    pub roles: BTreeMap<String, bool>,
    /// A second password that holds beside the first (`RETAIN CURRENT PASSWORD`): **secret**.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
}

// Its secrets are shown nowhere.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.print(&|_| "'****'".to_owned()))
    }
}

/// Accounts by [`account_key`]; `None`: there is no such account.
pub type Accounts = BTreeMap<String, Option<Account>>;

impl Account {
    /// All that is known of it, a line each; `seal` makes of a secret what may be seen.
    #[must_use]
    pub fn print(&self, seal: &dyn Fn(&str) -> String) -> String {
        let mut lines = vec![if self.role { "role" } else { "account" }.to_owned()];
        lines.extend(self.clauses.values().map(|text| show::secrets(text, seal)));
        lines.extend(self.second.iter().map(|hash| format!("second password {}", seal(hash))));
        for (on, items) in self.grants.iter().filter(|(_, items)| !items.is_empty()) {
            let items: Vec<_> = items.iter().map(String::as_str).collect();
            lines.push(format!("{} ON {on}", items.join(", ")));
        }
        for (role, admin) in &self.roles {
            lines.push(format!("role {role}{}", if *admin { " WITH ADMIN OPTION" } else { "" }));
        }
        lines.join("\n")
    }
}

/// `ALL PRIVILEGES`
pub(crate) const ALL: &str = "ALL PRIVILEGES";
/// `GRANT OPTION`
pub(crate) const OPTION: &str = "GRANT OPTION";
/// Privileges that plugins of MySQL define, all of them on `*.*`.
pub(crate) const DYNAMIC: &str = "DYNAMIC";
/// Those with the right to give them on: each has one of its own.
pub(crate) const GRANTABLE: &str = "DYNAMIC GRANTABLE";
/// Before the object of a privilege that is taken out of a wider one (`partial_revokes` of MySQL).
pub(crate) const REVOKED: &str = "REVOKED ";
/// Before the account of `GRANT PROXY`.
pub(crate) const PROXY: &str = "PROXY ";
