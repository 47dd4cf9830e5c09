//! One notice to one receiver: secrets, tries, the answer.

use crate::{Answer, Endpoint, Notice, Outcome, answer, mail, request, request::short};
use lettre::{Message, transport::smtp::authentication::Credentials};
use reqwest::Client;
use std::{sync::Arc, time::Duration};
use windlass_driver::{Secrets, causes};
use windlass_plan::{MailWay, NoticeKind, NoticeWay, Secret};

/// A try may take this long.
pub const TRY_MAX: Duration = Duration::from_secs(5);
/// A notice is tried so often.
pub const TRIES_MAX: u32 = 3;
/// Pauses between the tries.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];
/// Of an answer no more is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What became of a notice: so far, or for good.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tries {
    pub(crate) count: u32,
    pub(crate) why: Option<String>,
}

/// What sends to one receiver.
pub(crate) struct Sender {
    pub(crate) way: NoticeWay,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) client: Result<Client, String>,
    pub(crate) clock: fn() -> i64,
}

impl Sender {
    /// Tries until it is delivered, refused, or was tried often enough; `tries` is kept up, for whoever stops this.
    pub(crate) async fn deliver(&self, notice: &Notice, on: &str, tries: &mut Tries) -> Outcome {
        // A mail of which only the answer was lost comes under the same name again.
        let id = format!("windlass.{}.{on}.{}", notice.run.as_deref().unwrap_or("none"), (self.clock)());
        loop {
            tries.count += 1;
            let answer = match tokio::time::timeout(TRY_MAX, self.once(notice, &id)).await {
                Ok(answer) => answer,
                Err(_) => Answer::Again(format!("no answer within {} s", TRY_MAX.as_secs())),
            };
            let over = tries.count >= TRIES_MAX;
            match answer {
                Answer::Delivered => {
                    tries.why = None;
                    return Outcome::Delivered;
                }
                Answer::Refused(why) => {
                    tries.why = Some(self.secrets.mask(&why));
                    return Outcome::Refused;
                }
                Answer::Again(why) => tries.why = Some(self.secrets.mask(&why)),
            }
            if over {
                return Outcome::Failed;
            }
            let pause = PAUSES.get(tries.count as usize - 1).copied().unwrap_or(PAUSES[1]);
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, notice: &Notice, id: &str) -> Answer {
        let done = match &self.way {
            NoticeWay::Http { kind, url, secret } => self.post(*kind, url, secret.as_ref(), notice).await,
            NoticeWay::Mail(way) => self.mail(way, notice, id).await,
        };
        done.unwrap_or_else(Answer::Refused)
    }

    /// A value that nobody else may see. A command that gives it may take its time, beside everything else.
    async fn value(&self, secret: &Secret) -> Result<String, String> {
        let (secrets, secret) = (self.secrets.clone(), secret.clone());
        let read = tokio::task::spawn_blocking(move || secrets.resolve(&secret)).await;
        read.unwrap_or_else(|_| Err("a secret could not be read".to_owned()))
    }

    async fn post(
        &self,
        kind: NoticeKind,
        url: &Secret,
        secret: Option<&Secret>,
        notice: &Notice,
    ) -> Result<Answer, String> {
        let url = self.value(url).await?;
        let secret = match secret {
            Some(secret) => Some(self.value(secret).await?),
            None => None,
        };
        let to = Endpoint::new(kind, &url, secret)?;
        let made = request(kind, &to, notice, (self.clock)());
        let mut post = self.client.as_ref().map_err(Clone::clone)?.post(made.url);
        for (name, value) in made.headers {
            post = post.header(name, value);
        }
        let sent =
            post.header("Content-Type", "application/json; charset=utf-8").body(made.body).send().await;
        let hidden = |answer: Answer| match answer {
            Answer::Delivered => answer,
            Answer::Refused(why) => Answer::Refused(to.hide(&why)),
            Answer::Again(why) => Answer::Again(to.hide(&why)),
        };
        Ok(hidden(match sent {
            Ok(response) => read(kind, response).await,
            Err(error) => Answer::Again(words(error)),
        }))
    }

    async fn mail(&self, way: &MailWay, notice: &Notice, id: &str) -> Result<Answer, String> {
        let login = match &way.login {
            Some((user, password)) => {
                Some(Credentials::new(self.value(user).await?, self.value(password).await?))
            }
            None => None,
        };
        let mail: Message = mail::message(way, notice, id, (self.clock)())?;
        Ok(mail::send(way, login, mail).await)
    }
}

async fn read(kind: NoticeKind, mut response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend(chunk.iter().take(ANSWER_BYTES_MAX - body.len())),
            Ok(None) => break,
            Err(error) => return Answer::Again(format!("HTTP {status}, then {}", words(error))),
        }
    }
    answer(kind, status, &body)
}

/// An error with its causes, without the address.
fn words(error: reqwest::Error) -> String {
    short(&causes(&error.without_url()))
}
