//! Seeded mutations of real documents: what no grammar would generate.

use crate::{corpus, invariants};

/// Documents per run. A failure names its seed, which goes into [`SEEDS`].
const RUNS: u64 = 3_000;

/// Seeds that once failed.
const SEEDS: [u64; 0] = [];

/// xorshift64*: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("it is less than a usize")
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Pieces that mean something to a reader of release documents.
const PIECES: [&str; 48] = [
    "```",
    "````",
    "~~~",
    "```sh",
    "```sh {",
    "{#a}",
    "}",
    "{",
    "{prose}",
    "\"",
    "\\\"",
    "=",
    " ",
    "  ",
    "    ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "> ",
    "- ",
    "1. ",
    "- [ ] ",
    "- [x] ",
    "- [] ",
    "[ ]",
    "# ",
    "---\n",
    "...\n",
    "\u{feff}",
    "release: 1",
    "from:",
    ": ",
    "undo=a",
    "undoes=b",
    "on=db",
    "rows=1",
    "after=7d",
    "within=",
    "<!--",
    "-->",
    "<div>\n",
    "备份",
    "データ",
    "\u{3000}",
    "e\u{301}",
    "\u{1f680}",
    "|",
];

fn mutate(random: &mut Random, source: &mut Vec<u8>) {
    let at = boundary(source, random.below(source.len() + 1));
    let end = boundary(source, (at + random.below(200)).min(source.len()));
    match random.below(8) {
        0 => drop(source.drain(at..end)),
        1 => {
            let copy = source[at..end].to_vec();
            source.splice(at..at, copy);
        }
        2 => source.truncate(at.max(1)),
        3 => {
            let byte = u8::try_from(random.below(256)).expect("it is less than 256");
            if let Some(target) = source.get_mut(at) {
                *target = byte;
            }
        }
        _ => {
            let piece = random.pick(&PIECES);
            source.splice(at..at, piece.bytes());
        }
    }
}

/// Most mutations keep the text UTF-8, or nothing but that one rule would be tested.
fn boundary(source: &[u8], mut at: usize) -> usize {
    while at < source.len() && (source[at] & 0xC0) == 0x80 {
        at += 1;
    }
    at
}

fn run(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let documents = corpus::all();
    let whole = random.pick(&documents).as_bytes();
    // A window keeps the runs fast and puts the edges of the file everywhere.
    let start = if random.below(2) == 0 { 0 } else { boundary(whole, random.below(whole.len())) };
    let end = boundary(whole, (start + 200 + random.below(3_000)).min(whole.len()));
    let mut source = whole[start..end].to_vec();
    for _ in 0..1 + random.below(12) {
        mutate(&mut random, &mut source);
    }
    invariants::check(&source);
}

#[test]
fn no_mutation_breaks_the_reader() {
    for seed in SEEDS.into_iter().chain(0..RUNS) {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            panic!("seed {seed} fails (replay it by adding it to SEEDS): {}", text.unwrap_or_default());
        }
    }
}
