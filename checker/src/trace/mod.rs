//! Traces: their language, scenarios, counterexamples.

pub(crate) mod concretise;
pub(crate) mod counterexample;
pub(crate) mod language;
pub(crate) mod run;
pub(crate) mod scenario;
mod stage;
#[cfg(test)]
mod tests;
