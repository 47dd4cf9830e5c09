//! Prints docs/rules.md: `cargo run -p windlass-plan --example rules > docs/rules.md`.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(windlass_plan::rules_markdown().as_bytes())
}
