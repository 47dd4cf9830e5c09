//! How a unit is taken back: what its ledger row holds.

use super::few::Few;
use serde::{Deserialize, Serialize};
use windlass_sql::postgres::rows::Image;

/// All that takes a unit back, in the order in which it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WayBack {
    /// Statements on definitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) schema: Vec<Step>,
    /// Rows; put back when the definitions are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<Image>,
    /// Rows that were added, where they are few: the way back makes their image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) few: Vec<Few>,
    /// Kept values of columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) fills: Vec<(Image, Vec<String>)>,
    /// Schemas of what was set aside; empty when it is back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) aside: Vec<String>,
    /// Outside of a transaction: the indexes of the table before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) indexes: Vec<String>,
    /// It runs in batches: what they go by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) batches: Option<Batches>,
    /// Objects that the unit changed: as the unit left them, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) prints: Vec<Print>,
}

/// What batches go by, from their start on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Batches {
    /// Columns of the key.
    pub(super) key: Vec<String>,
    /// The last key there was; empty: there was no row.
    pub(super) till: Vec<String>,
    /// The time that the statement sees.
    pub(super) now: String,
    /// Rows of the table, by the planner's estimate.
    pub(super) total: u64,
}

/// One step back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Step {
    /// A statement.
    Sql {
        /// Its text.
        text: String,
    },
    /// Takes away a table that the unit made; set aside instead if there are rows in it by then that the unit did not
    /// write.
    DropTable {
        /// Its schema.
        schema: String,
        /// Its name.
        table: String,
        /// Rows that the unit itself wrote to it.
        rows: u64,
    },
    /// Puts the kept values of columns back.
    Fill {
        /// Where they are.
        image: Image,
        /// Which columns.
        columns: Vec<String>,
    },
    /// Goes on only if the question is answered with no, or everything is to be forced.
    Unless {
        /// The question.
        question: String,
        /// What is wrong if not.
        why: String,
    },
    /// Forgets kept values where others wrote since; in tables without a key, finds the rows of all others.
    Forget {
        /// Where they are.
        image: Image,
        /// Positions of the columns.
        columns: Vec<usize>,
    },
}

/// An object as the unit found it and left it; `None`: it was not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Print {
    /// Its name, with its kind.
    pub(super) name: String,
    /// Digest before.
    pub(super) before: Option<String>,
    /// Digest after.
    pub(super) after: Option<String>,
}
