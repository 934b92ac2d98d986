//! The model's stories: each test's name is a claim, its body the evidence.

mod applying;
mod effects;
mod entries;
mod log;
mod members;
mod messages;
mod plausibility;
mod proposals;
mod reads;
mod relabelling;
mod replica;
mod rules;
mod runs;
mod shape;
mod steps;
mod support;
mod traces;
