//! The election-time distribution: how many terms it takes until there is a leader, and how long.
//!
//! Three answers stand side by side: a Markov chain over the deployed steps (`chain`), exact for time
//! that goes in steps; elections drawn at random in continuous time (`continuous`); and the closed form
//! of Ongaro's dissertation (`closed_form`), which takes every term as a fresh draw.
//!
//! The first two run the deployed steps in the deployed loop; the timers around them are a second
//! version of the deployed ones, and a test compares the two (`timers`).
//!
//! Modules use only those that are listed before them.

// What is asked, and a group in time.
mod setting;

mod timers;

mod group;

// The answers.
mod chain;

mod distribution;

mod limit;

mod sample;

mod continuous;

mod closed_form;

mod answer;

mod required_timeouts;

// What is said of them.
mod report;

mod plot;

mod paper;

mod command;

#[cfg(test)]
mod tests;

pub(crate) use command::{OddsArgs, run};
