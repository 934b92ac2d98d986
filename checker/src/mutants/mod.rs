//! Mutants: of rules, steps and disks, and of the text of the model.

pub(crate) mod rules;
pub(crate) mod source;
pub(crate) mod zoo;
