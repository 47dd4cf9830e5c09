//! Questions to a database, in the form of a unit: what drivers understand.

use crate::{Action, Class, DriverKind, Undo, UndoBy, Unit, UnitId};

impl Unit {
    /// The statement, which only reads, on the database `target`; `id` is its name in messages.
    #[must_use]
    pub fn question(id: &str, driver: DriverKind, target: &str, statement: &str, timeout_ms: u64) -> Self {
        Self {
            id: UnitId(id.into()),
            host: "local".into(),
            driver,
            line: 1,
            column: 1,
            action: Action::Sql {
                target: target.to_owned(),
                statement: statement.to_owned(),
                rows: None,
                session: false,
                data: None,
                batch: None,
                from: None,
                client: None,
            },
            effect: String::new(),
            undo: Undo { class: Class::Readonly, how: String::new(), by: UndoBy::Nothing },
            timeout_ms: Some(timeout_ms),
            within_ms: None,
        }
    }
}
