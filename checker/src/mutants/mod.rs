//! Mutants of rules, steps, disks and answers to clients: the mutation catalogue.

mod mutant;

pub(crate) mod rules;

mod proposals;

mod reads;

pub(crate) mod catalogue;
