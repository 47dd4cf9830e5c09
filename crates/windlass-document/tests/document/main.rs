//! The whole reader, from the outside: real runbooks, generated and mutated documents, and its cost.

mod corpus;
mod invariants;
mod linear;
mod mutation;
mod properties;
mod runbooks;
