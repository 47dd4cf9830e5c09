//! Writes a journal of the present format, one entry a line, as the golden file of the tests has it:
//! `cargo run -p windlass-journal --example golden > crates/windlass-journal/tests/journal/golden/format-N.jsonl`.
//! Only for a new format, beside the files of the old ones.

use std::io::Write as _;

#[path = "../tests/journal/golden/events.rs"]
mod golden;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../lab/scene.rs"]
mod scene;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for entry in golden::entries() {
        writeln!(out, "{}", serde_json::to_string(&entry)?)?;
    }
    Ok(())
}
