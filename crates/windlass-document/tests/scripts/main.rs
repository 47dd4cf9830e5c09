//! Generated tests of the fence parsers. A failure prints the seed; `SEED` in the source of the test replays it.

mod diff_tool;
mod mutation;
mod random;
mod shell_words;
