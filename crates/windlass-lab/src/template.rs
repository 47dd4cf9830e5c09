//! Initialised data folders: making one takes seconds, copying one a fraction of that. They are kept below `target/lab/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::process::{command, run};

/// Goes up when what is put into a fresh data folder changes.
const EDITION: u32 = 3;

/// Where `lab/install` puts servers, and this module data folders.
pub fn lab() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the crate lies two folders below the root").join("target/lab")
}

/// Puts a fresh data folder to `to`. The first time `make` fills `scratch`, which does not exist yet.
pub fn copy(name: &str, scratch: &Path, to: &Path, make: impl FnOnce(&Path)) {
    let uid = rustix::process::geteuid().as_raw();
    let kept = lab().join("fresh").join(format!("{name}-{EDITION}-{uid}"));
    if !kept.is_dir() {
        fill(&kept, scratch, make);
    }
    run(command("cp").args(["-a", "--reflink=auto", "--sparse=auto"]).arg(&kept).arg(to));
}

/// One process makes it, the others wait.
fn fill(kept: &Path, scratch: &Path, make: impl FnOnce(&Path)) {
    let parent = kept.parent().expect("a path with a name");
    fs::create_dir_all(parent).unwrap_or_else(|e| panic!("lab: {} cannot be made: {e}", parent.display()));
    let lock = fs::File::create(kept.with_extension("lock"));
    let lock = lock.unwrap_or_else(|e| panic!("lab: no lock beside {}: {e}", kept.display()));
    lock.lock().unwrap_or_else(|e| panic!("lab: {} cannot be locked: {e}", kept.display()));
    if kept.is_dir() {
        return;
    }
    make(scratch);
    let unfinished = kept.with_extension("new");
    drop(fs::remove_dir_all(&unfinished));
    run(command("cp").arg("-a").arg(scratch).arg(&unfinished));
    fs::rename(&unfinished, kept).unwrap_or_else(|e| panic!("lab: {} cannot be kept: {e}", kept.display()));
    run(command("rm").arg("-rf").arg(scratch));
}
