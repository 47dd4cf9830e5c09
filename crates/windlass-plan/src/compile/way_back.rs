//! How units are undone.

use super::{Compiler, Draft, sql_undo};
use crate::{
    Action, Class, ComposeLine, ComposeOperation, GitVerb, ServiceOperation, SystemdVerb, Target, Undo,
    UndoBy, UnitId, UrlKind,
};
use windlass_document::{self as doc, Finding};
use windlass_objects::{ObjectLine, Place, Verb};

pub(super) const NOTHING: &str = "nothing to undo: it changes nothing";
const BACKUP_STAYS: &str = "nothing to take back: the backup file stays";

/// What the document says about the way back from a step.
pub(super) enum WayBack {
    /// It says nothing: each unit has a way back of its own, or none.
    Own,
    /// `readonly`.
    Readonly,
    /// `irreversible`.
    Irreversible,
    /// `undo=ID`: from the backup of that step; of its unit, once that is found.
    Backup(String, Option<UnitId>),
    /// Another fence has `undoes=` this step; its id.
    Script(String),
}

impl Compiler<'_> {
    /// What the document says about the way back from the step at `index`; the parser has seen to it that it says one
    /// thing, and that the steps it names stand above.
    pub(super) fn way_back(&self, index: usize) -> WayBack {
        let attributes = &self.document.steps[index].attributes;
        if attributes.readonly.is_some() {
            return WayBack::Readonly;
        }
        if attributes.irreversible.is_some() {
            return WayBack::Irreversible;
        }
        if let Some(undo) = &attributes.undo {
            return WayBack::Backup(undo.value.clone(), None);
        }
        let script = self.undone_by.get(&index).map(|at| &self.document.steps[*at]);
        script.map_or(WayBack::Own, |script| WayBack::Script(script.id.value.clone()))
    }

    /// The backup that `undo=` names, for a step with these drafts on the target `on`.
    pub(super) fn backup_of(
        &mut self,
        undo: &doc::Spanned<String>,
        on: &str,
        drafts: &[Draft],
    ) -> Option<WayBack> {
        let id = undo.value.as_str();
        let changed = drafts.iter().find_map(|draft| match &draft.action {
            Action::Sql { target, .. } if !draft.readonly => Some(target.as_str()),
            _ => None,
        });
        let statements = drafts.iter().any(|draft| matches!(draft.action, Action::Sql { .. }));
        // The lines of a shell fence name their databases themselves.
        let on = changed.unwrap_or(on);
        // A step that could not be compiled may well make a backup: it has errors of its own.
        let backups = self.backups.get(id)?;
        if backups.iter().any(|(target, _)| target.is_empty()) {
            return None;
        }
        let unit = backups.iter().find(|(target, _)| target == on).map(|(_, unit)| unit.clone());
        let server = matches!(
            self.config.targets.get(on),
            Some(Target::Url { kind: UrlKind::Postgresql | UrlKind::Mysql, .. })
        );
        let (message, help) = match (statements, backups.first(), unit) {
            (true, _, Some(_)) if server => (
                format!("`{on}` is on a server, where no dump is put back over a database that is in use"),
                "take `undo=` out: what the step changes is put back piece by piece, and what others wrote stays; the dump \
                 is what is left when that is not enough",
            ),
            (true, _, Some(unit)) => return Some(WayBack::Backup(id.to_owned(), Some(unit))),
            (false, ..) => (
                "`undo=` puts a database back, and only the statements of an SQL step can be undone so"
                    .to_owned(),
                "what is understood has a way back of its own; for other lines add a fence with `undoes=ID` that takes \
                 them back, or say `readonly` or `irreversible`",
            ),
            (true, Some((target, _)), None) => (
                format!("step `#{id}` makes a backup of `{target}`, not of `{on}`"),
                "name a step that makes a backup of the database that is changed here",
            ),
            (true, None, None) => (
                format!("step `#{id}` makes no backup that could be put back"),
                "`undo=` names a step with a database backup such as `sqlite3 app.db \".backup app.bak\"`",
            ),
        };
        self.findings.push(Finding::error("undo-without-backup", undo.span, message).help(help));
        None
    }
}

impl WayBack {
    /// How one unit is undone. An opaque change with `Own` has no way back; the caller has made that an error.
    pub(super) fn of(&self, draft: &Draft) -> Undo {
        if draft.readonly {
            return undo(Class::Readonly, NOTHING, UndoBy::Nothing);
        }
        let database = matches!(draft.action, Action::Sql { .. });
        match self {
            Self::Irreversible if matches!(draft.action, Action::Backup { .. }) => own(draft),
            Self::Irreversible => {
                undo(Class::None, "no way back: the document says irreversible", UndoBy::Nobody)
            }
            // A half-applied SQL step is not what the hand-written undo was written for: then the driver does it, if it can. But what a
            // function does is not always seen.
            Self::Script(_) if database && sql_undo::is_certain(draft) => own(draft),
            Self::Script(id) => {
                undo(Class::Lossy, &format!("by the hand-written undo #{id}"), UndoBy::Script)
            }
            Self::Backup(id, Some(unit)) if database => undo(
                Class::Restore,
                &format!("by the backup of step #{id}; refused if others have written since"),
                UndoBy::Backup(unit.clone()),
            ),
            Self::Backup(..) | Self::Own | Self::Readonly => own(draft),
        }
    }

    /// The class of a step with these units.
    pub(super) fn class(&self, drafts: &[Draft]) -> Class {
        let worst = drafts.iter().map(|draft| self.of(draft).class).max().unwrap_or_default();
        match self {
            Self::Script(_) if worst != Class::Readonly => Class::Lossy,
            _ => worst,
        }
    }
}

/// How a unit of an undo fence is undone: not at all.
pub(super) fn of_undo(draft: &Draft) -> Undo {
    if draft.readonly {
        return undo(Class::Readonly, NOTHING, UndoBy::Nothing);
    }
    undo(Class::None, "it is itself an undo", UndoBy::Nobody)
}

pub(super) fn own(draft: &Draft) -> Undo {
    let how = match &draft.action {
        Action::Git(line) => return git(line.verb),
        Action::Install(_) => {
            "the environment from before is put back; refused if the new one was changed since"
        }
        Action::Shell { .. } => return undo(Class::None, "no way back is known", UndoBy::Nobody),
        Action::Http { .. } | Action::Gate { .. } | Action::Watch(_) => {
            return undo(Class::Readonly, NOTHING, UndoBy::Nothing);
        }
        // It may be the only copy of what an undo that was refused or skipped left behind.
        Action::Backup { .. } => return undo(Class::Readonly, BACKUP_STAYS, UndoBy::Nothing),
        Action::Sql { .. } => {
            return sql_undo::of(draft)
                .unwrap_or_else(|| undo(Class::None, "no way back is known", UndoBy::Nobody));
        }
        Action::Patch { .. } => "the lines are put back; refused if the file was edited since",
        Action::Copy { .. } => "what stood there before is put back; refused if it was changed since",
        Action::Move { .. } => "moved back; refused if it was changed since",
        Action::Remove { .. } => "put back from where it was set aside",
        Action::MakeDir { .. } => "removed again if it is still empty",
        Action::Compose(line) => return compose(line),
        Action::Objects { line, .. } => objects(line),
        Action::Service { operation: ServiceOperation::Stop, .. } => "started again as it was",
        Action::Service { operation: ServiceOperation::Start, .. } => "stopped again",
        Action::Service { operation: ServiceOperation::Restart, .. } => {
            "as it was before; last of all, where files before it go back, and stopped until then if a database does"
        }
        Action::Service { operation: ServiceOperation::Keep, .. } => {
            "last of all: started again from what is there then, if it was since"
        }
        Action::Mode { .. } => "what is answered 503 is what it was before",
        Action::Systemd { verb, .. } => systemd(*verb),
    };
    undo(Class::Exact, how, UndoBy::Driver)
}

fn systemd(verb: SystemdVerb) -> &'static str {
    match verb {
        SystemdVerb::Start => "stopped again if it did not run",
        SystemdVerb::Stop => "started again if it ran",
        SystemdVerb::Restart => {
            "started again from what is there last of all; stopped until then if a database goes back"
        }
        SystemdVerb::Enable | SystemdVerb::Disable => "as it was",
        SystemdVerb::Reload | SystemdVerb::DaemonReload => "read again last of all",
        SystemdVerb::Keep => "last of all: restarted from what is there then, if it was since",
    }
}

/// The driver refuses a step that would overwrite or delete what nothing keeps, so this holds for every step that ran.
fn objects(line: &ObjectLine) -> &'static str {
    match (line.verb, &line.to) {
        (Verb::Remove, _) => "put back from `hold` or their versions; refused if neither keeps them",
        (Verb::Move, _) => "moved back by their list; what was written since stays and is listed",
        (_, Some(Place::Local { .. })) => {
            "its files go, those from before are put back; refused if changed since"
        }
        _ => {
            "what it wrote goes, what stood there is put back from `hold` or versions; what was written since stays"
        }
    }
}

fn git(verb: GitVerb) -> Undo {
    let how = match verb {
        GitVerb::Pin => return undo(Class::Readonly, NOTHING, UndoBy::Nothing),
        GitVerb::Fetch => {
            let how = "nothing to take back: what was got stays, and no file is of it";
            return undo(Class::Readonly, how, UndoBy::Nothing);
        }
        GitVerb::Pull | GitVerb::Checkout | GitVerb::Reset => {
            "branch and commit as they were; refused if files or commits were changed since"
        }
        GitVerb::Submodules => "the commits from before; refused where files were changed since",
    };
    undo(Class::Exact, how, UndoBy::Driver)
}

fn compose(line: &ComposeLine) -> Undo {
    let how = match line.operation {
        ComposeOperation::Pull | ComposeOperation::Build => {
            "the tags name the images again that they named before"
        }
        _ if line.deletes_volumes() => {
            return undo(Class::None, "volumes are deleted for good", UndoBy::Nobody);
        }
        ComposeOperation::Up if line.builds() => {
            "its containers are removed, those from before are put back, and the tags name the images again that they named"
        }
        ComposeOperation::Up => {
            "its containers are removed, those from before are put back with the same images"
        }
        ComposeOperation::Down => "the containers and networks from before are put back with the same images",
        ComposeOperation::Stop => "what ran is started again",
        ComposeOperation::Start => "what did not run is stopped again",
        ComposeOperation::Restart => "nothing to take back: the same containers run",
    };
    undo(Class::Exact, how, UndoBy::Driver)
}

pub(super) fn undo(class: Class, how: &str, by: UndoBy) -> Undo {
    Undo { class, how: how.to_owned(), by }
}
