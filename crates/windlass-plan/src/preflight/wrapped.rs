//! Programs that run another one: `sudo -u app env A=1 nice -n 5 CMD` needs `sudo`, `env`, `nice` and `CMD`.

use windlass_document::shell::Word;

/// A program that is called, with what stands behind it.
pub(super) struct Called<'a> {
    pub(super) word: &'a Word,
    pub(super) arguments: &'a [Word],
    /// By `sudo`, which has a PATH of its own.
    pub(super) by_sudo: bool,
}

/// All programs that the words of a command call, the outermost first. It ends where what follows cannot be told.
pub(super) fn called(words: &[Word]) -> Vec<Called<'_>> {
    let (mut all, mut rest, mut by_sudo) = (Vec::new(), words, false);
    while let Some((word, arguments)) = rest.split_first() {
        if word.text.is_empty() {
            break;
        }
        all.push(Called { word, arguments, by_sudo });
        by_sudo |= word.text == "sudo";
        match inner(&word.text, arguments) {
            Some(inner) => rest = inner,
            None => break,
        }
    }
    all
}

/// What `program` runs, if it runs something that can be told.
fn inner<'a>(program: &str, arguments: &'a [Word]) -> Option<&'a [Word]> {
    match program {
        "sudo" => behind(
            arguments,
            // Not `-R` and `-D`, behind which paths are others.
            &["-u", "-g", "-h", "-p", "-C", "-T"],
            &["-n", "-E", "-H", "-S", "-k", "-b"],
            true,
        ),
        "env" => behind(arguments, &["-u"], &["-i", "-"], true),
        "nice" => behind(arguments, &["-n"], &[], false),
        "ionice" => behind(arguments, &["-c", "-n"], &["-t"], false),
        "nohup" | "exec" | "command" | "builtin" => behind(arguments, &[], &[], false),
        "setsid" => behind(arguments, &[], &["-f", "-w", "-c"], false),
        "stdbuf" => behind(arguments, &["-i", "-o", "-e"], &["-oL", "-eL", "-o0", "-e0"], false),
        // Behind the duration.
        "timeout" => behind(arguments, &["-k", "-s"], &[], false).and_then(|rest| rest.get(1..)),
        _ => None,
    }
}

/// What stands behind the options: those `with` a value in the next word, those `without`. `None` at any other.
fn behind<'a>(mut words: &'a [Word], with: &[&str], without: &[&str], assigns: bool) -> Option<&'a [Word]> {
    while let Some((word, rest)) = words.split_first() {
        let text = word.text.as_str();
        words = match text {
            "--" => return Some(rest),
            _ if with.contains(&text) => rest.get(1..)?,
            _ if without.contains(&text) => rest,
            _ if text.starts_with('-') => return None,
            // Names are looked for elsewhere.
            _ if assigns && text.starts_with("PATH=") => return None,
            _ if assigns && is_assignment(text) => rest,
            _ => return Some(words),
        };
    }
    None
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}
