//! `windlass approve`: shows a plan, asks, and signs its digest.

use super::apply::agree;
use crate::{
    args::ApproveArgs,
    env,
    exit::{Exit, Failure},
    policy::approvals,
    project, terminal,
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use windlass_report::{Surveys, plan_short_text};

/// Keys that are tried when none is named, as ssh(1) does.
const KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// `windlass approve --json`.
#[derive(Serialize)]
struct ApprovedJson<'a> {
    digest: &'a str,
    by: &'a str,
    at_ms: i64,
    have: usize,
    need: u32,
}

/// Runs the command.
pub fn run(args: &ApproveArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (compiled, plan, place) =
        project::compile_to_judge(&args.file, config, args.env.as_deref(), project::print)?;
    let Some(approval) = &compiled.settings.config.policy.approve else {
        return Err(Failure::wrong("the policy wants no approvals")
            .hint("`[policy]` of windlass.toml says how many: `approve = { count = 1, not = \"author\" }`"));
    };
    terminal::findings(&compiled);
    let key = key(args.key.as_deref())?;
    let digest = plan.digest();
    terminal::say(&plan_short_text(&plan, &Surveys::new()));
    terminal::line(&format!("Plan {digest}"));
    agree(args.yes, &format!("Approve it with {}?", key.display()), "approve the plan shown above")?;
    let approved = approvals::sign(approval, &place, &digest, &key)?;
    let stand = approvals::read(approval, &place, &args.file, &digest)?;
    if args.output.json {
        let (have, need) = (stand.good.len(), approval.count);
        terminal::json(&ApprovedJson {
            digest: &digest.0,
            by: &approved.by,
            at_ms: approved.at_ms,
            have,
            need,
        })?;
        return Ok(Exit::Done);
    }
    terminal::line(&format!("Approved by {}: plan {}.", approved.by, digest.short()));
    match stand.against.is_empty() {
        true => terminal::line(&format!("It may be applied: `windlass apply {}`", args.file.display())),
        false => terminal::line(&format!("Not enough yet: {}", stand.against.join("; "))),
    }
    Ok(Exit::Done)
}

fn key(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return match named.is_file() {
            true => Ok(named.to_owned()),
            false => Err(Failure::wrong(format!("there is no key {}", named.display()))),
        };
    }
    let home = PathBuf::from(env::variable("HOME").unwrap_or_default()).join(".ssh");
    KEYS.iter().map(|name| home.join(name)).find(|key| key.is_file()).ok_or_else(|| {
        Failure::wrong(format!("there is no key {} to sign with", home.join(KEYS[0]).display()))
            .hint("`--key FILE` names one; `ssh-keygen -t ed25519` makes one")
    })
}
