//! `[target.NAME.backup]`: for whom backups are encrypted, and how fast they are read.

use super::read::Section;

pub(super) const KEYS: &[&str] = &["recipients", "recipients_file", "rate"];

/// How backups of a database are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupPolicy {
    /// Public keys of age; any of their identities opens a backup.
    pub recipients: Vec<String>,
    /// A file with more of them, one a line, relative to the folder of windlass.toml.
    pub recipients_file: Option<String>,
    /// Most bytes a second that are taken from the database.
    pub rate_bytes: Option<u64>,
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
