//! Texts by seed: pieces of the runbooks, cut and spliced.

use super::{adopted, sound};
use crate::{Source, adopt};

const TEXTS: [&str; 5] = [
    include_str!("../../../../examples/runbooks/000-backend-release-2.1.0.zh.md"),
    include_str!("../../../../examples/runbooks/001-concurrent-migration.ja.md"),
    include_str!("../../../../examples/runbooks/002-cshine-update-guide.zh.md"),
    include_str!("../../../../examples/runbooks/003-postgresql-migration-sop.zh.md"),
    include_str!("../../../../examples/runbooks/004-update-protocol.zh.md"),
];

/// Bits that break things.
const BITS: &[&str] = &[
    "```",
    "~~~\n",
    "```markdown\n",
    "\n---\n",
    "| a | b |\n|---|---|\n",
    "- [ ] ",
    "$ ",
    "# ",
    "\r\n",
    "\r",
    "\u{feff}",
    "\0",
    "<<EOF\n",
    "'",
    "\"",
    "`",
    "$(",
    "\\\n",
    "    ",
    "\t",
    "> ",
    "1. ",
    "ssh a@b\n",
    "cd x\n",
    "exit\n",
    "-->",
    "<!--",
    "\u{a0}",
    "{#a on=b}",
    ";",
    "sudo ",
    "vim x\n",
    "\\q\n",
    "mysql> ",
    "{code}\n",
    ".. code-block:: sh\n\n   ls /x\n",
    "h1. x\n",
    "<pre>\n",
    "----\n",
    "[source,sh]\n",
    "==== x ====\n",
    "[ ] x\n",
];

/// Numbers by seed (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound.max(1) as u64).unwrap()
    }
}

fn piece<'t>(numbers: &mut Numbers, text: &'t str) -> &'t str {
    let cut = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (a, b) = (cut(numbers.below(text.len())), cut(numbers.below(text.len())));
    let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 1500));
    &text[from..cut(to)]
}

fn text(seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut made = String::new();
    for _ in 0..2 + numbers.below(6) {
        if numbers.below(3) == 0 {
            made.push_str(BITS[numbers.below(BITS.len())]);
        } else {
            let whole = TEXTS[numbers.below(TEXTS.len())];
            made.push_str(piece(&mut numbers, whole));
        }
    }
    made
}

#[test]
fn nothing_panics_and_nothing_is_invented() {
    let one = option_env!("ADOPT_SEED").and_then(|seed| seed.parse().ok());
    let seeds = one.map_or(0..150, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let made = text(seed);
        let result = std::panic::catch_unwind(|| {
            let adopted = adopted(&made);
            sound(&made, &adopted);
            drop(adopt(Source { name: "x.sh", text: &made, script: true, ways: &[] }));
        });
        assert!(
            result.is_ok(),
            "seed {seed}; again: ADOPT_SEED={seed} cargo test --workspace --lib nothing_is_invented\n{made}"
        );
    }
}

/// Processor time of this thread, seconds.
fn spent(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let before = now();
    work();
    now() - before
}

#[test]
fn work_grows_with_the_text_and_no_faster() {
    let shapes: [(&str, &str); 9] = [
        ("sessions", "$ docker compose pull\n"),
        ("statements", "update a set b = 1 where c = 2;\n"),
        ("words", "update the page, then select a window with the team\n"),
        ("headings", "## 方式 1\n\n```sh\nls /x\n```\n"),
        ("fences", "```markdown\n"),
        ("items", "- run `docker compose pull`\n"),
        ("placeholders", "ssh <host> </ x.x.x\n"),
        ("quotes", "'\n"),
        ("tables", "| `ls /x` | b |\n|---|---|\n"),
    ];
    for (name, piece) in shapes {
        let (short, long) = (piece.repeat(300), piece.repeat(2400));
        let few = spent(|| drop(adopted(&short))).max(0.004);
        let many = spent(|| drop(adopted(&long)));
        // Eight times the text; squared it would be 64 times the work.
        assert!(many / few < 26.0, "{name}: {few:.3} s for 300, {many:.3} s for 2400");
    }
}
