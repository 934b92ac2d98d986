//! Swarms: long random runs of the concrete system, at sizes that no search exhausts.
//!
//! Every step is the deployed one, and is judged as in a search. What happens next is drawn. Each run has
//! habits of its own: it leaves out some kinds of action and favours others (Groce et al., "Swarm testing",
//! ISSTA 2012), since a mean of all habits never goes far in any direction. That nothing is found proves
//! nothing; what was met on the way is counted, and what was never met is named.

mod dice;

mod habits;

mod post;

mod rules;

mod draw;

mod coverage;

mod run;

mod campaign;

mod shorten;

pub(crate) mod report;

pub(crate) use campaign::{Campaign, Plan, Shard, campaign, judged, system};
pub(crate) use shorten::{Shortened, shortened};

#[cfg(test)]
mod tests;
