//! Where a line begins at both ends: what stands in front of each relative name, and how a filter is joined to it.

use crate::{ObjectLine, Place};

/// What a line depends on besides its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// Absolute path of the folder that local paths are relative to, without symbolic links. Needed for nothing else.
    pub cwd: String,
    /// Whether the local destination is a folder that exists: then one object keeps its name inside of it.
    pub to_is_folder: bool,
}

/// One end of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// What stands in front of relative names: `bucket/prefix/`, or an absolute folder with `/`. Of a line that means one
    /// object: `bucket/key`, or an absolute path.
    path: String,
    /// What patterns are joined to.
    patterns: String,
    /// Bytes of `bucket/`; 0 of a local one.
    bucket: usize,
    /// It means all below it.
    recursive: bool,
    /// What is copied here keeps its name.
    keeps_name: bool,
}

impl Root {
    /// The root of `place`, as aws-cli computes it.
    #[must_use]
    pub fn new(place: &Place, recursive: bool, scene: &Scene) -> Self {
        match place {
            Place::S3 { bucket, key } => Self::s3(bucket, key, recursive),
            Place::Local { path } => Self::local(path, recursive, scene),
        }
    }

    fn s3(bucket: &str, key: &str, recursive: bool) -> Self {
        let mut path = format!("{bucket}/{key}");
        if recursive && !path.ends_with('/') {
            path.push('/');
        }
        let above = match key.rsplit_once('/') {
            _ if recursive || key.ends_with('/') => key,
            Some((above, _)) => above,
            None => "",
        };
        let keeps_name = path.ends_with('/');
        let patterns = format!("{bucket}/{above}");
        Self { path, patterns, bucket: bucket.len() + 1, recursive, keeps_name }
    }

    fn local(path: &str, recursive: bool, scene: &Scene) -> Self {
        let full = absolute(&scene.cwd, path);
        let patterns = if recursive {
            full.clone()
        } else {
            // The folder is taken before the path is made absolute.
            absolute(&scene.cwd, dirname(path))
        };
        let keeps_name = recursive || scene.to_is_folder || path.ends_with('/');
        let path = if keeps_name { format!("{full}/") } else { full };
        Self { path, patterns, bucket: 0, recursive, keeps_name }
    }

    /// In a bucket the prefix that all keys have which the line may mean, or the key if it means one object; else the
    /// absolute path of the folder or file.
    #[must_use]
    pub fn start(&self) -> &str {
        &self.path[self.bucket..]
    }

    /// The last part of its path: of a line that means one object the name of that.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The name of an object relative to this root; none if it is not below it.
    pub(crate) fn relative<'a>(&self, key: &'a str) -> Option<&'a str> {
        match (self.bucket, self.recursive) {
            (0, _) => Some(key),
            (_, true) => key.strip_prefix(self.start()),
            (_, false) => Some(key.rsplit_once('/').map_or(key, |(_, name)| name)),
        }
    }

    /// The path of aws-cli, which filters are tested against: with the bucket in front, or absolute.
    pub(crate) fn full(&self, key: &str) -> String {
        match (self.bucket, self.recursive || self.keeps_name) {
            (0, true) => format!("{}{key}", self.path),
            (0, false) => self.path.clone(),
            (bucket, _) => format!("{}{key}", &self.path[..bucket]),
        }
    }

    /// The key or absolute path here of what is called `relative` at the other end.
    pub(crate) fn destination(&self, relative: &str) -> String {
        if self.keeps_name { format!("{}{relative}", self.start()) } else { self.start().to_owned() }
    }

    /// A pattern joined to this root, by the rules of Python's `os.path.join`: an absolute one stays as it is.
    pub(crate) fn join(&self, pattern: &str) -> String {
        match pattern {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            relative if self.patterns.ends_with('/') => format!("{}{relative}", self.patterns),
            relative => format!("{}/{relative}", self.patterns),
        }
    }

    /// Whether it is in a bucket.
    pub(crate) fn is_s3(&self) -> bool {
        self.bucket > 0
    }

    /// `bucket/prefix/`, an absolute folder with `/`, or the whole path of one object.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// Both ends of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The source.
    pub from: Root,
    /// The destination; of `rm` the source again.
    pub to: Root,
}

impl Roots {
    /// The ends of `line`.
    #[must_use]
    pub fn new(line: &ObjectLine, scene: &Scene) -> Self {
        let recursive = line.is_recursive();
        // Whether the destination is a folder says nothing of the source.
        let source = Scene { to_is_folder: false, ..scene.clone() };
        let from = Root::new(&line.from, recursive, &source);
        let to = line.to.as_ref().map_or_else(|| from.clone(), |to| Root::new(to, recursive, scene));
        Self { from, to }
    }
}

fn dirname(path: &str) -> &str {
    let Some(at) = path.rfind('/') else { return "" };
    let above = path[..=at].trim_end_matches('/');
    if above.is_empty() { &path[..=at] } else { above }
}

/// Python's `os.path.abspath`: by the text alone, links are not looked at.
fn absolute(cwd: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{cwd}/{path}") };
    // POSIX leaves two slashes at the beginning to the system; three are one.
    let double = joined.starts_with("//") && !joined.starts_with("///");
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("{}{}", if double { "//" } else { "/" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(key: &str) -> Place {
        Place::S3 { bucket: "b".to_owned(), key: key.to_owned() }
    }

    fn local(path: &str) -> Place {
        Place::Local { path: path.to_owned() }
    }

    #[test]
    fn patterns_are_joined_to_the_root() {
        let scene = Scene { cwd: "/w".to_owned(), to_is_folder: false };
        for (place, recursive, joined) in [
            (s3(""), true, "b/p"),
            (s3("a"), true, "b/a/p"),
            (s3("a/"), true, "b/a/p"),
            (s3("a//"), true, "b/a//p"),
            (s3("a/k"), false, "b/a/p"),
            (s3("k"), false, "b/p"),
            (s3("a/"), false, "b/a/p"),
            (local("d"), true, "/w/d/p"),
            (local("d/f"), false, "/w/d/p"),
            (local("f"), false, "/w/p"),
            (local("../x/./d/"), true, "/x/d/p"),
            (local("/"), true, "/p"),
        ] {
            assert_eq!(Root::new(&place, recursive, &scene).join("p"), joined, "{place} {recursive}");
        }
        assert_eq!(Root::new(&s3("a"), true, &scene).join("/p"), "/p", "an absolute pattern leaves the root");
        assert_eq!(Root::new(&s3("a"), true, &scene).join(""), "b/a/");
    }

    #[test]
    fn one_object_keeps_its_name_in_a_folder() {
        let scene = Scene { cwd: "/w".to_owned(), to_is_folder: false };
        let folder = Scene { to_is_folder: true, ..scene.clone() };
        assert_eq!(Root::new(&s3("to/"), false, &scene).destination("k"), "to/k");
        assert_eq!(Root::new(&s3("to"), false, &scene).destination("k"), "to");
        assert_eq!(Root::new(&s3(""), false, &scene).destination("k"), "k");
        assert_eq!(Root::new(&local("d"), false, &scene).destination("k"), "/w/d");
        assert_eq!(Root::new(&local("d"), false, &folder).destination("k"), "/w/d/k");
        assert_eq!(Root::new(&local("d/"), false, &scene).destination("k"), "/w/d/k");
    }
}
