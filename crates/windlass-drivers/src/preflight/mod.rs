//! A look at all hosts of a plan before anything runs: whether they answer, have what the lines need, have space, and agree about
//! the time; and whether its services are well. One script a host, over the connection that its units use. Nothing is changed.

mod clock;
mod disk;
mod health;
mod question;
mod reach;
mod sudo;
#[cfg(test)]
mod tests;
mod things;

use crate::host::{Host, Hosts};
use question::Question;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinSet};
use windlass_driver::Context;
use windlass_plan::{Checked, Needs, State};

/// All that a host is asked may take this long, once there is a connection.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Hosts that are asked at a time.
const HOSTS_MAX: usize = 64;

/// Looks at every host of the plan of `cx`: what was seen, in the order of hosts. `kept` is where this machine keeps what belongs to
/// runs.
pub async fn look(cx: &Context, hosts: &Hosts, kept: PathBuf) -> Vec<Checked> {
    let (mut looks, crowd) = (JoinSet::new(), Arc::new(Semaphore::new(HOSTS_MAX)));
    for (number, needs) in cx.plan.needs().into_iter().enumerate() {
        let (cx, hosts, crowd, kept) = (cx.clone(), hosts.clone(), crowd.clone(), kept.clone());
        looks.spawn(async move {
            let _one = crowd.acquire_owned().await;
            (number, one(&cx, &hosts, &needs, &kept).await)
        });
    }
    let (mut seen, healths) = tokio::join!(looks.join_all(), health::look(&cx.plan));
    seen.sort_by_key(|(number, _)| *number);
    let mut checked: Vec<Checked> = seen.into_iter().flat_map(|(_, checked)| checked).collect();
    // They are asked from here, and this machine is the first.
    let here = checked.iter().take_while(|one| one.host == "local").count();
    checked.splice(here..here, healths);
    checked.iter_mut().for_each(|one| one.said = cx.secrets.mask(&one.said));
    checked
}

async fn one(cx: &Context, hosts: &Hosts, needs: &Needs, kept: &Path) -> Vec<Checked> {
    let questions = questions(needs, kept);
    let base = absolute(&cx.base);
    let host = Host::at(cx, &needs.target, &needs.host);
    let answers = match &host {
        Some(host) => question::there(hosts, host, (needs, &questions), ANSWER_WITHIN).await,
        None => Ok(question::here(&base, (needs, &questions), ANSWER_WITHIN).await),
    };
    let answers = match answers {
        Ok(answers) => answers,
        Err(failure) => return vec![reach::unreached(needs, &failure)],
    };
    let mut checked = Vec::new();
    checked.extend(host.is_some().then(|| reach::reached(needs, &answers)));
    checked.extend(sudo::judge(needs, &questions, &answers));
    checked.extend(disk::judge(needs, &questions, &answers));
    checked.extend(things::judge(needs, &questions, &answers));
    checked.extend(host.as_ref().and_then(|_| clock::judge(needs, &answers)));
    checked
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

fn questions(needs: &Needs, kept: &Path) -> Vec<Question> {
    let mut questions: Vec<Question> = (0..needs.things.len()).map(Question::Thing).collect();
    questions.extend(needs.sudo.map(|_| Question::Sudo));
    let folders = disk::folders(needs, kept);
    questions.extend(folders.into_iter().map(Question::Disk));
    questions
}

fn checked(needs: &Needs, what: &'static str, state: State, said: impl Into<String>) -> Checked {
    Checked { host: needs.host.clone(), what, state, said: said.into() }
}
