//! Small, durable file work that several drivers share.

use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file and its length in bytes.
pub(crate) fn sha256_file(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex(&hasher.finalize()), length));
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
}

/// What is said of something that was kept and is not there.
pub(crate) const GONE: &str = "is gone (`windlass prune` removes it after `policy.keep.backup`)";

/// That a file which was kept is not there; `None`: it is, or cannot be looked at.
pub(crate) fn gone(file: &Path) -> Option<String> {
    is_gone(file).then(|| format!("{} {GONE}", file.display()))
}

/// Whether a file is certainly not there.
pub(crate) fn is_gone(file: &Path) -> bool {
    matches!(file.try_exists(), Ok(false))
}

/// What is wrong with a file that had this SHA-256; `None`: it is unchanged.
pub(crate) fn complaint(file: &Path, sha256: &str) -> Option<String> {
    match sha256_file(file) {
        Ok((found, _)) if found == sha256 => None,
        Ok((found, _)) => {
            Some(format!("{} was changed: SHA-256 {found} instead of {sha256}", file.display()))
        }
        Err(error) => Some(format!("{}: {error}", file.display())),
    }
}

/// Makes names created, renamed or removed in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a file so that after any crash it has either its old or its new content: temporary file, fsync, rename,
/// fsync of the folder.
pub(crate) fn write_durable(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, |temporary| File::create(temporary))
}

/// The same for what only its owner may read, at no moment anybody else.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, |temporary| {
        // One of a try that was killed may be readable to others.
        match fs::remove_file(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)
    })
}

fn replace(path: &Path, content: &[u8], open: impl Fn(&Path) -> io::Result<File>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = folder.join(name);
    let write = || {
        let mut file = open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    if let Err(error) = write() {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(folder)
}

/// The path that `name` means: relative to `dir`, which is relative to `base`. `~` is not expanded.
pub(crate) fn resolve(base: &Path, dir: Option<&str>, name: &str) -> PathBuf {
    // Collected anew from its parts: `dir = "."` leaves no `/./` in what people read.
    dir.map_or_else(|| base.to_owned(), |dir| base.join(dir)).join(name).components().collect()
}

/// Free bytes on the disk of `folder`, as far as this user may fill it.
pub(crate) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Fails if `bytes` more would not fit on the disk of `folder`, with a little to spare.
pub(crate) fn room_for(bytes: u64, folder: &Path) -> io::Result<()> {
    fits(bytes, free_bytes(folder)?)
}

/// Fails if `bytes` more would not fit into what is free, with a little to spare.
pub(crate) fn fits(bytes: u64, free: u64) -> io::Result<()> {
    const SPARE: u64 = 16 * 1024 * 1024;
    if free < bytes.saturating_add(SPARE.min(bytes)) {
        let text = format!("{} are needed and {} free", human_bytes(bytes), human_bytes(free));
        return Err(io::Error::new(io::ErrorKind::StorageFull, text));
    }
    Ok(())
}

/// A number of bytes for people.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `text` on one line and at most `max` characters, for messages.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.chars().count() <= max {
        return joined;
    }
    joined.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hash_and_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        write_durable(&file, b"abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_file(&file).unwrap(), (expected.to_owned(), 3));
        assert_eq!(sha256(b"abc"), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn what_is_private_is_so_whatever_was_there() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        // Of a try that was killed, by another umask.
        let left = folder.path().join("f.tmp");
        fs::write(&left, b"old").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&file, b"abc").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"abc");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!left.exists());
    }

    #[test]
    fn text_for_people() {
        assert_eq!(human_bytes(1023), "1023 bytes");
        assert_eq!(human_bytes(1536), "1.5 KiB");
        assert_eq!(human_bytes(5 << 30), "5.0 GiB");
        assert_eq!(one_line(" a\n  b ", 10), "a b");
        assert_eq!(one_line("数据库备份", 3), "数据…");
    }

    #[test]
    fn paths_start_at_the_base() {
        let base = Path::new("/b");
        assert_eq!(resolve(base, None, "f"), Path::new("/b/f"));
        assert_eq!(resolve(base, Some("d"), "f"), Path::new("/b/d/f"));
        assert_eq!(resolve(base, Some("/d"), "~/f"), Path::new("/d/~/f"));
        assert_eq!(resolve(base, Some("/d"), "/f"), Path::new("/f"));
    }
}
