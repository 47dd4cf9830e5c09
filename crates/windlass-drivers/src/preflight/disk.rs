//! Whether there is space where a release writes. Drivers compare backups and copies with what is left themselves; here the floor is
//! looked at, below which nothing can be done.

use super::{
    checked,
    question::{Answer, Answers, Question},
};
use crate::disk::human_bytes;
use std::path::Path;
use windlass_plan::{Checked, Needs, Place, State, Written};

/// With less a disk is full, KiB: whatever writes fails.
const FULL_KIB: u64 = 1024;
/// With less it deserves a look, KiB.
const LOW_KIB: u64 = 256 * 1024;
/// The same where images come.
const LOW_IMAGES_KIB: u64 = 2 * 1024 * 1024;
/// With less no folder of a run can be made.
const FULL_INODES: u64 = 100;
const LOW_INODES: u64 = 5_000;

/// A folder that is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Folder {
    /// What this machine keeps of runs.
    Kept(String),
    /// What a host keeps of lines.
    State,
    /// Where units write.
    Written(Written),
}

/// What a host is asked of.
pub(super) fn folders(needs: &Needs, kept: &Path) -> Vec<Folder> {
    let mut folders = Vec::new();
    if needs.host == "local" {
        folders.push(Folder::Kept(super::absolute(kept)));
    } else if needs.lines {
        folders.push(Folder::State);
    }
    folders.extend(needs.written.iter().cloned().map(Folder::Written));
    folders
}

pub(super) fn judge(needs: &Needs, questions: &[Question], answers: &Answers) -> Vec<Checked> {
    let (mut worse, mut fine, mut unknown) = (Vec::new(), 0, Vec::new());
    for (at, question) in questions.iter().enumerate() {
        let Question::Disk(folder) = question else { continue };
        match answers.of(at) {
            Some(Answer::Disk(Some(kib), inodes, path)) => match complaint(folder, *kib, *inodes) {
                Some((state, said)) => {
                    let said = format!("{path} ({}): {said}", title(folder));
                    worse.push(checked(needs, "disk", state, said));
                }
                None => fine += 1,
            },
            _ => unknown.push(title(folder)),
        }
    }
    // Several folders on one full disk are one matter each: a person mends them one by one.
    if fine > 0 {
        let floor = human_bytes(LOW_KIB * 1024);
        let said = format!("{fine} {} with at least {floor}", if fine == 1 { "folder" } else { "folders" });
        worse.push(checked(needs, "disk", State::Ok, said));
    }
    if !unknown.is_empty() {
        let said = format!("not known of {}: {}", unknown.join(", "), answers.why());
        worse.push(checked(needs, "disk", State::Unknown, said));
    }
    worse
}

/// What is wrong, if anything is.
fn complaint(folder: &Folder, kib: u64, inodes: Option<u64>) -> Option<(State, String)> {
    let low = if is_images(folder) { LOW_IMAGES_KIB } else { LOW_KIB };
    let size = |kib: u64| human_bytes(kib.saturating_mul(1024));
    if kib < FULL_KIB {
        return Some(full(folder, format!("the disk is full: {} left", size(kib))));
    }
    match inodes {
        Some(inodes) if inodes < FULL_INODES => {
            return Some(full(folder, format!("the disk has no room for more files: {inodes} inodes left")));
        }
        Some(inodes) if inodes < LOW_INODES => {
            return Some((State::Warning, format!("{inodes} inodes left; fewer than {LOW_INODES} are few")));
        }
        _ => {}
    }
    (kib < low).then(|| (State::Warning, format!("{} left; less than {} is little", size(kib), size(low))))
}

/// A full disk is an error, unless something may make room.
fn full(folder: &Folder, said: String) -> (State, String) {
    match folder {
        Folder::Written(Written { maker: Some(maker), .. }) => {
            (State::Warning, format!("{said}; {maker} may make room"))
        }
        _ => (State::Error, said),
    }
}

fn is_images(folder: &Folder) -> bool {
    matches!(folder, Folder::Written(Written { place: Place::Images, .. }))
}

fn title(folder: &Folder) -> &'static str {
    match folder {
        Folder::Kept(_) => "what Windlass keeps of runs",
        Folder::State => "what Windlass keeps of lines",
        Folder::Written(written) => match written.place {
            Place::Work(_) => "working folder",
            Place::Backups(_) => "backups",
            Place::Images => "images of docker",
        },
    }
}
