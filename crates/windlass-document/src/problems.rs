//! A bounded list of findings: text made of nothing but mistakes must not cost memory out of proportion.

use crate::{Finding, Span};

/// Findings kept per fence. A person fixes the first ones; the rest is counted.
const KEPT_MAX: usize = 200;

/// Collects the findings of one fence.
#[derive(Default)]
pub(crate) struct Problems {
    kept: Vec<Finding>,
    dropped: usize,
    last: Span,
}

impl Problems {
    /// Keeps what `make` returns, or only counts it when the list is full.
    pub(crate) fn add(&mut self, finding: Finding) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push(finding);
        } else {
            self.dropped += 1;
            self.last = finding.span;
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// All findings in order of place.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.kept.sort_by_key(|finding| (finding.span.start, finding.span.end));
        if self.dropped > 0 {
            let message = format!("{} more problems in this fence are not listed", self.dropped);
            self.kept.push(
                Finding::error("too-many-problems", self.last, message)
                    .why("only the first are kept")
                    .help("fix the ones above, then check again"),
            );
        }
        self.kept
    }
}
