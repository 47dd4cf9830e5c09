//! `[target.NAME.backup]`: where backups go, for whom they are encrypted, and how fast they are read.

use super::{read::Section, store};

pub(super) const KEYS: &[&str] = &["folder", "recipients", "recipients_file", "rate"];

/// How backups of a database are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupPolicy {
    /// Where they lie, if not in `.windlass/backups`.
    pub folder: Option<BackupFolder>,
    /// Public keys of age; any of their identities opens a backup.
    pub recipients: Vec<String>,
    /// A file with more of them, one a line, relative to the folder of windlass.toml.
    pub recipients_file: Option<String>,
    /// Most bytes a second that are taken from the database.
    pub rate_bytes: Option<u64>,
}

/// Where backups lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupFolder {
    /// A folder of this machine, relative to the folder of windlass.toml, or of the command line to where it is typed.
    Here(String),
    /// A folder of a bucket.
    Bucket {
        /// Its name.
        bucket: String,
        /// How keys begin there: empty, or with `/` at the end.
        prefix: String,
    },
}

/// What is written as the place of backups: a folder of this machine, or `s3://BUCKET/FOLDER`.
///
/// # Errors
/// It is none; how it is written.
pub fn backup_folder(text: &str) -> Result<BackupFolder, &'static str> {
    const HELP: &str = "write a folder of this machine, or `s3://BUCKET/FOLDER`";
    if !store::is_store(text) {
        return match text.is_empty() || text.contains("://") {
            true => Err(HELP),
            false => Ok(BackupFolder::Here(text.to_owned())),
        };
    }
    let rest = text.strip_prefix("s3://").ok_or(HELP)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let is_plain = |part: &str| !part.is_empty() && !part.chars().any(char::is_control);
    if !store::is_bucket(bucket) || !(prefix.is_empty() || prefix.split('/').all(is_plain)) {
        return Err(HELP);
    }
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    Ok(BackupFolder::Bucket { bucket: bucket.to_owned(), prefix })
}

/// Reads the table `backup` of `section`.
pub(super) fn read(section: &Section<'_, '_, '_>) -> Option<BackupPolicy> {
    section.item("backup")?;
    let backup = section.section("backup", KEYS)?;
    let recipients = backup.list("recipients").unwrap_or_default();
    for (recipient, place) in &recipients {
        if let Some((rule, what, help)) = no_recipient(recipient) {
            backup.reader().error(rule, *place, format!("{what} of {}", backup.name()), help);
        }
    }
    Some(BackupPolicy {
        folder: folder(&backup),
        recipients: recipients.into_iter().map(|(recipient, _)| recipient).collect(),
        recipients_file: backup.text("recipients_file"),
        rate_bytes: rate(&backup),
    })
}

/// What is wrong with a text that is no public key by its form; whether it is one, the backup finds out before it begins.
fn no_recipient(text: &str) -> Option<(&'static str, String, &'static str)> {
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Some((
            "secret-literal",
            "there is a private key among `recipients`".to_owned(),
            "write its public key (`age-keygen -y FILE`), keep the private one off this machine, and make \
             a new pair, since this one has been written down",
        ));
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.starts_with("age1") && text.chars().all(fits) {
        return None;
    }
    Some((
        "config-value",
        format!("`{text}` is no public key of age among `recipients`"),
        "write the `age1…` that `age-keygen` shows",
    ))
}

fn folder(backup: &Section<'_, '_, '_>) -> Option<BackupFolder> {
    let text = backup.text("folder")?;
    let folder = backup_folder(&text);
    // Not the text itself: somebody may have written credentials into it.
    let wrong = |help| {
        backup.error(
            "config-value",
            "folder",
            format!("`folder` of {} is no place for backups", backup.name()),
            help,
        );
    };
    folder.map_err(wrong).ok()
}

fn rate(backup: &Section<'_, '_, '_>) -> Option<u64> {
    let text = backup.text("rate")?;
    let rate = rate_bytes(&text);
    if rate.is_none() {
        let message = format!("`rate` cannot be `{text}`");
        backup.error("config-value", "rate", message, "write how much a second, as `20MiB/s`");
    }
    rate
}

/// Bytes a second: a whole number, `KiB`, `MiB` or `GiB`, and `/s`.
#[must_use]
pub fn rate_bytes(text: &str) -> Option<u64> {
    let text = text.strip_suffix("/s")?;
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1_u64 << 30)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)?;
    number.parse::<u64>().ok()?.checked_mul(*unit).filter(|rate| *rate > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders() {
        for (text, bucket, prefix) in [
            ("s3://b", "b", ""),
            ("s3://b/", "b", ""),
            ("s3://b/p", "b", "p/"),
            ("s3://b/p/备份/", "b", "p/备份/"),
        ] {
            let wanted = BackupFolder::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
            assert_eq!(backup_folder(text), Ok(wanted), "{text}");
        }
        assert_eq!(backup_folder("../b"), Ok(BackupFolder::Here("../b".to_owned())));
        for wrong in
            ["", "s3:b", "s3:///p", "s3://b//p", "s3://b/p//", "s3://u@b/p", "s3://b/p\n", "https://b/p"]
        {
            assert!(backup_folder(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate_bytes("20MiB/s"), Some(20 << 20));
        assert_eq!(rate_bytes("1KiB/s"), Some(1024));
        for wrong in
            ["20MiB", "20MB/s", "0MiB/s", "MiB/s", "-1MiB/s", "+1MiB/s", "99999999999GiB/s", "1.5MiB/s"]
        {
            assert_eq!(rate_bytes(wrong), None, "{wrong}");
        }
    }
}
