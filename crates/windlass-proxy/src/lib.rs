//! The data plane: a process of its own that outlives controller and CLI.

pub mod control;
