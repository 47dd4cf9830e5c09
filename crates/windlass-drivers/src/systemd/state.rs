//! What systemd says of a unit: properties of `systemctl show` (org.freedesktop.systemd1(5)).

use serde::{Deserialize, Serialize};

/// The properties that are asked for, as `systemctl show --property=` takes them.
pub(super) const PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,ReloadResult,Type,MainPID,InvocationID,NRestarts,UnitFileState,NeedDaemonReload,\
     CanReload,Job,RequiredBy,BoundBy,RequisiteOf,ConsistsOf";

/// A unit at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// `loaded`, `not-found`, `masked`, …
    pub(super) load: String,
    /// `active`, `inactive`, `failed`, `activating`, …
    pub(super) active: String,
    /// `running`, `exited`, `auto-restart`, …
    pub(super) sub: String,
    /// Why its last run ended: `success`, `exit-code`, …
    pub(super) result: String,
    /// How the last reading of its configuration ended.
    pub(super) reload_result: String,
    /// Type of a service: `simple`, `oneshot`, …
    pub(super) kind: String,
    /// Its main process; 0: none.
    pub(super) pid: u32,
    /// Another one each time it is started.
    pub(super) invocation: String,
    /// How often systemd has restarted it by itself.
    pub(super) restarts: u64,
    /// `enabled`, `disabled`, `static`, …
    pub(super) enabled: String,
    /// Its files were changed since systemd read them.
    pub(super) is_outdated: bool,
    /// It can read its configuration again.
    pub(super) can_reload: bool,
    /// Something is queued for it or being done.
    pub(super) has_job: bool,
    /// Units that stop with it.
    pub(super) stops: Vec<String>,
}

impl State {
    /// Reads `NAME=VALUE` lines. Unknown names are of other versions of systemd; `None`: the answer is none of systemd.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut state = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let text = || value.to_owned();
            match name {
                "LoadState" => state.load = text(),
                "ActiveState" => state.active = text(),
                "SubState" => state.sub = text(),
                "Result" => state.result = text(),
                "ReloadResult" => state.reload_result = text(),
                "Type" => state.kind = text(),
                "MainPID" => state.pid = value.parse().unwrap_or_default(),
                "InvocationID" => state.invocation = text(),
                "NRestarts" => state.restarts = value.parse().unwrap_or_default(),
                "UnitFileState" => state.enabled = text(),
                "NeedDaemonReload" => state.is_outdated = value == "yes",
                "CanReload" => state.can_reload = value == "yes",
                "RequiredBy" | "BoundBy" | "RequisiteOf" | "ConsistsOf" => {
                    // A target has no process.
                    let units =
                        value.split(' ').filter(|unit| !unit.is_empty() && !unit.ends_with(".target"));
                    state.stops.extend(units.map(str::to_owned));
                }
                "Job" => state.has_job = !matches!(value, "" | "0"),
                _ => {}
            }
        }
        (!state.active.is_empty()).then_some(state)
    }

    /// It runs, or has done what it is there for and counts as running.
    pub(super) fn runs(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }

    /// It does not run, and nothing is about to start it.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed") && !self.has_job
    }

    /// Something is still going on.
    pub(super) fn is_moving(&self) -> bool {
        self.has_job
            || matches!(self.active.as_str(), "activating" | "deactivating" | "reloading") && !self.flaps()
    }

    /// It ended by itself, and systemd waits until it starts it again.
    pub(super) fn flaps(&self) -> bool {
        self.sub == "auto-restart"
    }

    /// It has done what it is there for: a job that ends.
    pub(super) fn is_done(&self) -> bool {
        self.kind == "oneshot" && self.active == "inactive" && self.result == "success"
    }

    /// For people: `active (running), process 81`.
    pub(super) fn words(&self) -> String {
        let process = if self.pid == 0 { String::new() } else { format!(", process {}", self.pid) };
        format!("{} ({}){process}", self.active, self.sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_and_others_passed_over() {
        let text = "LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=81\nInvocationID=ab\nNRestarts=2\n\
                    UnitFileState=enabled\nNeedDaemonReload=yes\nCanReload=no\nJob=\nNew=a=b\nType=simple\n";
        let state = State::read(text).unwrap();
        assert!(state.runs() && !state.is_moving() && state.is_outdated && !state.can_reload);
        assert_eq!(
            (state.pid, state.restarts, state.words().as_str()),
            (81, 2, "active (running), process 81")
        );
        assert!(State::read("ActiveState=active\nJob=7\n").unwrap().is_moving());
        let state = State::read(
            "ActiveState=failed\nBoundBy=a.service b.target\nConsistsOf=c.service\nRequiredBy=\n",
        );
        assert!(state.as_ref().is_some_and(State::is_stopped));
        assert_eq!(state.unwrap().stops, ["a.service", "c.service"]);
        let flapping = State::read("ActiveState=activating\nSubState=auto-restart\n").unwrap();
        assert!(flapping.flaps() && !flapping.is_moving() && !flapping.is_stopped());
        assert_eq!(State::read("Failed to connect to bus: No such file or directory\n"), None);
    }
}
