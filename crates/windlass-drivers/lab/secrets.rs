//! Secrets of the tests.

use windlass_driver::Secrets;
use windlass_plan::Secret;

/// Knows one secret: `hunter2`.
pub struct OneSecret;

impl Secrets for OneSecret {
    fn resolve(&self, _: &Secret) -> Result<String, String> {
        Err("not in this test".into())
    }

    fn mask(&self, text: &str) -> String {
        text.replace("hunter2", "****")
    }
}
