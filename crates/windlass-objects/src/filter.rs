//! Which names the filters of a line leave over.

use crate::{Filter, Roots, glob::Glob};

/// The filters of a line, joined to both of its roots. One list serves both listings, as in aws-cli: each pattern is
/// tried at both roots, and the last that matches decides. What none matches is included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filters(Vec<Joined>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Joined {
    include: bool,
    from: Glob,
    to: Glob,
}

impl Filters {
    pub(crate) fn new(filters: &[Filter], roots: &Roots) -> Self {
        let joined = |filter: &Filter| Joined {
            include: filter.include,
            from: Glob::new(&roots.from.join(&filter.pattern)),
            to: Glob::new(&roots.to.join(&filter.pattern)),
        };
        Self(filters.iter().map(joined).collect())
    }

    /// Whether `path`, with its bucket in front or absolute, is left over.
    pub(crate) fn include(&self, path: &str) -> bool {
        let decides = self.0.iter().rev().find(|f| f.from.matches(path) || f.to.matches(path));
        decides.is_none_or(|filter| filter.include)
    }

    /// Whether nothing that begins with `start` is left over, as far as the text alone proves it.
    pub(crate) fn hides_all(&self, start: &str) -> bool {
        for filter in self.0.iter().rev() {
            for glob in [&filter.from, &filter.to] {
                if !filter.include && glob.is_prefix() && start.starts_with(&glob.literal()) {
                    return true;
                }
            }
            let may_match = |glob: &Glob| {
                let literal = glob.literal();
                literal.starts_with(start) || (!glob.is_literal() && start.starts_with(&literal))
            };
            if filter.include && (may_match(&filter.from) || may_match(&filter.to)) {
                return false;
            }
        }
        false
    }
}
