//! Traces: their language, scenarios, counterexamples.

pub(crate) mod run;

pub(crate) mod language;

mod stage;

pub(crate) mod scenario;

pub(crate) mod start;

pub(crate) mod concretise;

pub(crate) mod counterexample;

#[cfg(test)]
mod tests;
