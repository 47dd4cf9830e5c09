//! Requests in the order in which they were sent, to time in which they failed.

use std::{collections::VecDeque, time::Duration};
use windlass_plan::Downtime;

/// What became of the requests of one service. Times are milliseconds since it was begun.
pub(super) struct Tally {
    /// A request that failed stands for no more time than this behind its end.
    grace_ms: u64,
    seen: Downtime,
    /// Number of the first of `open`.
    first: u64,
    /// Those that are not counted yet, as sent.
    open: VecDeque<Sent>,
}

struct Sent {
    at_ms: u64,
    wall_ms: i64,
    ended: Option<(u64, Result<(), String>)>,
}

impl Tally {
    /// Goes on from what was `seen`; of a service of which nothing was, nothing counts before it has answered.
    pub(super) fn new(seen: Option<Downtime>, grace: Duration) -> Self {
        let seen = seen.unwrap_or_else(|| Downtime { before: true, ..Downtime::default() });
        Self {
            grace_ms: super::millis(grace),
            seen: Downtime { now_ms: 0, ..seen },
            first: 0,
            open: VecDeque::new(),
        }
    }

    /// A request is sent; its number.
    pub(super) fn sent(&mut self, at_ms: u64, wall_ms: i64) -> u64 {
        self.open.push_back(Sent { at_ms, wall_ms, ended: None });
        self.count(at_ms);
        self.first + self.open.len() as u64 - 1
    }

    /// It has ended.
    pub(super) fn ended(&mut self, number: u64, at_ms: u64, answer: Result<(), String>) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(sent) = place.and_then(|place| self.open.get_mut(place)) {
            sent.ended = Some((at_ms, answer));
        }
        self.count(at_ms);
    }

    /// What was seen until `now_ms`.
    pub(super) fn seen(&mut self, now_ms: u64) -> Downtime {
        self.count(now_ms);
        self.seen.clone()
    }

    /// Counts, in order, what has ended. A request that failed stands for the time until the next one, as far as that is not
    /// long behind its end: of a pause of this process nothing is known.
    fn count(&mut self, now_ms: u64) {
        while let Some(Sent { at_ms, wall_ms, ended: Some((ended_ms, answer)) }) = self.open.front() {
            let end_ms = ended_ms + self.grace_ms;
            let next_ms = self.open.get(1).map(|next| next.at_ms);
            match answer {
                Ok(()) => (self.seen.before, self.seen.now_ms) = (false, 0),
                Err(why) if self.seen.before => self.seen.why.clone_from(why),
                // How long it stands for is not known yet.
                Err(_) if next_ms.is_none() && now_ms < end_ms => return,
                Err(why) => {
                    let ms = next_ms.map_or(end_ms, |next_ms| next_ms.min(end_ms)) - at_ms;
                    if self.seen.now_ms == 0 {
                        self.seen.since_ms = Some(*wall_ms);
                    }
                    self.seen.why.clone_from(why);
                    self.seen.down_ms += ms;
                    self.seen.now_ms += ms;
                    self.seen.longest_ms = self.seen.longest_ms.max(self.seen.now_ms);
                }
            }
            self.open.pop_front();
            self.first += 1;
        }
    }
}
