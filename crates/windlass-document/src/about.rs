//! What a document says before it does anything.

use crate::{Document, Span};

/// The text between the title and whatever comes next: a heading, a step or a gate.
/// `None`: there is none, or no title.
#[must_use]
pub fn about<'t>(document: &Document, text: &'t str) -> Option<&'t str> {
    let title = document.stages.iter().find(|stage| stage.level == 1)?.span;
    let behind = |span: &Span| span.start >= title.end;
    let stages = document.stages.iter().map(|stage| stage.span);
    let steps = document.steps.iter().map(|step| step.span);
    let gates = document.gates.iter().map(|gate| gate.span);
    let end = stages.chain(steps).chain(gates).filter(behind).map(|span| span.start).min();
    // A fence in a quote or a list begins behind the mark of its line.
    let line = |end: usize| text.get(..end)?.rfind('\n').map(|at| at + 1);
    let end = end.map_or(Some(text.len()), line).filter(|end| *end >= title.end)?;
    let about = text.get(title.end..end)?.trim();
    (!about.is_empty()).then_some(about)
}

#[cfg(test)]
mod tests {
    use super::about;

    fn of(text: &str) -> Option<String> {
        about(&crate::parse_str(text).document, text).map(str::to_owned)
    }

    #[test]
    fn it_is_what_stands_below_the_title() {
        let front = "---\nrelease: 2.1.0\n---\n";
        let says = |text: &str| of(&format!("{front}{text}"));
        assert_eq!(
            says("# T\n\n为什么：旧键太长。\n\n第二段\n\n## 停机\n\nmore\n").as_deref(),
            Some("为什么：旧键太长。\n\n第二段")
        );
        assert_eq!(says("# T\nwhy\n\n```sh {#a on=app readonly}\ntrue\n```\n").as_deref(), Some("why"));
        assert_eq!(says("# T\n> why\n\n- [ ] fine\n").as_deref(), Some("> why"));
        assert_eq!(says("T\n=\n\nwhy\n").as_deref(), Some("why"), "a title with a line below it");
        assert_eq!(says("# T\n\n## Next\n"), None);
        assert_eq!(says("# T\n- [ ] fine\n"), None);
        assert_eq!(says("no title\n"), None);
        assert_eq!(of(""), None);
    }
}
