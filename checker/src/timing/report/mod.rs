//! The answers, told.

pub(crate) mod text;
