//! `after` of `[policy]`: the environment on which the same document has to be done before.

use super::Start;
use crate::{exit::Failure, journal};
use windlass_journal::{Ending, Forward, RunState, Store};

/// So many of the newest runs are looked at: reading a run takes as long as it has entries.
const RUNS_MAX: usize = 500;

/// What the journal says of it: `Ok` with words if it was done there, `Ok(None)` where the policy does not ask, and else
/// why it may not start.
pub fn read(start: &Start<'_>) -> Result<Result<Option<String>, String>, Failure> {
    let Some(first) = start.policy.after.as_deref().filter(|first| start.env != Some(first)) else {
        return Ok(Ok(None));
    };
    let Some((_, plan)) = start.document else {
        return Ok(Err(format!("only a release document can have been done on {first} before")));
    };
    let content = plan.content();
    let found = match journal::open_existing(start.place)? {
        Some(store) => journal::block_on(newest_done(&store, first, |run| run.plan.content() == content))??,
        None => None,
    };
    Ok(match found {
        Some(run) => Ok(Some(format!("done on {first} before, run {}", run.id))),
        None => Err(format!(
            "this document, as it is, was not done on {first} before, or was taken back there, or not without skipping units"
        )),
    })
}

/// The newest run on an environment of which everything is done and still in place.
async fn newest_done(
    store: &dyn Store,
    env: &str,
    is_same: impl Fn(&RunState) -> bool,
) -> Result<Option<RunState>, Failure> {
    for id in store.runs().await?.into_iter().rev().take(RUNS_MAX) {
        let run = journal::load(store, &id).await?.run;
        if env_of(&run) == Some(env) && run.ending == Some(Ending::Done) && is_whole(&run) && is_same(&run) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// What a person skipped was not tried there.
fn is_whole(run: &RunState) -> bool {
    run.units.values().all(|unit| unit.forward != Forward::Skipped)
}

/// The environment of a run: that of the command line, else the document's own.
fn env_of(run: &RunState) -> Option<&str> {
    let asked = run.origin.as_ref().and_then(|origin| origin.env.as_deref());
    asked.or(run.plan.release.env.as_deref())
}

/// What to do about it.
pub fn hint(start: &Start<'_>) -> String {
    let first = start.policy.after.as_deref().unwrap_or_default();
    let Some((document, plan)) = start.document else {
        return "write it as a release document".to_owned();
    };
    let document = document.display();
    match &plan.release.env {
        Some(env) => format!(
            "take `env: {env}` out of the front matter, so that one document is for both: `windlass apply {document} --env \
             {first}`, then `--env {env}`"
        ),
        None => format!("`windlass apply {document} --env {first}` first"),
    }
}
