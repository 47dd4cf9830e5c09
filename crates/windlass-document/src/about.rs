//! What a document says before it does anything.

use crate::Document;

/// The text between the title and the section of the first step or gate, with the headings in it: what is released, and why.
/// `None`: there is none, or no title.
#[must_use]
pub fn about<'t>(document: &Document, text: &'t str) -> Option<&'t str> {
    let title = document.stages.iter().find(|stage| stage.level == 1)?.span;
    let behind = |start: &usize| *start >= title.end;
    let steps = document.steps.iter().map(|step| step.span.start);
    let gates = document.gates.iter().map(|gate| gate.span.start);
    let first = steps.chain(gates).filter(behind).min().unwrap_or(text.len());
    // Headings that the first of them stands below, the nearest first: each is above the one before.
    let mut end = first;
    let mut level = u8::MAX;
    let above = document.stages.iter().rev().filter(|stage| stage.span.start < first);
    for stage in above.take_while(|stage| behind(&stage.span.start) && first < text.len()) {
        if stage.level < level && stage.level > 1 {
            (end, level) = (stage.span.start, stage.level);
        }
    }
    // A fence in a quote or a list begins behind the mark of its line.
    let line = |end: usize| text.get(..end)?.rfind('\n').map(|at| at + 1);
    let end = if end == text.len() { end } else { line(end).filter(|end| *end >= title.end)? };
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
            says("# T\n\n为什么：旧键太长。\n\n第二段\n\n## 停机\n\nmore\n\n- [ ] fine\n").as_deref(),
            Some("为什么：旧键太长。\n\n第二段")
        );
        let template = "# T\n\n> 日期\n\n## 更新内容\n\nwhy\n\n### 文件\n\n- a\n\n## 部署步骤\n\nmore\n\n### 备份\n\n- [ ] fine\n\n## 回滚\n";
        assert_eq!(says(template).as_deref(), Some("> 日期\n\n## 更新内容\n\nwhy\n\n### 文件\n\n- a"));
        assert_eq!(says("# T\nwhy\n\n```sh {#a on=app readonly}\ntrue\n```\n").as_deref(), Some("why"));
        assert_eq!(says("# T\n> why\n\n- [ ] fine\n").as_deref(), Some("> why"));
        assert_eq!(says("T\n=\n\nwhy\n").as_deref(), Some("why"), "a title with a line below it");
        assert_eq!(says("# T\n\n## Next\n\n- [ ] fine\n"), None);
        assert_eq!(says("# T\n\n## Next\n").as_deref(), Some("## Next"), "nothing to do at all");
        assert_eq!(says("# T\n- [ ] fine\n"), None);
        assert_eq!(says("no title\n"), None);
        assert_eq!(of(""), None);
    }
}
