//! What a line is: a command, a statement, a prompt, or words for people.

use crate::programs;
use windlass_document::{
    Severity,
    shell::{self, CommandKind},
};
use windlass_sql::Dialect;

/// Words that make a line a sentence.
const STOP_WORDS: &[&str] = &[
    "the", "is", "are", "that", "this", "your", "you", "we", "please", "should", "must", "will", "then",
    "has", "have", "an", "it", "which", "before", "after", "when", "because", "need", "needs", "our",
    "their",
];

/// Splits the prompt of a terminal off: `$ `, `# ` (if `root`), `user@host:~$ `, `[user@host dir]# `. Gives the bytes to take off.
pub(crate) fn prompt(line: &str, root: bool) -> Option<usize> {
    let indent = crate::lines::indent(line);
    let rest = &line[indent..];
    for mark in ["$ ", "% ", "❯ ", "➜ "] {
        // `% ` and the like are prompts of zsh; in prose nothing begins so.
        if let Some(command) = rest.strip_prefix(mark)
            && !command.trim().is_empty()
        {
            return Some(indent + mark.len());
        }
    }
    if let Some(command) = rest.strip_prefix("# ")
        && (root && is_command_line(command))
    {
        return Some(indent + 2);
    }
    host_prompt(rest).map(|len| indent + len)
}

/// `user@host:/srv$ `, `[root@web01 app]# `, `(venv) user@host:~$ `, and those of database consoles.
fn host_prompt(rest: &str) -> Option<usize> {
    for mark in ["mysql> ", "MariaDB [(none)]> ", "sqlite> ", "postgres=# ", "postgres=> "] {
        if rest.starts_with(mark) {
            return Some(mark.len());
        }
    }
    let end = rest
        .char_indices()
        .take(80)
        .find(|(at, c)| matches!(c, '$' | '#') && rest[at + 1..].starts_with(' ') && *at > 0)?;
    let before = &rest[..end.0];
    let inner = before.trim_start_matches('(').trim_end_matches(['~', ':', ']', ' ']);
    let at = inner.find('@')?;
    let name = |c: char| c.is_ascii_alphanumeric() || "._-[]()/:~ ".contains(c);
    let apart = before.ends_with(' ') || before.split(' ').count() > 2;
    let plausible = !apart && before.chars().all(|c| name(c) || c == '@') && at > 0 && at + 1 < inner.len();
    (plausible && !rest[end.0 + 2..].trim().is_empty()).then_some(end.0 + 2)
}

/// The words of a line behind which only a comment may stand.
fn without_comment(line: &str) -> &str {
    line.find(" #").map_or(line, |at| &line[..at]).trim()
}

/// Whether a line is certainly a command of a shell: the shell reader reads it, it begins with a program, and it is no sentence.
pub(crate) fn is_command_line(line: &str) -> bool {
    let words = without_comment(line.trim());
    if words.len() < 2 || words.len() > 4000 || words.ends_with(['。', '：', '，', ':', '?', '!', '；']) {
        return false;
    }
    let first = words.split_whitespace().next().unwrap_or_default();
    let lead = skip_front(words);
    let name = lead.split_whitespace().next().unwrap_or_default();
    if !(programs::is_program(name) || first == "sudo" && !name.is_empty()) {
        return false;
    }
    // A name alone may be a file that is only mentioned.
    let runs = name.starts_with("./") && (name.ends_with(".sh") || !name[1..].contains('.'));
    if lead.split_whitespace().count() == 1 && !runs && !ALONE.contains(&name) {
        return false;
    }
    if is_sentence(lead) {
        return false;
    }
    let (script, problems) = shell::parse(words);
    let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
    // A placeholder in pointed brackets breaks the line, and is still one of a command.
    !script.commands.is_empty() && (!broken || words.contains('<'))
}

/// Programs that are called without a word behind them.
const ALONE: &[&str] = &[
    "htop", "top", "nethogs", "iotop", "iftop", "exit", "pytest", "make", "ls", "pwd", "whoami", "uptime",
    "psql", "mysql", "df", "ps",
];

/// A line without assignments and `sudo` in front.
fn skip_front(line: &str) -> &str {
    let mut rest = line.trim_start();
    loop {
        let word = rest.split_whitespace().next().unwrap_or_default();
        let assigned = word.find('=').is_some_and(|at| {
            at > 0 && word[..at].bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
        });
        let front = assigned || matches!(word, "sudo" | "time" | "env" | "nohup");
        if word.is_empty() || !front || rest.len() == word.len() {
            return rest;
        }
        rest = rest[word.len()..].trim_start();
    }
}

/// A sentence that begins with a word which is also a program (`Make sure that the …`, `find the …`).
fn is_sentence(line: &str) -> bool {
    let quoted = line.contains(['"', '\'']);
    let mut plain = 0;
    let mut technical = 0;
    for word in line.split_whitespace().skip(1) {
        if !quoted && STOP_WORDS.contains(&word) {
            return true;
        }
        let is_word = word.chars().all(char::is_alphabetic);
        plain += usize::from(is_word);
        technical += usize::from(!is_word);
    }
    let cjk = line.chars().any(|c| matches!(c, '\u{3000}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}'));
    (plain > 5 && technical == 0)
        || line.ends_with('.') && !line.ends_with(" .") && !line.ends_with("..") && plain > 2
        || cjk && technical == 0 && !quoted
        || cjk && line.contains(['，', '。', '、', '：'])
}

/// Whether a text begins with a statement, and how many bytes it takes; the splitter decides where it ends.
pub(crate) fn statement(text: &str) -> Option<usize> {
    let head: Vec<String> = text
        .split_whitespace()
        .take(6)
        .map(|word| word.to_ascii_uppercase().trim_matches(['`', '"', ';', '(']).to_owned())
        .collect();
    let first = head.first()?.as_str();
    let second = head.get(1).map_or("", String::as_str);
    let object = |word: &str| {
        [
            "TABLE",
            "INDEX",
            "UNIQUE",
            "VIEW",
            "ROLE",
            "USER",
            "DATABASE",
            "SCHEMA",
            "SEQUENCE",
            "TRIGGER",
            "FUNCTION",
            "TYPE",
            "EXTENSION",
            "OR",
            "MATERIALIZED",
            "TEMPORARY",
            "COLUMN",
            "PROCEDURE",
        ]
        .contains(&word)
    };
    let upper = text.to_ascii_uppercase();
    let has = |word: &str| upper.contains(word);
    let fits = match first {
        "CREATE" | "ALTER" | "DROP" => object(second),
        "TRUNCATE" => true,
        "UPDATE" => has(" SET ") || has("\nSET "),
        "DELETE" => second == "FROM",
        "INSERT" | "REPLACE" => second == "INTO",
        "SELECT" => has("FROM") || text.contains(['*', '(']),
        "GRANT" | "REVOKE" => has(" ON ") || has(" TO "),
        "SET" => text.contains('=') || second == "NAMES",
        "BEGIN" | "COMMIT" | "ROLLBACK" | "USE" | "ANALYZE" | "VACUUM" => head.len() == 1 || text.len() < 60,
        "WITH" => has(" AS "),
        "COMMENT" => second == "ON",
        _ => false,
    };
    if !fits || is_sentence_of_sql(text) {
        return None;
    }
    let (statements, _) = windlass_sql::split(text, Dialect::Postgresql);
    let end = statements.first()?.span.end;
    // Only what is ended is a statement: words for people end otherwise.
    text[end..].trim_start().starts_with(';').then(|| end + text[end..].find(';').unwrap_or(0) + 1)
}

fn is_sentence_of_sql(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    !line.contains([';', '(', '\'', '=', '`', '*'])
        && line.split_whitespace().any(|word| ["the", "this", "your", "our"].contains(&word))
}

/// The number of rows that a result says: `UPDATE 115`, `INSERT 0 3`, `Query OK, 115 rows affected`, `(12 rows)`.
pub(crate) fn result_rows(line: &str) -> Option<u64> {
    let line = line.trim().trim_start_matches(['#', '-', '=', '>', ' ', '/', '⇒', '→']).trim();
    let upper = line.to_ascii_uppercase();
    let words: Vec<&str> = upper.split_whitespace().collect();
    match words.as_slice() {
        ["UPDATE" | "DELETE" | "SELECT", n] => n.parse().ok(),
        ["INSERT", "0", n] => n.parse().ok(),
        ["QUERY", "OK,", n, "ROW" | "ROWS", ..] => n.parse().ok(),
        [n, "ROW" | "ROWS", "AFFECTED", ..] => n.parse().ok(),
        _ => None,
    }
}

/// A line that leaves a console of a database.
pub(crate) fn leaves_console(line: &str) -> bool {
    matches!(
        line.trim().trim_end_matches(';').to_ascii_lowercase().as_str(),
        "exit" | "quit" | "\\q" | ".quit" | ".exit"
    )
}

/// `0 2 * * * command`.
pub(crate) fn is_cron(line: &str) -> bool {
    let fields: Vec<&str> = line.split_whitespace().take(6).collect();
    fields.len() == 6
        && fields[..5].iter().all(|field| field.bytes().all(|b| b.is_ascii_digit() || b"*/,-".contains(&b)))
        && fields[..5].iter().any(|field| field.contains('*'))
}

/// Whether a command is one simple command, and which.
pub(crate) fn simple(kind: &CommandKind) -> Option<&shell::SimpleCommand> {
    match kind {
        CommandKind::Simple(simple) => Some(simple),
        CommandKind::Compound { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_sentences() {
        for line in [
            "docker compose pull",
            "sudo systemctl restart api   # wait for it",
            "PGPASSWORD=x psql -h db",
            "./deploy.sh --env production",
            "git reset --hard <上一个版本的commit-hash>",
            "tail -50 logs/app.log | grep ERROR",
            "make migrate",
        ] {
            assert!(is_command_line(line), "{line}");
        }
        for line in [
            "make sure that the backup is there",
            "git is required on the server",
            "Docker is running",
            "docker",
            "find the newest log and look for errors.",
            "curl で確認する",
            "test the login page with your account",
            "docker 镜像更新，完成后通知",
            "",
        ] {
            assert!(!is_command_line(line), "{line}");
        }
    }

    #[test]
    fn prompts_are_taken_off() {
        for (line, rest) in [
            ("$ git fetch", "git fetch"),
            ("deploy@web01:~/app$ git pull", "git pull"),
            ("[root@web01 app]# systemctl restart api", "systemctl restart api"),
            ("(venv) app@h:~$ python x.py", "python x.py"),
            ("  $ ls", "ls"),
        ] {
            assert_eq!(prompt(line, false).map(|at| &line[at..]), Some(rest), "{line}");
        }
        for line in ["# Deploy", "# git", "price is $ 5", "mail me@example.com costs $ 5 a month", "$"] {
            assert_eq!(prompt(line, true), None, "{line}");
        }
        assert_eq!(prompt("# systemctl restart api", true), Some(2));
    }

    #[test]
    fn statements_end_where_the_splitter_says() {
        let text = "update a set b = 'x;y'; # => UPDATE 115";
        assert_eq!(statement(text).map(|end| &text[..end]), Some("update a set b = 'x;y';"));
        assert_eq!(statement("Update the config; then restart"), None);
        assert_eq!(statement("Select a window with the team"), None);
        assert_eq!(result_rows("# => UPDATE 115"), Some(115));
        assert_eq!(result_rows("Query OK, 3 rows affected (0.01 sec)"), Some(3));
        assert_eq!(result_rows("UPDATE 系アップデート"), None);
    }
}
