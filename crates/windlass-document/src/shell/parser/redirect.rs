//! Redirections and the start of here-documents.

use super::{Parser, Place};
use crate::Span;
use crate::rules_list::SHELL_SYNTAX;
use crate::shell::lexer::{Token, WordToken};
use crate::shell::nested::HereDocument;
use crate::shell::{Redirect, Word};

impl Parser<'_, '_> {
    /// Reads the target of a redirection; returns the token behind it.
    pub(super) fn redirect(&mut self, descriptor: Option<u32>, operator: &'static str, span: Span) -> Token {
        let position = self.lexer.at;
        self.extend(span);
        let token = self.lexer.next(self.problems);
        let Token::Word(target) = token else {
            let process = self.lexer.text[position..].starts_with('(');
            self.because(if process { "a process substitution" } else { "a redirection" }, span);
            if !process {
                self.problems.push(
                    SHELL_SYNTAX
                        .at(span, format!("`{operator}` has no file behind it"))
                        .label("redirects to nothing")
                        .help("name the file, or quote the character if it is text"),
                );
            }
            if self.current.place == Place::Command {
                self.current.place = Place::Arguments;
            }
            return token;
        };
        self.extend(target.span);
        if let Some((what, at)) = target.because {
            self.because(what, at);
        }
        self.redirect_to(descriptor, operator, span, target);
        if self.current.place == Place::Command {
            self.current.place = Place::Arguments;
            self.current.joined = None;
        }
        self.lexer.next(self.problems)
    }

    fn redirect_to(
        &mut self,
        descriptor: Option<u32>,
        operator: &'static str,
        span: Span,
        target: WordToken,
    ) {
        let whole = Span::new(span.start, target.span.end);
        match operator {
            "<<" | "<<-" => {
                let raw = &self.lexer.text[target.span.start..target.span.end];
                let literal = raw.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
                let delimiter = if target.because.is_some() { literal } else { target.text };
                let quoted = raw.contains(['\'', '"', '\\']);
                let (at, strip_tabs) = (span.start, operator == "<<-");
                self.lexer.here.push(HereDocument { delimiter, strip_tabs, quoted, at });
                self.current.here = Some((descriptor.unwrap_or(0), span));
                return;
            }
            "<" | ">" | ">>" => {}
            "<&" | ">&" if target.text == "-" || target.text.bytes().all(|byte| byte.is_ascii_digit()) => {}
            "<&" | ">&" | "&>" | "&>>" | "<<<" => self.because("a bash redirection", whole),
            _ => self.because("a special redirection", whole),
        }
        let fd = descriptor.unwrap_or(u32::from(!operator.starts_with('<')));
        if fd > 9 {
            // One shell reads the digits as a descriptor, another as a word.
            self.because("a descriptor above 9", whole);
        }
        let target = Word { text: target.text, span: target.span };
        self.current.simple.redirects.push(Redirect { fd, operator: operator.to_owned(), target });
    }
}
