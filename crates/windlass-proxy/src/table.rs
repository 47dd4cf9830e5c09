//! Which upstream a request gets.

use crate::{lane::Lane, split, state::Closed};
use http::HeaderMap;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// A lane in use.
pub(crate) struct Route {
    pub lane: Arc<Lane>,
    pub weight: u32,
}

/// One worker's copy of what is in force.
#[derive(Default)]
pub(crate) struct Table {
    /// Only those with weight, ordered by version.
    pub routes: Vec<Route>,
    /// More than one version has weight.
    pub split: bool,
    /// Longest wait while requests are held.
    pub hold: Option<Duration>,
    pub stopping: bool,
    /// What is answered 503.
    pub closed: Closed,
    /// Turns, so that upstreams with equal load alternate.
    turn: usize,
}

impl Table {
    /// Index of the route for this client, and its new id when it needs a cookie.
    pub(crate) fn choose(&mut self, headers: &HeaderMap) -> (usize, Option<u64>) {
        if self.routes.len() == 1 {
            return (0, None);
        }
        self.turn = self.turn.wrapping_add(1);
        let healthy = |route: &Route| !route.lane.target.unhealthy();
        // When all are unhealthy the checks are more likely wrong than right: keep trying.
        let some_healthy = self.routes.iter().any(healthy);
        let usable = |route: &&Route| !some_healthy || healthy(route);
        if !self.split {
            return (self.least_loaded(self.routes.iter().filter(usable)), None);
        }
        let mut shares: Vec<(&str, u32)> = Vec::new();
        for route in self.routes.iter().filter(usable) {
            let version = route.lane.target.upstream.version.as_str();
            match shares.last_mut() {
                // The routes are ordered by version.
                Some((last, weight)) if *last == version => *weight += route.weight,
                _ => shares.push((version, route.weight)),
            }
        }
        let known = split::client_id(headers);
        let id = known.unwrap_or_else(split::new_id);
        let winner =
            split::choose(id, shares.iter().copied()).expect("the table holds only routes with weight");
        let version = shares[winner].0;
        let of_version =
            self.routes.iter().filter(usable).filter(|r| r.lane.target.upstream.version == version);
        (self.least_loaded(of_version), known.is_none().then_some(id))
    }

    /// The one with the fewest requests in flight for its weight; equals take turns.
    fn least_loaded<'a>(&self, routes: impl Iterator<Item = &'a Route>) -> usize {
        let count = self.routes.len();
        let rank = |index: usize| (index + self.turn) % count;
        let chosen: Option<(usize, u64)> = routes
            .map(|route| {
                let index = self.routes.iter().position(|r| Arc::ptr_eq(&r.lane, &route.lane));
                let load = (route.lane.in_flight.load(Relaxed) as u64 + 1) * 1000 / u64::from(route.weight);
                (index.expect("the route is of this table"), load)
            })
            .min_by_key(|(index, load)| (*load, rank(*index)));
        chosen.expect("a table that does not hold has a usable route").0
    }
}
