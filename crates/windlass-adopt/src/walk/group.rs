//! Lines of one block that become one fence.

use super::Walk;
use crate::{
    emit::Emit,
    fate::{Fate, Reason},
};

/// What the lines of a fence have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// They run.
    Step { on: String, readonly: bool, lifted: bool, dir: Option<String> },
    /// They are left out.
    Left(Reason),
}

/// A fence that is being written.
pub(super) struct Group {
    pub(super) key: Key,
    pub(super) name: String,
    pub(super) lines: Vec<Emit>,
    /// The commands of it.
    pub(super) commands: Vec<usize>,
    /// `cd` lines that have to stand before its lines.
    pub(super) cd: Option<Emit>,
}

/// What a block becomes.
pub(super) struct Output<'w> {
    pub(super) lead: &'w str,
    pub(super) language: String,
    pub(super) out: Vec<Emit>,
    pub(super) group: Option<Group>,
    /// Comments and empty lines that belong to what comes next.
    pub(super) waiting: Vec<Emit>,
}

impl<'w> Output<'w> {
    pub(super) fn new(lead: &'w str, language: &str) -> Self {
        Self { lead, language: language.to_owned(), out: Vec::new(), group: None, waiting: Vec::new() }
    }
}

impl Walk<'_> {
    /// Adds a line to the fence of its kind.
    pub(super) fn add(
        &mut self,
        output: &mut Output<'_>,
        key: Key,
        name: &str,
        command: Option<usize>,
        lines: Vec<Emit>,
    ) {
        if output.group.as_ref().is_some_and(|group| group.key != key) {
            self.flush(output);
        }
        let cd = match &key {
            Key::Step { dir, .. } => dir.as_ref().map(|dir| {
                let at = self.dir.as_ref().filter(|(known, ..)| known == dir).and_then(|(_, at, _)| *at);
                Emit { lead: output.lead.to_owned(), text: format!("cd {dir}"), at, asks: None }
            }),
            Key::Left(_) => None,
        };
        let group = output.group.get_or_insert_with(|| Group {
            key,
            name: name.to_owned(),
            lines: Vec::new(),
            commands: Vec::new(),
            cd,
        });
        group.lines.append(&mut output.waiting);
        group.lines.extend(lines);
        group.commands.extend(command);
    }

    /// Writes the open fence.
    pub(super) fn flush(&mut self, output: &mut Output<'_>) {
        let Some(group) = output.group.take() else { return };
        let mut lines = group.lines;
        while lines.last().is_some_and(|line| line.text.trim().is_empty()) {
            lines.pop();
        }
        while lines.first().is_some_and(|line| line.text.trim().is_empty()) {
            lines.remove(0);
        }
        if output.out.last().is_some_and(|line| !line.text.is_empty()) {
            output.out.push(Emit::own(output.lead, ""));
        }
        let head = match &group.key {
            Key::Step { on, readonly, .. } => {
                let id = self.ids.give(&group.name);
                for command in &group.commands {
                    self.notes.commands[*command].line.fate = Fate::Step(id.clone());
                }
                self.notes.steps += 1;
                if !readonly {
                    let remark = self.language.pick(
                        "how is this undone? write a fence with `undoes=ID`, or `irreversible` (or `readonly`) in the braces",
                        "怎样撤回？写一个 `undoes=ID` 的代码块，或在大括号里写 `irreversible`（只读写 `readonly`）",
                        "元に戻す方法は？ `undoes=ID` のブロックを書くか、括弧に `irreversible`（読むだけなら `readonly`）を書く",
                    );
                    let remark = Emit::own(output.lead, remark_line(&remark.replace("ID", &id)));
                    output.out.push(Emit { asks: Some(id.clone()), ..remark });
                }
                format!("{} {{#{id} on={on}{}}}", output.language, if *readonly { " readonly" } else { "" })
            }
            Key::Left(reason) => {
                let words = self.language.pick("no step", "未作为步骤", "ステップにしない");
                let remark = format!("{words}: {}", reason.words(self.language));
                output.out.push(Emit::own(output.lead, remark_line(&remark)));
                self.notes.prose += 1;
                format!("{} {{prose}}", output.language)
            }
        };
        let marks = "`".repeat(longest_marks(&lines) + 1);
        output.out.push(Emit::own(output.lead, format!("{marks}{head}")));
        output.out.extend(group.cd);
        output.out.extend(lines);
        output.out.push(Emit::own(output.lead, marks));
    }
}

/// A remark of the draft.
pub(super) fn remark_line(words: &str) -> String {
    format!("<!-- windlass: {} -->", words.replace("-->", "→").replace("--", "‐‐"))
}

/// The longest row of backticks that begins a line, at least two.
fn longest_marks(lines: &[Emit]) -> usize {
    let marks = |line: &Emit| line.text.trim_start().bytes().take_while(|byte| *byte == b'`').count();
    lines.iter().map(marks).max().unwrap_or(0).max(2)
}
