//! What a search finds, turned into a verdict.
//!
//! A search that was cut short never says COMPLETE, one that met nothing worth checking says
//! VACUOUS, and a counterexample is believed only after it was made concrete, action by
//! action.

mod limits;

mod figures;

mod expected;

mod outcome;

pub(crate) use expected::{Expected, Kind, Met, NOTHING};
pub(crate) use figures::{Linked, Tally};
pub(crate) use limits::{CODE, Limits};
#[cfg(feature = "hosts")]
pub(crate) use outcome::explore_on;
pub(crate) use outcome::{Checked, Outcome, Verdict, explore, names};
