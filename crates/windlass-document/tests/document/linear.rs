//! The time is linear in the length of the input, whatever it is made of.

use crate::corpus;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use windlass_document::parse_str;

/// Sizes compared, in bytes.
const SMALL: usize = 32 * 1024;
const FACTOR: usize = 8;

/// Linear work takes 8 times as long for 8 times the input, quadratic work 64 times.
const RATIO_MAX: f64 = 24.0;

/// A busy machine can make linear work look slow, but never quadratic work look linear: the best of these counts.
const TRIES: usize = 20;

/// Time on the processor: waiting for other programs does not count.
fn time(text: &str) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("the clock starts at zero");
    let start = now();
    std::hint::black_box(parse_str(std::hint::black_box(text)));
    now() - start
}

/// The best ratio of the times of both sizes.
fn ratio(make: &dyn Fn(usize) -> String) -> f64 {
    let (small, large) = (make(SMALL), make(SMALL * FACTOR));
    let mut best = f64::INFINITY;
    let (mut fastest_small, mut fastest_large) = (Duration::MAX, Duration::MAX);
    for _ in 0..TRIES {
        fastest_small = fastest_small.min(time(&small));
        fastest_large = fastest_large.min(time(&large));
        best = fastest_large.as_secs_f64() / fastest_small.as_secs_f64().max(1e-6);
        // Linear work on so little text never takes this long: no use in trying again.
        let hopeless = fastest_large > Duration::from_secs(5);
        if best <= RATIO_MAX || hopeless {
            break;
        }
    }
    best
}

/// What Markdown is made of.
const MARKDOWN: [&str; 71] = [
    ">",
    "> ",
    "- ",
    "{",
    "```sh {",
    "```sh {\n",
    "[ ",
    "[",
    "](",
    "[a](",
    "![",
    "*",
    "*a ",
    "_a",
    "**a",
    "`",
    "` ``",
    "<",
    "<!--",
    "<a ",
    "<?",
    "<![CDATA[",
    "&",
    "&#",
    "\\",
    "~",
    "~~",
    "|",
    "|\n",
    "|-|\n",
    "a|b\n-|-\n",
    "[a]: b\n",
    "[^a]",
    "$",
    "===\n",
    "---\n",
    "---\na\n",
    "> ---\n> a\n",
    "#",
    "# a\n",
    "\n",
    " ",
    "\t",
    "\r",
    "\r\n",
    "1. ",
    "1) a\n",
    "- [ ] a\n",
    "- a\n\n",
    "  - a\n",
    "* * ",
    "<details>\n",
    "&amp;",
    "<x>",
    "a\u{3000}",
    "好",
    "```sh {#a}\nx\n```\n",
    "```sh {}\n```\n",
    "```\n",
    "~~~~\n```\n",
    "```sh\n",
    "```sh {#a on=b undo=c}\n```\n",
    "    ```sh {}\n",
    "> ```sh {}\n",
    "- [] a\n",
    "{#a ",
    "{ ",
    "on=",
    "on=a ",
    "\"",
    "\\\"",
];

/// A kind of input: its name, and how to make one of about so many bytes.
struct Case {
    name: String,
    make: Box<dyn Fn(usize) -> String>,
}

fn case(name: impl Into<String>, make: impl Fn(usize) -> String + 'static) -> Case {
    Case { name: name.into(), make: Box::new(make) }
}

fn filled(head: &'static str, unit: &'static str, tail: &'static str) -> Case {
    case(format!("{head}{unit}…{tail}"), move |bytes| {
        format!("{head}{}{tail}", unit.repeat(bytes / unit.len()))
    })
}

#[test]
fn markdown_is_read_in_linear_time() {
    all_linear(MARKDOWN.into_iter().map(|unit| filled("---\nrelease: 1\n---\n", unit, "")));
}

#[test]
fn braces_are_read_in_linear_time() {
    const UNITS: [&str; 11] =
        ["{ ", "on= ", "on=a ", "x=\" ", "\\\" ", "a= b=", "= ", "#a ", "{", ", ", "\""];
    let plain = UNITS.into_iter().map(|unit| filled("---\nrelease: 1\n---\n```sh { ", unit, "\n```\n"));
    let quoted = UNITS.into_iter().map(|unit| filled("---\nrelease: 1\n---\n```sh {\"", unit, "\n```\n"));
    all_linear(plain.chain(quoted));
}

#[test]
fn front_matter_is_read_in_linear_time() {
    const UNITS: [&str; 17] = [
        "- ",
        "{a: ",
        "[{",
        "!t ",
        "release: 1\n",
        "a: b\n",
        "- a\n",
        "{",
        "[",
        "&a ",
        "*a ",
        "? ",
        "\"",
        "'",
        "#",
        "a: &a b\n",
        " ",
    ];
    let cases = UNITS.into_iter().map(|unit| filled("---\n", unit, "\n---\n"));
    all_linear(cases.chain([filled("---\n{", "release: 1, ", "}\n---\n"), filled("---\n", "a: b\n", "")]));
}

#[test]
fn references_are_checked_in_linear_time() {
    all_linear([
        case("unknown references", |bytes| steps(bytes, |n| format!("#s{n} undo=t{n}"))),
        case("a chain of references", |bytes| steps(bytes, |n| format!("#s{n} undo=s{}", n + 1))),
        case("one id for all", |bytes| steps(bytes, |_| "#s undoes=s".to_owned())),
        case("references to automatic ids", |bytes| steps(bytes, |n| format!("undo=step-{n}"))),
    ]);
}

#[test]
fn deep_nesting_and_runbooks_are_read_in_linear_time() {
    let nested = [
        case("deep list, then empty lines", |bytes| format!("{}a\n{}", "- ".repeat(60), "\n".repeat(bytes))),
        case("list that goes deeper by indent", deeper),
        // Lazy continuation: quadratic in the Markdown reader, whose depth is bounded for this (0.13.6: 160 kB take a minute).
        case("deep quote, then lazy lines", |bytes| {
            format!("{}a\n{}", "> ".repeat(bytes / 4), "b\n".repeat(bytes / 4))
        }),
    ];
    let runbooks =
        corpus::RUNBOOKS.map(|(name, text)| case(name, |bytes| text.repeat(bytes.div_ceil(text.len()))));
    all_linear(nested.into_iter().chain(runbooks));
}

fn all_linear(cases: impl IntoIterator<Item = Case>) {
    let mut slow = Vec::new();
    for Case { name, make } in cases {
        let ratio = ratio(make.as_ref());
        if ratio > RATIO_MAX {
            slow.push(format!("{name:?} takes {ratio:.0} times as long for {FACTOR} times the input"));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

fn steps(bytes: usize, braces: impl Fn(usize) -> String) -> String {
    let mut text = "---\nrelease: 1\n---\n".to_owned();
    for n in 0.. {
        if text.len() >= bytes {
            return text;
        }
        text.push_str(&format!("```sh {{{}}}\nls\n```\n", braces(n)));
    }
    text
}

/// Each item is nested in the one before, by indent.
fn deeper(bytes: usize) -> String {
    let mut text = String::new();
    for n in 0.. {
        text.push_str(&" ".repeat(2 * n));
        text.push_str("- a\n");
        if text.len() * 2 >= bytes {
            break;
        }
    }
    text + &"\n".repeat(bytes / 2)
}

#[test]
fn a_megabyte_of_runbooks_is_read_in_seconds() {
    let one: String = corpus::RUNBOOKS.iter().map(|(_, text)| *text).collect();
    let text = one.repeat((1024 * 1024usize).div_ceil(one.len()));
    // An unoptimised build on a busy machine takes well under a second; quadratic work would take minutes.
    assert!(time(&text) < Duration::from_secs(20));
}
