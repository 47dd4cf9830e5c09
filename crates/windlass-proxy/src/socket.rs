//! The control socket: a Unix socket whose path may be longer than the system allows.
//!
//! `sun_path` holds 107 bytes and a state folder may lie deep. Beyond that the folder is opened and the socket named
//! through it, as `/proc/self/fd/N/control.sock`.

use std::{
    fs::File,
    io,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// File name of the control socket in the state folder.
pub(crate) const NAME: &str = "control.sock";

/// Longest path that fits `sockaddr_un` with its final zero.
const PATH_MAX: usize = 107;

/// Longest line of the protocol. A switch of 256 upstreams is far below.
pub(crate) const LINE_MAX: u64 = 1 << 20;

/// A path to `name` in `dir` that is short enough; the file keeps the folder open as long as the path is used.
fn short(dir: &Path, name: &str) -> io::Result<(PathBuf, Option<File>)> {
    let path = dir.join(name);
    if path.as_os_str().as_bytes().len() <= PATH_MAX {
        return Ok((path, None));
    }
    let flags = rustix::fs::OFlags::DIRECTORY.bits().cast_signed();
    let folder = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(dir)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd())), Some(folder)))
}

/// Connects to the proxy of this state folder, or to one that finishes its connections there.
pub(crate) async fn connect(dir: &Path, name: &str) -> io::Result<tokio::net::UnixStream> {
    let (path, _folder) = short(dir, name)?;
    tokio::net::UnixStream::connect(&path).await
}

/// Listens, mode 0600, replacing the socket of a process before us in one step: there is no moment without one.
pub(crate) fn listen(dir: &Path, name: &str) -> io::Result<tokio::net::UnixListener> {
    let fresh = format!("{name}.new");
    match std::fs::remove_file(dir.join(&fresh)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (path, _folder) = short(dir, &fresh)?;
    let listener = tokio::net::UnixListener::bind(&path)?;
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(dir.join(&fresh), owner_only)?;
    std::fs::rename(dir.join(&fresh), dir.join(name))?;
    Ok(listener)
}

/// Whether the peer may give commands: the same user, or root. File modes of a folder that a person made are not
/// ours to trust.
pub(crate) fn may_command(stream: &tokio::net::UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    async fn round_trip(dir: &Path) {
        let listener = listen(dir, NAME).unwrap();
        let mode = std::fs::metadata(dir.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (client, server) = tokio::join!(connect(dir, NAME), listener.accept());
        client.unwrap();
        assert!(may_command(&server.unwrap().0));
    }

    #[tokio::test]
    async fn a_path_beyond_the_limit_works() {
        let temp = tempfile::tempdir().unwrap();
        round_trip(temp.path()).await;
        let mut dir = temp.path().to_path_buf();
        for _ in 0..8 {
            dir.push("a-folder-name-of-some-length-as-deep-projects-have");
        }
        std::fs::create_dir_all(&dir).unwrap();
        assert!(dir.as_os_str().len() > 300);
        round_trip(&dir).await;
        // Once more over the socket of "a process before".
        round_trip(&dir).await;
    }
}
