//! Names: ids of steps, names of targets and environments.

/// Whether `text` is `[A-Za-z0-9][A-Za-z0-9_.-]*`, letters and digits of every script included.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.chars().next().is_some_and(char::is_alphanumeric) && text.chars().all(is_name_char)
}

/// Whether a name may have this character behind its first.
pub(crate) fn is_name_char(c: char) -> bool {
    // `/` and `@` separate a step from its unit and host in unit names; alphabetic marks belong to letters.
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// `text` without the characters that a name cannot have; `None` if nothing is left.
pub(crate) fn cleaned(text: &str) -> Option<String> {
    let mut cleaned: String = text.chars().map(|c| if is_name_char(c) { c } else { '-' }).collect();
    cleaned = cleaned.trim_matches(['-', '_', '.']).to_owned();
    (is_name(&cleaned) && cleaned.len() <= 64).then_some(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_are_names() {
        for name in ["a", "s3-key", "备份", "移行_1", "v2.1", "9"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", ".a", "a/b", "a@b", "a b", "a,b", "数据库（主）"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_cleaned_name_is_a_name() {
        assert_eq!(cleaned("a/b@c").as_deref(), Some("a-b-c"));
        assert_eq!(cleaned("数据库（主）").as_deref(), Some("数据库-主"));
        assert_eq!(cleaned("///"), None);
    }
}
