//! "Did you mean": the nearest known name.

/// The candidate that `word` is most likely a slip of, if any is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong, at least one: `tagret` finds `target`, `db` does not find `s3`.
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Names for a sentence: `` `a`, `b` ``, or `none`.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// `did you mean X? ` or nothing, then the list of what is known.
pub(crate) fn help<'a>(word: &str, what: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let near = nearest(word, known.clone()).map_or(String::new(), |name| format!("did you mean `{name}`? "));
    format!("{near}{what}: {}", listed(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["target", "service", "policy"];
        assert_eq!(nearest("tagret", known), Some("target"));
        assert_eq!(nearest("services", known), Some("service"));
        assert_eq!(nearest("database", known), None);
        assert_eq!(nearest("x", ["y"]), None, "one letter for another is no slip");
    }

    #[test]
    fn help_names_the_guess_and_all_choices() {
        assert_eq!(help("ap", "targets", ["app", "db"]), "did you mean `app`? targets: `app`, `db`");
        assert_eq!(help("zzz", "targets", []), "targets: none");
    }
}
