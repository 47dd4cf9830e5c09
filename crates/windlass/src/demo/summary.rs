//! The demo's figures.

use super::scene::Scene;
use serde::Serialize;

/// What was measured. The names are the JSON's.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Requests sent by the load.
    pub requests: u64,
    /// Requests that got no answer or a wrong one.
    pub failed: u64,
    /// Acknowledged writes that are not in the database at the end.
    pub lost_writes: u64,
    /// 99th percentile of the latency from the appointed time, milliseconds; held requests included.
    pub latency_p99_ms: f64,
    /// Longest time that a request was held, milliseconds.
    pub hold_max_ms: u64,
    /// Time in which requests failed, milliseconds.
    pub downtime_ms: u64,
    /// Release 2 from command to prompt, milliseconds.
    pub release_ms: u64,
    /// Rollback of release 4 from command to prompt, milliseconds.
    pub rollback_ms: u64,
    /// Schema, and rows written before the failed release, are the same after it was unwound.
    pub fingerprint_restored: bool,
    /// Release 4 was finished by another controller after the first was killed.
    pub resumed: bool,
    /// The whole demo.
    pub seconds: f64,
}

impl Summary {
    /// Whether no request failed, no write was lost, and every scene showed what it is for.
    pub fn passed(&self) -> bool {
        self.failed == 0 && self.lost_writes == 0 && self.fingerprint_restored && self.resumed
    }

    /// For people.
    pub fn text(&self, scene: &Scene) -> String {
        let folder = scene.folder().display();
        let answer = |yes: bool| if yes { "yes" } else { "NO" };
        format!(
            "
Requests         {} sent, {} failed, {} acknowledged writes lost
Latency          p99 {:.0} ms from the appointed time, holds included
Longest hold     {} ms; downtime {} ms
Release 2        {} ms; rollback of release 4 {} ms
Failed release 3 database restored exactly: {}
Release 4        finished by a second controller after SIGKILL: {}
Whole demo       {:.1} s

Look around:
  cd {folder}
  alias windlass={exe}
  ls releases records               the documents, and what each run did
  windlass runs                     the journal (.windlass/journal.db)
  windlass show                     the newest run, unit by unit
  windlass plan releases/4.md       what it would do now
Play on:
  windlass proxy run booking &
  windlass service start booking
  windlass apply releases/4.md
",
            self.requests,
            self.failed,
            self.lost_writes,
            self.latency_p99_ms,
            self.hold_max_ms,
            self.downtime_ms,
            self.release_ms,
            self.rollback_ms,
            answer(self.fingerprint_restored),
            answer(self.resumed),
            self.seconds,
            exe = scene.exe().display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_exactly_the_promised_figures() {
        let json = serde_json::to_string(&Summary::default()).unwrap();
        let keys: Vec<&str> = json.split('"').skip(1).step_by(2).collect();
        assert_eq!(
            keys,
            [
                "requests",
                "failed",
                "lost_writes",
                "latency_p99_ms",
                "hold_max_ms",
                "downtime_ms",
                "release_ms",
                "rollback_ms",
                "fingerprint_restored",
                "resumed",
                "seconds"
            ]
        );
    }

    #[test]
    fn one_failed_request_one_lost_write_or_a_scene_that_did_not_show_it_fails_the_demo() {
        let good = Summary { fingerprint_restored: true, resumed: true, ..Summary::default() };
        assert!(good.passed());
        for bad in [
            Summary { failed: 1, ..good.clone() },
            Summary { lost_writes: 1, ..good.clone() },
            Summary { fingerprint_restored: false, ..good.clone() },
            Summary { resumed: false, ..good.clone() },
        ] {
            assert!(!bad.passed(), "{bad:?}");
        }
    }
}
