//! The world as one unit sees it: which instances live and what the proxy does; and what it should be.

use super::{
    front::{Front, FrontError},
    instance::{Instance, Instances, Life},
    spec::{Origin, Spec},
};
use serde::{Deserialize, Serialize};
use std::io;
use windlass_proxy::control::{Request, Status};

/// What the proxy said.
#[derive(Clone, Debug)]
pub enum FrontLook {
    /// The service has no proxy.
    Absent,
    /// It has one that does not answer.
    Silent(FrontError),
    /// It answered.
    Up(Box<Status>),
}

impl FrontLook {
    /// Whether requests are held; `None`: not known.
    pub fn held(&self) -> Option<bool> {
        match self {
            Self::Absent => Some(false),
            Self::Silent(_) => None,
            Self::Up(status) => Some(status.holding_ms.is_some()),
        }
    }

    /// Its answer.
    pub fn status(&self) -> Option<&Status> {
        if let Self::Up(status) = self { Some(status) } else { None }
    }

    /// Whether these and only these get the requests.
    fn serves(&self, live: &[Live]) -> bool {
        match self {
            Self::Absent => live.iter().all(|live| matches!(live.instance.ready(), Ok(Some(_)))),
            Self::Silent(_) => false,
            Self::Up(status) => {
                !status.upstreams.is_empty()
                    && status.upstreams.iter().all(|upstream| {
                        let port = format!(":{}", live.first().map_or(0, |live| live.instance.spec.port));
                        live.len() == 1 && upstream.upstream.address.ends_with(&port)
                    })
            }
        }
    }
}

/// An instance that lives.
#[derive(Clone, Debug)]
pub struct Live {
    /// The instance.
    pub instance: Instance,
    /// Its supervisor and process.
    pub life: Life,
}

/// What was there before a unit ran: its capsule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The instance that served.
    pub previous: Option<Previous>,
    /// Its process: another one of the same instance has read the files anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Whether requests were held.
    pub held: bool,
    /// Requests that the proxy had ever held.
    pub held_total: u64,
    /// What stood in the configuration of a server that is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// An instance that served before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its number.
    pub number: u64,
    /// What it ran.
    pub spec: Spec,
}

/// Which instance should live.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// None.
    Nothing,
    /// The one from before, or one that runs the same and was not made by `not` going forward.
    Previous {
        /// The one from before.
        previous: Box<Previous>,
        /// The unit's own work.
        not: Origin,
    },
    /// One that this unit made.
    Made(Origin),
    /// This one.
    Numbered(u64),
}

/// What the world should be.
#[derive(Clone, Debug)]
pub struct Goal {
    /// Which instance lives.
    pub wanted: Wanted,
    /// Whether requests are held.
    pub held: bool,
}

impl Wanted {
    /// Whether this is such an instance.
    pub fn is(&self, instance: &Instance) -> bool {
        match self {
            Self::Nothing => false,
            Self::Previous { previous, not } => {
                instance.number == previous.number
                    || (instance.spec.same_program(&previous.spec) && !instance.spec.origin.same_work(not))
            }
            Self::Made(origin) => instance.spec.origin.same_work(origin),
            Self::Numbered(number) => instance.number == *number,
        }
    }
}

/// What is there.
#[derive(Clone, Debug)]
pub struct World {
    /// Living instances, oldest first.
    pub live: Vec<Live>,
    /// The proxy.
    pub front: FrontLook,
}

impl World {
    /// Looks; changes nothing.
    ///
    /// # Errors
    /// The files of the instances cannot be read.
    pub async fn look(instances: &Instances, front: Option<&dyn Front>) -> io::Result<Self> {
        let mut live = vec![];
        for instance in instances.all()? {
            let life = instance.life()?;
            if life.lives() {
                live.push(Live { instance, life });
            }
        }
        let front = match front {
            None => FrontLook::Absent,
            Some(front) => match front.call(&Request::Status).await {
                Ok(status) => FrontLook::Up(Box::new(status)),
                Err(error) => FrontLook::Silent(error),
            },
        };
        Ok(Self { live, front })
    }

    /// Whether what lives is as in `goal`, and nobody has begun to end it.
    pub fn runs(&self, goal: &Goal) -> bool {
        let running = match goal.wanted {
            Wanted::Nothing => self.live.is_empty(),
            _ => self.live.len() == 1,
        };
        running && self.live.iter().all(|live| goal.wanted.is(&live.instance) && !live.instance.ending())
    }

    /// Whether what lives and what is held are as in `goal`.
    pub fn is(&self, goal: &Goal) -> bool {
        self.runs(goal) && self.front.held() == Some(goal.held)
    }

    /// Whether it is as in `goal` and the instance gets the requests.
    pub fn is_done(&self, goal: &Goal) -> bool {
        self.is(goal) && (matches!(goal.wanted, Wanted::Nothing) || self.front.serves(&self.live))
    }

    /// The instance that the requests go to, or would go to: the proxy's, else the newest that was ready.
    pub fn serving(&self, accept: impl Fn(&Instance) -> bool) -> Option<&Live> {
        let candidates = || self.live.iter().rev().filter(|live| accept(&live.instance));
        candidates()
            .find(|live| self.front.status().is_some() && self.front.serves(std::slice::from_ref(live)))
            .or_else(|| candidates().find(|live| matches!(live.instance.ready(), Ok(Some(_)))))
            .or_else(|| candidates().next())
    }
}
