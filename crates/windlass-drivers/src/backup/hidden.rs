//! A text that other programs read as a file, and that is gone with this process however it ends.

use std::{
    fs::{File, Permissions},
    io::{self, Write as _},
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

/// A file without a name, in memory. Programs open it through `/proc` as this process's: none inherits it, so the commands of a document, which may run
/// meanwhile, do not hold it either. Readable for its owner only, as psql asks of a file with a password.
#[derive(Debug)]
pub(super) struct Hidden {
    /// What keeps it.
    _file: File,
    path: PathBuf,
}

impl Hidden {
    pub(super) fn new(text: &str) -> io::Result<Self> {
        let mut file = File::from(rustix::fs::memfd_create("windlass", rustix::fs::MemfdFlags::CLOEXEC)?);
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        // Of this process by its number: in a child, which is to open it, `self` would be the child.
        let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
        // A machine without `/proc` says so here and not as a wrong password.
        File::open(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(Self { _file: file, path })
    }

    /// Valid as long as this lives.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn others_read_it_as_often_as_they_like_and_inherit_nothing() {
        let hidden = Hidden::new("let me in").unwrap();
        for _ in 0..2 {
            let output = Command::new("cat").arg(hidden.path()).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "let me in");
        }
        let number = hidden.path().file_name().unwrap().to_str().unwrap();
        let inherited =
            Command::new("test").args(["-e", &format!("/proc/self/fd/{number}")]).status().unwrap();
        assert_eq!(inherited.code(), Some(1));
        let mode = std::fs::metadata(hidden.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
