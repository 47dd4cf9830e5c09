//! Paths as text: joined and compared without looking at a disk.

/// `path`, seen from `dir`.
pub(crate) fn join(dir: Option<&str>, path: &str) -> String {
    match dir {
        Some(dir) if !path.starts_with('/') => format!("{}/{path}", dir.trim_end_matches('/')),
        _ => path.to_owned(),
    }
}

/// The path without `.`, doubled slashes and, where the text alone can tell, `..`.
pub(crate) fn normal(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if absolute { format!("/{joined}") } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_and_normal() {
        assert_eq!(join(None, "a"), "a");
        assert_eq!(join(Some("/srv/"), "a"), "/srv/a");
        assert_eq!(join(Some("/srv"), "/etc"), "/etc");
        for (path, expected) in [
            ("a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("../b", "../b"),
            ("../../b", "../../b"),
            ("/../b", "/b"),
            ("./", ""),
            ("/", "/"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
    }
}
