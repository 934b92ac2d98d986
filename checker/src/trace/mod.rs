//! Traces: their language, scenarios, counterexamples.

pub(crate) mod counterexample;
pub(crate) mod language;
pub(crate) mod scenario;
