//! Production traces: what servers that ran have recorded is replayed through the deployed transitions.

mod file;

mod words;

mod chart;

mod line;

mod sent;

mod window;

mod judge;

mod film;

mod group;

pub(crate) use file::{Place, Unreadable, is_trace};
pub(crate) use film::Run;
pub(crate) use group::{Broken, Replayed, Step, Wrong, film, replay};
pub(crate) use line::{Difference, End, Line};

#[cfg(test)]
mod tests;
