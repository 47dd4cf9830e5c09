//! A script to statements, as the database's own client would cut it.

use crate::body::Body;
use crate::client::is_needless;
use crate::lexer::{Lexer, Token, TokenKind};
use crate::summary::summarize;
use crate::{Dialect, Problem, Span, Statement};

/// Problems kept per script. A person fixes the first ones; the rest is counted.
const PROBLEMS_MAX: usize = 200;

/// Longest delimiter that `DELIMITER` may set, in bytes: it is looked for at every byte.
const DELIMITER_BYTES_MAX: usize = 16;

/// Cuts `text` into statements. Returns every problem; the script may be run only if there is none.
#[must_use]
pub fn split(text: &str, dialect: Dialect) -> (Vec<Statement>, Vec<Problem>) {
    let mut splitter = Splitter {
        lexer: Lexer::new(text, dialect),
        dialect,
        statements: Vec::new(),
        problems: Vec::new(),
        dropped: 0,
        tokens: Vec::new(),
        body: Body::default(),
        parentheses: Vec::new(),
        executable: None,
    };
    splitter.run();
    splitter.end();
    (splitter.statements, splitter.problems)
}

struct Splitter<'a> {
    lexer: Lexer<'a>,
    dialect: Dialect,
    statements: Vec<Statement>,
    problems: Vec<Problem>,
    dropped: usize,
    /// Tokens of the statement being read, comments left out.
    tokens: Vec<Token>,
    body: Body,
    /// Open parentheses; only PostgreSQL's `;` cares.
    parentheses: Vec<Span>,
    /// The `/*!` being read.
    executable: Option<Span>,
}

impl Splitter<'_> {
    fn run(&mut self) {
        loop {
            self.lexer.skip_blanks();
            if self.lexer.at >= self.lexer.text.len() {
                return;
            }
            if self.lexer.at_delimiter() {
                self.delimiter();
            } else if !self.client_command()
                && let Some(token) = self.lexer.next()
            {
                self.token(token);
            }
        }
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    fn token(&mut self, token: Token) {
        if !token.closed {
            self.unterminated(token);
        }
        match token.kind {
            TokenKind::Comment => return,
            TokenKind::Word => {
                self.body.word(token.span.of(self.lexer.text), self.dialect, self.parentheses.len());
            }
            TokenKind::OpenExecutable => self.executable = Some(token.span),
            TokenKind::CloseExecutable => self.executable = None,
            TokenKind::Symbol(b'(') => self.parentheses.push(token.span),
            TokenKind::Symbol(b')') => drop(self.parentheses.pop()),
            TokenKind::Text | TokenKind::Name | TokenKind::Symbol(_) => {}
        }
        if token.kind != TokenKind::Word {
            self.body.other();
        }
        self.tokens.push(token);
    }

    /// A delimiter stands here: it ends the statement unless it belongs to a body.
    fn delimiter(&mut self) {
        let start = self.lexer.at;
        self.lexer.at += self.lexer.delimiter.len();
        self.lexer.line_start = false;
        let grouped = self.dialect == Dialect::Postgresql && !self.parentheses.is_empty();
        if !self.tokens.is_empty() && (grouped || self.body.holds(self.dialect)) {
            self.body.semicolon();
            let span = Span::new(start, self.lexer.at);
            self.tokens.push(Token { kind: TokenKind::Symbol(b';'), span, closed: true });
            return;
        }
        if self.dialect == Dialect::Mysql && self.lexer.delimiter == ";" && self.body.is_cut() {
            self.cut_body(Span::new(start, self.lexer.at));
        }
        let copy = self.dialect == Dialect::Postgresql && is_copy_from_stdin(self.lexer.text, &self.tokens);
        self.finish();
        if copy {
            self.copy_data();
        }
    }

    /// Ends the statement being read, if there is one.
    fn finish(&mut self) {
        let tokens = std::mem::take(&mut self.tokens);
        self.body = Body::default();
        self.parentheses.clear();
        if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
            let span = Span::new(first.span.start, last.span.end);
            let summary = summarize(self.lexer.text, &tokens, self.dialect);
            self.statements.push(Statement { span, data: None, summary });
        }
    }

    /// Takes a line that is meant for the client program, not for the server.
    fn client_command(&mut self) -> bool {
        let byte = self.lexer.bytes[self.lexer.at];
        match self.dialect {
            Dialect::Sqlite if byte == b'.' && self.lexer.line_start && self.tokens.is_empty() => {
                self.client_line();
            }
            Dialect::Postgresql if byte == b'\\' => self.client_line(),
            Dialect::Mysql if self.lexer.executable => return false,
            Dialect::Mysql if byte == b'\\' => self.client_line(),
            Dialect::Mysql if self.lexer.line_start && self.line_word("source") && self.tokens.is_empty() => {
                self.client_line();
            }
            Dialect::Mysql
                if (self.lexer.line_start || self.tokens.is_empty()) && self.line_word("delimiter") =>
            {
                self.set_delimiter();
            }
            _ => return false,
        }
        true
    }

    /// Whether `word` and a blank or the end stand here.
    fn line_word(&self, word: &str) -> bool {
        let rest = &self.lexer.bytes[self.lexer.at..];
        rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
            && rest.get(word.len()).is_none_or(u8::is_ascii_whitespace)
    }

    fn client_line(&mut self) {
        let start = self.lexer.at;
        self.lexer.at = self.lexer.line_end();
        let written = self.lexer.text[start..self.lexer.at].trim_end();
        if self.tokens.is_empty() && is_needless(written, self.dialect) {
            return;
        }
        self.finish();
        let name = written.split_whitespace().next().unwrap_or_default();
        self.problem(Problem {
            rule: "sql-client-command",
            span: Span::new(start, start + written.len()),
            message: format!("`{name}` is a command of the client program, not SQL"),
            label: "the server does not know it",
            why: "statements are sent to the server one by one; no client program reads them first",
            help: "remove the line, or run the file with the client in an `sh` fence".to_owned(),
        });
    }

    fn set_delimiter(&mut self) {
        let start = self.lexer.at;
        let end = self.lexer.line_end();
        let line = Span::new(start, end);
        if let (Some(first), Some(last)) = (self.tokens.first(), self.tokens.last()) {
            let span = Span::new(first.span.start, last.span.end);
            self.delimiter_problem(
                span,
                format!("the statement is not ended by `{}` before DELIMITER", self.lexer.delimiter),
                format!("write `{}` behind it", self.lexer.delimiter),
            );
            self.finish();
        }
        self.lexer.at = end;
        let argument = self.lexer.text[start..end]["delimiter".len()..].split_whitespace().next();
        let argument = argument.unwrap_or_default().trim_matches(['\'', '"']);
        if argument.is_empty() || argument.len() > DELIMITER_BYTES_MAX || argument.contains('\\') {
            let message = "DELIMITER needs 1 to 16 bytes without a backslash".to_owned();
            self.delimiter_problem(line, message, "write for example `DELIMITER //`".to_owned());
        } else {
            self.lexer.delimiter = argument.to_owned();
        }
    }

    fn delimiter_problem(&mut self, span: Span, message: String, help: String) {
        self.problem(Problem {
            rule: "sql-delimiter",
            span,
            message,
            label: "here",
            why: "where one statement ends and the next begins would not be what it looks like",
            help,
        });
    }

    fn cut_body(&mut self, span: Span) {
        let message = "this `;` cuts the body of a routine in two".to_owned();
        let help =
            "put `DELIMITER //` before the routine, `//` behind it, and `DELIMITER ;` after that".to_owned();
        self.delimiter_problem(span, message, help);
    }

    /// Behind the `;` of `COPY … FROM stdin`: the data is the lines up to `\.`.
    fn copy_data(&mut self) {
        let line_end = self.lexer.line_end();
        let rest = &self.lexer.text[self.lexer.at..line_end];
        let rest_start = self.lexer.at + (rest.len() - rest.trim_start().len());
        if !rest.trim().is_empty() && !rest.trim_start().starts_with("--") {
            let span = Span::new(rest_start, rest_start + rest.trim().len());
            self.copy_problem(span, "text behind `COPY … FROM stdin;` on the same line".to_owned());
            return;
        }
        let start = (line_end + 1).min(self.lexer.text.len());
        let mut at = start;
        while at < self.lexer.text.len() {
            let end = self.lexer.text[at..].find('\n').map_or(self.lexer.text.len(), |length| at + length);
            if self.lexer.text[at..end].trim_end_matches('\r') == "\\." {
                self.set_data(Span::new(start, at));
                self.lexer.at = end;
                return;
            }
            at = end + 1;
        }
        let statement = self.statements.last().map_or(Span::new(start, start), |statement| statement.span);
        self.copy_problem(statement, "the data of `COPY … FROM stdin` has no end".to_owned());
        self.set_data(Span::new(start, self.lexer.text.len()));
        self.lexer.at = self.lexer.text.len();
    }

    fn set_data(&mut self, data: Span) {
        self.lexer.line_start = true;
        if let Some(statement) = self.statements.last_mut() {
            statement.data = Some(data);
        }
    }

    fn copy_problem(&mut self, span: Span, message: String) {
        self.problem(Problem {
            rule: "sql-copy-data",
            span,
            message,
            label: "here",
            why: "data and statements could not be told apart",
            help: "put the data on the lines behind the statement and end it with a line `\\.`".to_owned(),
        });
    }

    fn unterminated(&mut self, token: Token) {
        let start = token.span.start;
        let text = token.span.of(self.lexer.text);
        let (what, closing) = match (token.kind, text.as_bytes()) {
            (TokenKind::Comment, _) => ("comment", "*/".to_owned()),
            (_, [b'$', ..]) => {
                let tag = text[1..].find('$').map_or("$$", |length| &text[..length + 2]);
                ("dollar quote", tag.to_owned())
            }
            (_, [b'[', ..]) => ("bracket", "]".to_owned()),
            (_, [b'E' | b'e', ..]) => ("quote", "'".to_owned()),
            (_, [quote, ..]) => ("quote", char::from(*quote).to_string()),
            (_, []) => ("quote", "'".to_owned()),
        };
        let span = Span::new(start, start + if what == "comment" { 2 } else { 1 });
        self.problem(open_problem(span, format!("this {what} is never closed"), &closing));
    }

    fn end(&mut self) {
        let broken = self.tokens.last().is_some_and(|token| !token.closed);
        if !self.tokens.is_empty() && !broken {
            if let Some(span) = self.executable {
                let message = "this executable comment is never closed".to_owned();
                self.problem(open_problem(span, message, "*/"));
            }
            if let Some(span) = self.parentheses.last().filter(|_| self.dialect == Dialect::Postgresql) {
                self.problem(open_problem(*span, "this parenthesis is never closed".to_owned(), ")"));
            } else if self.body.holds(self.dialect) {
                let span = self.tokens[0].span;
                self.problem(open_problem(span, "the body of this statement has no end".to_owned(), "END;"));
            }
        }
        self.finish();
        self.problems.sort_by_key(|problem| problem.span);
        if self.dropped > 0 {
            let end = self.lexer.text.len();
            self.problems.push(Problem {
                rule: "too-many-problems",
                span: Span::new(end, end),
                message: format!("{} more problems in this script are not listed", self.dropped),
                label: "",
                why: "",
                help: "fix the ones above, then check again".to_owned(),
            });
        }
    }
}

fn open_problem(span: Span, message: String, closing: &str) -> Problem {
    Problem {
        rule: "sql-unterminated",
        span,
        message,
        label: "opened here",
        why: "the rest of the script would be part of it",
        help: format!("add the missing `{closing}`"),
    }
}

fn is_copy_from_stdin(text: &str, tokens: &[Token]) -> bool {
    let is = |token: &Token, word: &str| {
        token.kind == TokenKind::Word && token.span.of(text).eq_ignore_ascii_case(word)
    };
    tokens.first().is_some_and(|token| is(token, "COPY"))
        && tokens.windows(2).any(|pair| is(&pair[0], "FROM") && is(&pair[1], "STDIN"))
}
