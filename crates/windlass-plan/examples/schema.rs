//! Prints docs/windlass.schema.json: `cargo run -p windlass-plan --example schema > docs/windlass.schema.json`.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(windlass_plan::config_schema().as_bytes())
}
