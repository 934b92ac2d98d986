//! Traces: their language, scenarios, counterexamples.

pub(crate) mod language;

pub(crate) mod scenario;

mod start;

pub(crate) mod counterexample;
