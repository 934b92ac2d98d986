//! Mutants of rules, steps and disks: the mutation catalogue.

pub(crate) mod rules;

pub(crate) mod catalogue;
