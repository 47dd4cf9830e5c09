//! Shell text to tokens, with quotes removed and with the first thing that makes a word more than literal.

use super::characters::report_lookalike;
use super::nested::{self, HereDocument};
use crate::Span;
use crate::rules::Findings;
use crate::rules_list::SHELL_UNTERMINATED;

/// Why something is not literal, and where.
pub(super) type Reason = (&'static str, Span);

/// A piece of shell text.
pub(super) enum Token {
    /// A word.
    Word(WordToken),
    /// A redirection operator; its target is the next word.
    Redirect {
        /// Digits before it.
        descriptor: Option<u32>,
        /// As written.
        operator: &'static str,
        /// Digits included.
        span: Span,
    },
    /// A control operator.
    Operator(&'static str, Span),
    /// A line end; the bodies of here-documents behind it are part of it.
    NewLine(Option<HereBodies>),
    /// End of the text.
    End,
}

/// What stood behind a line with here-documents.
pub(super) struct HereBodies {
    /// End of the last one.
    pub(super) end: usize,
    /// The body, if there is one only and the command reads it as it is written.
    pub(super) literal: Option<Span>,
}

/// A word after quote removal.
#[derive(Debug, Default)]
pub(super) struct WordToken {
    pub(super) span: Span,
    /// Literal text; incomplete when `because` is set.
    pub(super) text: String,
    /// Offset in `text` of the `=` that makes it look like an assignment.
    pub(super) assign: Option<usize>,
    /// Nothing of it was quoted: it can be a reserved word.
    pub(super) plain: bool,
    /// What makes it not literal.
    pub(super) because: Option<Reason>,
}

const REDIRECTS: [&str; 12] = ["<<<", "<<-", "&>>", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">", "&>"];
const OPERATORS: [&str; 11] = [";;&", ";;", ";&", "&&", "||", "|&", "&", "|", ";", "(", ")"];

/// Reads tokens from a text.
pub(super) struct Lexer<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Here-documents of the current line.
    pub(super) here: Vec<HereDocument>,
    /// Comment lines, for the prompt check.
    pub(super) comments: Vec<Span>,
    /// The last quoted text that spans lines: where a missing quote was probably left out.
    suspect: Option<Span>,
    /// Something was never closed: the rest of the text belongs to it, and one report is enough.
    broken: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, here: Vec::new(), comments: Vec::new(), suspect: None, broken: false }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_continuations(&mut self) {
        while self.rest().starts_with("\\\n") {
            self.at += 2;
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            self.skip_continuations();
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('#') => {
                    let end = self.rest().find('\n').map_or(self.text.len(), |length| self.at + length);
                    self.comments.push(Span::new(self.at, end));
                    self.at = end;
                }
                _ => return,
            }
        }
    }

    /// The next token.
    pub(super) fn next(&mut self, problems: &mut Findings) -> Token {
        self.skip_blanks();
        let start = self.at;
        let Some(first) = self.peek() else { return Token::End };
        if first == '\n' {
            self.at += 1;
            return Token::NewLine(self.here_documents(problems));
        }
        if let Some(operator) = self.take(&REDIRECTS) {
            return Token::Redirect { descriptor: None, operator, span: Span::new(start, self.at) };
        }
        if let Some(operator) = self.take(&OPERATORS) {
            return Token::Operator(operator, Span::new(start, self.at));
        }
        let word = self.word(problems);
        if word.plain && word.text.bytes().all(|byte| byte.is_ascii_digit()) && !word.text.is_empty() {
            // Only `<` and `>` take a descriptor: `2&>x` is a background job and a redirection.
            if matches!(self.peek(), Some('<' | '>'))
                && let Some(operator) = self.take(&REDIRECTS)
            {
                // A number too large for any descriptor is as unclear as 10 and above.
                let descriptor = Some(word.text.parse().unwrap_or(u32::MAX));
                return Token::Redirect { descriptor, operator, span: Span::new(start, self.at) };
            }
        }
        Token::Word(word)
    }

    /// Takes the first of `candidates` that stands here; line continuations may stand inside an operator.
    fn take(&mut self, candidates: &[&'static str]) -> Option<&'static str> {
        let start = self.at;
        'candidate: for candidate in candidates {
            self.at = start;
            for (index, byte) in candidate.bytes().enumerate() {
                if index > 0 {
                    self.skip_continuations();
                }
                if self.text.as_bytes().get(self.at) != Some(&byte) {
                    continue 'candidate;
                }
                self.at += 1;
            }
            return Some(candidate);
        }
        self.at = start;
        None
    }

    /// Skips the bodies of pending here-documents; `self.at` is the start of a line.
    fn here_documents(&mut self, problems: &mut Findings) -> Option<HereBodies> {
        let mut last = None;
        let pending = std::mem::take(&mut self.here);
        for here in &pending {
            let found = here.end(self.text, self.at);
            if found.is_none() {
                self.report_here_document(here, problems);
            }
            let end = found.unwrap_or(self.text.len());
            let literal = found.filter(|_| pending.len() == 1);
            let literal = literal.and_then(|end| here.literal(self.text, self.at, end));
            last = Some(HereBodies { end, literal });
            // The line end behind the delimiter is not a token of its own.
            self.at = (end + 1).min(self.text.len());
        }
        last
    }

    /// Reports here-documents whose line was the last of the text.
    pub(super) fn end(&mut self, problems: &mut Findings) {
        for here in std::mem::take(&mut self.here) {
            self.report_here_document(&here, problems);
        }
    }

    fn report_here_document(&mut self, here: &HereDocument, problems: &mut Findings) {
        if std::mem::replace(&mut self.broken, true) {
            return;
        }
        let span = Span::new(here.at, here.at + 2);
        problems.push(
            SHELL_UNTERMINATED
                .at(span, format!("this here-document has no end line `{}`", here.delimiter))
                .label("starts here")
                .help(format!("put a line that is exactly `{}` behind the text", here.delimiter)),
        );
    }

    /// Skips `((…))`, which starts here. `false`: it is never closed, which has been reported.
    pub(super) fn double_parentheses(&mut self, start: usize, problems: &mut Findings) -> bool {
        self.nested(start, problems)
    }

    fn nested(&mut self, start: usize, problems: &mut Findings) -> bool {
        match nested::end_of(self.text, start) {
            Ok(end) => {
                self.at = end;
                true
            }
            Err(opening) => {
                self.report_unclosed(opening, problems);
                self.at = self.text.len();
                false
            }
        }
    }

    fn report_unclosed(&mut self, opening: usize, problems: &mut Findings) {
        if std::mem::replace(&mut self.broken, true) {
            return;
        }
        let rest = &self.text[opening..];
        let (what, closing) = match rest.as_bytes() {
            [b'\'', ..] => ("single quote", "'"),
            [b'"', ..] => ("double quote", "\""),
            [b'`', ..] => ("back quote", "`"),
            [b'$', b'\'', ..] => ("quote", "'"),
            [b'$', b'{', ..] => ("`${`", "}"),
            [b'$', b'(', ..] => ("`$(`", ")"),
            [b'(', ..] => ("parenthesis", ")"),
            _ => ("`case`", "esac"),
        };
        let width = if rest.starts_with('$') { 2 } else { 1 };
        let span = Span::new(opening, (opening + width).min(self.text.len()));
        let mut finding = SHELL_UNTERMINATED
            .at(span, format!("this {what} is never closed"))
            .label("opened here")
            .help(format!("add the missing `{closing}`"));
        if let Some(suspect) = self.suspect {
            finding = finding.also(suspect, "this quoted text spans lines: was its closing quote left out?");
        }
        problems.push(finding);
    }

    fn word(&mut self, problems: &mut Findings) -> WordToken {
        let start = self.at;
        let mut word = Word::new(start);
        while let Some(character) = self.peek() {
            match character {
                ' ' | '\t' | '\r' | '\n' | '|' | '&' | ';' | '<' | '>' | '(' | ')' => break,
                '\\' => self.backslash(&mut word),
                '\'' => self.single_quotes(&mut word, problems),
                '"' => self.double_quotes(&mut word, problems),
                '$' => self.dollar(&mut word, problems),
                '`' => {
                    word.because("a command substitution", self.at, 1);
                    self.nested(self.at, problems);
                }
                _ => {
                    report_lookalike(character, self.at, self.at == start, problems);
                    word.plain_character(character, self.at);
                    self.at += character.len_utf8();
                }
            }
        }
        word.finish(Span::new(start, self.at), self.peek())
    }

    fn backslash(&mut self, word: &mut Word) {
        self.at += 1;
        match self.peek() {
            Some('\n') => self.at += 1,
            Some(character) => {
                word.quoted(character);
                self.at += character.len_utf8();
            }
            // Nothing to quote: every shell takes it as itself.
            None => word.quoted('\\'),
        }
    }

    fn single_quotes(&mut self, word: &mut Word, problems: &mut Findings) {
        let start = self.at;
        word.plain = false;
        match self.text[start + 1..].find('\'') {
            Some(length) => {
                let inside = &self.text[start + 1..start + 1 + length];
                word.text.push_str(inside);
                self.at = start + length + 2;
                self.note_lines(start);
            }
            None => self.unterminated(start, word, problems),
        }
    }

    fn unterminated(&mut self, start: usize, word: &mut Word, problems: &mut Findings) {
        self.report_unclosed(start, problems);
        word.because("an unterminated quote", start, 1);
        self.at = self.text.len();
    }

    fn note_lines(&mut self, start: usize) {
        if self.text[start..self.at].contains('\n') {
            self.suspect = Some(Span::new(start, start + 1));
        }
    }

    fn double_quotes(&mut self, word: &mut Word, problems: &mut Findings) {
        let start = self.at;
        word.plain = false;
        self.at += 1;
        loop {
            let Some(character) = self.peek() else {
                return self.unterminated(start, word, problems);
            };
            let width = character.len_utf8();
            match character {
                '"' => {
                    self.at += 1;
                    return self.note_lines(start);
                }
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some(next @ ('$' | '`' | '"' | '\\')) => {
                            word.text.push(next);
                            self.at += 1;
                        }
                        _ => word.text.push('\\'),
                    }
                }
                '`' => {
                    word.because("a command substitution", self.at, 1);
                    self.nested(self.at, problems);
                }
                // In double quotes `$"` and `$'` are an ordinary dollar sign.
                '$' if !matches!(self.text.as_bytes().get(self.at + 1), Some(b'"' | b'\'')) => {
                    self.dollar(word, problems);
                }
                _ => {
                    word.text.push(character);
                    self.at += width;
                }
            }
        }
    }

    fn dollar(&mut self, word: &mut Word, problems: &mut Findings) {
        let start = self.at;
        let next = self.rest().chars().nth(1);
        match next {
            Some('(') => {
                word.because("a command substitution", start, 2);
                self.nested(start, problems);
            }
            Some('{') => {
                word.because("a variable", start, 2);
                self.nested(start, problems);
            }
            Some('\'') => {
                word.because("a bash quote `$'…'`", start, 2);
                self.ansi_quotes(word, problems);
            }
            Some('"') => {
                word.because("a bash quote `$\"…\"`", start, 2);
                self.at += 1;
            }
            Some(c) if c.is_ascii_alphanumeric() || "_@*#?-$!\\".contains(c) => {
                word.because("a variable", start, 2);
                // A continuation may hide what the dollar sign belongs to; the backslash is read next.
                self.at += if c == '\\' { 1 } else { 2 };
            }
            // A dollar sign before anything else stands for itself.
            _ => {
                word.dollar();
                self.at += 1;
            }
        }
    }

    fn ansi_quotes(&mut self, word: &mut Word, problems: &mut Findings) {
        let start = self.at;
        self.at += 2;
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'\\') => self.at += 2,
                Some(b'\'') => {
                    self.at += 1;
                    return;
                }
                Some(_) => self.at += 1,
                None => return self.unterminated(start, word, problems),
            }
        }
    }
}

/// A word while it is read.
struct Word {
    text: String,
    plain: bool,
    because: Option<Reason>,
    assign: Option<usize>,
    start: usize,
    /// An unquoted `=` has been met, whether it assigns or not.
    equals: bool,
    /// The last character was an unquoted `=` or `:` of an assignment: a tilde here is expanded.
    tilde: bool,
    brace: Option<usize>,
    brace_list: bool,
    last_dot: bool,
}

impl Word {
    fn new(start: usize) -> Self {
        Self {
            text: String::new(),
            plain: true,
            because: None,
            assign: None,
            start,
            equals: false,
            tilde: true,
            brace: None,
            brace_list: false,
            last_dot: false,
        }
    }

    fn because(&mut self, what: &'static str, at: usize, width: usize) {
        self.because.get_or_insert((what, Span::new(at, at + width)));
    }

    fn quoted(&mut self, character: char) {
        self.plain = false;
        self.tilde = false;
        self.text.push(character);
    }

    fn dollar(&mut self) {
        self.tilde = false;
        self.text.push('$');
    }

    fn plain_character(&mut self, character: char, at: usize) {
        // Quoted text just before keeps a tilde from expanding; `plain` tells it for the start of the word.
        let tilde = self.tilde && (self.assign.is_some() || (self.plain && self.text.is_empty()));
        self.tilde = false;
        let dots = self.last_dot && character == '.';
        self.last_dot = character == '.';
        match character {
            '*' | '?' => self.because("a glob", at, 1),
            // `[` and `[[` are commands.
            '[' if at != self.start && self.text != "[" => self.because("a glob", at, 1),
            ']' if self.text.starts_with('[') && self.text.len() > 1 => self.because("a glob", self.start, 1),
            '~' if tilde => self.because("a tilde", at, 1),
            '{' => self.brace = Some(at),
            ',' => self.brace_list |= self.brace.is_some(),
            '.' if dots => self.brace_list |= self.brace.is_some(),
            '}' if self.brace_list => self.because("a brace expansion", self.brace.unwrap_or(at), 1),
            '=' if !self.equals => self.equals(at),
            ':' => self.tilde = self.assign.is_some(),
            _ => {}
        }
        self.text.push(character);
    }

    fn equals(&mut self, at: usize) {
        self.equals = true;
        if !self.plain {
            return;
        }
        if is_name(&self.text) {
            self.assign = Some(self.text.len());
            self.tilde = true;
        } else if self.text.strip_suffix('+').is_some_and(is_name) {
            self.because("a bash assignment `+=`", at, 1);
        }
    }

    fn finish(mut self, span: Span, next: Option<char>) -> WordToken {
        let inner = self.text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        if self.plain && matches!(next, Some('<' | '>')) && inner.is_some_and(is_name) {
            self.because("a bash descriptor `{name}`", span.start, 1);
        }
        WordToken {
            span,
            text: self.text,
            assign: self.assign,
            plain: self.plain && self.because.is_none(),
            because: self.because,
        }
    }
}

/// Whether `text` can name a variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
