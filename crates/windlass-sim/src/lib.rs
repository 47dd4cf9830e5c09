//! A simulator of the engine: its world, clock, hosts, journal, people and rivals, all by seed.
//!
//! [`scenario::random`] tells one story; while it goes on, the world, the mirror of the journal and the checks watch
//! that the properties hold. The first one that does not is reported with its seed, which replays it exactly.

pub mod acts;
pub mod check;
pub mod controller;
pub mod driver;
pub mod edit;
pub mod exec;
pub mod hub;
pub mod mirror;
pub mod person;
pub mod plans;
pub mod prober;
pub mod rng;
pub mod scenario;
pub mod store;
pub mod systematic;
pub mod world;
