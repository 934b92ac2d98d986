//! Traces: their language, scenarios, counterexamples, pictures.

pub(crate) mod run;

pub(crate) mod language;

mod stage;

pub(crate) mod scenario;

pub(crate) mod start;

pub(crate) mod shorten;

mod tidy;

pub(crate) mod concretise;

pub(crate) mod counterexample;

pub(crate) mod kept;

pub(crate) mod render;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod tests_ease;
