//! Prints docs/rules.md.
#![expect(clippy::print_stdout, reason = "printing is all that this program does")]

fn main() {
    print!("{}", windlass_document::rules_markdown());
}
