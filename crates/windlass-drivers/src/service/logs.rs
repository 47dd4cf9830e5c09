//! Logs of an instance.
//!
//! The process writes to `out.log` itself, not through a pipe of the supervisor: a pipe without its reader would kill
//! or block the service when the supervisor dies. So the file is rotated by copying and cutting it (the process has
//! it open for appending and goes on at the new end). A line written in the instant between the last copied byte and
//! the cut is lost: microseconds, once per rotation.

use std::{
    fs,
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
};

/// Log lines quoted in errors.
pub const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 16 * 1024;

fn numbered(log: &Path, number: u32) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Rotates `log` when it is longer than `bytes_max`; keeps `keep` old ones. Whether it did.
pub fn rotate(log: &Path, bytes_max: u64, keep: u32) -> io::Result<bool> {
    if fs::metadata(log).map_or(0, |meta| meta.len()) <= bytes_max {
        return Ok(false);
    }
    let mut file = fs::OpenOptions::new().read(true).write(true).open(log)?;
    if keep > 0 {
        for number in (1..keep).rev() {
            match fs::rename(numbered(log, number), numbered(log, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // Reads until the end, also what is written meanwhile.
        io::copy(&mut file, &mut fs::File::create(numbered(log, 1))?)?;
    }
    file.set_len(0)?;
    Ok(true)
}

/// The last lines of a log; what was rotated away counts when the log itself is nearly empty.
pub fn tail(log: &Path, lines_max: usize) -> Vec<String> {
    let mut lines = last_lines(log, lines_max);
    if lines.len() < lines_max {
        let mut older = last_lines(&numbered(log, 1), lines_max - lines.len());
        older.append(&mut lines);
        lines = older;
    }
    lines
}

fn last_lines(log: &Path, lines_max: usize) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(io::SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = vec![];
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // A log that cannot be read must not hide the error it was wanted for.
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(lines_max)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn rotation_keeps_a_number_of_old_logs_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("out.log");
        let mut writer = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        for round in 0..5 {
            writer.write_all(format!("round {round}\n").as_bytes()).unwrap();
            assert!(rotate(&log, 3, 2).unwrap());
        }
        writer.write_all(b"now").unwrap();
        assert!(!rotate(&log, 3, 2).unwrap(), "short enough");
        assert_eq!(fs::read_to_string(&log).unwrap(), "now");
        assert_eq!(fs::read_to_string(numbered(&log, 1)).unwrap(), "round 4\n");
        assert_eq!(fs::read_to_string(numbered(&log, 2)).unwrap(), "round 3\n");
        assert!(!numbered(&log, 3).exists());
    }

    #[test]
    fn a_tail_reaches_into_the_rotated_log_and_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("out.log");
        fs::write(numbered(&log, 1), "a\nb\n").unwrap();
        fs::write(&log, "c\n").unwrap();
        assert_eq!(tail(&log, 2), ["b", "c"]);
        assert_eq!(tail(&log, 20), ["a", "b", "c"]);
        fs::write(&log, "x".repeat(100_000)).unwrap();
        assert!(tail(&log, 1)[0].len() <= 16 * 1024);
        assert!(tail(&folder.path().join("none"), 3).is_empty());
    }
}
