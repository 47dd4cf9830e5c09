//! `windlass notices`: sends a test.

use crate::{
    args::{NoticesArgs, NoticesCommand, NoticesTestArgs},
    exit::{Exit, Failure},
    journal, notices, project,
    secrets::SecretStore,
    terminal,
};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use windlass_notice::Outcome;
use windlass_plan::Receiver;

/// Runs the command.
pub fn run(args: &NoticesArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.command {
        NoticesCommand::Test(args) => test(args, config),
    }
}

fn test(args: &NoticesTestArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (place, config) = project::here(config, args.env.as_deref())?;
    let receivers = chosen(&config.notices, args.name.as_deref())?;
    journal::make_state(&place)?;
    let secrets = Arc::new(SecretStore::new(&place.base));
    let sent = notices::test(&place, &secrets, &config, &receivers);
    let arrived = sent.iter().filter(|sent| sent.outcome == Outcome::Delivered);
    for sent in arrived.clone() {
        terminal::line(&format!("{} ({}) has the notice", sent.name, sent.kind));
    }
    let missing = receivers.len().saturating_sub(arrived.count());
    notices::say(&sent);
    if args.output.json {
        terminal::json(&sent.into_iter().map(notices::shown).collect::<Vec<_>>())?;
    }
    if missing == 0 {
        return Ok(Exit::Done);
    }
    Err(Failure::refused(format!("{missing} of {} notices did not arrive", receivers.len())).hint(
        "a release goes on without them; look at `url` and `secret` of these receivers in windlass.toml",
    ))
}

fn chosen(
    known: &BTreeMap<String, Receiver>,
    name: Option<&str>,
) -> Result<BTreeMap<String, Receiver>, Failure> {
    let names = || known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match name {
        _ if known.is_empty() => {
            Err(Failure::wrong("windlass.toml has no `[notice.NAME]`: nobody is told about releases")
                .hint("for example:\n\n[notice.team]\nkind = \"slack\"\nurl = { env = \"SLACK_URL\" }"))
        }
        None => Ok(known.clone()),
        Some(name) => match known.get(name) {
            Some(receiver) => Ok(BTreeMap::from([(name.to_owned(), receiver.clone())])),
            None => Err(Failure::wrong(format!("windlass.toml has no [notice.{name}]"))
                .hint(format!("receivers: {}", names()))),
        },
    }
}
