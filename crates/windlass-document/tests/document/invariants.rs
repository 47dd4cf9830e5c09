//! What holds for every input.

use windlass_document::{Body, Finding, LineIndex, Parsed, RULES, Span, parse};

/// Parses `source` and panics, naming what is broken, unless everything that must hold does.
pub fn check(source: &[u8]) -> Parsed {
    let parsed = parse(source);
    let again = parse(source);
    assert_eq!(parsed.findings, again.findings, "the findings change from run to run");
    assert_eq!(outline(&parsed), outline(&again), "the tree changes from run to run");
    let Ok(text) = std::str::from_utf8(source) else {
        assert_eq!(parsed.findings.len(), 1);
        assert!(parsed.findings[0].span.end <= source.len());
        return parsed;
    };
    for finding in &parsed.findings {
        check_finding(text, finding);
    }
    // Only the count of what was dropped stands at the end on purpose.
    assert!(
        parsed.findings.iter().filter(|f| f.rule != "more-findings").map(|f| f.span.start).is_sorted(),
        "findings out of order"
    );
    check_tree(text, &parsed);
    check_safe_fixes(text, &parsed);
    parsed
}

/// A fix that may be applied unread cures its finding.
fn check_safe_fixes(text: &str, parsed: &Parsed) {
    const CHECKED_MAX: usize = 3;
    let safe = parsed.findings.iter().filter_map(|f| f.fixes.iter().find(|fix| fix.safe).map(|fix| (f, fix)));
    for (finding, fix) in safe.take(CHECKED_MAX) {
        let cured = format!("{}{}{}", &text[..fix.span.start], fix.replacement, &text[fix.span.end..]);
        let of_rule = |findings: &[Finding]| findings.iter().filter(|f| f.rule == finding.rule).count();
        let left = parse(cured.as_bytes()).findings;
        assert!(
            of_rule(&left) < of_rule(&parsed.findings) || left.iter().any(|f| f.rule == "more-findings"),
            "{finding:?} is still there in {cured:?}"
        );
    }
}

fn check_finding(text: &str, finding: &Finding) {
    let rule = RULES.iter().find(|rule| rule.name == finding.rule);
    let rule = rule.unwrap_or_else(|| panic!("rule {} is not listed in rules_list.rs", finding.rule));
    assert_eq!(rule.severity, finding.severity, "{}", rule.name);
    assert!(!finding.why.is_empty() && !finding.why.ends_with('.'), "{}: why {:?}", rule.name, finding.why);
    assert!(!finding.message.is_empty() && !finding.message.ends_with('.'), "message {:?}", finding.message);
    assert!(finding.message.len() < 1000 && finding.label.len() < 1000, "{finding:?} repeats the document");
    check_span(text, finding.span, &finding.rule);
    for note in &finding.notes {
        check_span(text, note.span, &finding.rule);
    }
    for fix in &finding.fixes {
        check_span(text, fix.span, &finding.rule);
    }
    let place = LineIndex::new(text).position(text, finding.span.start);
    assert!(place.line >= 1 && place.column >= 1);
}

fn check_span(text: &str, span: Span, what: &str) {
    assert!(span.start <= span.end, "{what}: {span:?} is inverted");
    assert!(
        text.get(span.start..span.end).is_some(),
        "{what}: {span:?} is not in the file, or cuts a character"
    );
}

fn check_tree(text: &str, parsed: &Parsed) {
    let document = &parsed.document;
    for stage in &document.stages {
        check_span(text, stage.span, "stage");
        assert!((1..=6).contains(&stage.level));
    }
    for gate in &document.gates {
        check_span(text, gate.span, "gate");
        let line = &text[gate.span.start..gate.span.end];
        assert!(!line.contains('\n') && line.contains('['), "gate line {line:?}");
        assert!(gate.checks.iter().all(|check| *check < document.steps.len()));
    }
    let mut end = 0;
    for step in &document.steps {
        check_span(text, step.span, "step");
        check_span(text, step.id.span, "id");
        assert!(step.span.start >= end, "steps overlap");
        end = step.span.end;
        if step.id_written {
            assert_eq!(&text[step.id.span.start..step.id.span.end], step.id.value);
        }
        assert!(step.stage.is_none_or(|stage| stage < document.stages.len()));
        assert!(step.gate.is_none_or(|gate| gate < document.gates.len()));
        check_body(text, &step.body, step.span);
    }
}

/// Every run of a body is the file's own text; what lies between runs was made by taking off nesting.
fn check_body(text: &str, body: &Body, span: Span) {
    let (mut at, mut source) = (0, span.start);
    for segment in &body.segments {
        assert!(
            segment.len > 0 && segment.body >= at && segment.source >= source,
            "{segment:?} out of order"
        );
        assert!(
            body.text[at..segment.body].bytes().all(|b| b == b' '),
            "text that is not in the file: {:?}",
            &body.text[at..segment.body]
        );
        assert_eq!(
            text.get(segment.source..segment.source + segment.len),
            body.text.get(segment.body..segment.body + segment.len),
            "{segment:?} is other text in the file"
        );
        let skipped = &text[source..segment.source];
        assert!(
            at == 0 || skipped.bytes().all(|b| matches!(b, b' ' | b'\t' | b'>' | b'\r')),
            "text of the file is lost: {skipped:?}"
        );
        at = segment.body + segment.len;
        source = segment.source + segment.len;
    }
    assert!(body.text[at..].bytes().all(|b| b == b' ') && source <= span.end.max(source));
    for (offset, _) in body.text.char_indices() {
        assert!(text.is_char_boundary(body.to_source(offset)));
    }
}

/// The tree without offsets: equal for documents that differ in line ends or byte-order mark only.
pub fn outline(parsed: &Parsed) -> String {
    use std::fmt::Write as _;
    let document = &parsed.document;
    let front = &document.front;
    let mut out = String::new();
    let word =
        |word: &Option<windlass_document::Spanned<String>>| word.as_ref().map(|word| word.value.clone());
    let _ = writeln!(
        out,
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        document.title,
        word(&front.release),
        word(&front.from),
        word(&front.env),
        front.kind.map(|kind| kind.value),
        front.severity.map(|severity| severity.value),
        front.downtime.map(|downtime| downtime.value),
        word(&front.ticket)
    );
    for stage in &document.stages {
        let _ = writeln!(out, "stage {} {:?}", stage.level, stage.text);
    }
    for gate in &document.gates {
        let _ =
            writeln!(out, "{} {:?} {:?} {:?} {:?}", gate.id, gate.state, gate.text, gate.stage, gate.checks);
    }
    for step in &document.steps {
        let _ = writeln!(
            out,
            "{} {} {:?} {:?} {:?} {:?} {} {:?}",
            step.id.value,
            step.id_written,
            step.language,
            step.dialect,
            step.stage,
            step.gate,
            attributes(step),
            step.body.text
        );
    }
    for finding in &parsed.findings {
        let _ = writeln!(out, "{} {:?} {}", finding.rule, finding.severity, finding.message);
    }
    out
}

fn attributes(step: &windlass_document::Step) -> String {
    let a = &step.attributes;
    format!(
        "{:?} {:?} {:?} {:?} {} {} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        a.on.as_ref().map(|v| &v.value),
        a.undo.as_ref().map(|v| &v.value),
        a.undoes.as_ref().map(|v| &v.value),
        a.again.as_ref().map(|v| &v.value),
        a.readonly.is_some(),
        a.irreversible.is_some(),
        a.online.is_some(),
        a.after.map(|v| v.value),
        a.within.map(|v| v.value),
        a.timeout.map(|v| v.value),
        a.rows.map(|v| v.value),
        a.files.as_ref().map(|v| &v.value),
        a.batch.map(|v| v.value),
        a.serial.as_ref().map(|v| &v.value),
    )
}
