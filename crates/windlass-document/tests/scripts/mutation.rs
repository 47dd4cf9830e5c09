//! Damaged texts: no panic, all spans in bounds and on characters, whatever is thrown at the parsers.

use crate::random::Random;
use windlass_document::shell::{self, CommandKind};
use windlass_document::{Finding, Span};

const SHELL: &str = "sudo docker-compose pull\naws s3 sync s3://a/ s3://b/ --include \"*.txt\" --exclude '数据'  \n\
    cp a b.$(date +\"%Y\") # 备份\nfor f in *.sql; do psql < \"$f\"; done\ncat <<-'EOF' > x\n\ttext $y\n\tEOF\n\
    case $1 in a|b) ls ;; *) (cd x && ./run) & ;; esac\nA=1 B=\"${C:-`d`}\" [[ -f x ]] || echo $((1+2)) {a,b} ~ $'x\\n'\n";

const JUNK: [&str; 40] = [
    "'", "\"", "`", "$", "$(", "${", "$((", "(", ")", "{", "}", "[", "]", "\\", "\n", "\r\n", ";", ";;", "&",
    "|", "<", "<<", "<<-", ">", "#", "~", "*", "=", " ", "\t", "\0", "数", "；", "“", "\u{a0}", "\u{202e}",
    "if ", "fi", "case ", "esac",
];

/// `text` with some pieces cut out, doubled, moved or replaced.
pub fn damage(text: &str, junk: &[&str], random: &mut Random) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..1 + random.below(6) {
        let from = random.below(characters.len() + 1);
        let to = (from + random.below(12)).min(characters.len());
        match random.below(4) {
            0 => drop(characters.drain(from..to)),
            1 => {
                let copy: Vec<char> = characters[from..to].to_vec();
                let at = random.below(characters.len() + 1);
                characters.splice(at..at, copy);
            }
            2 => drop(characters.splice(from..from, random.pick(junk).chars())),
            _ => characters.truncate(characters.len() - random.below(characters.len() / 4 + 1)),
        }
    }
    characters.into_iter().collect()
}

fn check_span(text: &str, span: Span, seed: u64) {
    assert!(text.get(span.start..span.end).is_some(), "seed {seed}: {span:?} in {text:?}");
}

pub fn check_findings(text: &str, findings: &[Finding], seed: u64) {
    let mut last = 0;
    for finding in findings.iter().filter(|f| f.rule != "more-findings") {
        check_span(text, finding.span, seed);
        assert!(finding.span.start >= last, "seed {seed}: findings are in order");
        last = finding.span.start;
        assert!(!finding.message.is_empty() && !finding.help.is_empty(), "seed {seed}: {finding:?}");
        finding.fixes.iter().for_each(|fix| check_span(text, fix.span, seed));
        finding.notes.iter().for_each(|note| check_span(text, note.span, seed));
    }
}

#[test]
fn shell() {
    const SEED: u64 = 1;
    for seed in SEED..SEED + 20_000 {
        let text = damage(SHELL, &JUNK, &mut Random::new(seed));
        let (script, findings) = shell::parse(&text);
        check_findings(&text, &findings, seed);
        let mut last = 0;
        for command in &script.commands {
            check_span(&text, command.span, seed);
            assert!(
                command.span.start >= last && command.span.end > command.span.start,
                "seed {seed}: {text:?}"
            );
            last = command.span.end;
            match &command.kind {
                CommandKind::Compound { at, .. } => check_span(&text, *at, seed),
                CommandKind::Simple(simple) => {
                    simple.words.iter().for_each(|word| check_span(&text, word.span, seed));
                }
            }
        }
    }
}

const DIFF: &str = "--- docker-compose.yml\n-    image: a:2.0.9\n+    image: a:2.1.0\n\n--- \"b c.env\"\n+X=1\n\
    diff --git a/x b/x\nindex 12..34 100644\n--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@ f\n one\n-two\n+2\n 三\n\n\
    @@ -9 +9,2 @@\n-x\n+y\n+z\n\\ No newline at end of file\nrename from a\n--- /dev/null\n+++ b/y\n";

#[test]
fn diff() {
    const SEED: u64 = 1;
    const JUNK: [&str; 16] = [
        "-",
        "+",
        " ",
        "\n",
        "\r\n",
        "--- ",
        "+++ ",
        "@@ -1,2 +1 @@\n",
        "@@",
        "\"",
        "\\",
        "\\3",
        "数",
        "..",
        "/",
        "diff --git ",
    ];
    for seed in SEED..SEED + 20_000 {
        let text = damage(DIFF, &JUNK, &mut Random::new(seed));
        let (files, findings) = windlass_document::diff::parse(&text);
        check_findings(&text, &findings, seed);
        for file in &files {
            check_span(&text, file.span, seed);
            file.edits.iter().for_each(|edit| check_span(&text, edit.span, seed));
        }
        // Nothing is dropped in silence: each marked line is in an edit, or something is reported.
        if findings.is_empty() {
            let edits: Vec<_> = files.iter().flat_map(|file| &file.edits).collect();
            let marked = text.lines().any(|line| line.starts_with('-') && !line.starts_with("---"));
            assert!(!marked || edits.iter().any(|edit| !edit.remove.is_empty()), "seed {seed}: {text:?}");
        }
    }
}

const HTTP: &str = "# c\nGET http://localhost:8080/health # c\nAccept: */*\nX: a\\#b\n\nHTTP 200\nContent-Type: a\n[Asserts]\n\
    status == 200\nheader \"X\" not exists\njsonpath \"$.数\" matches /a\\/b/\nbody contains \"\\u{41}\\n\"\n\n\
    POST https://h/x?a=b\n{\n \"a\": [1, \"}\"]\n}\nHTTP/1.1 201\n`ok`\nPUT http://h/\n```json\n{}\n```\nHTTP *\n[Captures]\nx: body\n";

#[test]
fn http() {
    const SEED: u64 = 1;
    const JUNK: [&str; 20] = [
        "\"",
        "`",
        "```",
        "{",
        "}",
        "[",
        "]",
        "{{",
        "\\",
        "\\u{",
        "#",
        ":",
        "\n",
        "\r\n",
        "HTTP ",
        "GET ",
        "[Asserts]\n",
        "数",
        "not ",
        "/",
    ];
    for seed in SEED..SEED + 20_000 {
        let text = damage(HTTP, &JUNK, &mut Random::new(seed));
        let (entries, findings) = windlass_document::http::parse(&text);
        check_findings(&text, &findings, seed);
        let mut last = 0;
        for entry in &entries {
            check_span(&text, entry.span, seed);
            assert!(entry.span.start >= last, "seed {seed}: {text:?}");
            last = entry.span.end;
        }
    }
}
