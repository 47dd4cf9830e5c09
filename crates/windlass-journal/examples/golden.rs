//! Writes a journal of format N, one entry a line, as the golden file of the tests has it:
//! `cargo run -p windlass-journal --example golden N > crates/windlass-journal/tests/journal/golden/format-N.jsonl`.
//! Only for a new format, beside the files of the old ones.

use std::io::Write as _;

#[path = "../tests/journal/golden/events.rs"]
mod golden;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../lab/scene.rs"]
mod scene;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let entries = match std::env::args().nth(1).as_deref() {
        Some("1") => golden::entries(),
        _ => golden::entries_2(),
    };
    for entry in entries {
        writeln!(out, "{}", serde_json::to_string(&entry)?)?;
    }
    Ok(())
}
