//! Tokens to commands: which are simple, where the others end, and what is not well formed.
//!
//! A machine with an explicit stack of open constructs, not a grammar: a compound command is opaque, so only its
//! extent has to be right.

mod redirect;

use super::lexer::{HereBodies, Lexer, Reason, Token, WordToken};
use super::{Assignment, CommandKind, Joint, Redirect, ShellCommand, SimpleCommand, Word};
use crate::Span;
use crate::rules::Findings;
use crate::rules_list::{SHELL_SYNTAX, SHELL_UNTERMINATED};

/// Constructs that a later word or operator closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    If,
    Loop,
    Case,
    Brace,
    Parenthesis,
    Test,
}

const OPEN_KINDS: usize = 6;

/// A construct that is open.
struct Construct {
    open: Open,
    /// Where its opening stands.
    at: Span,
    /// What may follow its end.
    after: Place,
}

impl Open {
    fn closer(self) -> &'static str {
        match self {
            Open::If => "fi",
            Open::Loop => "done",
            Open::Case => "esac",
            Open::Brace => "}",
            Open::Parenthesis => ")",
            Open::Test => "]]",
        }
    }
}

/// What the next word is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// A command name or a reserved word.
    #[default]
    Command,
    /// More of a command.
    Arguments,
    /// Behind `fi`, `}`, `)` …: redirections, or a reserved word that goes on with the construct around it.
    Closed,
    /// The variable of `for`.
    ForName,
    /// `in` or `do`.
    ForIn,
    /// The word of `case`.
    CaseWord,
    /// The `in` of `case`.
    CaseIn,
    /// A pattern of `case`.
    Pattern,
    /// The name behind `function`.
    FunctionName,
}

/// The command being read.
#[derive(Default)]
struct Current {
    span: Option<Span>,
    because: Option<Reason>,
    simple: SimpleCommand,
    place: Place,
    /// An operator that needs a right-hand side: a line end does not end the command.
    joined: Option<Span>,
    /// A here-document is pending or was read: the whole line is one command. Its descriptor and operator.
    here: Option<(u32, Span)>,
    /// The simple commands that were read before the one being read.
    earlier: Vec<SimpleCommand>,
    /// What makes it more than a simple command, as far as it was read.
    joint: Option<Joint>,
}

pub(super) struct Parser<'a, 'p> {
    lexer: Lexer<'a>,
    problems: &'p mut Findings,
    commands: Vec<ShellCommand>,
    current: Current,
    open: Vec<Construct>,
    /// How often each kind stands in `open`.
    counts: [usize; OPEN_KINDS],
}

impl<'a, 'p> Parser<'a, 'p> {
    pub(super) fn new(text: &'a str, problems: &'p mut Findings) -> Self {
        Self {
            lexer: Lexer::new(text),
            problems,
            commands: Vec::new(),
            current: Current::default(),
            open: Vec::new(),
            counts: [0; OPEN_KINDS],
        }
    }

    pub(super) fn run(mut self) -> Vec<ShellCommand> {
        let mut token = self.lexer.next(self.problems);
        loop {
            token = match token {
                Token::End => break,
                Token::Word(word) => {
                    self.word(word);
                    self.lexer.next(self.problems)
                }
                Token::Operator(operator, span) => {
                    self.operator(operator, span);
                    self.lexer.next(self.problems)
                }
                Token::NewLine(here_end) => {
                    self.new_line(here_end);
                    self.lexer.next(self.problems)
                }
                Token::Redirect { descriptor, operator, span } => self.redirect(descriptor, operator, span),
            };
        }
        self.lexer.end(self.problems);
        self.end();
        if self.commands.is_empty() {
            super::prompt::report_root_prompts(self.lexer.text, &self.lexer.comments, self.problems);
        }
        self.commands
    }

    fn top(&self) -> Option<Open> {
        self.open.last().map(|construct| construct.open)
    }

    fn extend(&mut self, span: Span) {
        let whole = self.current.span.get_or_insert(span);
        whole.end = whole.end.max(span.end);
    }

    fn because(&mut self, what: &'static str, at: Span) {
        self.joined_by(Joint::Other, what, at);
    }

    fn joined_by(&mut self, joint: Joint, what: &'static str, at: Span) {
        let before = self.current.joint.get_or_insert(joint);
        if *before != joint {
            *before = Joint::Other;
        }
        self.current.because.get_or_insert((what, at));
    }

    /// Puts the command that was read aside, for the next one of the same line or construct.
    fn set_aside(&mut self) {
        let read = std::mem::take(&mut self.current.simple);
        if read != SimpleCommand::default() {
            self.current.earlier.push(read);
        }
    }

    fn push(&mut self, open: Open, span: Span, what: &'static str, place: Place) {
        self.because(what, span);
        self.open.push(Construct { open, at: span, after: Place::Closed });
        self.counts[open as usize] += 1;
        self.current.place = place;
    }

    /// Takes the innermost construct off the stack.
    fn pop(&mut self) -> Option<Construct> {
        let popped = self.open.pop()?;
        self.counts[popped.open as usize] -= 1;
        Some(popped)
    }

    /// `word` closes `open`; constructs inside it that are still open are reported.
    fn close(&mut self, open: Open, span: Span) {
        self.current.place = Place::Closed;
        if self.counts[open as usize] == 0 {
            self.stray(span, open.closer());
            return self.because("a control structure", span);
        }
        while let Some(inner) = self.pop() {
            if inner.open == open {
                self.current.place = inner.after;
                return;
            }
            self.report_open(inner.open, inner.at, Some(span));
        }
    }

    fn stray(&mut self, span: Span, what: &str) {
        self.problems.push(
            SHELL_SYNTAX
                .at(span, format!("`{what}` without what it belongs to"))
                .label("not expected here")
                .help(format!("remove `{what}`, add what it closes, or quote it if it is text")),
        );
    }

    fn report_open(&mut self, open: Open, at: Span, met: Option<Span>) {
        let written = &self.lexer.text[at.start..at.end];
        let closer = open.closer();
        let mut finding = SHELL_UNTERMINATED
            .at(at, format!("`{written}` is never closed by `{closer}`"))
            .label("opened here")
            .help(format!("add the missing `{closer}`"));
        if let Some(met) = met {
            finding = finding.also(met, "this closes something around it");
        }
        self.problems.push(finding);
    }

    fn word(&mut self, word: WordToken) {
        let fresh = self.current.span.is_none();
        let span = word.span;
        self.extend(span);
        if matches!(self.current.place, Place::Command) {
            let before = self.lexer.peek();
            super::prompt::report_prompt(self.lexer.text, &word, before, fresh, self.problems);
        }
        if let Some((what, at)) = word.because {
            self.because(what, at);
        }
        let text = if word.plain { word.text.as_str() } else { "" };
        match self.current.place {
            Place::Command => {
                if !self.reserved(text, span) {
                    self.argument(word);
                }
            }
            Place::Closed => {
                if !self.reserved(text, span) {
                    self.stray(span, &self.lexer.text[span.start..span.end]);
                }
            }
            Place::ForIn if text == "do" => {
                self.reserved(text, span);
            }
            Place::Pattern if text == "esac" => self.close(Open::Case, span),
            Place::Arguments if self.top() == Some(Open::Test) && text == "]]" => {
                self.close(Open::Test, span);
            }
            Place::Arguments => self.argument(word),
            Place::ForName => self.current.place = Place::ForIn,
            Place::ForIn => self.current.place = Place::Arguments,
            Place::CaseWord => self.current.place = Place::CaseIn,
            Place::CaseIn => self.current.place = Place::Pattern,
            Place::Pattern => {}
            Place::FunctionName => {
                self.current.place = Place::Command;
                self.current.joined = Some(span);
                self.skip_empty_parentheses();
            }
        }
        if !matches!(self.current.place, Place::Command) {
            self.current.joined = None;
        }
    }

    /// A word of a command that is not a reserved word.
    fn argument(&mut self, word: WordToken) {
        self.current.place = Place::Arguments;
        let simple = &mut self.current.simple;
        let literal = word.because.is_none();
        match word.assign {
            Some(equals) if simple.words.is_empty() => {
                let value = if literal { word.text[equals + 1..].to_owned() } else { String::new() };
                let name = word.text[..equals].to_owned();
                simple.assignments.push(Assignment { name, value, span: word.span });
            }
            _ => {
                let text = if literal { word.text } else { String::new() };
                simple.words.push(Word { text, span: word.span });
            }
        }
    }

    /// Handles `text` if it is a reserved word here.
    fn reserved(&mut self, text: &str, span: Span) -> bool {
        const CONTROL: &str = "a control structure";
        match text {
            "if" => self.push(Open::If, span, CONTROL, Place::Command),
            "while" | "until" => self.push(Open::Loop, span, CONTROL, Place::Command),
            "for" | "select" => self.push(Open::Loop, span, CONTROL, Place::ForName),
            "case" => self.push(Open::Case, span, CONTROL, Place::CaseWord),
            "{" => self.push(Open::Brace, span, "a group", Place::Command),
            "[[" => self.push(Open::Test, span, "a bash test", Place::Arguments),
            "then" | "elif" | "else" => self.inside(Open::If, text, span),
            "do" => self.inside(Open::Loop, text, span),
            "fi" => self.close(Open::If, span),
            "done" => self.close(Open::Loop, span),
            "esac" => self.close(Open::Case, span),
            "}" => self.close(Open::Brace, span),
            "!" => {
                self.because("a negation", span);
                self.current.place = Place::Command;
            }
            "function" => {
                self.because("a function definition", span);
                self.current.place = Place::FunctionName;
            }
            _ => return false,
        }
        // Words in a construct start a new command each.
        self.set_aside();
        true
    }

    /// `then`, `do` …: allowed only directly inside `open`.
    fn inside(&mut self, open: Open, text: &str, span: Span) {
        if self.top() != Some(open) {
            self.stray(span, text);
            self.because("a control structure", span);
        }
        self.current.place = Place::Command;
    }

    fn skip_empty_parentheses(&mut self) {
        let rest = self.lexer.text[self.lexer.at..].trim_start_matches([' ', '\t']);
        if let Some(rest) = rest.strip_prefix('(').map(|rest| rest.trim_start_matches([' ', '\t']))
            && let Some(rest) = rest.strip_prefix(')')
        {
            self.lexer.at = self.lexer.text.len() - rest.len();
        }
    }

    fn operator(&mut self, operator: &'static str, span: Span) {
        match operator {
            "(" => return self.open_parenthesis(span),
            ")" => {
                self.extend(span);
                if self.current.place == Place::Pattern {
                    self.current.place = Place::Command;
                } else {
                    self.close(Open::Parenthesis, span);
                }
                return;
            }
            ";;" | ";;&" | ";&" => {
                self.extend(span);
                if self.top() == Some(Open::Case) {
                    self.current.place = Place::Pattern;
                } else {
                    self.stray(span, operator);
                    self.because("a control structure", span);
                    self.current.place = Place::Command;
                }
                return;
            }
            _ => {}
        }
        if self.current.place == Place::Pattern && operator == "|" {
            return self.extend(span);
        }
        if self.current.place == Place::Command && self.top() != Some(Open::Test) {
            self.report_missing(span, operator, "before");
        }
        match operator {
            ";" => self.semicolon(span),
            "&" => {
                self.extend(span);
                self.because("a background job", span);
                self.current.joined = None;
                self.separate();
            }
            _ => {
                self.extend(span);
                let (joint, what) = match operator {
                    "|" => (Joint::Pipe, "a pipe"),
                    "|&" => (Joint::Other, "a pipe"),
                    "&&" => (Joint::And, "a list"),
                    _ => (Joint::Other, "a list"),
                };
                self.joined_by(joint, what, span);
                self.current.joined = Some(span);
                self.next_command();
            }
        }
    }

    fn report_missing(&mut self, span: Span, operator: &str, side: &str) {
        self.problems.push(
            SHELL_SYNTAX
                .at(span, format!("there is no command {side} `{operator}`"))
                .label("a command is missing")
                .help(format!("write the command, or remove `{operator}`")),
        );
    }

    fn semicolon(&mut self, span: Span) {
        self.current.joined = None;
        if !self.open.is_empty() || self.current.here.is_some() {
            self.extend(span);
            if let Some((_, operator)) = self.current.here {
                self.because("a here-document", operator);
            }
            self.next_command();
        } else {
            self.finish();
        }
    }

    /// Behind `&`: a new command, or the next one of the construct.
    fn separate(&mut self) {
        if self.open.is_empty() && self.current.here.is_none() { self.finish() } else { self.next_command() }
    }

    fn next_command(&mut self) {
        self.set_aside();
        self.current.place = if self.top() == Some(Open::Test) { Place::Arguments } else { Place::Command };
    }

    fn open_parenthesis(&mut self, span: Span) {
        let text = self.lexer.text;
        self.extend(span);
        let starts = matches!(self.current.place, Place::Command | Place::ForName);
        if starts && text[span.start..].starts_with("((") {
            self.because("a bash arithmetic command", span);
            self.lexer.double_parentheses(span.start, self.problems);
            self.extend(Span::new(span.start, self.lexer.at));
            self.current.place =
                if self.current.place == Place::ForName { Place::ForIn } else { Place::Closed };
            self.current.joined = None;
            return;
        }
        if self.current.place == Place::Arguments && self.function_follows(span) {
            self.because("a function definition", span);
            self.current.joined = Some(span);
            return self.next_command();
        }
        match self.current.place {
            Place::Pattern => {}
            Place::Command => self.push(Open::Parenthesis, span, "a subshell", Place::Command),
            _ => self.open_within_command(span),
        }
    }

    /// A `(` behind words: only some bash forms have one there, and the command goes on behind their `)`.
    fn open_within_command(&mut self, span: Span) {
        let before = self.lexer.text[..span.start].chars().next_back();
        let (what, inside) = match before {
            Some('<' | '>') => ("a process substitution", Place::Command),
            Some('=') => ("an array", Place::Arguments),
            Some('?' | '*' | '+' | '@' | '!') => ("a glob", Place::Arguments),
            _ if self.counts[Open::Test as usize] > 0 => ("a bash test", Place::Arguments),
            _ => {
                self.stray(span, "(");
                ("a subshell", Place::Command)
            }
        };
        self.push(Open::Parenthesis, span, what, inside);
        if let Some(construct) = self.open.last_mut() {
            construct.after = Place::Arguments;
        }
    }

    /// `name ()`: one word so far, and nothing between the parentheses.
    fn function_follows(&mut self, span: Span) -> bool {
        let simple = &self.current.simple;
        let named = simple.words.len() == 1 && simple.assignments.is_empty() && simple.redirects.is_empty();
        let rest = self.lexer.text[span.end..].trim_start_matches([' ', '\t']);
        let Some(rest) = rest.strip_prefix(')').filter(|_| named) else { return false };
        self.lexer.at = self.lexer.text.len() - rest.len();
        self.extend(Span::new(span.start, self.lexer.at));
        true
    }

    fn new_line(&mut self, here: Option<HereBodies>) {
        if let Some(here) = here {
            self.here_document(&here);
        }
        let waits = self.current.joined.is_some() && self.current.place == Place::Command;
        if self.open.is_empty() && !waits && self.current.place != Place::FunctionName {
            self.finish();
        } else if matches!(self.current.place, Place::Arguments | Place::Closed) {
            self.next_command();
        }
    }

    /// The bodies of the line's here-documents have been read.
    fn here_document(&mut self, bodies: &HereBodies) {
        if let Some(span) = &mut self.current.span {
            span.end = span.end.max(bodies.end);
        }
        let Some((fd, operator)) = self.current.here else { return };
        match bodies.literal {
            Some(body) if self.current.because.is_none() => {
                let target = Word { text: self.lexer.text[body.start..body.end].to_owned(), span: body };
                let redirect = Redirect { fd, operator: "<<".to_owned(), target };
                self.current.simple.redirects.push(redirect);
            }
            _ => self.because("a here-document", operator),
        }
    }

    fn finish(&mut self) {
        self.set_aside();
        let mut current = std::mem::take(&mut self.current);
        let Some(span) = current.span else { return };
        let kind = match current.because {
            Some((because, at)) => {
                let joint = current.joint.unwrap_or(Joint::Other);
                CommandKind::Compound { because, at, commands: current.earlier, joint }
            }
            None => CommandKind::Simple(current.earlier.pop().unwrap_or_default()),
        };
        self.commands.push(ShellCommand { span, kind });
    }

    fn end(&mut self) {
        if let Some(span) = self.current.joined.filter(|_| self.current.place == Place::Command) {
            let text = self.lexer.text;
            self.report_missing(span, &text[span.start..span.end], "behind");
        }
        while let Some(construct) = self.pop() {
            self.report_open(construct.open, construct.at, None);
        }
        self.finish();
    }
}
