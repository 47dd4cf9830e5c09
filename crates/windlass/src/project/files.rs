//! The files that `files="…"` stands for.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use windlass_plan::{FileSource, SourceFile, Unreadable};

/// Files of one pattern.
const FILES_MAX: usize = 1_000;
/// Bytes of all of them.
const BYTES_MAX: u64 = 64 * MIB;
const MIB: u64 = 1024 * 1024;

/// Files below the folder of `windlass.toml`.
pub struct SqlFiles {
    base: PathBuf,
}

impl SqlFiles {
    pub fn new(base: PathBuf) -> Self {
        Self { base }
    }

    fn names(&self, pattern: &str) -> Result<Vec<String>, String> {
        let mut names = vec![String::new()];
        if pattern.starts_with('/') {
            return Err("the pattern must be relative to the folder of windlass.toml".into());
        }
        for part in pattern.split('/').filter(|part| !matches!(*part, "" | ".")) {
            if part == ".." {
                return Err("the pattern must stay below the folder of windlass.toml".into());
            }
            names = self.descend(&names, part)?;
            if names.len() > FILES_MAX {
                return Err(format!("more than {FILES_MAX} files match"));
            }
        }
        names.retain(|name| self.base.join(name).is_file());
        names.sort_unstable();
        Ok(names)
    }

    /// The entries of `folders` that match one part of a pattern.
    fn descend(&self, folders: &[String], part: &str) -> Result<Vec<String>, String> {
        let join = |folder: &String, name: &str| {
            if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
        };
        if !part.contains(['*', '?']) {
            return Ok(folders.iter().map(|folder| join(folder, part)).collect());
        }
        let mut found = Vec::new();
        for folder in folders {
            for entry in entries(&self.base.join(folder))? {
                // A leading dot has to be written, as in a shell.
                if matches(part, &entry) && (part.starts_with('.') || !entry.starts_with('.')) {
                    found.push(join(folder, &entry));
                }
            }
        }
        Ok(found)
    }
}

fn entries(folder: &Path) -> Result<Vec<String>, String> {
    let list = match fs::read_dir(folder) {
        Ok(list) => list,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(format!("cannot read {}: {error}", folder.display())),
    };
    let mut names = Vec::new();
    for entry in list {
        let entry = entry.map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| format!("{} is not UTF-8", entry.path().display()))?;
        names.push(name.to_owned());
    }
    Ok(names)
}

/// `*` is any run of characters, `?` any one; linear apart from the stars.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<_>, Vec<_>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The text of a file, or the place of the first byte that is none.
fn utf8(name: &str, bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!(
            "{name}:{line}:{column}: this is not UTF-8 (see byte {good}); if it is GBK: `iconv -f GBK -t UTF-8 {name}`"
        )
    })
}

impl FileSource for SqlFiles {
    fn files(&self, pattern: &str) -> Result<Vec<SourceFile>, String> {
        let mut left = BYTES_MAX;
        let mut files = Vec::new();
        for name in self.names(pattern)? {
            let path = self.base.join(&name);
            let size = fs::metadata(&path).map_err(|error| format!("cannot read {name}: {error}"))?.len();
            left = left
                .checked_sub(size)
                .ok_or_else(|| format!("the files have more than {BYTES_MAX} bytes"))?;
            let bytes = fs::read(&path).map_err(|error| format!("cannot read {name}: {error}"))?;
            let text = utf8(&name, bytes)?;
            files.push(SourceFile { name, line: 1, text });
        }
        Ok(files)
    }

    fn file(&self, path: &str) -> Result<SourceFile, Unreadable> {
        let other = |why: &dyn std::fmt::Display| Unreadable::Other(format!("{path} cannot be read: {why}"));
        let full = self.base.join(path);
        // Neither a pipe nor a device is opened: it could keep the command waiting for ever.
        let meta = fs::metadata(&full).map_err(|error| other(&error))?;
        if !meta.is_file() {
            return Err(other(&"it is no regular file"));
        }
        if meta.len() > BYTES_MAX {
            let (mib, max) = (meta.len() / MIB, BYTES_MAX / MIB);
            let why = format!("{path} has {mib} MiB, and at most {max} are read statement by statement");
            return Err(Unreadable::TooLong(why));
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(&full).map_err(|error| other(&error))?;
        file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| other(&error))?;
        let text = utf8(path, bytes).map_err(Unreadable::Other)?;
        Ok(SourceFile { name: path.to_owned(), line: 1, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("*.sql", "001.sql", true),
            ("*.sql", "001.sql.bak", false),
            ("00?_*.sql", "001_建表.sql", true),
            ("00?_*.sql", "01_x.sql", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("x", "x", true),
            ("?", "表", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(40), &"a".repeat(39)), "many stars end quickly");
    }

    #[test]
    fn files_come_sorted_by_name_and_stay_below_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("m/x")).unwrap();
        for name in ["m/010.sql", "m/002.sql", "m/.hidden.sql", "m/x/a.sql", "m/readme"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let files = SqlFiles::new(dir.path().to_owned());
        let names = |pattern: &str| -> Vec<_> {
            files.files(pattern).unwrap().into_iter().map(|file| file.name).collect()
        };
        assert_eq!(names("m/*.sql"), ["m/002.sql", "m/010.sql"]);
        assert_eq!(names("./m/*/?.sql"), ["m/x/a.sql"]);
        assert_eq!(names("m/002.sql"), ["m/002.sql"]);
        assert!(names("nowhere/*.sql").is_empty());
        assert!(files.files("../*.sql").is_err());
        assert!(files.files("/etc/*.conf").is_err());
        fs::write(dir.path().join("m/bad.sql"), b"ab\xFF").unwrap();
        assert!(
            files
                .files("m/bad.sql")
                .unwrap_err()
                .starts_with("m/bad.sql:1:3: this is not UTF-8 (see byte 2)")
        );
        fs::File::create(dir.path().join("m/huge.sql")).unwrap().set_len(100 * 1024 * 1024).unwrap();
        assert!(files.files("m/huge.sql").unwrap_err().contains("more than 67108864 bytes"));
    }
}
