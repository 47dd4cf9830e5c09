//! `sqlite3 DB ".backup FILE"`. No way back deletes a backup: it may be the only copy of what was there.

use super::{
    connect::Job,
    copy::{self, Copy},
};
use crate::{
    backup::{Described, Named},
    disk,
};
use serde_json::json;
use std::path::Path;
use windlass_driver::{Done, Failure, Found, Survey};

/// What the backup will take.
pub(super) fn survey(job: &Job) -> Survey {
    let mut survey = Survey::default();
    let named = Named::of(&job.cx, &job.unit);
    survey.problems.extend(named.problem());
    match job
        .read()
        .and_then(|source| copy::size(&source).map_err(|error| job.failure(&error, "reading its size")))
    {
        Ok(bytes) => named.survey(bytes, &mut survey),
        Err(failure) => survey.problems.push(failure.message),
    }
    survey
}

/// Writes the backup. An existing file is never overwritten, except that of this very unit, which is kept.
pub(super) fn apply(job: &Job) -> Result<Done, Failure> {
    let named = Named::of(&job.cx, &job.unit);
    if let Some(copy) = named.made::<Copy>() {
        return Ok(Done { changed: false, ..copy.done(&named.file) });
    }
    if named.problem().is_some() {
        return Err(named.taken());
    }
    let source = job.read()?;
    let finish = || {
        let copy = copy::write(job, &source, &named.temporary)?;
        Ok(named.publish(&copy)?.then_some(copy))
    };
    let result = finish();
    if !matches!(result, Ok(Some(_))) {
        named.forget();
    }
    match result {
        Ok(Some(copy)) => Ok(copy.done(&named.file)),
        Ok(None) => Err(named.taken()),
        Err(error) => Err(copy::CopyError::failure(&error, job, &named.file)),
    }
}

impl Described for Copy {
    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn done(&self, file: &Path) -> Done {
        let rows = self.fingerprint.rows();
        Done {
            changed: true,
            effects: vec![format!(
                "{}: {}, {} tables, {rows} rows, integrity ok",
                file.display(),
                disk::human_bytes(self.bytes),
                self.fingerprint.tables.len()
            )],
            output: String::new(),
            facts: json!({
                "file": file.display().to_string(), "sha256": self.sha256, "bytes": self.bytes,
                "pages": self.pages, "rows": rows, "fingerprint": self.fingerprint.sha256(),
            }),
        }
    }
}

/// What became of the backup.
pub(super) fn inspect(job: &Job) -> Found {
    Named::of(&job.cx, &job.unit).inspect::<Copy>()
}
