//! A few rows that an `INSERT … VALUES` added are kept in the row of the ledger: an image of their own would be a table for each
//! line that a migration tool writes down. The way back makes the image, and is then that of all others.

use super::{
    apply::{Again, Effects, at},
    back::WayBack,
    facts::Table,
    job::Job,
    rows::line,
    session::Answer,
};
use serde::{Deserialize, Serialize};
use windlass_sql::{
    Dialect, Dml, keywords,
    postgres::rows::{Column, Image, Op},
};

/// Rows of a statement at most.
pub(super) const ROWS_MAX: usize = 100;
/// Bytes of all of their values at most.
const BYTES_MAX: usize = 16 * 1024;

/// Rows that were added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Few {
    /// The image that they make.
    pub(super) image: Image,
    /// Values of its columns, as PostgreSQL writes them.
    rows: Vec<Vec<Option<String>>>,
}

/// Whether the rows of an `INSERT` may be few, and their values read back as what they are.
pub(super) fn may(dml: &Dml, statement: &str, image: &Image) -> bool {
    let source = dml.source.map(|source| keywords(source.of(statement), Dialect::Postgresql, 1));
    let values = source.is_some_and(|words| words == ["VALUES"]);
    values && !image.columns.is_empty() && image.columns.iter().all(plain)
}

/// Types whose text no setting changes.
fn plain(column: &Column) -> bool {
    let kind = column.kind.split('(').next().unwrap_or_default();
    let plain = [
        "smallint",
        "integer",
        "bigint",
        "boolean",
        "text",
        "character varying",
        "character",
        "uuid",
        "numeric",
    ];
    column.builtin && plain.contains(&kind) && !column.kind.ends_with("[]")
}

impl Few {
    /// The rows of an answer, if it has all of them and they are few.
    pub(super) fn of(image: Image, answer: Answer) -> Option<Self> {
        let bytes: usize = answer.rows.iter().flatten().flatten().map(String::len).sum();
        let all = answer.rows.len() as u64 == answer.count;
        (all && bytes <= BYTES_MAX).then_some(Self { image, rows: answer.rows })
    }
}

/// What a statement did that added these rows, if they are few.
pub(super) fn effects(table: &Table, image: &Image, answer: Answer) -> Option<Effects> {
    let rows = answer.count;
    let few = if rows == 0 { vec![] } else { vec![Few::of(image.clone(), answer)?] };
    let way_back = WayBack { few, ..WayBack::default() };
    Some(Effects { rows, lines: vec![line(Op::Insert, rows, table)], way_back, ..Effects::default() })
}

/// Makes the images of a way back.
pub(super) async fn spread(job: &Job, way_back: &mut WayBack) -> Result<(), Again> {
    for few in std::mem::take(&mut way_back.few) {
        let sql = [few.image.create(), few.image.added(&few.rows)].join("; ");
        job.session.act(&sql).await.map_err(at("making the before-image"))?;
        way_back.images.push(few.image);
    }
    Ok(())
}
