//! Dependencies by pip and npm, here and on hosts.
//!
//! They are installed beside, where the service that runs does not look, and take their place when all is there; what they were
//! before lies aside, and takes its place again on the way back. A folder is known by its number in its file system, so that
//! whoever looks afterwards sees which of the two is in use. A line is passed over where lists, interpreter and options are
//! those that the folder was installed from, and nobody has installed anything since.

mod npm;
mod site;
#[cfg(test)]
mod tests;

use crate::{
    disk,
    host::{Hosts, place::Place},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use site::{Look, Site};
use windlass_driver::{Capsule, Context, Done, Driver, Effect, Failure, Fault, Found, Survey};
use windlass_plan::{Installer, Unit, Way};

/// Packages that a line of what was done names.
const NAMED_MAX: usize = 10;

/// Driver of dependencies.
#[derive(Clone, Debug, Default)]
pub struct InstallDriver {
    hosts: Hosts,
}

impl InstallDriver {
    /// Over these connections.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self { hosts }
    }

    fn site<'a>(&self, cx: &'a Context, unit: &'a Unit) -> Result<Site<'a>, Failure> {
        Site::new(cx, Place::of(&self.hosts, cx, unit), unit)
    }
}

/// What an undo needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Number of the folder from before; empty: there was none.
    ino: String,
    /// What is installed in it.
    packages: Vec<String>,
}

/// Which of the two folders is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Old,
    New,
    /// A change of places was killed in its middle.
    Between,
    /// Neither: somebody has made another.
    Other,
}

fn stage(look: &Look, kept: &Kept) -> Stage {
    if !look.get("was").is_empty() {
        Stage::Between
    } else if look.ino() == kept.ino {
        Stage::Old
    } else if !look.ino().is_empty() && look.ino() == look.get("new") && look.get("own") == kept.ino {
        Stage::New
    } else {
        Stage::Other
    }
}

#[async_trait]
impl Driver for InstallDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        let site = self.site(cx, unit)?;
        let mut survey = Survey::default();
        let look = match site.look(true).await {
            Ok(look) => look,
            Err(failure) if failure.fault == Fault::Target => {
                survey.problems.push(failure.message);
                return Ok(survey);
            }
            Err(failure) => return Err(failure),
        };
        if site.line.tool == Installer::Npm
            && let Some(failure) = npm::obstacle(&site).await?
        {
            survey.problems.push(failure.message);
        }
        let title = site.title();
        if look.is_current() {
            survey.effects.push(format!("{title} is installed from what is there: nothing to do"));
            return Ok(survey);
        }
        let needs = look.room().map(|(bytes, free)| {
            let (bytes, free) = (disk::human_bytes(bytes), disk::human_bytes(free));
            format!(": it needs about {bytes} beside, and {free} are free")
        });
        survey.effects.push(format!("{title} is installed anew{}", needs.unwrap_or_default()));
        survey.problems.extend(no_room(&site, &look).map(|failure| failure.message));
        Ok(survey)
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        let site = self.site(cx, unit)?;
        let look = site.look(true).await.map_err(clean)?;
        if let Some(failure) = no_room(&site, &look) {
            return Err(failure);
        }
        if site.line.tool == Installer::Npm
            && let Some(failure) = npm::obstacle(&site).await.map_err(clean)?
        {
            return Err(failure);
        }
        let packages = site.installed().await.map_err(clean)?;
        Capsule::of(unit, &Kept { ino: look.ino().to_owned(), packages })
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        let (site, kept): (_, Kept) = (self.site(cx, unit)?, capsule.read(unit)?);
        if stage(&site.look(false).await.map_err(clean)?, &kept) == Stage::Between {
            site.mend().await?;
        }
        let look = site.look(true).await.map_err(clean)?;
        match stage(&look, &kept) {
            Stage::New => return done(&site, &kept, true).await,
            Stage::Other => return Err(other(&site)),
            Stage::Old if look.is_current() => {
                let effects = vec![format!("{} is installed from what is there", site.title())];
                return Ok(Done { changed: false, effects, ..Done::default() });
            }
            Stage::Old | Stage::Between => {}
        }
        let answer = site.build(&kept.ino, look.get("key")).await?;
        let mut done = done(&site, &kept, true)
            .await
            .map_err(|failure| Failure { effect: Effect::Unknown, ..failure })?;
        done.output = windlass_driver::excerpt(&cx.secrets.mask(&answer.text()));
        Ok(done)
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        _: Option<&Done>,
    ) -> Result<Done, Failure> {
        let (site, kept): (_, Kept) = (self.site(cx, unit)?, capsule.read(unit)?);
        let look = site.look(false).await.map_err(clean)?;
        match stage(&look, &kept) {
            Stage::Old if look.get("own").is_empty() => return Ok(back(&site, false)),
            Stage::Other => return Err(other(&site)),
            Stage::Old | Stage::New | Stage::Between => {}
        }
        site.back(&kept.ino).await?;
        Ok(back(&site, true))
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        let found = async {
            let (site, kept): (_, Kept) = (self.site(cx, unit)?, capsule.read(unit)?);
            let look = site.look(false).await?;
            Ok(match (stage(&look, &kept), way) {
                (Stage::New, Way::Forward) => Found::Applied(done(&site, &kept, true).await?),
                (Stage::Old, Way::Forward) | (Stage::New, Way::Undo) => Found::NotApplied,
                (Stage::Old, Way::Undo) => Found::Applied(back(&site, true)),
                (Stage::Between, _) => {
                    let message = format!("{}: two folders were changing places", site.title());
                    Found::Failed(Failure::partial(Fault::Target, message).retryable())
                }
                (Stage::Other, _) => Found::Unknown(other(&site).whole("; see ")),
            })
        };
        found.await.unwrap_or_else(|failure: Failure| Found::Unknown(failure.message))
    }
}

fn clean(failure: Failure) -> Failure {
    Failure { effect: Effect::None, ..failure }
}

fn other(site: &Site<'_>) -> Failure {
    let message = format!("{} is neither the old one nor the new one: somebody made another", site.title());
    Failure::clean(Fault::Target, message).hint(site.typed())
}

/// A copy of what is there has to fit beside it.
fn no_room(site: &Site<'_>, look: &Look) -> Option<Failure> {
    let (bytes, free) = look.room()?;
    (bytes > free && !look.is_current()).then(|| {
        let (bytes, free) = (disk::human_bytes(bytes), disk::human_bytes(free));
        let message = format!("{}: {bytes} are needed beside it, and {free} are free", site.title());
        Failure::clean(Fault::Target, message)
    })
}

/// What came and went.
async fn done(site: &Site<'_>, kept: &Kept, changed: bool) -> Result<Done, Failure> {
    let now = site.installed().await?;
    let comes = now.iter().filter(|name| !kept.packages.contains(name)).map(|name| format!("+{name}"));
    let goes = kept.packages.iter().filter(|name| !now.contains(name)).map(|name| format!("-{name}"));
    let all: Vec<String> = goes.chain(comes).collect();
    let mut words = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED_MAX {
        words += &format!(" and {} more", all.len() - NAMED_MAX);
    }
    let words = match (site.line.tool, words.is_empty()) {
        (Installer::Pip, false) => words,
        (_, true) => "the same packages".to_owned(),
        (Installer::Npm, false) => "packages as locked".to_owned(),
    };
    let effects = vec![format!("{} was replaced: {words}", site.title())];
    Ok(Done { changed, effects, ..Done::default() })
}

fn back(site: &Site<'_>, changed: bool) -> Done {
    let effects = vec![format!("{} is the one from before", site.title())];
    Done { changed, effects, ..Done::default() }
}
