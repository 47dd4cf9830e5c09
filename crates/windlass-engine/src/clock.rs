//! Time, as a trait: the simulator brings its own.

use async_trait::async_trait;

/// A source of time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970, for people; may jump.
    fn wall_ms(&self) -> i64;

    /// Milliseconds since some moment; never goes back.
    fn monotonic_ms(&self) -> u64;

    /// Waits.
    async fn sleep(&self, ms: u64);
}
