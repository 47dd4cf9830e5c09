//! `windlass ticket` and `windlass record`: pages for people, before and after a release.

use super::{drive::zone, open::Open, plan, rehearse, view};
use crate::{
    args::{PageFormat, PaperArgs, RecordArgs, TicketArgs},
    disk, env,
    exit::{self, Exit, Failure},
    journal::Loaded,
    notices,
    policy::{self, Start, due},
    project::{self, CONFIG_NAME, Compiled, Place},
    secrets::SecretStore,
    terminal, wiring,
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use windlass_document::{LineIndex, about};
use windlass_driver::Secrets as _;
use windlass_plan::Lang;
use windlass_report::{
    Facts, Page, Surveys, TicketFindingJson, ending_word, log_page, logged, record_json, record_page,
    ticket_json, ticket_page, with_entry,
};

/// `windlass ticket`.
pub fn ticket(args: &TicketArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let env = args.env.as_deref();
    let (mut compiled, plan, place) = project::compile_to_judge(&args.file, config, env, project::print)?;
    if let Some(out) = &args.paper.out {
        spare(out, "--out", &args.file, &place)?;
    }
    let (plan, secrets) = (Arc::new(plan), Arc::new(SecretStore::new(&place.base)));
    plan::find(&mut compiled, &place, &plan, &secrets, args.offline, project::print)?;
    let surveys = if args.offline { Surveys::new() } else { plan::survey(&place, &plan, &secrets)? };
    let settings = &compiled.settings.config;
    let start = Start::document(&settings.policy, &place, &args.file, env, &plan);
    let approvals = start.approvals()?;
    let open = Open::of(&compiled, &plan);
    let rehearsal = rehearse::load(&place, &args.file).map(|found| open.of_rehearsal(found, &plan));
    let facts = Facts {
        plan: &plan,
        is_open: &|unit| open.unit(unit),
        surveys: &surveys,
        about: about(&compiled.source.parsed.document, &compiled.source.text),
        policy: &settings.policy,
        approvals: &approvals.good,
        due_at_ms: due::read(&start).and_then(|due| due.at_ms.ok()),
        rehearsal: rehearsal.as_ref(),
        findings: findings(&compiled, &secrets),
        at_ms: wiring::now_ms(),
        actor: &env::actor(),
        executor: args.executor.as_deref(),
    };
    let ticket = ticket_json(facts, &|text| secrets.mask(text));
    let (lang, _) = language(args.paper.lang, settings.documents.lang);
    let page = ticket_page(&ticket, &zone(&place), lang);
    give(&args.paper, &page, &ticket)
}

fn findings(compiled: &Compiled, secrets: &SecretStore) -> Vec<TicketFindingJson> {
    let text = &compiled.source.text;
    let lines = LineIndex::new(text);
    let found = compiled.findings.iter().map(|finding| TicketFindingJson {
        rule: finding.rule.clone(),
        severity: finding.severity,
        line: lines.position(text, finding.span.start).line,
        message: secrets.mask(&finding.message),
    });
    found.collect()
}

/// `windlass record`.
pub fn record(args: &RecordArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::here(config)?;
    let (Loaded { run, entries }, _) = view::read_needed(&place, args.run.as_deref())?;
    let document = run.origin.as_ref().map_or(PathBuf::new(), |origin| place.base.join(&origin.path));
    for (out, option) in [(&args.paper.out, "--out"), (&args.append, "--append")] {
        if let Some(out) = out {
            spare(out, option, &document, &place)?;
        }
    }
    // A broken configuration must not keep a record from being written.
    let config = project::read_settings(Some(&place), None, None).map(|settings| settings.config);
    let config = config.unwrap_or_default();
    let (zone, (lang, _)) = (policy::zone(&config.policy), language(args.paper.lang, config.documents.lang));
    match &args.append {
        Some(log) => append(log, &Loaded { run, entries }, &zone, lang),
        None => {
            let notices = notices::sent(&place, &run.id);
            let page = record_page(&run, &entries, &notices, &zone, lang);
            let mut json = record_json(&run, &entries);
            json.run.notices = notices;
            give(&args.paper, &page, &json)
        }
    }
}

/// Adds a run to a log of releases.
fn append(
    log: &Path,
    Loaded { run, entries }: &Loaded,
    zone: &jiff::tz::TimeZone,
    lang: Lang,
) -> Result<Exit, Failure> {
    let (name, shown) = (&run.id, log.display());
    let Some(ending) = run.ending else {
        return Err(Failure::refused(format!(
            "run {name} has not ended, and a log has what has; nothing was written"
        ))
        .hint("`windlass status` says where it stands")
        .hint(format!("`windlass record {name}` prints its record as it is now")));
    };
    let _alone = disk::alone(log).map_err(|error| exit::file("cannot write", log, &error))?;
    let text = if log.exists() { project::read_text(log, "log")? } else { String::new() };
    match logged(&text, name) {
        None => {}
        Some(found) if found.ending == ending_word(ending) => {
            terminal::line(&format!(
                "run {name} stands in {shown}:{} already; nothing was written",
                found.line
            ));
            return Ok(Exit::Done);
        }
        Some(found) => {
            let (was, is) = (found.ending, ending_word(ending));
            let message = format!(
                "run {name} stands in {shown}:{} as {was}, and is {is} since; nothing was written",
                found.line
            );
            return Err(
                Failure::refused(message).hint("take that entry out of the file, and type this again")
            );
        }
    }
    let new = with_entry(&text, name, ending, &log_page(run, entries, zone, lang));
    disk::replace(log, new.as_bytes()).map_err(|error| exit::file("cannot write", log, &error))?;
    terminal::line(&format!("run {name} stands in {shown} now"));
    Ok(Exit::Done)
}

/// Prints or writes a page as it was asked for.
fn give(args: &PaperArgs, page: &Page, json: &impl Serialize) -> Result<Exit, Failure> {
    let text = match args.format() {
        PageFormat::Md => page.markdown(1),
        PageFormat::Html => page.html(),
        PageFormat::Json => terminal::json_text(json),
    };
    match &args.out {
        None => terminal::print(&text)?,
        Some(out) => {
            disk::replace(out, text.as_bytes()).map_err(|error| exit::file("cannot write", out, &error))?;
            terminal::line(&format!("written: {}", out.display()));
        }
    }
    Ok(Exit::Done)
}

/// The language that was asked for, that of the team, or that of the person; and who says so.
pub fn language(asked: Option<Lang>, documents: Option<Lang>) -> (Lang, &'static str) {
    match (asked, documents, env::lang()) {
        (Some(lang), ..) => (lang, "--lang"),
        (None, Some(lang), _) => (lang, CONFIG_NAME),
        (None, None, Some(lang)) => (lang, "the environment"),
        (None, None, None) => (Lang::default(), "default"),
    }
}

/// A page takes the place of no document and no configuration.
fn spare(out: &Path, option: &str, document: &Path, place: &Place) -> Result<(), Failure> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let of_windlass = name.starts_with("windlass.") && name.ends_with(".toml");
    let what = match () {
        () if is_same(out, document) => "the release document",
        () if is_same(out, &place.config) || of_windlass => "a configuration",
        () => return Ok(()),
    };
    Err(Failure::wrong(format!("{} is {what}; nothing was written", out.display()))
        .hint(format!("`{option}` names the file for the page")))
}

fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}
