//! Takes N units through their two durable transitions in a journal on disk, as a run does:
//! `cargo run --release --example append -- FILE N`. With `raw` for N: measures the disk's own rate of fsync instead.
//! Prints the milliseconds per transition.

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};
use windlass_journal::{Event, Owner, RunId, SqliteStore, Store, Unlinked};
use windlass_plan::UnitId;

/// Writes and fsyncs of the raw measurement.
const RAW: u32 = 200;

fn say(what: &str, count: u32, took: Duration) {
    let each = took.as_secs_f64() * 1000.0 / f64::from(count.max(1));
    let _ = writeln!(std::io::stdout(), "{what}: {count} in {took:?}, {each:.3} ms each");
}

fn raw(file: &Path) -> std::io::Result<()> {
    let mut file = File::create(file)?;
    let began = Instant::now();
    for _ in 0..RAW {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
    }
    say("raw writes of 4 KiB with fdatasync", RAW, began.elapsed());
    Ok(())
}

/// The journal answers at once; there is nothing to wait for.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("stores never wait"),
    }
}

fn units(file: &Path, units: u32) -> Result<(), Box<dyn std::error::Error>> {
    let store = SqliteStore::open(file)?;
    let owner = Owner { actor: "bench".into(), boot: String::new(), pid: 1, started: 0 };
    let seen = now(store.lease())?.map_or(0, |lease| lease.token);
    let token = now(store.take(seen, &owner, 1000, 0))?.token;
    let mut head = now(store.head())?.seq;
    let began = Instant::now();
    for n in 0..units {
        // An intent with its capsule, and a settlement of about the same size.
        for part in ["intent", "settlement"] {
            let note = format!("{part} of unit {n}: {}", "x".repeat(200));
            let event = Event::Confirmed { unit: UnitId(format!("step/{n}")), note };
            let entry = Unlinked { time_ms: 0, run: RunId("bench".into()), actor: "bench".into(), event };
            head = now(store.append(head, token, vec![entry]))?[0].seq;
        }
    }
    say("unit transitions", units * 2, began.elapsed());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut given = std::env::args().skip(1);
    let (file, count) = (given.next().ok_or("append FILE N|raw")?, given.next().ok_or("append FILE N|raw")?);
    match count.as_str() {
        "raw" => raw(Path::new(&file))?,
        count => units(Path::new(&file), count.parse()?)?,
    }
    Ok(())
}
