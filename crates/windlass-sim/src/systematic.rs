//! Not by chance: a crash at every append of a plan, before and after it is durable, and then a second one at every
//! append of the resume. Each story has to reach the world of the one that never crashed.

use crate::{
    hub::Violation,
    scenario::{Report, scripted},
};
use windlass_journal::Ending;

/// What came of all stories of one plan.
#[derive(Debug, Default)]
pub struct Every {
    /// How many were run.
    pub stories: u64,
    /// The first that broke: how to run it, and what broke.
    pub violation: Option<(String, Violation)>,
}

/// Runs the plan of `seed`, applied whole and (on odd seeds) with a unit that fails, with every crash; at most
/// `pairs_max` pairs, spread evenly.
#[must_use]
pub fn every_crash(seed: u64, pairs_max: usize) -> Every {
    let doomed = (seed % 2 == 1).then(|| usize::try_from(seed / 2 % 3).unwrap_or(0));
    let whole = scripted(seed, Vec::new(), doomed, false);
    let mut every = Every { stories: 1, violation: None };
    let first = crashes(whole.appends.first().copied().unwrap_or(0));
    let mut pairs = Vec::new();
    for crash in first {
        let report = every.story(seed, vec![crash], doomed, &whole);
        let resumed = report.appends.get(1).copied().unwrap_or(0);
        pairs.extend(crashes(resumed).into_iter().map(|second| vec![crash, second]));
    }
    let each = pairs.len().div_ceil(pairs_max.max(1)).max(1);
    for pair in pairs.into_iter().step_by(each) {
        every.story(seed, pair, doomed, &whole);
    }
    every
}

fn crashes(appends: u64) -> Vec<(u64, bool)> {
    (1..=appends).flat_map(|at| [(at, true), (at, false)]).collect()
}

impl Every {
    fn story(
        &mut self,
        seed: u64,
        crashes: Vec<(u64, bool)>,
        doomed: Option<usize>,
        whole: &Report,
    ) -> Report {
        self.stories += 1;
        let crash = |(at, before): &(u64, bool)| format!("{at}{}", if *before { 'b' } else { 'a' });
        let doom = doomed.map_or_else(String::new, |n| format!(" --doomed {n}"));
        let how = format!("{seed} --crash {}{doom}", crashes.iter().map(crash).collect::<Vec<_>>().join(","));
        let mut report = scripted(seed, crashes, doomed, false);
        // A person who had to leave something in place may leave it otherwise another time.
        let comparable = whole.ending != Some(Ending::Abandoned);
        let same = report.ending == whole.ending && report.world == whole.world;
        let broken = report.violation.take().or_else(|| {
            (comparable && !same).then(|| Violation {
                property: "resume reaches the state of the uncrashed run",
                what: format!("{:?} instead of {:?}, or another world", report.ending, whole.ending),
            })
        });
        if let Some(violation) = broken {
            self.violation.get_or_insert((how, violation));
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crash_of_a_plan_and_of_its_unwind_reaches_the_same_end() {
        let mut stories = 0;
        for seed in 0..6 {
            let every = every_crash(seed, 40);
            assert_eq!(every.violation, None, "seed {seed}");
            stories += every.stories;
        }
        assert!(stories > 150, "{stories}");
    }
}
