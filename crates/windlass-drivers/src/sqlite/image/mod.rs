//! Before-images: each row that a statement changes, as it was and as it became.

mod codec;
mod file;
mod record;
mod replay;
mod shape;
mod ties;

pub(crate) use codec::Stored;
pub(crate) use file::path;
pub(crate) use record::{Images, Recording, Trouble};
pub(crate) use replay::{Stuck, replay};
pub(crate) use shape::{Key, Shape, of as shape_of};
