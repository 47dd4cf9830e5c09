//! What a dump program writes, on its way: read as it comes, counted, its end remembered; no wait without a bound.

use super::count::Counter;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    pipe::fcntl_setpipe_size,
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::{
    error::Error,
    fmt,
    io::{self, Read, Write},
    os::fd::AsFd,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};
use windlass_driver::Failure;
use windlass_plan::UrlKind;

/// Bytes moved at a time.
pub(crate) const CHUNK: usize = 256 * 1024;
/// Room in a pipe, bytes: the program goes on while this side compresses.
const PIPE: usize = 1024 * 1024;
/// Longest time between two looks whether to go on.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Time between two lines of progress.
pub(crate) const TELL: Duration = Duration::from_secs(1);
/// Bytes of the end that are looked at for the last line of a complete dump.
const ENDING: usize = 512;

/// Who may end the work, and who hears of it.
pub(crate) struct Watch<'a> {
    /// Whether to go on although nothing has moved for so long; asked about ten times a second.
    pub(crate) go_on: &'a dyn Fn(Duration) -> Result<(), Failure>,
    /// How many bytes came so far; told about once a second.
    pub(crate) moved: &'a dyn Fn(u64),
    /// Most bytes a second.
    pub(crate) rate_bytes: Option<u64>,
}

/// The work was ended by its [`Watch`].
#[derive(Debug)]
struct Stopped(Failure);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for Stopped {}

/// Why the work ended: by its watch, or by `other` of what the system said.
pub(crate) fn why(error: io::Error, other: impl FnOnce(io::Error) -> Failure) -> Failure {
    match error.downcast::<Stopped>() {
        Ok(stopped) => stopped.0,
        Err(error) => other(error),
    }
}

/// One end of a pipe, waited for only as long as the watch allows.
pub(crate) struct Bounded<'a, T> {
    pipe: T,
    watch: &'a Watch<'a>,
}

/// A pipe that holds more; without the right to that it is only slower.
fn widened<T: AsFd>(pipe: T) -> T {
    let _ = fcntl_setpipe_size(&pipe, PIPE);
    pipe
}

impl<'a, T: AsFd> Bounded<'a, T> {
    pub(crate) fn new(pipe: T, watch: &'a Watch<'a>) -> io::Result<Self> {
        let pipe = widened(pipe);
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(Self { pipe, watch })
    }

    /// Tries until it can be done.
    fn when(
        &mut self,
        flags: PollFlags,
        mut attempt: impl FnMut(&mut T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let since = Instant::now();
        loop {
            match attempt(&mut self.pipe) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
            self.watch.wait(&self.pipe, flags, since)?;
        }
    }
}

impl<T: AsFd + Read> Read for Bounded<'_, T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.when(PollFlags::IN, |pipe| pipe.read(bytes))
    }
}

impl<T: AsFd + Write> Write for Bounded<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.when(PollFlags::OUT, |pipe| pipe.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

impl<'a> Watch<'a> {
    /// One that only ends what is silent.
    pub(crate) fn silent(go_on: &'a dyn Fn(Duration) -> Result<(), Failure>) -> Self {
        Self { go_on, moved: &|_| (), rate_bytes: None }
    }

    fn check(&self, since: Instant) -> io::Result<()> {
        (self.go_on)(since.elapsed()).map_err(|failure| io::Error::other(Stopped(failure)))
    }

    /// Waits a moment, or until something happens at `fd`.
    fn wait(&self, fd: impl AsFd, flags: PollFlags, since: Instant) -> io::Result<bool> {
        self.check(since)?;
        match poll(&mut [PollFd::new(&fd, flags)], Some(&LOOK)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// How a program ended, once it has.
    pub(crate) fn ended(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let handle = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        let since = Instant::now();
        while !self.wait(&handle, PollFlags::IN, since)? {}
        child.wait()
    }

    /// Moves all that `output` gives into `sink`.
    pub(super) fn pump(
        &self,
        output: &mut dyn Read,
        sink: &mut dyn Write,
        counter: &mut Counter,
    ) -> io::Result<Ending> {
        let mut chunk = vec![0; CHUNK];
        let (mut ending, mut done, mut told) = (Ending::default(), 0_u64, Instant::now());
        let mut pace = self.rate_bytes.map(Pace::new);
        loop {
            let read = match output.read(&mut chunk)? {
                0 => return Ok(ending),
                read => &chunk[..read],
            };
            // A program that never pauses is stopped here.
            self.check(Instant::now())?;
            if let Some(pace) = &mut pace {
                pace.came(read.len() as u64, Instant::now());
                while let Some(rest) = pace.rest(Instant::now()) {
                    std::thread::sleep(rest);
                    self.check(Instant::now())?;
                }
            }
            sink.write_all(read)?;
            counter.feed(read);
            ending.feed(read);
            done += read.len() as u64;
            if told.elapsed() > TELL {
                told = Instant::now();
                (self.moved)(done);
            }
        }
    }
}

/// Bytes that come no faster than they may, over any stretch of time but for a [`MOMENT`]: what a stall left unused is lost,
/// for it is the database that is spared.
pub(crate) struct Pace {
    /// When everything that came so far may have come.
    due: Instant,
    rate_bytes: u64,
}

/// Longest rest at once, and how much of the time that was not used counts.
const MOMENT: Duration = Duration::from_millis(100);

impl Pace {
    pub(crate) fn new(rate_bytes: u64) -> Self {
        Self { due: Instant::now(), rate_bytes }
    }

    /// So many bytes have come just now.
    pub(crate) fn came(&mut self, bytes: u64, now: Instant) {
        let began = self.due.max(now.checked_sub(MOMENT).unwrap_or(now));
        self.due = began + Duration::from_secs_f64(bytes as f64 / self.rate_bytes as f64);
    }

    /// How long to rest, at most a moment, before more may come.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        let left = self.due.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(left.min(MOMENT))
    }
}

/// The last bytes of a dump.
#[derive(Default)]
pub(crate) struct Ending(Vec<u8>);

impl Ending {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&bytes[bytes.len().saturating_sub(ENDING)..]);
        self.0.drain(..self.0.len().saturating_sub(ENDING));
    }

    /// Whether the dump program's own last line is there: `pg_dump` and `mysqldump` write it only behind everything
    /// else. A newer `pg_dump` writes `\unrestrict …` behind it.
    pub(crate) fn is_complete(&self, kind: UrlKind) -> bool {
        let last = match kind {
            UrlKind::Postgresql => "-- PostgreSQL database dump complete",
            _ => "-- Dump completed",
        };
        String::from_utf8_lossy(&self.0).lines().any(|line| line.starts_with(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_not_made_up_for() {
        const RATE: u64 = 1000;
        let began = Instant::now();
        let mut pace = Pace { due: began, rate_bytes: RATE };
        // It stands still for a minute, then everything comes at once.
        let mut now = began + Duration::from_secs(60);
        let (awake, mut bytes) = (now, 0);
        while now < awake + Duration::from_secs(10) {
            pace.came(50, now);
            bytes += 50;
            while let Some(rest) = pace.rest(now) {
                assert!(rest <= MOMENT);
                now += rest;
            }
        }
        let most = RATE * 10 + RATE / 10 + 50;
        assert!((RATE * 10..=most).contains(&bytes), "{bytes} bytes in ten seconds");
    }
}
