//! What must hold, by name, and what must be reached.

mod list;

pub(crate) mod witness;

pub(crate) use list::{Property, PropertySet};
