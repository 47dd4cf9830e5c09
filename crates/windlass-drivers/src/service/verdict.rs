//! Whether a new version does as well as the old one beside it, by what the proxy counted of both in the same time.
//!
//! A share of failed or slow answers among few is uncertain. Of the old version the highest is taken that it may be, by the interval of
//! Wilson (Probable inference, the law of succession, and statistical inference, 1927) at three standard deviations. The new one is
//! bad when so many failed or slow answers would be a chance of one in 740, the same three deviations, if its share were no higher
//! than that or than the limit: the exact binomial test, since of few answers any approximation is wrong. It is that strict because it is asked many times.

use windlass_plan::Canary;
use windlass_proxy::control::VersionStatus;

/// Standard deviations of an interval.
const DEVIATIONS: f64 = 3.0;
/// What lies beyond them on one side.
const CHANCE: f64 = 0.001_35;

/// Answers of the new version may be slower than this many times the old one's 95th percentile …
const SLOWER: f64 = 1.5;
/// … and this much more, microseconds: what is lost in the noise of a quick service.
const SLOWER_US: f64 = 10_000.0;

/// A 95th percentile is exceeded by this share of the answers.
const TAIL: f64 = 0.05;

/// What was counted of one version between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests answered.
    pub requests: u64,
    /// Of these, 5xx or broken.
    pub errors: u64,
    /// Ends of buckets, microseconds, with the answers in them, the quickest first.
    buckets: Vec<(u64, u64)>,
}

/// What is known of the new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does as well.
    Fine,
    /// It does not, and how.
    Bad(String),
    /// It has had too few requests to tell.
    TooFew,
}

impl Seen {
    /// What came between `before` (nothing: it was not counted yet) and `now`. A proxy that was started again counts from zero.
    pub fn between(before: Option<&VersionStatus>, now: Option<&VersionStatus>) -> Self {
        let Some(now) = now else { return Self::default() };
        // Of a version that had no upstream the times are not known, so neither are those between.
        if let Some(before) = before.filter(|before| before.requests > 0 && before.buckets.is_empty()) {
            let (requests, errors) =
                (now.requests.saturating_sub(before.requests), now.errors.saturating_sub(before.errors));
            return Self { requests, errors, buckets: vec![] };
        }
        let before = before.filter(|before| before.requests <= now.requests);
        let Some(before) = before else {
            return Self { requests: now.requests, errors: now.errors, buckets: now.buckets.clone() };
        };
        let earlier = |end: u64| {
            let found = before.buckets.binary_search_by_key(&end, |(end, _)| *end);
            found.map_or(0, |index| before.buckets[index].1)
        };
        let grown = now.buckets.iter().map(|(end, count)| (*end, count.saturating_sub(earlier(*end))));
        Self {
            requests: now.requests - before.requests,
            errors: now.errors.saturating_sub(before.errors),
            buckets: grown.filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// All that was ever counted of a version. Of one that serves no more only the percentile is known, not what it is made of.
    pub fn all(counted: Option<&VersionStatus>) -> Self {
        let Some(counted) = counted else { return Self::default() };
        let mut seen = Self::between(None, Some(counted));
        if seen.buckets.is_empty() && counted.requests > 0 {
            seen.buckets = vec![((counted.p95_ms * 1000.0) as u64, counted.requests)];
        }
        seen
    }

    /// Its 95th percentile, microseconds; `None`: nothing was timed.
    pub fn p95_us(&self) -> Option<u64> {
        let timed: u64 = self.timed();
        let rank = ((timed as f64 * (1.0 - TAIL)).ceil() as u64).max(1);
        let mut seen = 0;
        self.buckets.iter().find_map(|(end, count)| {
            seen += count;
            (seen >= rank).then_some(*end)
        })
    }

    fn timed(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Answers that took longer than this, microseconds; one that shares a bucket with the limit counts as quick.
    fn slower(&self, us: f64) -> u64 {
        let beyond = self.buckets.partition_point(|(end, _)| *end as f64 <= us * BUCKET);
        self.buckets[beyond..].iter().map(|(_, count)| count).sum()
    }

    /// For a person: "120 requests, 2 failed, 95 % within 14 ms".
    pub fn in_words(&self) -> String {
        let p95 = self.p95_us().map_or_else(String::new, |us| format!(", 95 % within {}", ms(us as f64)));
        format!("{} requests, {} failed{p95}", self.requests, self.errors)
    }
}

/// The end of a bucket is at most this many times the values in it (see `control::VersionStatus`).
const BUCKET: f64 = 1.0625;

fn ms(us: f64) -> String {
    if us < 10_000.0 { format!("{:.1} ms", us / 1000.0) } else { format!("{:.0} ms", us / 1000.0) }
}

/// Highest share that `hits` of `all` may be of.
fn highest(hits: u64, all: u64) -> f64 {
    if all == 0 {
        return 1.0;
    }
    let (n, z2) = (all as f64, DEVIATIONS * DEVIATIONS);
    let share = hits as f64 / n;
    let middle = share + z2 / (2.0 * n);
    let half = DEVIATIONS * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle + half) / (1.0 + z2 / n)).min(1.0)
}

/// Whether `hits` or more of `all` are no chance when the true share is at most `share`.
fn exceeds(hits: u64, all: u64, share: f64) -> bool {
    if hits == 0 || share >= 1.0 || hits as f64 <= all as f64 * share {
        return false;
    }
    if share <= 0.0 {
        return true;
    }
    // The probability of exactly `hits`, by logarithms; that of each further one follows by a factor below 1.
    let (n, k) = (all as f64, hits as f64);
    let ways: f64 = (0..hits).map(|i| ((n - i as f64) / (k - i as f64)).ln()).sum();
    let mut term = (ways + k * share.ln() + (n - k) * (-share).ln_1p()).exp();
    let mut chance = 0.0;
    for i in hits..=all {
        chance += term;
        if chance >= CHANCE || term < CHANCE * 1e-9 {
            break;
        }
        term *= (n - i as f64) / (i as f64 + 1.0) * share / (1.0 - share);
    }
    chance < CHANCE
}

fn percent(hits: u64, all: u64) -> String {
    format!("{:.1} %", hits as f64 * 100.0 / all.max(1) as f64)
}

/// What is known of `new`, that served beside `old` or after it.
pub fn judge(canary: &Canary, new: &Seen, old: &Seen) -> Verdict {
    if let Some(why) = failing(canary, new, old).or_else(|| slow(canary, new, old)) {
        return Verdict::Bad(why);
    }
    // Without a limit of its own only the old version says what is much.
    let has_measure = old.requests >= canary.requests || canary.errors.is_some();
    if new.requests < canary.requests || !has_measure { Verdict::TooFew } else { Verdict::Fine }
}

fn failing(canary: &Canary, new: &Seen, old: &Seen) -> Option<String> {
    let beyond = |share: f64| exceeds(new.errors, new.requests, share);
    let told = |than: String| {
        let share = percent(new.errors, new.requests);
        format!("{} of {} requests failed ({share}), {than}", new.errors, new.requests)
    };
    // What the old version does not keep either is no reason to go back to it.
    let keeps = |limit: f64| old.requests == 0 || (old.errors as f64) < old.requests as f64 * limit;
    let limit = canary.errors.map(|limit| (limit, limit as f64 / 100_000.0));
    if let Some((limit, _)) = limit.filter(|(_, share)| keeps(*share) && beyond(*share)) {
        return Some(told(format!("the limit is {} %", limit as f64 / 1000.0)));
    }
    beyond(highest(old.errors, old.requests)).then(|| {
        let share = percent(old.errors, old.requests);
        told(format!("of the old version {} of {} ({share})", old.errors, old.requests))
    })
}

fn slow(canary: &Canary, new: &Seen, old: &Seen) -> Option<String> {
    // The first answers of a process are slow, and not by chance.
    let p95 = new.p95_us().filter(|_| new.timed() >= canary.requests)?;
    let beyond = |limit_us: f64| exceeds(new.slower(limit_us), new.timed(), TAIL);
    let keeps = |limit: f64| old.p95_us().is_none_or(|theirs| (theirs as f64) < limit);
    let limit = canary.p95_ms.map(|limit| (limit, limit as f64 * 1000.0));
    if let Some((limit, _)) = limit.filter(|(_, us)| keeps(*us) && beyond(*us)) {
        return Some(format!("95 % of its answers came within {}, the limit is {limit} ms", ms(p95 as f64)));
    }
    // Of few answers a percentile says nothing.
    let theirs = old.p95_us().filter(|_| old.requests >= canary.requests)?;
    beyond(theirs as f64 * SLOWER + SLOWER_US).then(|| {
        let (mine, theirs) = (ms(p95 as f64), ms(theirs as f64));
        format!("95 % of its answers came within {mine}, of the old version within {theirs}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(requests: u64, errors: u64, us: u64) -> Seen {
        Seen { requests, errors, buckets: vec![(us, requests)] }
    }

    fn bad(canary: &Canary, new: &Seen, old: &Seen) -> bool {
        matches!(judge(canary, new, old), Verdict::Bad(_))
    }

    #[test]
    fn failures_count_when_they_are_no_chance() {
        let canary = Canary::default();
        let old = seen(900, 0, 1_000);
        assert_eq!(judge(&canary, &seen(100, 0, 1_000), &old), Verdict::Fine);
        assert_eq!(judge(&canary, &seen(99, 0, 1_000), &old), Verdict::TooFew);
        assert_eq!(
            judge(&canary, &seen(100, 1, 1_000), &old),
            Verdict::Fine,
            "one of a hundred may be chance"
        );
        assert!(bad(&canary, &seen(100, 6, 1_000), &old));
        assert!(bad(&canary, &seen(4, 3, 1_000), &old), "what is plain is said before there are a hundred");
        assert_eq!(judge(&canary, &seen(1, 1, 1_000), &old), Verdict::TooFew);
        // Both fail alike: the new one is not worse.
        assert_eq!(judge(&canary, &seen(100, 6, 1_000), &seen(900, 54, 1_000)), Verdict::Fine);
        let limited = Canary { errors: Some(100), ..canary };
        assert_eq!(
            judge(&limited, &seen(100, 6, 1_000), &seen(900, 54, 1_000)),
            Verdict::Fine,
            "nor by a limit"
        );
        assert!(bad(&limited, &seen(100, 6, 1_000), &seen(0, 0, 1_000)), "the limit is enough to tell");
        let unlimited = Canary { errors: None, ..limited };
        assert_eq!(
            judge(&unlimited, &seen(100, 40, 1_000), &seen(0, 0, 1)),
            Verdict::TooFew,
            "nothing to compare with"
        );
    }

    /// Probabilities of `k` or more of `n` at a share, by hand: 0.01 ^ 2; 1 − 0.99 ^ 10; and the example of a fair coin.
    #[test]
    fn the_exact_test_is_exact() {
        assert!(exceeds(2, 2, 0.01) && !exceeds(1, 1, 0.01) && !exceeds(1, 10, 0.01));
        // Of 20 throws 17 or more are heads once in 776 times, 16 or more once in 169.
        assert!(exceeds(17, 20, 0.5) && !exceeds(16, 20, 0.5));
        assert!(exceeds(1, 100, 0.0) && !exceeds(0, 100, 0.0) && !exceeds(100, 100, 1.0));
        // Many: 5.3 deviations above, and 1.
        assert!(exceeds(50_840, 1_000_000, 0.05 * 0.99) && !exceeds(50_217, 1_000_000, 0.05));
    }

    #[test]
    fn slowness_counts_against_the_limit_and_against_the_old_one() {
        let canary = Canary::default();
        let old = seen(900, 0, 20_000);
        assert_eq!(judge(&canary, &seen(100, 0, 39_000), &old), Verdict::Fine, "1.5 times and 10 ms more");
        assert!(bad(&canary, &seen(100, 0, 60_000), &old));
        assert_eq!(
            judge(&canary, &seen(100, 0, 60_000), &seen(99, 0, 1)),
            Verdict::TooFew,
            "too little to compare"
        );
        assert_eq!(judge(&canary, &seen(3, 0, 900_000), &old), Verdict::TooFew, "the first answers are slow");
        let limited = Canary { p95_ms: Some(50), ..canary };
        assert!(bad(&limited, &seen(100, 0, 60_000), &seen(0, 0, 1)));
        assert!(!bad(&limited, &seen(100, 0, 52_000), &seen(0, 0, 1)), "the bucket of the limit");
        assert!(!bad(&limited, &seen(100, 0, 60_000), &seen(900, 0, 58_000)), "the old one is as slow");
    }

    #[test]
    fn what_lies_between_two_looks_is_counted() {
        let status = |requests, errors, buckets: &[(u64, u64)]| VersionStatus {
            requests,
            errors,
            buckets: buckets.to_vec(),
            ..VersionStatus::default()
        };
        let (before, now) = (status(10, 1, &[(5, 4), (9, 6)]), status(30, 2, &[(5, 4), (7, 10), (9, 16)]));
        let between = Seen { requests: 20, errors: 1, buckets: vec![(7, 10), (9, 10)] };
        assert_eq!(Seen::between(Some(&before), Some(&now)), between);
        assert_eq!(between.p95_us(), Some(9));
        assert_eq!(Seen::between(None, Some(&now)).requests, 30);
        assert_eq!(Seen::between(Some(&now), Some(&before)).requests, 10, "started again");
        assert_eq!(Seen::between(Some(&now), None), Seen::default());
        let gone = status(10, 1, &[]);
        let between = Seen::between(Some(&gone), Some(&now));
        assert_eq!((between.requests, between.errors, between.p95_us()), (20, 1, None), "it had no upstream");
    }

    /// However often it is looked at, a version that is as good as the old one is seldom called bad.
    #[test]
    fn an_equal_version_is_let_through() {
        let canary = Canary { requests: 500, ..Canary::default() };
        let mut wrong = 0;
        for seed in 0..200_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut random = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % 1000
            };
            let (mut new, mut old) = (seen(0, 0, 1_000), seen(0, 0, 1_000));
            for _ in 0..100 {
                for _ in 0..5 {
                    new.errors += u64::from(random() < 20);
                }
                for _ in 0..45 {
                    old.errors += u64::from(random() < 20);
                }
                (new.requests, old.requests) = (new.requests + 5, old.requests + 45);
                (new.buckets[0].1, old.buckets[0].1) = (new.requests, old.requests);
                if bad(&canary, &new, &old) {
                    wrong += 1;
                    break;
                }
            }
        }
        assert!(wrong <= 2, "{wrong} of 200");
    }
}
