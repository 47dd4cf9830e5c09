//! How busy a machine is: processors, memory, disks; of Linux, from `/proc` and `df`.

use crate::host::place::{Place, Program};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use windlass_driver::{Failure, Fault};

/// A machine that does not answer within this is not measured.
const ANSWER: Duration = Duration::from_secs(20);

/// What is asked of a machine; `$1` is the folder of the target. The fields of `/proc/stat` and `/proc/meminfo` are those of proc(5).
const SCRIPT: &str = "head -n 1 /proc/stat; grep -E '^(MemTotal|MemAvailable):' /proc/meminfo; df -P / \"${1:-.}\" 2>/dev/null || df -P /";

/// What one look at a machine says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Ticks in which its processors worked, since it was started.
    busy: u64,
    /// All ticks.
    total: u64,
    /// Memory in use, thousandths of a percent.
    pub memory: u64,
    /// The fullest file system, thousandths of a percent.
    pub disk: u64,
}

impl Machine {
    /// Asks a machine.
    pub async fn ask(place: &Place, dir: Option<&str>) -> Result<Self, Failure> {
        let words = ["sh", "-c", SCRIPT, "sh", dir.unwrap_or(".")];
        let program = Program::new(words).limit(ANSWER).reads().title("how busy the machine is");
        let answer = place.run(&program).await?;
        Self::read(&answer.text()).ok_or_else(|| {
            let message = format!("{} does not say how busy it is: {}", place.name(), answer.complaint());
            Failure::clean(Fault::Target, message)
        })
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let ticks: Vec<u64> = lines
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .filter_map(|tick| tick.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal; guest time is in user already.
        let counted = ticks.get(..8.min(ticks.len()))?;
        let idle = counted.get(3)? + counted.get(4).copied().unwrap_or(0);
        let total: u64 = counted.iter().sum();
        let (mut all, mut free, mut disk) = (None, None, None);
        for line in lines {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("MemTotal:") => all = words.next()?.parse::<u64>().ok(),
                Some("MemAvailable:") => free = words.next()?.parse::<u64>().ok(),
                Some(_) => {
                    // `df -P`: blocks, used, available. What only root may use counts as used, as df itself has it.
                    let blocks: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
                    if let [_, used, free, ..] = blocks[..] {
                        disk = disk.max(share(used, used + free));
                    }
                }
                None => {}
            }
        }
        let (all, free) = (all?, free?);
        Some(Self { busy: total - idle, total, memory: share(all.saturating_sub(free), all)?, disk: disk? })
    }

    /// Whether its ticks are those of a time before `other`.
    pub fn is_before(&self, other: &Self) -> bool {
        self.total < other.total
    }

    /// Processor time in use since `earlier`, thousandths of a percent; `None`: no time has passed, or it was started again.
    pub fn cpu_since(&self, earlier: &Self) -> Option<u64> {
        let (busy, total) = (self.busy.checked_sub(earlier.busy)?, self.total.checked_sub(earlier.total)?);
        share(busy, total)
    }
}

/// Thousandths of a percent.
fn share(part: u64, all: u64) -> Option<u64> {
    (all > 0).then(|| u64::try_from(u128::from(part) * 100_000 / u128::from(all)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "cpu  100 0 50 800 50 0 0 0 7 0\nMemTotal:       2000 kB\nMemAvailable:    500 kB\n\
                          Filesystem     1024-blocks     Used Available Capacity Mounted on\n\
                          /dev/vda         264091296 60000000  40000000      60% /\n\
                          overlay with words    1000      900       100      90% /srv\n";

    #[test]
    fn what_a_machine_says_is_read() {
        let machine = Machine::read(ANSWER).unwrap();
        assert_eq!(machine, Machine { busy: 150, total: 1000, memory: 75_000, disk: 90_000 });
        let later = Machine { busy: 200, total: 1100, ..machine.clone() };
        assert_eq!(later.cpu_since(&machine), Some(50_000));
        assert_eq!(machine.cpu_since(&later), None, "started again");
        assert_eq!(machine.cpu_since(&machine), None);
        for (cut, _) in ANSWER.char_indices() {
            let _ = Machine::read(&ANSWER[..cut]);
        }
        assert_eq!(Machine::read("cpu  1 2\n"), None);
    }

    #[tokio::test]
    async fn this_machine_answers() {
        let machine = Machine::ask(&Place::here(), None).await.unwrap();
        assert!(machine.total > machine.busy && (1..=100_000).contains(&machine.memory), "{machine:?}");
        assert!((1..=100_000).contains(&machine.disk), "{machine:?}");
    }
}
