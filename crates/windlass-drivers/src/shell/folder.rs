//! The folder of one try of one line: what is written before it starts, and what can be read while and after it runs.

use crate::{disk, process::ProcessId};
use std::{
    fs::{self, DirBuilder},
    io::{self, Read as _, Seek as _},
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
};
use windlass_document::shell::quote;
use windlass_driver::{Context, OUTPUT_BYTES_MAX};
use windlass_plan::Unit;

/// The wrapper; a header with its variables goes before it.
pub(super) const WRAPPER: &str = include_str!("wrapper.sh");

/// A line's output file is cut when it passes this many bytes (looked at once a second), so that a runaway line does
/// not fill the disk. The last 64 KiB before the cut are kept in `output.cut`.
pub(super) const OUTPUT_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Text of the claim when the controller took it, so that the line can never run.
const PREVENTED: &str = "prevented";

/// Bytes at the beginning and at the end of an output file that are read for an excerpt.
const EDGE: u64 = 64 * 1024;

/// Folder of one try.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// Who has the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nobody yet.
    Free,
    /// The line: it runs or ran.
    Line(ProcessId),
    /// The controller: it never runs.
    Prevented,
}

impl Folder {
    /// The folder of the latest repetition of the try that `cx` names.
    pub(super) fn of(cx: &Context) -> Self {
        let mut folder = Self::repetition(cx, 1);
        for number in 2.. {
            let next = Self::repetition(cx, number);
            if fs::symlink_metadata(&next.0).is_err() {
                break;
            }
            folder = next;
        }
        folder
    }

    /// The folder for a further repetition of a try; `within=` repeats a reading line inside one try.
    pub(super) fn next(cx: &Context) -> Self {
        let free = |folder: &Self| fs::symlink_metadata(&folder.0).is_err();
        (1..).map(|number| Self::repetition(cx, number)).find(free).expect("repetitions are finitely many")
    }

    fn repetition(cx: &Context, number: u32) -> Self {
        let attempt = cx.attempt;
        let name =
            if number == 1 { format!("attempt-{attempt}") } else { format!("attempt-{attempt}.{number}") };
        Self(cx.workspace.join(name))
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Creates it, readable by its owner only, with the script and the wrapper, durably.
    /// Fails with `AlreadyExists` if this try was prepared before.
    pub(super) fn prepare(&self, cx: &Context, unit: &Unit, script: &str, work: &Path) -> io::Result<()> {
        fs::create_dir_all(&cx.workspace)?;
        DirBuilder::new().mode(0o700).create(&self.0)?;
        let header = [
            ("folder", self.0.to_string_lossy().into_owned()),
            ("work", work.to_string_lossy().into_owned()),
            ("output_bytes_max", OUTPUT_FILE_BYTES_MAX.to_string()),
            ("WINDLASS_RUN", cx.run.clone()),
            ("WINDLASS_UNIT", unit.id.0.clone()),
            ("WINDLASS_ATTEMPT", cx.attempt.to_string()),
        ];
        let header: String =
            header.iter().map(|(name, value)| format!("{name}={}\n", quote(value))).collect();
        let exports = "export WINDLASS_RUN WINDLASS_UNIT WINDLASS_ATTEMPT\n";
        disk::write_durable(&self.file("script"), format!("{script}\n").as_bytes())?;
        disk::write_durable(&self.file("run"), format!("{header}{exports}{WRAPPER}").as_bytes())?;
        disk::sync_folder(&cx.workspace)
    }

    /// Exit status of the line, if it ended.
    pub(super) fn status(&self) -> Option<i32> {
        self.link("status")?.parse().ok()
    }

    /// How long ago it ended, milliseconds, by the clock of the folder's file system; `None`: not, or nobody knows.
    pub(super) fn ended_ms_ago(&self) -> Option<u64> {
        let ended = fs::symlink_metadata(self.file("status")).ok()?.modified().ok()?;
        let ago = std::time::SystemTime::now().duration_since(ended).unwrap_or_default();
        Some(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
    }

    /// Who has the claim.
    pub(super) fn claim(&self) -> Claim {
        match self.link("claim") {
            None => Claim::Free,
            Some(text) => ProcessId::parse(&text).map_or(Claim::Prevented, Claim::Line),
        }
    }

    /// Notes that the line is being stopped, for a controller that comes after this one. Best effort: a full disk must
    /// not keep the line running.
    pub(super) fn begin_stop(&self) {
        let _ = symlink("line", self.file("stopping"));
    }

    /// Whether the line was being stopped.
    pub(super) fn stop_begun(&self) -> bool {
        self.link("stopping").is_some()
    }

    /// The wrapper, once it runs.
    pub(super) fn wrapper(&self) -> Option<ProcessId> {
        ProcessId::parse(&self.link("wrapper")?)
    }

    /// Takes the claim, so that the line can never run. False if it was taken before.
    pub(super) fn prevent(&self) -> io::Result<bool> {
        match symlink(PREVENTED, self.file("claim")) {
            Ok(()) => disk::sync_folder(&self.0).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn link(&self, name: &str) -> Option<String> {
        Some(fs::read_link(self.file(name)).ok()?.to_str()?.to_owned())
    }

    /// Takes secrets out of the output files, once the line has ended. What cannot be rewritten is removed: output can
    /// be had again, a secret on disk cannot be taken back.
    pub(super) fn mask_files(&self, mask: &dyn Fn(&str) -> String) {
        for path in [self.file("output"), self.file("output.cut")] {
            let Ok(bytes) = fs::read(&path) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let masked = mask(&text);
            if masked != text && fs::write(&path, masked).is_err() {
                // Nothing more can be done about a file that can be neither written nor removed.
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// Beginning and end of the output, masked, at most [`OUTPUT_BYTES_MAX`] bytes. Masked before it is cut, so that a
    /// cut never leaves a part of a secret.
    pub(super) fn excerpt(&self, mask: &dyn Fn(&str) -> String) -> String {
        let cut =
            edges(&self.file("output.cut"), mask).map(|text| format!("… cut: too much output …\n{text}\n"));
        let output = edges(&self.file("output"), mask).unwrap_or_default();
        windlass_driver::excerpt(&(cut.unwrap_or_default() + &output))
    }
}

/// The text of a file, or when it is long its first and last [`EDGE`] bytes shortened to half an excerpt each.
fn edges(path: &Path, mask: &dyn Fn(&str) -> String) -> Option<String> {
    let mut file = fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut read = |from: u64, count: u64| {
        let mut bytes = vec![];
        file.seek(io::SeekFrom::Start(from)).ok()?;
        file.by_ref().take(count).read_to_end(&mut bytes).ok()?;
        Some(mask(&String::from_utf8_lossy(&bytes)))
    };
    if length <= 2 * EDGE {
        return read(0, length);
    }
    let (head, tail) = (read(0, EDGE)?, read(length - EDGE, EDGE)?);
    let half = OUTPUT_BYTES_MAX / 2 - 64;
    let head = &head[..head.floor_char_boundary(half)];
    let tail = &tail[tail.ceil_char_boundary(tail.len().saturating_sub(half))..];
    Some(format!("{head}\n… {} bytes left out …\n{tail}", length as usize - head.len() - tail.len()))
}

/// Passes output on by whole lines, masked.
#[derive(Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    masked: bool,
}

impl Lines {
    /// Longest line held back until it ends, in bytes.
    const PENDING_BYTES_MAX: usize = 64 * 1024;

    /// What came now.
    pub(super) fn add(&mut self, cx: &Context, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
        self.pass(cx, false);
    }

    /// Passes on what is whole. With `all`, an unfinished last line too.
    pub(super) fn pass(&mut self, cx: &Context, all: bool) {
        let line_end = self.pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let all = all || self.pending.len() - line_end > Self::PENDING_BYTES_MAX;
        let end = if all { self.pending.len() } else { line_end };
        if end > 0 {
            let piece: Vec<u8> = self.pending.drain(..end).collect();
            let text = String::from_utf8_lossy(&piece);
            let masked = cx.secrets.mask(&text);
            self.masked |= masked != text;
            (cx.output)(&masked);
        }
    }

    /// Whether anything that was passed on had a secret in it.
    pub(super) fn masked(&self) -> bool {
        self.masked
    }
}

/// Follows the output file while it grows.
pub(super) struct Tail {
    path: PathBuf,
    offset: u64,
    lines: Lines,
}

impl Tail {
    /// Follows the output of `folder` from its beginning.
    pub(super) fn new(folder: &Folder) -> Self {
        Self { path: folder.file("output"), offset: 0, lines: Lines::default() }
    }

    /// Passes on what is new. With `all`, an unfinished last line too.
    pub(super) fn pump(&mut self, cx: &Context, all: bool) {
        while let Some(piece) = self.read() {
            self.lines.add(cx, &piece);
        }
        if all {
            self.lines.pass(cx, true);
        }
    }

    /// One more piece, if there is one.
    fn read(&mut self) -> Option<Vec<u8>> {
        let mut file = fs::File::open(&self.path).ok()?;
        let length = file.metadata().map_or(0, |meta| meta.len());
        if length < self.offset {
            // The wrapper cut it.
            self.offset = 0;
        }
        let mut piece = vec![];
        file.seek(io::SeekFrom::Start(self.offset)).ok()?;
        let read = file.take(EDGE).read_to_end(&mut piece);
        self.offset += piece.len() as u64;
        matches!(read, Ok(count) if count > 0).then_some(piece)
    }
}
