//! What makes accounts what they were.

use super::show::masked;
use super::{ALL, Account, Accounts, Clause, DYNAMIC, GRANTABLE, OPTION, PROXY, PUBLIC, REVOKED};
use std::collections::BTreeSet;

/// A statement of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountStep {
    /// As it is sent: it may hold the hash of a password, and is **secret**.
    pub sql: String,
    /// As it may be shown.
    pub shown: String,
}

// Nothing prints the other one.
impl std::fmt::Debug for AccountStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Statements by when they run: nobody has less than both before and after while they do, as far as the servers allow it.
#[derive(Default)]
struct Steps {
    creates: Vec<String>,
    alters: Vec<String>,
    gives: Vec<String>,
    defaults: Vec<String>,
    takes: Vec<String>,
    drops: Vec<String>,
}

/// Statements that make `to` of `from`. What a server does beside (it takes privileges on columns with those on their table) shows when
/// it is read again: then the rest comes out.
#[must_use]
pub fn account_steps(from: &Accounts, to: &Accounts, mariadb: bool) -> Vec<AccountStep> {
    let mut steps = Steps::default();
    let nothing = Account::default();
    for (key, wanted) in to {
        let now = from.get(key).and_then(Option::as_ref);
        match (now, wanted) {
            (None, Some(wanted)) => {
                if key != PUBLIC {
                    steps.creates.push(create(key, wanted));
                }
                steps.grants(key, (&nothing, wanted), to, mariadb);
                steps.default_role(key, (&nothing, wanted), mariadb);
            }
            (Some(now), Some(wanted)) => {
                steps.alters.extend(alter(key, now, wanted, mariadb));
                steps.grants(key, (now, wanted), to, mariadb);
                steps.default_role(key, (now, wanted), mariadb);
            }
            (Some(now), None) => {
                steps.drops.push(format!("DROP {} {key}", if now.role { "ROLE" } else { "USER" }));
            }
            (None, None) => {}
        }
    }
    let Steps { creates, alters, gives, defaults, takes, drops } = steps;
    let all = [creates, alters, gives, defaults, takes, drops].concat();
    all.into_iter().map(|sql| AccountStep { shown: masked(&sql), sql }).collect()
}

fn create(key: &str, wanted: &Account) -> String {
    let mut sql = format!("CREATE {} {key}", if wanted.role { "ROLE" } else { "USER" });
    for (_, text) in wanted.clauses.iter().filter(|(clause, _)| **clause != Clause::DefaultRole) {
        sql.push(' ');
        sql += text;
    }
    sql
}

/// `ALTER USER` with all clauses that differ; attributes are merged by the server, so those that are there go first.
fn alter(key: &str, now: &Account, wanted: &Account, mariadb: bool) -> Vec<String> {
    let names: BTreeSet<Clause> = now.clauses.keys().chain(wanted.clauses.keys()).copied().collect();
    let mut differ: BTreeSet<Clause> =
        names.into_iter().filter(|clause| now.clauses.get(clause) != wanted.clauses.get(clause)).collect();
    if differ.contains(&Clause::Expire)
        && now.clauses.get(&Clause::Expire).is_some_and(|text| text == "PASSWORD EXPIRE")
    {
        // Only a password that is set anew is no longer expired.
        differ.insert(Clause::Identified);
    }
    let attribute = differ.remove(&Clause::Attribute);
    differ.remove(&Clause::DefaultRole);
    let mut sqls = vec![];
    if !differ.is_empty() {
        let parts: Vec<_> = differ.iter().map(|clause| part(*clause, now, wanted, mariadb)).collect();
        sqls.push(format!("ALTER USER {key} {}", parts.join(" ")));
    }
    if now.second.is_some() && wanted.second.is_none() {
        sqls.push(format!("ALTER USER {key} DISCARD OLD PASSWORD"));
    }
    if attribute {
        let text = |of: &Account| of.clauses.get(&Clause::Attribute).cloned();
        let names = text(now).map(|text| attributes(&text)).unwrap_or_default();
        if !names.is_empty() {
            let nothing: Vec<_> = names.iter().map(|name| format!("{name}: null")).collect();
            let json = format!("{{{}}}", nothing.join(", ")).replace('\\', "\\\\").replace('\'', "''");
            sqls.push(format!("ALTER USER {key} ATTRIBUTE '{json}'"));
        }
        sqls.extend(text(wanted).map(|text| format!("ALTER USER {key} {text}")));
    }
    sqls
}

/// One clause as it is wanted, in words also where the server shows none.
fn part(clause: Clause, now: &Account, wanted: &Account, mariadb: bool) -> String {
    let text = wanted.clauses.get(&clause);
    match (clause, text) {
        // Without a value a new password is asked for.
        (Clause::Identified, Some(text)) if !mariadb && !text.contains(" AS ") => format!("{text} AS ''"),
        (Clause::Limits, _) => limits(now.clauses.get(&clause), text),
        (_, Some(text)) => text.clone(),
        (Clause::Identified, None) => "IDENTIFIED VIA mysql_native_password USING ''".to_owned(),
        (Clause::Require, None) => "REQUIRE NONE".to_owned(),
        (Clause::Expire, None) => "PASSWORD EXPIRE DEFAULT".to_owned(),
        (Clause::Lock, None) => "ACCOUNT UNLOCK".to_owned(),
        (Clause::History, None) => "PASSWORD HISTORY DEFAULT".to_owned(),
        (Clause::Reuse, None) => "PASSWORD REUSE INTERVAL DEFAULT".to_owned(),
        (Clause::Current, None) => "PASSWORD REQUIRE CURRENT DEFAULT".to_owned(),
        (Clause::Failures, None) => "FAILED_LOGIN_ATTEMPTS 0".to_owned(),
        (Clause::LockTime, None) => "PASSWORD_LOCK_TIME 0".to_owned(),
        (Clause::Attribute | Clause::DefaultRole, None) => String::new(),
    }
}

/// `WITH MAX_QUERIES_PER_HOUR 5 …`, with a 0 for each that is set now and was not.
fn limits(now: Option<&String>, wanted: Option<&String>) -> String {
    let names = |text: Option<&String>| -> Vec<String> {
        let words = text.map(|text| text.split_whitespace()).into_iter().flatten();
        words.filter(|word| word.starts_with("MAX_")).map(str::to_owned).collect()
    };
    let kept = names(wanted);
    let mut all = wanted.cloned().unwrap_or_else(|| "WITH".to_owned());
    for name in names(now).iter().filter(|name| !kept.contains(name)) {
        all.extend([" ", name, " 0"]);
    }
    all
}

/// The names, in their double quotes, of the object in `ATTRIBUTE '{"a": 1, "b": {…}}'`.
fn attributes(clause: &str) -> Vec<String> {
    let Some(text) = clause.split_once('\'').and_then(|(_, text)| text.strip_suffix('\'')) else {
        return vec![];
    };
    let mut json = String::new();
    let mut chars = text.chars();
    while let Some(letter) = chars.next() {
        // As a string of SQL: `\'`, `\\`, `''`.
        let is_escape = letter == '\\' || letter == '\'';
        json.extend(if is_escape { chars.next() } else { Some(letter) });
    }
    let (mut depth, mut names, mut open) = (0_usize, vec![], None::<usize>);
    let (mut skip, mut last) = (false, String::new());
    for (at, letter) in json.char_indices() {
        match (open, letter) {
            _ if skip => skip = false,
            (Some(_), '\\') => skip = true,
            (Some(from), '"') => {
                last = json[from..=at].to_owned();
                open = None;
            }
            (Some(_), _) => {}
            (None, '"') => open = Some(at),
            (None, ':') if depth == 1 => names.push(std::mem::take(&mut last)),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    names
}

impl Steps {
    /// Privileges and roles.
    fn grants(&mut self, key: &str, (now, wanted): (&Account, &Account), to: &Accounts, mariadb: bool) {
        for (role, admin) in &wanted.roles {
            let has = now.roles.get(role);
            if has == Some(admin) {
                continue;
            }
            if has == Some(&true) && mariadb {
                self.takes.push(format!("REVOKE ADMIN OPTION FOR {role} FROM {key}"));
                continue;
            }
            if has == Some(&true) {
                self.gives.push(format!("REVOKE {role} FROM {key}"));
            }
            let option = if *admin { " WITH ADMIN OPTION" } else { "" };
            self.gives.push(format!("GRANT {role} TO {key}{option}"));
        }
        for role in now.roles.keys().filter(|role| !wanted.roles.contains_key(*role)) {
            // One that goes is taken from everybody.
            if !matches!(to.get(role), Some(None)) {
                self.takes.push(format!("REVOKE {role} FROM {key}"));
            }
        }
        let none = BTreeSet::new();
        let objects: BTreeSet<&String> = now.grants.keys().chain(wanted.grants.keys()).collect();
        for on in objects {
            let (has, wants) = (now.grants.get(on).unwrap_or(&none), wanted.grants.get(on).unwrap_or(&none));
            if has != wants {
                self.privileges(key, on, has, wants);
            }
        }
    }

    fn privileges(&mut self, key: &str, on: &str, has: &BTreeSet<String>, wants: &BTreeSet<String>) {
        let list = |items: &[&String]| -> String {
            let items: Vec<_> = items.iter().map(|item| item.as_str()).collect();
            if items.is_empty() { "USAGE".to_owned() } else { items.join(", ") }
        };
        let missing: Vec<_> = wants.difference(has).collect();
        let extra: Vec<_> = has.difference(wants).collect();
        if let Some(of) = on.strip_prefix(REVOKED) {
            // Taken out of what is granted on everything.
            if !missing.is_empty() {
                self.takes.push(format!("REVOKE {} ON {of} FROM {key}", list(&missing)));
            }
            if !extra.is_empty() {
                self.gives.push(format!("GRANT {} ON {of} TO {key}", list(&extra)));
            }
            return;
        }
        let name = match on {
            DYNAMIC | GRANTABLE => "*.*".to_owned(),
            _ => on.strip_prefix(PROXY).unwrap_or(on).to_owned(),
        };
        let option = on == GRANTABLE || wants.contains(OPTION);
        let plain: Vec<_> = wants.iter().filter(|item| *item != OPTION).collect();
        let option = if option { " WITH GRANT OPTION" } else { "" };
        let give = format!("GRANT {} ON {name} TO {key}{option}", list(&plain));
        let wants_all = wants.contains(ALL);
        if (has.contains(ALL) && !wants_all) || (on.starts_with(PROXY) && !extra.is_empty()) {
            // What it is made of is not listed: it goes, and what was there comes back at once.
            let all = if on.starts_with(PROXY) { "PROXY" } else { ALL };
            self.gives.push(format!("REVOKE {all} ON {name} FROM {key}"));
            if has.contains(OPTION) && !wants.contains(OPTION) && !on.starts_with(PROXY) {
                self.gives.push(format!("REVOKE {OPTION} ON {name} FROM {key}"));
            }
            if !wants.is_empty() {
                self.gives.push(give);
            }
            return;
        }
        if !missing.is_empty() {
            self.gives.push(give);
        }
        let extra: Vec<_> = extra.into_iter().filter(|item| !wants_all || *item == OPTION).collect();
        if !extra.is_empty() {
            self.takes.push(format!("REVOKE {} ON {name} FROM {key}", list(&extra)));
        }
    }

    fn default_role(&mut self, key: &str, (now, wanted): (&Account, &Account), mariadb: bool) {
        let of = |account: &Account| account.clauses.get(&Clause::DefaultRole).cloned();
        if of(now) == of(wanted) {
            return;
        }
        let text = of(wanted).unwrap_or_else(|| "DEFAULT ROLE NONE".to_owned());
        self.defaults.push(if mariadb {
            format!("SET {text} FOR {key}")
        } else {
            format!("SET {text} TO {key}")
        });
    }
}
