//! Who is in the way.

use super::session::{Session, Trouble};
use crate::disk::one_line;
use windlass_sql::LiveTransaction;

/// Sessions that hold locks for long, as far as the user of the target may see them: those with an open transaction,
/// oldest first, and those that wait for or run something else. One line each.
pub(super) async fn blockers(session: &mut Session) -> Vec<String> {
    const SQL: &str = "SELECT p.id, p.user, p.host, COALESCE(TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), p.time), \
        COALESCE(t.trx_query, p.info, ''), COALESCE(t.trx_rows_locked, 0), t.trx_id IS NOT NULL, COALESCE(p.state, '') \
        FROM information_schema.processlist p LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id \
        WHERE p.id <> CONNECTION_ID() AND (t.trx_id IS NOT NULL OR (p.command <> 'Sleep' AND p.db = DATABASE())) \
        AND p.command NOT IN ('Daemon', 'Binlog Dump') ORDER BY t.trx_started IS NULL, t.trx_started LIMIT 5";
    let Ok(found) = session.run(SQL).await else {
        // `information_schema.innodb_trx` needs the privilege PROCESS.
        return vec![
            "sessions of others cannot be seen: GRANT PROCESS ON *.* to the user of the target".to_owned(),
        ];
    };
    let line = |row: &Vec<Option<String>>| {
        let word = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let open = if word(6) == "1" { ", in a transaction" } else { "" };
        let query = match word(4) {
            text if text.is_empty() => "idle".to_owned(),
            text => format!("`{}`", one_line(&masked(&text), 80)),
        };
        format!("connection {} of {}@{}, for {} s{open}: {query}", word(0), word(1), word(2), word(3))
    };
    found.rows.iter().map(line).collect()
}

/// Transactions that have been open for a while: dumps, reports, forgotten ones.
pub(super) async fn long(session: &mut Session) -> Vec<String> {
    // Who may not see them is told when one is in the way.
    let Ok(found) = open(session).await else { return vec![] };
    let line = |open: &LiveTransaction| {
        format!(
            "connection {} of {}, in a transaction for {} s: `{}`",
            open.pid, open.user, open.age_s, open.query
        )
    };
    found.iter().filter(|open| open.age_s > LONG_S).take(5).map(line).collect()
}

/// From here on an open transaction is worth a line, seconds.
const LONG_S: u64 = 10;

/// Transactions that are open, oldest first. It needs the privilege PROCESS.
pub(super) async fn open(session: &mut Session) -> Result<Vec<LiveTransaction>, Trouble> {
    const SQL: &str = "SELECT p.id, CONCAT(p.user, '@', p.host), TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), \
        COALESCE(t.trx_query, p.info, ''), p.command = 'Sleep' \
        FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON t.trx_mysql_thread_id = p.id \
        WHERE p.id <> CONNECTION_ID() ORDER BY t.trx_started LIMIT 20";
    // Without the privilege the join may be empty before it is refused.
    session.run("SELECT COUNT(*) FROM information_schema.innodb_trx").await?;
    let found = session.run(SQL).await?;
    let open = |row: &Vec<Option<String>>| {
        let word = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let query = word(3);
        // Dumps mark their questions so.
        let program = if query.contains("SQL_NO_CACHE */") { "mysqldump" } else { "" };
        LiveTransaction {
            pid: word(0).parse().unwrap_or_default(),
            user: word(1),
            program: program.to_owned(),
            query: one_line(&masked(&query), 80),
            age_s: word(2).parse().unwrap_or_default(),
            idle: word(4) == "1",
        }
    };
    Ok(found.rows.iter().map(open).collect())
}

/// A statement without the values in it: they may be personal data.
fn masked(statement: &str) -> String {
    let mut text = String::with_capacity(statement.len());
    let mut inside: Option<char> = None;
    for character in statement.chars() {
        match (inside, character) {
            (None, '\'' | '"') => {
                inside = Some(character);
                text.push_str("'…'");
            }
            (None, digit) if digit.is_ascii_digit() => {
                if text.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
                    text.push(digit);
                } else if !text.ends_with('…') {
                    text.push('…');
                }
            }
            (None, other) => text.push(other),
            (Some(quote), other) if quote == other => inside = None,
            (Some(_), _) => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_others_are_not_shown() {
        let statement = "UPDATE t1 SET name = 'Lee', phone = 13800138000 WHERE id IN (1, 2)";
        assert_eq!(masked(statement), "UPDATE t1 SET name = '…', phone = … WHERE id IN (…, …)");
    }
}
