//! Lines of docker compose, as far as they are understood.

use crate::{
    Plan, Runner, Service, Target,
    lift::{join, normal},
};
use serde::{Deserialize, Serialize};

/// A line of docker compose that changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposeLine {
    /// The program with all that stands in front of the operation, as written: `sudo docker compose -f prod.yml`.
    pub program: Vec<String>,
    /// What it does.
    pub operation: ComposeOperation,
    /// Options of the operation with their values, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Names of services; empty: all that are active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Working folder.
    pub dir: Option<String>,
}

/// What docker compose is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComposeOperation {
    /// Get images.
    Pull,
    /// Make images.
    Build,
    /// Create what is missing, replace what differs, start.
    Up,
    /// Stop and remove containers and networks.
    Down,
    /// Stop containers.
    Stop,
    /// Start containers that are there.
    Start,
    /// Stop and start containers that are there.
    Restart,
}

impl ComposeOperation {
    /// The word of the command.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Build => "build",
            Self::Up => "up",
            Self::Down => "down",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Restart => "restart",
        }
    }

    /// Whether it brings images and touches no container.
    #[must_use]
    pub fn only_brings(self) -> bool {
        matches!(self, Self::Pull | Self::Build)
    }

    /// Whether containers are away when it is done.
    #[must_use]
    pub fn ends_away(self) -> bool {
        matches!(self, Self::Down | Self::Stop)
    }

    /// Whether containers run when it is done.
    #[must_use]
    pub fn ends_up(self) -> bool {
        matches!(self, Self::Up | Self::Start | Self::Restart)
    }
}

/// Names that compose looks for when no file is named, as it prefers them.
pub const COMPOSE_FILES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

impl ComposeLine {
    /// All words of the command.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        let words = self.program.iter().map(String::as_str).chain([self.operation.word()]);
        words
            .chain(self.options.iter().map(String::as_str))
            .chain(self.services.iter().map(String::as_str))
            .collect()
    }

    /// Whether one of these options was given.
    #[must_use]
    pub fn has(&self, options: &[&str]) -> bool {
        self.options.iter().any(|given| options.contains(&given.as_str()))
    }

    /// Whether images are made: a name then means another image, and the one it meant before stays without a name.
    #[must_use]
    pub fn builds(&self) -> bool {
        self.operation == ComposeOperation::Build
            || self.operation == ComposeOperation::Up && self.has(&["--build"])
    }

    /// `down -v`: what volumes hold is lost.
    #[must_use]
    pub fn deletes_volumes(&self) -> bool {
        self.operation == ComposeOperation::Down && self.has(&["-v", "--volumes"])
    }

    /// The values of an option in front of the operation: `["--file", "-f"]`.
    #[must_use]
    pub fn values(&self, names: &[&str]) -> Vec<&str> {
        let mut values = Vec::new();
        let mut words = self.program.iter();
        while let Some(word) = words.next() {
            if names.contains(&word.as_str()) {
                values.extend(words.next().map(String::as_str));
            } else if let Some((name, value)) = word.split_once('=')
                && names.contains(&name)
            {
                values.push(value);
            }
        }
        values
    }

    /// The compose files that it names.
    #[must_use]
    pub fn files(&self) -> Vec<&str> {
        self.values(&["-f", "--file"])
    }

    /// Whether a service of the configuration, on a target with the folder `dir`, is one that this line works on.
    #[must_use]
    pub fn works_on(&self, name: &str, service: &Service, dir: Option<&str>) -> bool {
        let Runner::Compose(file) = &service.runner else { return false };
        let named = self.services.is_empty() || self.services.iter().any(|service| service == name);
        let wanted = normal(&join(dir, file));
        let is = |file: &str| normal(&join(self.dir.as_deref(), file)) == wanted;
        let files = self.files();
        let same = if files.is_empty() {
            COMPOSE_FILES.iter().any(|file| is(file))
        } else {
            files.iter().any(|file| is(file))
        };
        named && same
    }
}

impl Plan {
    /// The services of the configuration that a line works on.
    pub fn services_of<'a>(
        &'a self,
        line: &'a ComposeLine,
        on: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Service)> {
        let dir = match self.targets.get(on) {
            Some(Target::Hosts { dir, .. }) => dir.as_deref(),
            _ => None,
        };
        let services = self.services.iter().map(|(name, service)| (name.as_str(), service));
        services.filter(move |(name, service)| service.on == on && line.works_on(name, service, dir))
    }
}
