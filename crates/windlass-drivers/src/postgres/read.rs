//! Statements that only read, in a transaction that cannot write.

use super::{
    apply::{Again, run},
    job::{Job, Mode, is_session},
    session::Answer,
};
use crate::{
    disk::one_line,
    sql::{VALUE_MAX, aligned, place},
};
use serde_json::json;
use windlass_driver::{Done, Failure, Fault, excerpt};

/// Rows for people.
pub(super) fn table(answer: &Answer) -> String {
    let mut rows = vec![answer.names.clone()];
    for row in &answer.rows {
        rows.push(row.iter().map(|value| one_line(value.as_deref().unwrap_or("NULL"), VALUE_MAX)).collect());
    }
    aligned(&rows, answer.count)
}

/// Runs a query, or tries a setting.
pub(super) async fn apply(job: &Job) -> Result<Done, Failure> {
    let result = tried(job).await;
    job.session.rollback().await;
    let answer = match result {
        Ok(answer) => answer,
        Err(Again::Failed(failure)) => return Err(*failure),
        Err(Again::Trouble(trouble, doing)) => return Err(job.failure(trouble, doing)),
        Err(Again::Prepared(_)) => unreachable!("a query prepares nothing"),
    };
    let mut output = job.session.notices().join("\n");
    if answer.is_query {
        if !output.is_empty() {
            output.push('\n');
        }
        output.push_str(&table(&answer));
    }
    let output = job.cx.secrets.mask(&output);
    if let Some(expected) = job.rows().filter(|expected| *expected != answer.count) {
        return Err(Failure::clean(
            Fault::Target,
            format!(
                "{}: `{}` gives {} rows where `rows={expected}` expects {expected}",
                place(&job.cx, &job.unit, None),
                one_line(job.statement(), 120),
                answer.count
            ),
        )
        .output(excerpt(&output)));
    }
    if !output.is_empty() {
        (job.cx.output)(&format!("{}\n", output.trim_end()));
    }
    Ok(Done {
        changed: false,
        effects: vec![],
        output: excerpt(&output),
        facts: json!({ "rows": answer.count }),
    })
}

async fn tried(job: &Job) -> Result<Answer, Again> {
    job.begin(Mode::Read, &[]).await.map_err(super::apply::at("beginning"))?;
    let scope = job.scope().await.map_err(super::apply::at("its settings"))?;
    if is_session(&job.summary()) {
        job.theirs(&scope).await.map_err(|trouble| super::apply::setting(job, trouble))?;
        let Some(statement) = super::job::local(job.statement()) else { return Ok(Answer::default()) };
        return job
            .session
            .statement(&statement, 0)
            .await
            .map_err(|trouble| super::apply::said(job, trouble, 0));
    }
    run(job, &scope).await
}
