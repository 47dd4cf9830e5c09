//! Rules over what the text says.

use super::{
    BACKUP_NAMES_NO_DATABASE, FORM, Facts, HEALTH_WITHOUT_ROLLBACK, IRREVERSIBLE_BY_HAND, LATEST,
    MIGRATIONS_IN_ONE_GO, RUNS_TWICE, WINDOW_IN_PROSE, has,
};
use crate::{
    lexicon::{self, Role},
    walk::{Notes, Words},
};
use windlass_document::Finding;

pub(super) fn find(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    latest(facts, found);
    backup(facts, found);
    migrations(facts, found);
    health(facts, found);
    by_the_application(facts, found);
    form(facts, found);
    for words in windows(facts.notes) {
        found.push(
            WINDOW_IN_PROSE
                .at(words.span, "when to release stands in words only")
                .help("write it into windlass.toml: `[policy]`, `window`, `freeze`"),
        );
    }
    for words in facts
        .notes
        .words
        .iter()
        .filter(|words| words.heading && words.role <= Role::Verify && lexicon::is_removal(&words.text))
    {
        found.push(IRREVERSIBLE_BY_HAND.at(words.span, "something is deleted for good, by a sentence").help(
            "make it a step with `after=7d irreversible`, which asks again, or leave it to `windlass prune`",
        ));
    }
}

/// A form that is filled in for each release: `[ ] new table: [name]`.
fn form(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    const BLANKS_MIN: usize = 4;
    let blanks: Vec<_> = facts.notes.words.iter().filter(|words| has_blank(&words.text)).collect();
    if blanks.len() < BLANKS_MIN {
        return;
    }
    let message =
        format!("this is a form for many releases: {} lines have blanks such as `[…]`", blanks.len());
    found.push(FORM.at(blanks[0].span, message).help(
        "`windlass new NAME --from REVISION` writes the document of one release, filled in from git; or strike in the draft what does \
         not apply",
    ));
}

/// Whether a line has a blank to fill in: `[功能名称]`, `[new feature / fix]`; neither a checkbox nor a link.
fn has_blank(text: &str) -> bool {
    text.match_indices('[').any(|(at, _)| {
        let Some((inner, behind)) = text[at + 1..].split_once(']') else { return false };
        let letters = inner.chars().filter(|c| c.is_alphabetic()).count();
        let plain = inner.chars().all(|c| c.is_alphanumeric() || " /.-_<>:：、".contains(c));
        letters > 1 && plain && !behind.starts_with(['(', '[', ':'])
    })
}

/// The text of all commands and words, with their places.
fn everything<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a str, windlass_document::Span, Role)> {
    let words = facts.notes.words.iter().map(|words| (words.text.as_str(), words.span, words.role));
    let commands =
        facts.notes.commands.iter().map(|seen| (seen.line.text.as_str(), seen.line.span, seen.role));
    words.chain(commands)
}

fn latest(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let first =
        everything(facts).filter(|(text, ..)| text.contains(":latest")).map(|(_, span, _)| span).min();
    if let Some(span) = first {
        found.push(
            LATEST
                .at(span, "`:latest` cannot be rolled back")
                .help("name the version, or the digest: `image: NAME@sha256:…`"),
        );
    }
}

/// A backup of code and configuration, where the database is changed.
fn backup(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let migrates = ["迁移", "migration", "マイグレーション", "alembic", "migrate"];
    let changes = facts.notes.statements.iter().any(|statement| statement.role <= Role::Verify)
        || facts.says(&migrates).is_some();
    let saved = facts.notes.commands.iter().any(|seen| {
        seen.parts.iter().any(|words| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let dumps = ["pg_dump", "pg_dumpall", "pg_basebackup", "mysqldump", "mariadb-dump", "mongodump"];
            words.iter().any(|word| {
                dumps.contains(word) || word.starts_with(".backup") || *word == "create-db-snapshot"
            })
        }) && seen.role <= Role::Verify
    });
    if !changes || saved {
        return;
    }
    let says_backup =
        |words: &Words| has(&words.text, &["备份", "backup", "back up", "バックアップ", "dump"]);
    let names_it =
        |words: &Words| has(&words.text, &["数据库", "database", "データベース", "rds", " db", "dump"]);
    let code = |words: &Words| has(&words.text, &["代码", "配置", "code", "config", "ソース", "設定"]);
    let mentioned =
        facts.notes.words.iter().find(|words| says_backup(words) && code(words) && !names_it(words));
    let any = mentioned.or_else(|| facts.notes.words.iter().find(|words| says_backup(words)));
    let (span, message) = match (mentioned, any) {
        (Some(words), _) => (
            words.span,
            "the backup is of code and configuration; the database, which is changed, is not in it",
        ),
        (None, Some(words)) => (words.span, "the database is changed, and no command backs it up"),
        (None, None) => (facts.top(), "the database is changed, and nothing is backed up"),
    };
    found.push(
        BACKUP_NAMES_NO_DATABASE.at(span, message).help(
            "put a step in front of the first change: `pg_dump DATABASE > FILE`, `mysqldump --single-transaction DATABASE > FILE` or `sqlite3 FILE \".backup COPY\"`",
        ),
    );
}

fn migrations(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let all = [
        "所有迁移",
        "迁移脚本\n",
        "all migrations",
        "run migrations",
        "すべてのマイグレーション",
        "运行数据库迁移",
        "数据库迁移...",
    ];
    let by_script =
        facts.notes.commands.iter().any(|seen| seen.line.text.contains(".sh")) || facts.source.script;
    let line = everything(facts)
        .find(|(text, ..)| has(text, &["所有迁移", "all migrations", "すべてのマイグレーション"]));
    let line =
        line.or_else(|| by_script.then(|| everything(facts).find(|(text, ..)| has(text, &all))).flatten());
    let looped = everything(facts)
        .find(|(text, ..)| text.trim_start().starts_with("for ") && has(text, &["migration"]));
    let hand = || {
        facts.notes.commands.iter().find(|seen| {
            seen.parts.iter().any(|words| {
                words.first().is_some_and(|word| word.starts_with("python"))
                    && words.iter().any(|word| word.contains("migration"))
            })
        })
    };
    let span = looped.or(line).map(|(_, span, _)| span).or_else(|| hand().map(|seen| seen.line.span));
    if let Some(span) = span {
        found.push(
            MIGRATIONS_IN_ONE_GO
                .at(span, "migrations run as a whole: that one failed does not stop the next, and none is recorded")
                .help("`windlass migrate up FOLDER --on db` runs each once, stops at the first that fails, and takes it back"),
        );
    }
}

/// A check at the end, and a way back that somebody has to type.
fn health(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let check = facts.notes.commands.iter().find(|seen| {
        seen.role <= Role::Verify
            && seen
                .parts
                .iter()
                .any(|words| words.first().is_some_and(|word| word == "curl" || word == "wget"))
            && has(&seen.line.text, &["health", "ping", "status", "/ready", "/live"])
    });
    let told = || {
        facts.notes.words.iter().find(|words| {
            has(&words.text, &["健康检查", "health check", "ヘルスチェック"]) && words.role <= Role::Verify
        })
    };
    let check = check.map(|seen| seen.line.span).or_else(|| told().map(|words| words.span));
    let back = facts
        .notes
        .commands
        .iter()
        .find(|seen| seen.role == Role::Back || seen.line.text.contains("rollback"));
    if let (Some(check), Some(back)) = (check, back) {
        found.push(
            HEALTH_WITHOUT_ROLLBACK
                .at(check, "when this check fails, nothing goes back by itself")
                .also(back.line.span, "somebody has to see it and type this")
                .help("as the last step of a release document a failed check takes everything back"),
        );
    }
}

fn by_the_application(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let starts = [
        "启动时",
        "启动后",
        "on start",
        "at start",
        "when the app",
        "起動時",
        "自動マイグレーション",
        "自動で行われ",
    ];
    let runs = ["sql", "迁移", "migrat", "マイグレーション", "カラム"];
    let alone = ["自動マイグレーション"];
    let line = everything(facts).find(|(text, _, role)| {
        *role <= Role::Verify && (has(text, &starts) && has(text, &runs) || has(text, &alone))
    });
    let (Some((_, span, _)), Some(statement)) =
        (line, facts.notes.statements.iter().find(|statement| statement.role <= Role::Verify))
    else {
        return;
    };
    found.push(
        RUNS_TWICE
            .at(span, "the application changes the schema when it starts, and the runbook does by hand")
            .also(statement.span, "by hand here")
            .help("decide for one: let the release do it, and switch it off in the application"),
    );
}

/// Lines that say when to release.
pub(super) fn windows(notes: &Notes) -> Vec<&Words> {
    let near = [
        "窗口",
        "时间",
        "首选",
        "可选",
        "低峰",
        "凌晨",
        "每周",
        "周",
        "window",
        "off-peak",
        "hours",
        "between",
        "時間帯",
        "メンテナンス",
        "深夜",
        "曜",
        "年",
        "日（",
        "utc",
        "jst",
    ];
    let days = [
        "周一", "周二", "周三", "周四", "周日", "周五", "monday", "mon-", "tuesday", "thursday", "sunday",
        "friday", "月曜", "火曜", "木曜", "日曜", "平日",
    ];
    let timed = |text: &str| clock_times(text) >= 2 || has(text, &days);
    notes
        .words
        .iter()
        .filter(|words| {
            !words.heading
                && words.role != Role::Example
                && has(&words.text, &near)
                && timed(&words.text)
                && words.text.chars().count() < 120
        })
        .collect()
}

/// Times such as `02:00` in a text.
fn clock_times(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    (1..bytes.len())
        .filter(|at| {
            bytes[*at] == b':'
                && digit(at - 1)
                && digit(at + 1)
                && digit(at + 2)
                && !digit(at + 3)
                && bytes.get(at + 3) != Some(&b':')
        })
        .count()
}
