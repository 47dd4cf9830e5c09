//! What nginx reads: its files follow each other by `include`. To have a candidate checked without touching a live file, each
//! file that leads to it gets a copy beside it, in which the `include` names the copies.
//! <https://nginx.org/en/docs/ngx_core_module.html#include>

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

/// Behind the name of a copy, which begins with a dot: patterns of `include` do not match it (glob(7)).
const COPY: &str = ".windlass-check";
/// Files that include each other, one in the other: nginx itself ends somewhere above.
const DEPTH_MAX: u32 = 16;

/// A simple directive of a configuration.
struct Directive {
    /// Its words, without quotes.
    words: Vec<String>,
    /// From its first word to its semicolon.
    range: Range<usize>,
    /// Blocks around it.
    depth: usize,
}

/// All simple directives of a text, blocks left aside.
fn directives(text: &str) -> Vec<Directive> {
    let mut found = vec![];
    let (mut words, mut start, mut depth) = (Vec::<String>::new(), 0, 0_usize);
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            _ if char.is_ascii_whitespace() => {}
            '#' => while chars.next_if(|(_, char)| *char != '\n').is_some() {},
            ';' => {
                let words = std::mem::take(&mut words);
                found.push(Directive { words, range: start..at + 1, depth });
            }
            '{' => {
                words.clear();
                depth += 1;
            }
            '}' => {
                words.clear();
                depth = depth.saturating_sub(1);
            }
            _ => {
                if words.is_empty() {
                    start = at;
                }
                words.push(word(char, &mut chars));
            }
        }
    }
    found
}

type Chars<'t> = std::iter::Peekable<std::str::CharIndices<'t>>;

/// One word that begins with `first`.
fn word(first: char, chars: &mut Chars<'_>) -> String {
    let quote = matches!(first, '"' | '\'').then_some(first);
    let mut word = String::new();
    let mut next = if quote.is_some() { None } else { Some(first) };
    loop {
        let char = match next.take() {
            Some(char) => char,
            None => {
                let Some((_, char)) = chars.peek().copied() else { return word };
                let ends = match quote {
                    Some(quote) => char == quote,
                    None => {
                        char.is_ascii_whitespace() || char == ';' || (char == '{' && !word.ends_with('$'))
                    }
                };
                if ends {
                    if quote.is_some() {
                        chars.next();
                    }
                    return word;
                }
                chars.next();
                char
            }
        };
        if char == '\\' {
            word.extend(chars.next().map(|(_, char)| char));
        } else {
            word.push(char);
        }
    }
}

/// The value of a directive outside of all blocks.
pub fn setting(text: &str, name: &str) -> Option<String> {
    let all = directives(text).into_iter();
    all.filter(|one| one.depth == 0)
        .find_map(|one| one.words.split_first().filter(|(first, _)| *first == name)?.1.first().cloned())
}

/// Copies of all files that lead to one.
pub struct Copies<'a> {
    /// Folder that paths in the configuration start from.
    folder: &'a Path,
    /// The file, as the file system calls it.
    file: &'a Path,
    made: BTreeMap<PathBuf, Option<PathBuf>>,
}

impl<'a> Copies<'a> {
    /// Makes them for the configuration that begins at `main`, with `candidate` for the content of `file`; the copy of `main`,
    /// and all of them.
    ///
    /// # Errors
    /// A file cannot be read or written, or none leads to `file`; then no copy is left.
    pub fn make(main: &'a Path, file: &'a Path, candidate: &str) -> Result<(PathBuf, Made), String> {
        let folder = main.parent().unwrap_or(Path::new("/"));
        let mut made = Made::default();
        let mut copies = Self { folder, file, made: BTreeMap::new() };
        match copies.copy(main, candidate, 0, &mut made) {
            Ok(Some(copy)) => Ok((copy, made)),
            Ok(None) => Err(format!(
                "{} is not part of nginx's configuration: nothing in {} includes it",
                file.display(),
                main.display()
            )),
            Err(error) => Err(error),
        }
    }

    fn copy(
        &mut self,
        path: &Path,
        candidate: &str,
        depth: u32,
        made: &mut Made,
    ) -> Result<Option<PathBuf>, String> {
        let told = |error: io::Error| format!("{}: {error}", path.display());
        let real = fs::canonicalize(path).map_err(told)?;
        if let Some(known) = self.made.get(&real) {
            return Ok(known.clone());
        }
        if depth > DEPTH_MAX {
            return Err(format!("{}: more than {DEPTH_MAX} files include each other", path.display()));
        }
        let text = if real == self.file {
            Some(candidate.to_owned())
        } else {
            let bytes = fs::read(path).map_err(told)?;
            self.led(&String::from_utf8_lossy(&bytes), candidate, depth, made)?
        };
        let copy = match text {
            None => None,
            Some(text) => Some(made.add(path, &text).map_err(told)?),
        };
        self.made.insert(real, copy.clone());
        Ok(copy)
    }

    /// The text with other names in what leads to the file; `None`: nothing does.
    fn led(
        &mut self,
        text: &str,
        candidate: &str,
        depth: u32,
        made: &mut Made,
    ) -> Result<Option<String>, String> {
        let mut led = None::<String>;
        // From behind, so that places in front stay.
        for directive in directives(text).into_iter().rev() {
            let [first, pattern] = directive.words.as_slice() else { continue };
            if first != "include" {
                continue;
            }
            let (mut lines, mut leads) = (String::new(), false);
            for path in expand(&self.folder.join(pattern)).map_err(|error| format!("{pattern}: {error}"))? {
                let copy = self.copy(&path, candidate, depth + 1, made)?;
                leads |= copy.is_some();
                let path = copy.unwrap_or(path);
                lines += &format!("include \"{}\"; ", path.display());
            }
            if leads {
                let text = led.get_or_insert_with(|| text.to_owned());
                text.replace_range(directive.range, &lines);
            }
        }
        Ok(led)
    }
}

/// Copies that were made, and of which files; they go when this goes.
#[derive(Default)]
pub struct Made(Vec<(PathBuf, PathBuf)>);

impl Made {
    /// Makes one beside `path`, with another text.
    pub fn add(&mut self, path: &Path, text: &str) -> io::Result<PathBuf> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let copy = path.with_file_name(format!(".{name}{COPY}"));
        self.0.push((copy.clone(), path.to_owned()));
        // What a killed check left may be anything, and a link would be followed.
        match fs::remove_file(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&copy)?;
        file.set_permissions(fs::metadata(path)?.permissions())?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        Ok(copy)
    }

    /// What a program says of the copies, as of their files.
    pub fn told(&self, said: &str) -> String {
        self.0.iter().fold(said.to_owned(), |said, (copy, path)| {
            said.replace(&copy.display().to_string(), &path.display().to_string())
        })
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for (copy, _) in &self.0 {
            let _ = fs::remove_file(copy);
        }
    }
}

/// The files that a pattern of `include` means, in nginx's order; the pattern itself, when it has no wildcard.
fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        if !text.contains(['*', '?', '[']) {
            paths.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let mut longer = vec![];
        for folder in &paths {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            let names = entries.flatten().map(|entry| entry.file_name());
            let fits = |name: &std::ffi::OsString| matches(&text, &name.to_string_lossy());
            longer.extend(names.filter(fits).map(|name| folder.join(name)));
        }
        longer.sort();
        paths = longer;
    }
    if pattern.to_string_lossy().contains(['*', '?', '[']) {
        paths.retain(|path| path.exists());
    }
    Ok(paths)
}

/// One name and one pattern of glob(7).
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Where the last star began, to take one character more when what follows does not fit.
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < name.len() {
        let step = pattern.get(at).and_then(|char| match char {
            '*' => {
                star = Some((at + 1, of));
                Some((at + 1, of))
            }
            '?' => Some((at + 1, of + 1)),
            '[' => set(&pattern[at..], name[of]).map(|length| (at + length, of + 1)),
            '\\' => (pattern.get(at + 1) == Some(&name[of])).then_some((at + 2, of + 1)),
            char => (*char == name[of]).then_some((at + 1, of + 1)),
        });
        match (step, star) {
            (Some(next), _) => (at, of) = next,
            (None, Some((behind, from))) => {
                star = Some((behind, from + 1));
                (at, of) = (behind, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|char| *char == '*')
}

/// Whether a character is in the set that a pattern begins with; how long that is.
fn set(pattern: &[char], char: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let first = if negated { 2 } else { 1 };
    let end = first + 1 + pattern.get(first + 1..)?.iter().position(|char| *char == ']')?;
    let (mut inside, mut at) = (false, first);
    while at < end {
        if pattern.get(at + 1) == Some(&'-') && at + 2 < end {
            inside |= (pattern[at]..=pattern[at + 2]).contains(&char);
            at += 3;
        } else {
            inside |= pattern[at] == char;
            at += 1;
        }
    }
    (inside != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_as_nginx_reads_them() {
        let text = "user www; # include no;\nhttp {\n  include 'a b/*.conf' ;include c\\;d;\n  log_format x '{ include no; }';\n \
                    map $a $b { default ${c}d; }\n}\npid\n/run/x.pid;";
        let includes: Vec<String> = directives(text)
            .into_iter()
            .filter(|one| one.words[0] == "include")
            .map(|one| one.words[1].clone())
            .collect();
        assert_eq!(includes, ["a b/*.conf", "c;d"]);
        assert_eq!(setting(text, "pid").as_deref(), Some("/run/x.pid"));
        assert_eq!(setting(text, "include"), None, "inside of a block");
    }

    #[test]
    fn names_and_patterns() {
        for (pattern, name, fits) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".a.conf", false),
            ("*", ".a.conf.windlass-check", false),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "axxbyybzc", true),
            ("[a-c]?", "bz", true),
            ("[!a-c]?", "bz", false),
            ("[]x]", "]", true),
            ("a", "b", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn only_what_leads_to_the_file_is_copied_and_all_copies_go() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let file = |name: &str| root.join(name);
        for name in ["conf.d", "sites", "real"] {
            fs::create_dir(file(name)).unwrap();
        }
        fs::write(file("main"), "x;\nhttp { include mime; include conf.d/*.conf; }\n").unwrap();
        fs::write(file("mime"), "types;").unwrap();
        fs::write(file("conf.d/a.conf"), "a;").unwrap();
        fs::write(file("conf.d/b.conf"), "include sites/*;\n").unwrap();
        fs::write(file("real/web"), "old;").unwrap();
        std::os::unix::fs::symlink(file("real/web"), file("sites/web")).unwrap();
        let (main, real) = (file("main"), file("real/web"));
        let (copy, made) = Copies::make(&main, &real, "new;").unwrap();
        assert_eq!(copy, file(".main.windlass-check"));
        let of_b = file("conf.d/.b.conf.windlass-check");
        assert_eq!(
            fs::read_to_string(&copy).unwrap(),
            format!(
                "x;\nhttp {{ include mime; include \"{}\"; include \"{}\";  }}\n",
                file("conf.d/a.conf").display(),
                of_b.display()
            )
        );
        let of_web = file("sites/.web.windlass-check");
        assert_eq!(fs::read_to_string(of_b).unwrap(), format!("include \"{}\"; \n", of_web.display()));
        assert_eq!(fs::read_to_string(&of_web).unwrap(), "new;");
        assert_eq!(fs::read_to_string(&real).unwrap(), "old;");
        drop(made);
        assert!(!of_web.exists() && !copy.exists());
        assert_eq!(fs::read_dir(file("conf.d")).unwrap().count(), 2);
        fs::write(file("conf.d/b.conf"), "include other/*;\n").unwrap();
        assert!(Copies::make(&main, &real, "new;").err().unwrap().contains("nothing in"));
    }
}
