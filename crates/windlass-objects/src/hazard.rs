//! What is wrong with a line, as far as its words alone tell.

use crate::{Filter, ObjectLine, Place, Roots, Scene, Verb, filter::Filters};

/// Something that a line does and that its author may not want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hazard {
    /// The destination is below the source, and no filter keeps it out: aws-cli copies its own copies, without end when a
    /// listing has more than a page.
    IntoItself,
    /// Source and destination are the same.
    OntoItself,
    /// The source is below the destination, and `--delete` deletes it: it is not in the source under that name.
    DeletesSource,
    /// The destination is below the source, and a filter hides it: from the comparison too, so every run copies all.
    CopiesAllAgain,
    /// This `--include`, by its number among the filters: nothing is excluded in front of it.
    IncludeWithoutEffect(usize),
    /// This `--exclude` has no wildcard: it keeps out one object of exactly that name, and nothing below it.
    ExcludesOneName(usize),
    /// This filter begins with `/`: nothing in a bucket does.
    FilterFromRoot(usize),
    /// The last filter excludes everything: nothing is left.
    ExcludesEverything(usize),
    /// The key has no `/` at its end: `prefix` and `prefix/` mean the same here, and `prefix2/` is not meant.
    NoSlash,
}

impl ObjectLine {
    /// What is wrong with this line as far as its words tell.
    #[must_use]
    pub fn hazards(&self) -> Vec<Hazard> {
        // Overlaps are of buckets only, so the folder that local paths begin in is no matter.
        let scene = Scene { cwd: "/".to_owned(), to_is_folder: false };
        let roots = Roots::new(self, &scene);
        let mut hazards = Vec::new();
        if self.verb != Verb::Remove && self.is_recursive() {
            hazards.extend(self.overlap(&roots));
        }
        if self.is_recursive() {
            hazards.extend(self.filter_hazards());
            hazards.extend(self.no_slash());
        }
        hazards
    }

    /// What it writes, as `bucket/prefix/` or `bucket/key`; none: files of this machine, or nothing.
    #[must_use]
    pub fn writes(&self) -> Option<String> {
        let roots = Roots::new(self, &Scene { cwd: "/".to_owned(), to_is_folder: false });
        (self.verb != Verb::Remove && roots.to.is_s3()).then(|| roots.to.path().to_owned())
    }

    /// What it moves away or deletes, as `bucket/prefix/` or `bucket/key`; none: files of this machine, or nothing.
    #[must_use]
    pub fn takes(&self) -> Option<String> {
        let roots = Roots::new(self, &Scene { cwd: "/".to_owned(), to_is_folder: false });
        let root = match self.verb {
            Verb::Move | Verb::Remove => roots.from,
            Verb::Sync if self.options.delete => roots.to,
            Verb::Sync | Verb::Copy => return None,
        };
        (root.is_s3() && !self.options.dryrun).then(|| root.path().to_owned())
    }

    /// Whether it may take something that begins with `path` (`bucket/prefix/`): filters may leave nothing of it.
    #[must_use]
    pub fn takes_below(&self, path: &str) -> bool {
        let roots = Roots::new(self, &Scene { cwd: "/".to_owned(), to_is_folder: false });
        let Some(taken) = self.takes() else { return false };
        let covers = self.is_recursive() && path.starts_with(&taken);
        (covers || taken.starts_with(path)) && !Filters::new(&self.options.filters, &roots).hides_all(path)
    }

    fn overlap(&self, roots: &Roots) -> Option<Hazard> {
        if !(roots.from.is_s3() && roots.to.is_s3()) {
            return None;
        }
        let (from, to) = (roots.from.path(), roots.to.path());
        if from == to {
            return Some(Hazard::OntoItself);
        }
        if from.starts_with(to) {
            // Without `--delete` it is as a rule what was meant (`staging/` to the root of its bucket). It does harm only where the source
            // has its own name once more below itself, which the words do not tell: the preview does (`Surprise`).
            return self.options.delete.then_some(Hazard::DeletesSource);
        }
        if !to.starts_with(from) {
            return None;
        }
        let hidden = Filters::new(&self.options.filters, roots).hides_all(to);
        match hidden {
            false => Some(Hazard::IntoItself),
            true => (self.verb == Verb::Sync).then_some(Hazard::CopiesAllAgain),
        }
    }

    fn filter_hazards(&self) -> impl Iterator<Item = Hazard> {
        let filters = &self.options.filters;
        let first_exclude = filters.iter().position(|filter| !filter.include).unwrap_or(filters.len());
        let local = !self.from.is_s3() || self.to.as_ref().is_some_and(|to| !to.is_s3());
        let all = filters.len().checked_sub(1).filter(|last| {
            let filter = &filters[*last];
            !filter.include && filter.pattern.chars().all(|c| c == '*') && !filter.pattern.is_empty()
        });
        let of = move |(at, filter): (usize, &Filter)| match filter {
            _ if all == Some(at) => Some(Hazard::ExcludesEverything(at)),
            filter if !local && filter.pattern.starts_with('/') => Some(Hazard::FilterFromRoot(at)),
            filter if filter.include && at < first_exclude => Some(Hazard::IncludeWithoutEffect(at)),
            filter if !filter.include && !filter.pattern.contains(['*', '?', '[']) => {
                Some(Hazard::ExcludesOneName(at))
            }
            _ => None,
        };
        filters.iter().enumerate().filter_map(of)
    }

    fn no_slash(&self) -> Option<Hazard> {
        let open = |place: &Place| match place {
            Place::S3 { key, .. } => !key.is_empty() && !key.ends_with('/'),
            Place::Local { .. } => false,
        };
        (open(&self.from) || self.to.as_ref().is_some_and(open)).then_some(Hazard::NoSlash)
    }
}
