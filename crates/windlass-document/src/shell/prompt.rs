//! Lines copied from a terminal together with the prompt.

use super::lexer::WordToken;
use crate::rules::Findings;
use crate::rules_list::SHELL_PROMPT;
use crate::{Finding, Span};

/// Reports a command that starts with a prompt: `$ ls`, `root@host:~# ls`. `next` is the character behind `word`,
/// `fresh` says that `word` starts a command.
pub(super) fn report_prompt(
    text: &str,
    word: &WordToken,
    next: Option<char>,
    fresh: bool,
    problems: &mut Findings,
) {
    let written = &text[word.span.start..word.span.end];
    let host = written.contains('@') && written.len() > 2 && written.ends_with(['$', '#']);
    if !fresh || next != Some(' ') || !(written == "$" || host) {
        return;
    }
    problems.push(prompt(Span::new(word.span.start, word.span.end + 1), written));
}

/// Reports `# command` lines of a fence without any command. Beside commands such lines are comments; alone they
/// mean that the fence does nothing, and then the `#` was most likely the prompt of root.
pub(super) fn report_root_prompts(text: &str, comments: &[Span], problems: &mut Findings) {
    for span in comments {
        let Some(line) = text[span.start..span.end].strip_prefix("# ") else { continue };
        let word = line.split(' ').next().unwrap_or_default();
        let name = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_./".contains(&b));
        if name && word.bytes().any(|byte| byte.is_ascii_lowercase()) {
            problems.push(prompt(Span::new(span.start, span.start + 2), "#").help(
                "remove the prompt; if it is a comment, put the fence's braces as `{prose}`, for it runs nothing",
            ));
        }
    }
}

fn prompt(span: Span, written: &str) -> Finding {
    SHELL_PROMPT
        .at(span, format!("the line starts with the prompt `{written}`"))
        .label("part of the terminal, not of the command")
        .help("remove the prompt")
        .fix(span, "", "remove the prompt", false)
}
