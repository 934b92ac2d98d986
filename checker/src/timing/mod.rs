//! The odds of an election: how many terms it takes until there is a leader, and how long.
//!
//! Three answers stand side by side: a Markov chain over the deployed steps (`chain`), exact for time
//! that goes in steps; elections drawn at random in continuous time (`continuous`); and the closed form
//! of Ongaro's dissertation (`closed_form`), which takes every term as a fresh draw.

mod answer;
mod chain;
mod closed_form;
mod command;
mod continuous;
mod distribution;
mod group;
mod paper;
mod plot;
mod report;
mod required_timeouts;
mod sample;
mod setting;
#[cfg(test)]
mod tests;

pub(crate) use command::{OddsArgs, run};

use crate::cli::presets::PAPER;
use crate::mutants::zoo;
use crate::system::server::Ground;

/// The deployed rules; without PreVote those of the zoo's exhibit, which breaks that one rule.
fn ground(pre_vote: bool) -> Ground {
    if pre_vote { PAPER } else { zoo::find("plain_raft").expect("plain Raft is in the zoo").ground }
}
