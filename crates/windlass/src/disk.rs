//! Files that are written as a whole.

use crate::project::folder_of;
use std::{
    fs::{self, File, Permissions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

/// So long is waited for others who change a file.
const ALONE_MAX: Duration = Duration::from_secs(10);
/// Between two looks whether they are done.
const LOOK: Duration = Duration::from_millis(50);

/// Puts `content` in the place of a file; after a crash it has its old content or the new one. Who may read it stays as it was.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // A link stays one: what it leads to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let permissions = match fs::metadata(&path) {
        Ok(meta) if !meta.is_file() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(meta) => Some(meta.permissions()),
        Err(_) => None,
    };
    let folder = folder_of(&path);
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        // Of a new file, less what the person's umask takes.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(&folder)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    File::open(folder)?.sync_all()
}

/// Nobody else who asks changes files of this file's folder until the answer is dropped: for those who write what they have read before.
pub fn alone(path: &Path) -> io::Result<File> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (folder, began) = (File::open(folder_of(&path))?, Instant::now());
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) if began.elapsed() < ALONE_MAX => std::thread::sleep(LOOK),
            Err(TryLockError::WouldBlock) => {
                let message = "another windlass writes in this folder";
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{alone, replace};
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn rights_and_links_stay_and_nothing_is_left_beside() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("log.md"), dir.path().join("link.md"));
        replace(&file, b"one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(replace(dir.path(), b"x").is_err(), "a folder is no file");
        assert!(replace(std::path::Path::new("/dev/null"), b"x").is_err(), "a device stays one");
        assert!(replace(&dir.path().join("no/file"), b"x").is_err());
    }

    #[test]
    fn who_reads_and_writes_alone_loses_nothing_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.md");
        replace(&log, b"").unwrap();
        let add = |line: &'static str| {
            let log = log.clone();
            std::thread::spawn(move || {
                for _ in 0..10 {
                    let _alone = alone(&log).unwrap();
                    let text = fs::read_to_string(&log).unwrap() + line;
                    replace(&log, text.as_bytes()).unwrap();
                }
            })
        };
        for thread in [add("a"), add("b"), add("c")] {
            thread.join().unwrap();
        }
        assert_eq!(fs::read(&log).unwrap().len(), 30);
    }
}
