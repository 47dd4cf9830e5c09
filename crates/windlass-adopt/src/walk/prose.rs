//! Text for people: list items, tables, sentences, checklists in code, and blocks of other languages.

use super::{
    Walk,
    group::{Key, Output, remark_line},
};
use crate::{
    blocks::{Block, Code, Inline, Item, Kind, Piece, Row},
    emit::{Emit, name_of},
    fate::{Fate, Reason},
    judge, lexicon,
    lexicon::Role,
    programs,
};
use windlass_document::shell;

impl Walk<'_> {
    /// A list item: commands in it become steps behind it, what a person does becomes a gate.
    pub(super) fn item(&mut self, block: &Block, item: &Item) {
        for line in block.first..=item.text_last {
            self.words(&self.lines[line].text.clone(), line, false);
        }
        let lead = " ".repeat(item.column);
        let mut codes: Vec<Inline> =
            item.codes.iter().filter(|code| is_command(&code.text)).cloned().collect();
        // A line that is nothing but a command, as wikis give it.
        let line = &self.lines[block.first];
        let bare = line.text.get(item.column..).unwrap_or_default();
        if codes.is_empty()
            && item.codes.is_empty()
            && item.text_last == block.first
            && judge::is_command_line(bare)
        {
            codes.push(Piece { text: bare.to_owned(), line: block.first, column: item.column });
        }
        if !codes.is_empty() {
            let described = self.describes() && !item.ordered;
            return self.inline(&codes, item.text_last, &lead, described);
        }
        if self.left().is_some() {
            return;
        }
        if self.edit_item(item, &lead) || item.task {
            self.notes.gates += usize::from(item.task);
            return;
        }
        if names_machines(&item.text) && self.notes.unnamed.is_none() && !self.logs_in {
            self.notes.unnamed = Some(self.span(block.first, 0, self.lines[block.first].text.len()));
        }
        let leaf = !item.nests_list && !item.nests_code;
        let verifies = self.role() == Role::Verify && item.depth > 0;
        let done_by_hand = lexicon::is_by_hand(&item.text) || verifies;
        if leaf && done_by_hand && !self.describes() && !self.script {
            self.gates.insert(block.first, item.column);
            self.notes.gates += 1;
        }
    }

    /// What stands here describes something.
    fn describes(&self) -> bool {
        self.part().is_some_and(|section| section.describes) || lexicon::is_description(&self.intro)
    }

    /// Commands within a line.
    fn inline(&mut self, codes: &[Inline], behind: usize, lead: &str, mentioned: bool) {
        let left = self.left().or_else(|| mentioned.then_some(Reason::Mentioned));
        let mut output = Output::new(lead, "sh");
        for code in codes {
            let span = self.span(code.line, code.column, code.text.len());
            let (script, _) = shell::parse(&code.text);
            let parts: Vec<_> = script.commands.iter().flat_map(programs::parts).collect();
            let ends = parts.iter().any(|part| programs::never_ends(&programs::bare(part)));
            let reason = left.clone().or_else(|| ends.then_some(Reason::NeverEnds));
            if let Some(reason) = reason {
                self.note(&code.text, span, Fate::Left(reason));
                continue;
            }
            let words = parts.first().map(|part| programs::bare(part)).unwrap_or_default();
            let reads = !parts.is_empty() && parts.iter().all(|part| programs::only_reads(part));
            let lifted = script.commands.len() == 1 && programs::is_lifted(&words);
            let name = name_of(&words);
            let (on, _) = self.place(&code.text);
            let command = self.note(&code.text, span, Fate::Step(String::new()));
            let line =
                Emit { lead: lead.to_owned(), text: code.text.clone(), at: Some(span.start), asks: None };
            let key = Key::Step { on, readonly: reads, lifted, dir: None };
            self.flush(&mut output);
            self.add(&mut output, key, &name, Some(command), vec![line]);
        }
        self.flush(&mut output);
        if !output.out.is_empty() {
            self.behind.entry(behind).or_default().extend(output.out);
        }
    }

    /// An item that says how a file is to be edited.
    fn edit_item(&mut self, item: &Item, lead: &str) -> bool {
        let Some(file) = item.codes.iter().find(|code| is_file(&code.text)) else { return false };
        if !lexicon::is_edit(&item.text) || item.nests_code || self.describes() {
            return false;
        }
        let others: Vec<&Inline> = item.codes.iter().filter(|code| code.text != file.text).collect();
        let setting = others.iter().find(|code| code.text.contains(['=', ':']) && !code.text.contains("://"));
        let at = |code: &Inline| self.span(code.line, code.column, 0).start;
        let lines = match (setting, &others[..]) {
            (Some(line), _) if lexicon::is_addition(&item.text) => {
                vec![Emit {
                    lead: format!("{lead}+"),
                    text: line.text.clone(),
                    at: Some(at(line)),
                    asks: None,
                }]
            }
            (_, [old, new]) => {
                let whole = self.language.pick("the whole line with", "整行，含", "行全体、次を含む");
                vec![
                    Emit::own(lead, format!("-<{whole} {}>", old.text)),
                    Emit::own(lead, format!("+<{whole} {}>", new.text)),
                ]
            }
            _ => Vec::new(),
        };
        let file_at = at(file);
        let mut output = Output::new(lead, "diff");
        let text = file.text.clone();
        self.edit(&mut output, &text, "", &lines, Some(file_at));
        self.behind.entry(item.text_last).or_default().extend(output.out);
        true
    }

    /// A paragraph: what it mentions is reported; a sentence that is an order is a step.
    pub(super) fn paragraph(&mut self, block: &Block, text: &str, codes: &[Inline]) {
        let commands: Vec<Inline> = codes.iter().filter(|code| is_command(&code.text)).cloned().collect();
        if commands.is_empty() {
            return;
        }
        let orders = ["run ", "execute ", "then run", "type ", "运行", "执行", "実行", "叩く"];
        let lower = text.to_lowercase();
        let ordered = orders.iter().any(|word| lower.contains(word)) && text.chars().count() < 120;
        self.inline(&commands, block.last, "", !ordered || self.describes());
    }

    /// A heading that has nothing under it and tells somebody to do something.
    pub(super) fn heading_alone(&mut self, at: usize, text: &str) {
        let next = self.blocks.get(at + 1);
        let empty = next.is_none_or(|block| matches!(block.kind, Kind::Heading { .. }));
        let parent = next
            .is_some_and(|block| matches!(&block.kind, Kind::Heading { level, .. } if *level > self.level()));
        let orders = lexicon::is_removal(text) || lexicon::is_by_hand(text);
        if empty && !parent && self.left().is_none() && orders && !self.script {
            let line = self.blocks[at].last;
            let gate = Emit::own("", format!("- [ ] {}", text.trim()));
            self.behind.entry(line).or_default().extend([Emit::own("", ""), gate]);
            self.notes.gates += 1;
        }
    }

    /// A table: commands in its rows become steps behind it.
    pub(super) fn table(&mut self, block: &Block, rows: &[Row]) {
        let head: String = rows
            .iter()
            .filter(|row| row.head)
            .flat_map(|row| row.cells.iter())
            .map(|cell| cell.to_lowercase() + " ")
            .collect();
        let has = |words: &[&str]| words.iter().any(|word| head.contains(word));
        let steps =
            has(&["step", "步骤", "手順", "操作", "作業", "command", "命令", "コマンド", "action", "做什么"])
                && !has(&["状态", "status", "状態", "指标", "metric", "完成时间"]);
        for row in rows {
            self.words(&row.cells.join(" | "), row.line, false);
            let mut codes: Vec<Inline> =
                row.codes.iter().filter(|code| is_command(&code.text)).cloned().collect();
            if codes.is_empty() && steps && !row.head {
                codes.extend(self.cell_commands(row));
            }
            if !codes.is_empty() {
                if steps && self.left().is_none() {
                    let label: Vec<&str> = row
                        .cells
                        .iter()
                        .map(|cell| cell.trim())
                        .filter(|cell| {
                            !cell.is_empty() && !codes.iter().any(|code| cell.contains(code.text.as_str()))
                        })
                        .collect();
                    let words = remark_line(&label.join(" "));
                    self.behind
                        .entry(block.last)
                        .or_default()
                        .extend([Emit::own("", ""), Emit::own("", words)]);
                }
                self.inline(&codes, block.last, "", !steps);
            } else if steps && !row.head && self.left().is_none() && lexicon::is_by_hand(&row.cells.join(" "))
            {
                let gate = format!(
                    "- [ ] {}",
                    row.cells
                        .iter()
                        .map(|cell| cell.trim())
                        .filter(|cell| !cell.is_empty())
                        .collect::<Vec<_>>()
                        .join(" ")
                );
                self.behind.entry(block.last).or_default().extend([Emit::own("", ""), Emit::own("", gate)]);
                self.notes.gates += 1;
            }
        }
    }

    /// Cells that are commands without backticks.
    fn cell_commands(&self, row: &Row) -> Vec<Inline> {
        let line = &self.lines[row.line].text;
        let found = row.cells.iter().map(|cell| cell.trim()).filter(|cell| judge::is_command_line(cell));
        found
            .filter_map(|cell| {
                Some(Piece { text: cell.to_owned(), line: row.line, column: line.find(cell)? })
            })
            .collect()
    }

    /// `[ ] …` lines in code: a checklist of its own.
    pub(super) fn checklist(&mut self, block: &Block, code: &Code) {
        let left = self.left().is_some();
        let mut out = Vec::new();
        for piece in &code.body {
            let text = piece.text.trim();
            if text.is_empty() {
                continue;
            }
            let body = text.trim_start_matches("- ").trim_start_matches(['[', '☐', '□']);
            let ticked = body.starts_with(['x', 'X']);
            let rest = body.trim_start_matches(['x', 'X', ' ']).trim_start_matches(']').trim_start();
            let column = piece.column + piece.text.find(rest).unwrap_or(0);
            self.words(rest, piece.line, false);
            let at = self.span(piece.line, column, 0).start;
            let mark = match () {
                () if left => "- ",
                () if ticked => "- [x] ",
                () => "- [ ] ",
            };
            self.notes.gates += usize::from(!left && !ticked);
            out.push(Emit {
                lead: format!("{}{mark}", code.lead),
                text: rest.to_owned(),
                at: Some(at),
                asks: None,
            });
        }
        self.replace(block, out);
    }

    /// Settings without a file: a `diff` to complete.
    pub(super) fn settings(&mut self, block: &Block, code: &Code) {
        let around = code.item.map_or(String::new(), |line| self.lines[line].text.clone()) + &self.intro;
        let asked =
            lexicon::is_edit(&around) || around.contains("更新") || around.to_lowercase().contains("config");
        if self.left().is_some() || !asked {
            return;
        }
        let lines: Vec<Emit> = code
            .body
            .iter()
            .filter(|piece| !piece.text.trim().is_empty() && !piece.text.trim_start().starts_with('#'))
            .map(|piece| Emit { lead: format!("{}+", code.lead), ..self.emit("", piece) })
            .collect();
        let mut output = Output::new(&code.lead, "diff");
        let which = self.language.pick("which-file", "配置文件", "設定ファイル");
        self.edit(&mut output, &format!("<{which}>"), "", &lines, None);
        self.replace(block, output.out);
    }

    /// A `diff` or `http` block: a step as it is.
    pub(super) fn as_it_is(&mut self, block: &Block, code: &Code) {
        let diff = matches!(code.language.as_str(), "diff" | "patch" | "udiff");
        let language = if diff { "diff" } else { "http" };
        let head = match self.left() {
            Some(_) => format!("```{language} {{prose}}"),
            None => {
                let id = self.ids.give(if diff { "edit" } else { "check" });
                let on = if diff { format!(" on={}", self.on()) } else { String::new() };
                self.notes.steps += 1;
                format!("```{language} {{#{id}{on}}}")
            }
        };
        let mut out = vec![Emit::own(&code.lead, head)];
        out.extend(code.body.iter().map(|piece| self.emit(&code.lead, piece)));
        out.push(Emit::own(&code.lead, "```"));
        self.replace(block, out);
    }

    /// Code that is not run: commands in it are reported.
    pub(super) fn content(&mut self, block: &Block, code: &Code, language: &str) {
        let shown = if language.is_empty() { "text" } else { language };
        for piece in &code.body {
            self.words(&piece.text.clone(), piece.line, false);
            let text = piece
                .text
                .trim()
                .trim_start_matches("- ")
                .trim_start_matches("run: ")
                .trim_start_matches("script: ");
            if judge::is_command_line(text) || judge::is_cron(text) {
                let span = self.span(
                    piece.line,
                    piece.column + piece.text.len() - piece.text.trim_start().len(),
                    piece.text.len(),
                );
                let reason = if judge::is_cron(text) {
                    Reason::Scheduled
                } else {
                    self.left().unwrap_or(Reason::Content(shown.to_owned()))
                };
                self.note(text, span, Fate::Left(reason));
            }
        }
        // A bare block in a list item with a tab in front, or one without a fence, stays as it is.
        let _ = block;
    }
}

/// Whether code within a line is a command.
fn is_command(text: &str) -> bool {
    judge::is_command_line(text)
}

/// Whether code within a line names a file.
fn is_file(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or(text);
    let dotted = name.rfind('.').is_some_and(|at| {
        at + 1 < name.len()
            && name[at + 1..].bytes().all(|b| b.is_ascii_alphanumeric())
            && !name[at + 1..].bytes().all(|b| b.is_ascii_digit())
    });
    !text.contains([' ', '=', '(', ':', '<', '*'])
        && (dotted || name.starts_with('.') && name.len() > 2)
        && text.is_ascii()
}

/// Whether a text says to log in to machines.
fn names_machines(text: &str) -> bool {
    let lower = text.to_lowercase();
    let logs_in = ["登录", "登陆", "登入", "log in to", "ログイン", "ssh to", "接続"]
        .iter()
        .any(|word| lower.contains(word));
    logs_in
        && ["机器", "服务器", "主机", "server", "host", "machine", "サーバ"]
            .iter()
            .any(|word| lower.contains(word))
}
