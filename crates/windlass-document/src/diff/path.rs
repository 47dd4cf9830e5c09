//! The path behind `---` and `+++`.

/// What is wrong with a path.
pub(super) struct BadPath {
    pub(super) message: &'static str,
    pub(super) help: &'static str,
}

/// The path in the rest of a `---` or `+++` line. `blanks`: an unquoted path may hold blanks (unified form, where
/// git writes them as they are).
pub(super) fn read(rest: &str, blanks: bool) -> Result<String, BadPath> {
    let rest = rest.trim();
    let path = if let Some(quoted) = rest.strip_prefix('"') {
        unquote(quoted).ok_or(BadPath {
            message: "the quoted path cannot be read",
            help: "write the path as it is, without quotes and escapes, or as git quotes it",
        })?
    } else {
        // `diff -u` writes a tab and the time behind the name.
        let path = rest.split('\t').next().unwrap_or_default().trim_end();
        if !blanks && path.contains(' ') {
            return Err(BadPath {
                message: "a path with blanks must be in double quotes",
                help: "quote the path; to remove a line that starts with `-- `, write a git unified diff with `@@` lines",
            });
        }
        path.to_owned()
    };
    check(&path)?;
    Ok(path)
}

fn check(path: &str) -> Result<(), BadPath> {
    let help = "write the path of one file, absolute or relative to the folder of the target";
    let message = if path.is_empty() {
        "the path is empty"
    } else if path.split('/').any(|part| part == "..") {
        "the path leaves its folder with `..`"
    } else if path.ends_with('/') || path.ends_with("/.") || path == "." {
        "the path names a folder"
    } else if path.starts_with('~') {
        "`~` is not expanded here"
    } else if path.contains(char::is_control) {
        "the path contains a control character"
    } else {
        return Ok(());
    };
    Err(BadPath { message, help })
}

/// Decodes git's quoting (C escapes and octal bytes) up to the closing quote.
fn unquote(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        let (first, tail) = rest.split_first()?;
        rest = tail;
        match first {
            b'"' => return if rest.trim_ascii().is_empty() { String::from_utf8(bytes).ok() } else { None },
            b'\\' => {
                let (escape, tail) = rest.split_first()?;
                rest = tail;
                bytes.push(match escape {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'"' | b'\\' => *escape,
                    b'0'..=b'3' => {
                        let digits = rest.get(..2).filter(|d| d.iter().all(|d| (b'0'..=b'7').contains(d)))?;
                        rest = &rest[2..];
                        (escape - b'0') * 64 + (digits[0] - b'0') * 8 + (digits[1] - b'0')
                    }
                    _ => return None,
                });
            }
            _ => bytes.push(*first),
        }
    }
}

/// The path of a unified header: both names must be the same file.
pub(super) fn join(old: &str, new: &str) -> Option<String> {
    if let (Some(old), Some(new)) = (old.strip_prefix("a/"), new.strip_prefix("b/"))
        && old == new
    {
        return Some(old.to_owned());
    }
    (old == new).then(|| old.to_owned())
}

/// The same file under two spellings has one key.
pub(super) fn key(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Whether the rest of a `--- ` line could be a path rather than the text of an SQL comment.
pub(super) fn is_likely(rest: &str) -> bool {
    let rest = rest.trim();
    !rest.is_empty() && !rest.contains(' ') && rest.contains(['.', '/'])
}
