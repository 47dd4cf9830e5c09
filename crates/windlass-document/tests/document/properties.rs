//! Generated documents.

use crate::{corpus, invariants};
use proptest::prelude::*;
use windlass_document::{parse, parse_str};

fn fence() -> impl Strategy<Value = String> {
    let language =
        prop::sample::select(vec!["sh", "bash", "sql", "mysql", "diff", "http", "yaml", "", "shell"]);
    let braces = prop::sample::select(vec![
        "",
        " {}",
        " {#a}",
        " {#b on=db}",
        " {prose}",
        " {#c undo=a}",
        " {undoes=a}",
        "{#d}",
        " {on=\"a b\"}",
        " {#e",
        " {readonly irreversible}",
    ]);
    let lines = prop::collection::vec(
        prop::sample::select(vec![
            "ls",
            "",
            "  x",
            "\tz",
            "备份; echo 'データ'",
            "GET http://a/",
            "--- f",
            "+a",
            "- b",
            "> c",
            "```x",
        ]),
        0..4,
    );
    let close = prop::sample::select(vec!["```", "```", "```", "````", "", "~~~"]);
    (language, braces, lines, close).prop_map(|(language, braces, lines, close)| {
        format!("```{language}{braces}\n{}\n{close}\n", lines.join("\n"))
    })
}

fn block() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => fence(),
        1 => prop::sample::select(vec![
            "# 标题 `x`\n", "Setext\n===\n", "- [ ] gate\n", "- [x] **済み**\n", "1. [ ] eins\n", "- [] no\n", "text\n", "\n", "---\n",
            "| a | b |\n|---|---|\n| - [ ] | x |\n", "<details>\n", "<!-- c -->\n", "    indented\n", "[a]: b\n",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Puts a block into list items and quotes.
fn nested() -> impl Strategy<Value = String> {
    (block(), prop::collection::vec(prop::sample::select(vec!["- ", "> ", "1. ", "- [ ] ", "* "]), 0..4))
        .prop_map(|(block, containers)| {
            containers.iter().rev().fold(block, |inner, container| {
                let rest = if *container == "> " {
                    "> ".to_owned()
                } else {
                    " ".repeat(if *container == "- [ ] " { 2 } else { container.len() })
                };
                inner
                    .split_inclusive('\n')
                    .enumerate()
                    .map(
                        |(at, line)| {
                            if at == 0 { format!("{container}{line}") } else { format!("{rest}{line}") }
                        },
                    )
                    .collect()
            })
        })
}

fn document() -> impl Strategy<Value = String> {
    let front = prop::sample::select(vec![
        "---\nrelease: 2.10\nfrom: 2.9\n---\n",
        "---\nrelease: '2.10'\nkind: fix\ndowntime: 0\n---\n",
        "---\nrelease:\n---\n",
        "---\na: [\n---\n",
        "",
    ]);
    (front, prop::collection::vec(nested(), 0..8))
        .prop_map(|(front, blocks)| format!("{front}{}", blocks.concat()))
}

proptest! {
    #[test]
    fn generated_documents_keep_every_promise(text in document()) {
        invariants::check(text.as_bytes());
    }

    #[test]
    fn any_text_keeps_every_promise(text in "[-`~{}#=\" >\\[\\]x.0-9a-e\\n\\r\\t好🚀*_|:<!]{0,200}") {
        invariants::check(text.as_bytes());
    }

    #[test]
    fn any_bytes_keep_every_promise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        invariants::check(&bytes);
    }

    #[test]
    fn line_ends_and_byte_order_mark_change_offsets_only(text in document()) {
        same_tree(&text);
    }
}

/// The same document with CRLF, and with a byte-order mark, is the same document.
fn same_tree(text: &str) {
    let plain = invariants::outline(&parse_str(text));
    let windows = text.replace('\n', "\r\n");
    assert_eq!(invariants::outline(&invariants::check(windows.as_bytes())), plain, "with CRLF");
    let marked = format!("\u{feff}{text}");
    let with_mark = invariants::check(marked.as_bytes());
    assert_eq!(invariants::outline(&with_mark), plain, "with a byte-order mark");
    let shifted: Vec<_> = with_mark.findings.iter().map(|f| (f.span.start - 3, f.span.end - 3)).collect();
    let spans: Vec<_> = parse(text.as_bytes()).findings.iter().map(|f| (f.span.start, f.span.end)).collect();
    assert_eq!(shifted, spans, "every place is three bytes further");
}

#[test]
fn real_documents_are_the_same_with_crlf_and_byte_order_mark() {
    for text in corpus::all() {
        same_tree(text);
    }
}
