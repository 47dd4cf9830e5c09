//! `windlass service stop|start|restart NAME`.

use super::{Context, Read, Wrong, compose, operation};
use crate::{Action, suggest};
use windlass_document::shell::Word;

pub(super) fn windlass(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let words: Vec<_> = arguments.iter().map(|word| word.text.as_str()).collect();
    let (what, service) = match words[..] {
        ["service", what, service] => (what, service),
        ["service", ..] => {
            return wrong(name, "`windlass service` needs an operation and one service".to_owned());
        }
        // Another command of this program: nothing to lift, it runs like any other program.
        _ => return Read::Unknown,
    };
    let Some(operation) = operation(what) else {
        return wrong(&arguments[1], format!("`{what}` is nothing that `windlass service` can do"));
    };
    if !context.config.services.contains_key(service) && !context.config.unread.service(service) {
        let known = context.config.services.keys().map(String::as_str);
        return Read::Wrong(Wrong {
            rule: "unknown-service",
            span: arguments[2].span,
            message: format!("there is no service `{service}` in the configuration"),
            help: suggest::help(service, "services", known),
        });
    }
    let configured = context.config.services.get(service).filter(|known| known.on == context.on);
    let composed = configured.and_then(|known| compose::service(context, service, known, operation));
    Read::Actions(vec![composed.unwrap_or(Action::Service { service: service.to_owned(), operation })])
}

fn wrong(word: &Word, message: String) -> Read {
    Read::Wrong(Wrong {
        rule: "service-command",
        span: word.span,
        message,
        help: "write `windlass service stop NAME`, `windlass service start NAME` or `windlass service restart NAME`"
            .to_owned(),
    })
}
