//! An inductive invariant, judged on the deployed step without a bound on how far a run has come.
//!
//! The search visits the states that runs reach, with servers near each other. Here no run is
//! played: every server that the invariant allows, reached or not, takes a step upon every event that
//! it allows, and the invariant must hold of what comes of that. Each part of it, a conjunct, speaks
//! of one server and of history, never of two servers; so one server is all that has to be judged.
//! `docs/inductive.md` tells how Figure 3 follows.
//!
//! Read [`history`] (for each term the log of its leader), [`conjuncts`] (the invariant), [`class`]
//! (the servers and events that it allows), [`judge`] (one step), then what is judged: [`elections`]
//! of groups of every size, [`logs`] beside every history, [`branches`] as long as the window. That
//! [`rounds`] make no difference is compared; that larger numbers bring nothing new is what [`cases`] and [`instances`] show, in the words of [`symbols`]; that
//! the class has room for all that runs lead to, the search itself (`quotient::link`).
//!
//! A module uses only those listed before it.

pub(crate) mod history;

pub(crate) mod conjuncts;

pub(crate) mod class;

pub(crate) mod mutants;

mod judge;

mod work;

mod quorums;

mod lemmas;

mod elections;

mod logs;

mod branches;

mod rounds;

mod symbols;

mod cases;

mod dice;

mod instances;

mod shape;

pub(crate) mod stages;

pub(crate) mod told;

mod presets;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod tests_cases;

pub(crate) use mutants::{ALL as MUTANTS, find};
pub(crate) use presets::{Chosen, PRESETS, Preset, named};
pub(crate) use stages::Scope;
