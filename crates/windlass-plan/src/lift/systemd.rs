//! `systemctl start|stop|restart|reload|enable|disable UNIT…`, `systemctl daemon-reload`, and what only asks.

use super::{Context, Read, options};
use crate::{Action, SystemdVerb as Verb};
use windlass_document::shell::Word;

/// Suffixes of units (systemd.unit(5)); a name without one is that of a service.
const SUFFIXES: &[&str] = &[
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];
/// They change nothing.
const QUESTIONS: &[&str] =
    &["status", "is-active", "is-enabled", "is-failed", "show", "cat", "list-units", "list-timers"];

pub(super) fn systemctl(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    read(context, (name, false), arguments)
}

/// `sudo systemctl …`; `None`: it is another program.
pub(super) fn with_sudo(context: &Context<'_>, arguments: &[Word]) -> Option<Read> {
    let skipped = usize::from(arguments.first().is_some_and(|word| word.text == "-n"));
    let (name, rest) =
        arguments.get(skipped..)?.split_first().filter(|(name, _)| name.text == "systemctl")?;
    Some(read(context, (name, true), rest))
}

fn read(context: &Context<'_>, (name, sudo): (&Word, bool), arguments: &[Word]) -> Read {
    let operands = arguments.iter().filter(|word| !word.text.starts_with('-'));
    if operands.map(|word| word.text.as_str()).next().is_some_and(|verb| QUESTIONS.contains(&verb)) {
        return question(context, name, sudo, arguments);
    }
    let long = [("user", 'u'), ("now", 'n'), ("quiet", 'q'), ("no-pager", 'p'), ("no-ask-password", 'a')];
    let options = match options::split("systemctl", arguments, "q", &long) {
        Ok(options) => options,
        Err((span, why)) => return Read::NotUnderstood(span, why),
    };
    let Some((verb, units)) = options.operands.split_first() else {
        return Read::NotUnderstood(name.span, "`systemctl` without a verb is not understood".to_owned());
    };
    let (user, now) = (options.any("u"), options.any("n"));
    if user && sudo {
        let why = "`--user` with `sudo` means the units of root's own manager, which is not understood";
        return Read::NotUnderstood(name.span, why.to_owned());
    }
    let verbs: &[Verb] = match (verb.text.as_str(), now) {
        ("start", false) => &[Verb::Start],
        ("stop", false) => &[Verb::Stop],
        ("restart", false) => &[Verb::Restart],
        ("reload", false) => &[Verb::Reload],
        ("enable", false) => &[Verb::Enable],
        ("enable", true) => &[Verb::Enable, Verb::Start],
        ("disable", false) => &[Verb::Disable],
        ("disable", true) => &[Verb::Disable, Verb::Stop],
        ("daemon-reload", false) if units.is_empty() => {
            return Read::Actions(vec![Action::Systemd {
                verb: Verb::DaemonReload,
                name: String::new(),
                sudo,
                user,
            }]);
        }
        _ => {
            let why = format!("`systemctl {}` is not understood, so the line is not lifted", verb.text);
            return Read::NotUnderstood(verb.span, why);
        }
    };
    if units.is_empty() {
        let why = format!("`systemctl {}` without a unit is not understood", verb.text);
        return Read::NotUnderstood(verb.span, why);
    }
    if let Some(odd) = units.iter().find(|unit| !is_unit(&unit.text)) {
        return Read::NotUnderstood(odd.span, format!("`{}` is no name of one unit", odd.text));
    }
    let action =
        |unit: &&Word, verb: &Verb| Action::Systemd { verb: *verb, name: full(&unit.text), sudo, user };
    Read::Actions(units.iter().flat_map(|unit| verbs.iter().map(move |verb| action(unit, verb))).collect())
}

/// The line as it stands: it changes nothing.
fn question(context: &Context<'_>, name: &Word, sudo: bool, arguments: &[Word]) -> Read {
    let end = arguments.last().map_or(name.span.end, |last| last.span.end);
    let text = context.text.get(name.span.start..end).unwrap_or_default();
    Read::Actions(vec![Action::Shell {
        // Whoever would be asked for a password is not there.
        script: format!("{}{text}", if sudo { "sudo -n " } else { "" }),
        dir: context.dir.clone(),
        readonly: true,
        database: None,
    }])
}

/// A name, and no pattern or path.
fn is_unit(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "@:_.\\-".contains(c);
    text.chars().all(fits) && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

fn full(text: &str) -> String {
    let has_suffix = text.rsplit_once('.').is_some_and(|(_, suffix)| SUFFIXES.contains(&suffix));
    if has_suffix { text.to_owned() } else { format!("{text}.service") }
}
