//! Blocks of shell: lines to entries, entries to fences.

use super::{
    Host, Walk,
    group::{Key, Output, remark_line},
};
use crate::{
    blocks::{Block, Code, Piece},
    emit::{Emit, name_of},
    fate::{Fate, Reason},
    judge, programs,
};
use windlass_document::{
    Severity, Span,
    shell::{self, SimpleCommand},
};

/// A piece of a block.
enum Entry {
    /// A command: its text and the lines it stands on.
    Command { text: String, first: usize, last: usize },
    /// A comment or an empty line.
    Between(usize),
    /// What a terminal answered.
    Answer(usize),
}

/// What a command is for the draft.
enum Verdict {
    Step { readonly: bool, lifted: bool, sticky: bool },
    Left(Reason),
    LogIn { address: String, then: Option<String> },
    Goes(String),
    Edits(String),
}

impl Walk<'_> {
    /// A block of shell, or a session of a terminal.
    pub(super) fn shell(&mut self, block: &Block, code: &Code, session: bool) {
        let mut body = code.body.clone();
        let typed = if session { take_prompts(&mut body, &code.language) } else { vec![true; body.len()] };
        let entries = entries(&body, &typed, session);
        let left = self.left();
        let mut output = Output::new(&code.lead, "sh");
        let sticky = left.is_none() && self.sticky_from(&entries).is_some();
        for entry in entries {
            match entry {
                Entry::Between(at) => self.between(&mut output, &body[at]),
                Entry::Answer(at) => {
                    // What the terminal answered is for people.
                    let line = self.emit(&code.lead, &body[at]);
                    let line = Emit { text: format!("# {}", line.text), at: None, ..line };
                    match &mut output.group {
                        Some(group) => group.lines.push(line),
                        None => output.waiting.push(line),
                    }
                }
                Entry::Command { text, first, last } => {
                    let verdict = match &left {
                        Some(reason) => {
                            self.log_in_only(&text, body[first].line);
                            Verdict::Left(reason.clone())
                        }
                        None => self.verdict(&text),
                    };
                    self.entry(&mut output, (&text, &body[first..=last]), verdict, sticky);
                }
            }
        }
        if let Some(group) = &mut output.group {
            group.lines.append(&mut output.waiting);
        }
        self.flush(&mut output);
        let waiting = std::mem::take(&mut output.waiting);
        if waiting.iter().any(|line| !line.text.trim().is_empty()) {
            self.comments(&mut output, waiting);
        }
        self.replace(block, output.out);
    }

    /// Comments that no command stands behind.
    fn comments(&mut self, output: &mut Output<'_>, lines: Vec<Emit>) {
        if output.out.last().is_some_and(|line| !line.text.is_empty()) {
            output.out.push(Emit::own(output.lead, ""));
        }
        output.out.push(Emit::own(output.lead, "```text"));
        output.out.extend(lines);
        output.out.push(Emit::own(output.lead, "```"));
    }

    pub(super) fn emit(&self, lead: &str, piece: &Piece) -> Emit {
        Emit {
            lead: lead.to_owned(),
            text: piece.text.clone(),
            at: Some(self.span(piece.line, piece.column, 0).start),
            asks: None,
        }
    }

    /// Lines `first..=last` become these.
    pub(super) fn replace(&mut self, block: &Block, out: Vec<Emit>) {
        self.instead.insert(block.first, (block.last, out));
    }

    fn between(&mut self, output: &mut Output<'_>, piece: &Piece) {
        let text = piece.text.trim_start_matches([' ', '\t']);
        let commented = text.strip_prefix('#').map(str::trim);
        if let Some(command) = commented.filter(|text| judge::is_command_line(text)) {
            let span = self.span(piece.line, piece.column + piece.text.len() - text.len(), text.len());
            self.note(command, span, Fate::Left(Reason::Comment));
        }
        let line = self.emit(output.lead, piece);
        output.waiting.push(line);
    }

    /// A command of a block: it joins a fence, or becomes something else.
    fn entry(
        &mut self,
        output: &mut Output<'_>,
        (text, pieces): (&str, &[Piece]),
        verdict: Verdict,
        sticky: bool,
    ) {
        let span = self.span(pieces[0].line, pieces[0].column, pieces[0].text.len());
        let lines: Vec<Emit> = pieces.iter().map(|piece| self.emit(output.lead, piece)).collect();
        match verdict {
            Verdict::Left(reason) => {
                let command = self.note(text, span, Fate::Left(reason.clone()));
                self.add(output, Key::Left(reason), "left", Some(command), lines);
            }
            Verdict::Step { readonly, lifted, sticky: own } => {
                let (on, database) = self.place(text);
                let words = self.words_of(text);
                let name = name_of(&words.iter().map(String::as_str).collect::<Vec<_>>());
                if let Some(first) = self.repeats(text, readonly || lifted, pieces[0].line) {
                    let reason = Reason::Repeats(first);
                    let command = self.note(text, span, Fate::Left(reason.clone()));
                    return self.add(output, Key::Left(reason), &name, Some(command), lines);
                }
                let dir = if database { None } else { self.folder(&on) };
                let loose = sticky || own;
                let key = Key::Step { on, readonly: readonly && !loose, lifted: lifted && !loose, dir };
                let command = self.note(text, span, Fate::Step(String::new()));
                self.add(output, key, &name, Some(command), lines);
            }
            Verdict::LogIn { address, then } => self.log_in(output, (text, span), &address, then),
            Verdict::Goes(dir) => {
                self.goes(&dir, span.start);
                self.note(text, span, Fate::Folder);
                self.flush(output);
            }
            Verdict::Edits(file) => {
                self.flush(output);
                let words: Vec<String> = output.waiting.drain(..).map(|line| line.text).collect();
                let tail = text.find(" #").map(|at| text[at + 2..].trim().to_owned());
                let words = words
                    .into_iter()
                    .map(|text| text.trim().trim_start_matches('#').trim().to_owned())
                    .chain(tail);
                let words: Vec<String> = words.filter(|text| !text.is_empty()).collect();
                let command = self.note(text, span, Fate::Edit(String::new()));
                let id = self.edit(output, &file, &words.join(" / "), &[], Some(span.start));
                self.notes.commands[command].line.fate = Fate::Edit(id);
            }
        }
    }

    /// A login: it is for the lines behind it, or for the line that it brings.
    fn log_in(
        &mut self,
        output: &mut Output<'_>,
        (text, span): (&str, Span),
        address: &str,
        then: Option<String>,
    ) {
        let at = self.host(address, span.start);
        let before = self.host.replace(at);
        let name = self.notes.hosts[at].name.clone();
        let Some(line) = then else {
            self.dir = None;
            self.note(text, span, Fate::Target(name.clone()));
            let words = self.language.pick("target", "目标", "ターゲット");
            self.flush(output);
            return self.remark(output, &format!("{words} `{name}` = {address}"));
        };
        let (readonly, lifted) = match self.verdict(&line) {
            Verdict::Step { readonly, lifted, .. } => (readonly, lifted),
            _ => (false, false),
        };
        let command = self.note(text, span, Fate::Step(String::new()));
        let key = Key::Step { on: name, readonly, lifted, dir: None };
        let lead = output.lead.to_owned();
        let emit =
            |text: &str| Emit { lead: lead.clone(), text: text.to_owned(), at: Some(span.start), asks: None };
        let words: Vec<&str> = line.split_whitespace().collect();
        self.add(output, key, &name_of(&words), Some(command), line.lines().map(emit).collect());
        self.host = before;
    }

    fn remark(&self, output: &mut Output<'_>, words: &str) {
        output.out.push(Emit::own(output.lead, remark_line(words)));
    }

    /// A `diff` to complete. `lines` are what the runbook says of it.
    pub(super) fn edit(
        &mut self,
        output: &mut Output<'_>,
        file: &str,
        words: &str,
        lines: &[Emit],
        at: Option<usize>,
    ) -> String {
        let id = self.ids.give(&format!("edit-{}", file.rsplit('/').next().unwrap_or(file)));
        let on = self.on();
        if output.out.last().is_some_and(|line| !line.text.is_empty()) {
            output.out.push(Emit::own(output.lead, ""));
        }
        if lines.is_empty() || lines.iter().any(|line| line.at.is_none()) {
            let todo = self.language.pick(
                "write what changes, as `-` and `+` lines",
                "请写出改动（`-` 和 `+` 行）",
                "変更を `-` と `+` の行で書く",
            );
            let words = if words.is_empty() { todo.to_owned() } else { format!("{todo}: {words}") };
            self.remark(output, &words);
        }
        let file = match self.folder(&on) {
            Some(dir) if !file.starts_with(['/', '~']) => format!("{}/{file}", dir.trim_end_matches('/')),
            _ => file.to_owned(),
        };
        self.notes.steps += 1;
        output.out.push(Emit::own(output.lead, format!("```diff {{#{id} on={on}}}")));
        output.out.push(Emit { lead: output.lead.to_owned(), text: format!("--- {file}"), at, asks: None });
        output.out.extend(lines.iter().cloned());
        output.out.push(Emit::own(output.lead, "```"));
        id
    }

    /// What a command is.
    fn verdict(&self, text: &str) -> Verdict {
        if judge::is_cron(text) {
            return Verdict::Left(Reason::Scheduled);
        }
        let (script, problems) = shell::parse(text);
        let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
        let [command] = &script.commands[..] else {
            let reads = !broken
                && !script.commands.is_empty()
                && script.commands.iter().flat_map(programs::parts).all(programs::only_reads);
            return Verdict::Step { readonly: reads, lifted: false, sticky: false };
        };
        let parts = programs::parts(command);
        if let Some(simple) = judge::simple(&command.kind).filter(|_| !broken) {
            if let Some(verdict) = special(simple) {
                return verdict;
            }
            let words = programs::bare(simple);
            let lifted = programs::is_lifted(&words);
            let sticky = words.is_empty() || STICKY.contains(&words[0]);
            return Verdict::Step { readonly: programs::only_reads(simple), lifted, sticky };
        }
        let reads = !broken
            && !parts.is_empty()
            && parts.iter().all(|part| !part.words.is_empty() && programs::only_reads(part));
        if let Some(last) = parts.last().filter(|part| programs::never_ends(&programs::bare(part)))
            && !last.words.is_empty()
        {
            return Verdict::Left(Reason::NeverEnds);
        }
        if parts.len() == 1
            && programs::bare(&parts[0]).first() == Some(&"cd")
            && text.starts_with("cd ~")
            && !text.contains([';', '&', '|'])
        {
            // `~` is no literal word, but what it is for `cd` is known.
            return Verdict::Goes(text[3..].split(" #").next().unwrap_or_default().trim().to_owned());
        }
        if let Some(edited) = tilde_edit(text) {
            return Verdict::Edits(edited);
        }
        Verdict::Step { readonly: reads, lifted: false, sticky: false }
    }

    /// The line of the first command that says the same, if running a thing that cannot be looked into twice is a mistake.
    fn repeats(&mut self, text: &str, known: bool, line: usize) -> Option<usize> {
        let source = self.span(line, 0, 0).start;
        let key = text.split(" #").next().unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ");
        let script = ["bash ", "sh ", "./", "python", "make "]
            .iter()
            .any(|start| key.trim_start_matches("sudo ").starts_with(start));
        let before = self.done.get(&key).copied();
        self.done.entry(key).or_insert(source);
        before.filter(|_| script && !known).map(|at| self.source.line(at))
    }

    /// The entry from which lines act on the lines behind them.
    fn sticky_from(&self, entries: &[Entry]) -> Option<usize> {
        entries.iter().position(|entry| match entry {
            Entry::Command { text, .. } => matches!(self.verdict(text), Verdict::Step { sticky: true, .. }),
            _ => false,
        })
    }

    /// The target of a line, and whether that is a database.
    pub(super) fn place(&mut self, text: &str) -> (String, bool) {
        let (script, _) = shell::parse(text);
        let simple = script.commands.iter().flat_map(programs::parts).next();
        let words = simple.map(programs::bare).unwrap_or_default();
        if self.host.is_some() {
            return (self.on(), false);
        }
        if let Some((buckets, only)) = programs::buckets(&words) {
            let names: Vec<String> = buckets.into_iter().map(|bucket| self.bucket(bucket)).collect();
            if only {
                return (names[0].clone(), true);
            }
        }
        if programs::database(&words).is_some() {
            self.notes.uses_db = true;
            return ("db".to_owned(), true);
        }
        (self.on(), false)
    }

    /// The target of a bucket.
    fn bucket(&mut self, bucket: &str) -> String {
        let name: String = bucket.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let name =
            if ["", "app", "here", "db"].contains(&name.as_str()) { format!("store-{name}") } else { name };
        self.notes.buckets.insert(bucket.to_owned(), name.clone());
        name
    }

    fn words_of(&self, text: &str) -> Vec<String> {
        let (script, _) = shell::parse(text);
        let first = script.commands.first().and_then(|command| programs::parts(command).first());
        first.map_or_else(
            || text.split_whitespace().map(str::to_owned).collect(),
            |simple| programs::bare(simple).into_iter().map(str::to_owned).collect(),
        )
    }

    /// The host of an address.
    pub(super) fn host(&mut self, address: &str, at: usize) -> usize {
        let bare = address.rsplit('@').next().unwrap_or(address);
        if let Some(known) = self.notes.hosts.iter().position(|host| {
            host.address == address || host.address.rsplit('@').next().unwrap_or(&host.address) == bare
        }) {
            return known;
        }
        let label = bare.split('.').next().unwrap_or(bare);
        let nameless = windlass_plan::placeholder(bare).is_some()
            || label.bytes().all(|b| b.is_ascii_digit())
            || label.is_empty();
        let mut name = if self.notes.hosts.is_empty() || nameless {
            "app".to_owned()
        } else {
            label.to_ascii_lowercase()
        };
        name.retain(|c| c.is_ascii_alphanumeric() || c == '-');
        let taken = |name: &str, hosts: &[Host]| {
            name.is_empty() || ["here", "db"].contains(&name) || hosts.iter().any(|host| host.name == name)
        };
        let mut n = 2;
        let stem = if name.is_empty() { "app".to_owned() } else { name.clone() };
        while taken(&name, &self.notes.hosts) {
            name = format!("{stem}-{n}");
            n += 1;
        }
        self.notes.hosts.push(Host { name, address: address.to_owned(), dir: None, at });
        self.notes.hosts.len() - 1
    }

    /// Where no step is made, a login still says which machine is meant.
    fn log_in_only(&mut self, text: &str, line: usize) {
        if let Verdict::LogIn { address, .. } = self.verdict(text)
            && self.left() != Some(Reason::Example)
        {
            let at = self.span(line, 0, 0).start;
            self.host = Some(self.host(&address, at));
        }
    }

    fn goes(&mut self, dir: &str, at: usize) {
        let level = self.level();
        let dir = dir.trim_matches(['"', '\'']).to_owned();
        let whole = dir.starts_with(['/', '~']);
        let dir = match &self.dir {
            Some((before, ..)) if !whole => format!("{}/{dir}", before.trim_end_matches('/')),
            _ => dir,
        };
        let home = match self.host {
            Some(host) => &mut self.notes.hosts[host].dir,
            None => &mut self.notes.dir,
        };
        if home.is_none() && whole {
            *home = Some(dir.clone());
        }
        self.dir = Some((dir, Some(at), level));
    }

    /// The folder that a line has to go to first.
    fn folder(&self, on: &str) -> Option<String> {
        let (dir, ..) = self.dir.as_ref()?;
        let home = match self.host {
            Some(host) => self.notes.hosts[host].dir.as_ref(),
            None => self.notes.dir.as_ref(),
        };
        (on != "db" && home != Some(dir)).then(|| dir.clone())
    }
}

/// Builtins that act on the lines behind them.
const STICKY: &[&str] =
    &["source", ".", "export", "set", "umask", "trap", "alias", "unset", "ulimit", "eval", "pushd", "popd"];

/// Commands that are no line of a step.
fn special(simple: &SimpleCommand) -> Option<Verdict> {
    let words = programs::bare(simple);
    let raw: Vec<&str> = simple.words.iter().map(|word| word.text.as_str()).collect();
    if matches!(raw[..], ["sudo", "-i" | "-s"] | ["sudo", "su", ..]) {
        return Some(Verdict::Left(Reason::OtherUser));
    }
    let (program, rest) = words.split_first()?;
    if programs::never_ends(&words) {
        return Some(Verdict::Left(Reason::NeverEnds));
    }
    if programs::is_console(simple) {
        return Some(Verdict::Left(Reason::Console));
    }
    match *program {
        "exit" | "logout" | "quit" => Some(Verdict::Left(Reason::Leaves)),
        "su" => Some(Verdict::Left(Reason::OtherUser)),
        "cd" if rest.len() == 1 && rest[0] != "-" => Some(Verdict::Goes(rest[0].to_owned())),
        "crontab" if rest.contains(&"-e") => Some(Verdict::Left(Reason::Scheduled)),
        "git" if matches!(rest.first(), Some(&"add" | &"commit" | &"push" | &"tag")) => {
            Some(Verdict::Left(Reason::Local))
        }
        "visudo" | "systemctl" if rest.first() == Some(&"edit") => Some(Verdict::Left(Reason::Console)),
        editor if programs::EDITORS.contains(&editor) => {
            let file = rest.iter().rev().find(|word| !word.starts_with(['-', '+']))?;
            Some(Verdict::Edits((*file).to_owned()))
        }
        "ssh" => log_in(simple, rest),
        _ => None,
    }
}

/// `ssh [options] user@host [command]`.
fn log_in(simple: &SimpleCommand, rest: &[&str]) -> Option<Verdict> {
    const WITH_VALUE: &[&str] =
        &["-p", "-i", "-l", "-o", "-J", "-F", "-L", "-R", "-D", "-b", "-c", "-e", "-m"];
    let mut at = 0;
    while let Some(option) = rest.get(at).filter(|word| word.starts_with('-')) {
        at += if WITH_VALUE.contains(option) { 2 } else { 1 };
    }
    let address = (*rest.get(at)?).to_owned();
    let fed = simple
        .redirects
        .iter()
        .find(|redirect| redirect.operator == "<<")
        .map(|redirect| redirect.target.text.clone());
    let words = rest.get(at + 1..).unwrap_or_default();
    let then = match (words.is_empty(), fed) {
        (true, None) if simple.redirects.is_empty() => None,
        (true, Some(script)) => Some(script),
        // ssh joins the words by spaces, and the shell there reads them again.
        (false, None) => Some(words.join(" ")),
        _ => return None,
    };
    Some(Verdict::LogIn { address, then })
}

/// `vim ~/app/x.py`: not literal for the shell reader, but for a person.
fn tilde_edit(text: &str) -> Option<String> {
    let mut words = text.split(" #").next()?.split_whitespace().filter(|word| *word != "sudo");
    let editor = words.next().filter(|word| programs::EDITORS.contains(word))?;
    let file = words.next_back()?;
    (!editor.is_empty() && file.starts_with('~') && !text.contains([';', '|', '&'])).then(|| file.to_owned())
}

/// Takes the prompts off; says of each line whether it was typed.
fn take_prompts(body: &mut [Piece], language: &str) -> Vec<bool> {
    let dollar = body.iter().any(|piece| judge::prompt(&piece.text, false).is_some());
    let root = !dollar || language != "console" && language.is_empty();
    let root = root && !dollar;
    let mut goes_on = false;
    body.iter_mut()
        .map(|piece| {
            let typed = match judge::prompt(&piece.text, root) {
                Some(at) => {
                    piece.text = piece.text[at..].to_owned();
                    piece.column += at;
                    true
                }
                None if goes_on => {
                    if let Some(rest) = piece.text.strip_prefix("> ") {
                        piece.text = rest.to_owned();
                        piece.column += 2;
                    }
                    true
                }
                None => false,
            };
            goes_on = typed && piece.text.trim_end().ends_with('\\');
            typed
        })
        .collect()
}

/// Cuts a block into commands, comments and answers.
fn entries(body: &[Piece], typed: &[bool], session: bool) -> Vec<Entry> {
    let whole: String = body.iter().flat_map(|piece| [piece.text.as_str(), "\n"]).collect();
    if !session {
        let (script, problems) = shell::parse(&whole);
        if !problems.iter().any(|problem| problem.severity == Severity::Error) {
            return by_commands(body, &whole, &script);
        }
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let text = body[at].text.trim();
        let first = at;
        at += 1;
        if text.is_empty() || typed[first] && text.starts_with('#') {
            found.push(Entry::Between(first));
            continue;
        }
        if !typed[first] {
            found.push(if text.starts_with('#') && judge::result_rows(text).is_none() {
                Entry::Between(first)
            } else {
                Entry::Answer(first)
            });
            continue;
        }
        while at < body.len() && body[at - 1].text.trim_end().ends_with('\\') && typed[at] {
            at += 1;
        }
        let text: Vec<&str> = body[first..at].iter().map(|piece| piece.text.as_str()).collect();
        found.push(Entry::Command { text: text.join("\n"), first, last: at - 1 });
    }
    found
}

/// The commands as the shell reader cuts them; several on one line are one.
fn by_commands(body: &[Piece], whole: &str, script: &shell::ShellScript) -> Vec<Entry> {
    let mut starts = Vec::with_capacity(body.len());
    let mut offset = 0;
    for piece in body {
        starts.push(offset);
        offset += piece.text.len() + 1;
    }
    let line = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for command in &script.commands {
        let (first, last) =
            (line(command.span.start), line(command.span.end.saturating_sub(1).max(command.span.start)));
        match ranges.last_mut() {
            Some(before) if before.1 >= first => before.1 = last.max(before.1),
            _ => ranges.push((first, last)),
        }
    }
    let mut found = Vec::new();
    let mut at = 0;
    for (first, last) in ranges {
        found.extend((at..first).map(Entry::Between));
        let end = starts.get(last + 1).map_or(whole.len(), |next| next - 1);
        found.push(Entry::Command { text: whole[starts[first]..end].trim_end().to_owned(), first, last });
        at = last + 1;
    }
    found.extend((at..body.len()).map(Entry::Between));
    found
}
