//! `plain-process`

use super::{Facts, Rule, words};
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "plain-process",
    severity: Severity::Warning,
    summary: "a service is run by hand with `nohup`, `kill` or `pkill`",
    why: "nobody holds requests meanwhile, waits until it is healthy, or knows after a crash whether it runs; `pkill` \
          also meets processes of the same name",
    bad: "```sh {#restart on=app irreversible}\npkill -f booking\nnohup ./booking &\n```\n\n- [ ] it answers\n",
    good: "```sh {#restart on=app}\nwindlass service restart booking\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    words::commands(facts)
        .filter_map(|(step, command)| words::program(step, command))
        .filter(|(program, _)| ["kill", "killall", "nohup", "pkill", "setsid"].contains(program))
        .map(|(program, span)| {
            rule.at(span, format!("`{program}` is used as a service manager")).help(
                "describe the process as a `[service.NAME]` with `run = [...]` and write `windlass service restart NAME`",
            )
        })
        .collect()
}
