//! `windlass service stop|start|restart NAME`, `windlass service maintenance|readonly NAME on|off`.

use super::{Context, Read, Wrong, compose, operation};
use crate::{Action, ServiceMode, ServiceOperation, suggest};
use windlass_document::shell::Word;

/// What a line says.
enum Does {
    Operates(ServiceOperation),
    Turns(ServiceMode, bool),
}

pub(super) fn windlass(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let words: Vec<_> = arguments.iter().map(|word| word.text.as_str()).collect();
    let (what, service, turned) = match words[..] {
        ["service", what, service] => (what, service, None),
        ["service", what, service, "on"] => (what, service, Some(true)),
        ["service", what, service, "off"] => (what, service, Some(false)),
        ["service", ..] => {
            return wrong(name, "`windlass service` needs an operation and one service".to_owned());
        }
        // Another command of this program: nothing to lift, it runs like any other program.
        _ => return Read::Unknown,
    };
    let does = match (what, turned) {
        ("maintenance", Some(on)) => Does::Turns(ServiceMode::Maintenance, on),
        ("readonly", Some(on)) => Does::Turns(ServiceMode::Readonly, on),
        ("maintenance" | "readonly", None) => {
            return wrong(&arguments[1], format!("`{what}` needs `on` or `off` behind the service"));
        }
        (_, None) if let Some(operation) = operation(what) => Does::Operates(operation),
        _ => return wrong(&arguments[1], format!("`{what}` is nothing that `windlass service` can do")),
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
    let operation = match does {
        Does::Turns(mode, on) => {
            return Read::Actions(vec![Action::Mode { service: service.to_owned(), mode, on }]);
        }
        Does::Operates(operation) => operation,
    };
    let configured = context.config.services.get(service).filter(|known| known.on == context.on);
    let composed = configured.and_then(|known| compose::service(context, service, known, operation));
    Read::Actions(vec![composed.unwrap_or(Action::Service { service: service.to_owned(), operation })])
}

fn wrong(word: &Word, message: String) -> Read {
    Read::Wrong(Wrong {
        rule: "service-command",
        span: word.span,
        message,
        help: "write `windlass service stop|start|restart NAME`, or `windlass service maintenance|readonly NAME on|off`".to_owned(),
    })
}
