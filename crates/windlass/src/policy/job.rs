//! `unattended` of `[policy]`: whether jobs and timers may start a release.

use crate::{env, project::Place, terminal};
use windlass_plan::Policy;

/// Environments in which a person starts releases, unless the policy says otherwise.
const PRODUCTION: [&str; 2] = ["production", "prod"];

/// Why nobody who could be asked starts it, where somebody has to.
pub fn against(policy: &Policy, release_env: Option<&str>) -> Option<String> {
    let is_production = release_env.is_some_and(|env| PRODUCTION.contains(&env));
    if policy.unattended.unwrap_or(!is_production) {
        return None;
    }
    let job = env::job(terminal::can_ask())?;
    let what = match release_env {
        Some(env) => format!("releases to {env}"),
        None => "releases".to_owned(),
    };
    Some(format!("{what} are started by people, and this is {job}"))
}

/// What to do about it.
pub fn hint(place: &Place, release_env: Option<&str>) -> String {
    let file = match release_env {
        Some(env) => place.config.with_extension(format!("{env}.toml")),
        None => place.config.clone(),
    };
    let file = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!("start it at a terminal, or let jobs start it: `unattended = true` under [policy] of {file}")
}
