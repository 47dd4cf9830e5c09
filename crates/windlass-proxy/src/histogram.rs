//! Latencies in fixed memory: log-linear buckets, sixteen to each power of two, so a quantile is at most 6.25 % high.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Sub-buckets of each power of two.
const STEPS: u64 = 16;
/// Powers of two above the linear start: the last bucket begins at about 67 minutes.
const POWERS: usize = 28;
const BUCKETS: usize = STEPS as usize * (POWERS + 1);

/// Counts of latencies in microseconds; one writer thread, any reader.
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]) }
    }
}

impl Histogram {
    pub(crate) fn record(&self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)].fetch_add(1, Relaxed);
    }

    /// Adds its counts to `sum`, so that the parts of all workers can be read as one.
    pub(crate) fn add_to(&self, sum: &mut Counts) {
        for (bucket, total) in self.buckets.iter().zip(sum.0.iter_mut()) {
            *total += bucket.load(Relaxed);
        }
    }
}

/// A snapshot of one or more histograms.
pub(crate) struct Counts(Vec<u64>);

impl Default for Counts {
    fn default() -> Self {
        Self(vec![0; BUCKETS])
    }
}

impl Counts {
    /// Ends of the buckets that are not empty, microseconds, with their counts.
    pub(crate) fn filled(&self) -> Vec<(u64, u64)> {
        let counts = self.0.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(index, count)| (upper_us(index), *count)).collect()
    }

    /// Upper bound of the bucket that holds the quantile, milliseconds; 0 when nothing was counted.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        let total: u64 = self.0.iter().sum();
        let rank = ((total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.0.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_us(index) as f64 / 1000.0;
            }
        }
        0.0
    }
}

fn bucket(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let power = us.ilog2() - STEPS.ilog2();
    let step = (us >> power) - STEPS;
    ((u64::from(power) + 1) * STEPS + step).min(BUCKETS as u64 - 1) as usize
}

/// Largest value of a bucket.
fn upper_us(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let power = index / STEPS - 1;
    ((STEPS + index % STEPS + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_lies_in_its_bucket_and_at_most_a_sixteenth_below_its_end() {
        let mut us = 1_u64;
        while us < 1 << 32 {
            for us in [us - 1, us, us + 1, us * 3 / 2] {
                let index = bucket(us);
                assert!(upper_us(index) >= us, "{us}");
                assert!(index == 0 || upper_us(index - 1) < us, "{us}");
                assert!(upper_us(index) as f64 <= us as f64 * 1.0625, "{us}");
            }
            us *= 2;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_of_known_data() {
        let (one, two, mut sum) = (Histogram::default(), Histogram::default(), Counts::default());
        assert_eq!(sum.quantile_ms(0.99), 0.0);
        for ms in 1..=100 {
            let half = if ms % 2 == 0 { &one } else { &two };
            half.record(Duration::from_millis(ms));
        }
        one.add_to(&mut sum);
        two.add_to(&mut sum);
        for (quantile, true_ms) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = sum.quantile_ms(quantile);
            assert!((true_ms..=true_ms * 1.0625).contains(&found), "{quantile}: {found}");
        }
    }
}
