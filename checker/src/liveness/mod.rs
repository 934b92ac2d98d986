//! Liveness, checked as reachability: from every reachable state, when faults stop, a leader is
//! elected and commits within a few rounds of a fair schedule.
//!
//! The states are those of the quotient, and the schedule drives the concrete servers of each, by
//! the deployed steps. Messages that were under way are lost; had they arrived, that is another
//! reachable state, of which the same is shown.

mod links;

mod schedule;

mod recovery;

mod report;

mod space;

pub(crate) mod lasso;

#[cfg(test)]
mod tests;

pub(crate) use recovery::Recovery;
