//! The engine in a scripted world: what it asks of drivers, people and the journal, and in which order.

mod again;
mod back;
mod decisions;
mod faults;
mod forward;
mod lease;
mod next;
mod next_back;
mod next_generated;
mod pause;
mod people;
mod recovery;
mod story;
mod support;
mod together;
mod walked;
mod within;
