//! Mutants of rules, steps and disks: the mutation catalogue.

mod mutant;

pub(crate) mod rules;

pub(crate) mod catalogue;
