//! The odds of an election: how many terms it takes until there is a leader, and how long.
//!
//! Three answers stand side by side: a Markov chain over the deployed steps (`chain`), exact for time
//! that goes in steps; elections drawn at random in continuous time (`simulate`); and the closed form
//! of Ongaro's dissertation (`closed`), which takes every term as a fresh draw.

mod answer;
mod chain;
mod closed;
mod command;
mod distribution;
mod group;
mod inverse;
mod paper;
mod plot;
mod sample;
mod setting;
mod simulate;
#[cfg(test)]
mod tests;
mod told;

pub(crate) use command::{OddsArgs, run};

use crate::mutants::catalogue;
use crate::world::{Ground, PAPER};

/// The deployed rules; without PreVote those of the zoo's exhibit, which breaks that one rule.
fn ground(pre_vote: bool) -> Ground {
    if pre_vote { PAPER } else { catalogue::find("plain_raft").expect("plain Raft is in the zoo").ground }
}
