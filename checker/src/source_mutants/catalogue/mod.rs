//! The mutation catalogue: changes of meaning in the deployed model, one entry each.
//!
//! An entry names a snippet of the model's text and what stands in its place in the mutant. The
//! snippet is an expression or whole statements, and it stands in its file once: a test says so, so
//! that the catalogue cannot drift away from the model.

mod mutant;

mod rules;

mod state;

mod step;

mod rounds;

mod election;

mod replication;

mod compaction;

mod effects;

mod proposals;

mod reads;

pub(crate) mod text;

pub(crate) use mutant::{Expected, Mutant};

/// Every mutant, in the reading order of the model. The number of a mutant is its place here, from 1 on.
pub(crate) fn all() -> Vec<Mutant> {
    [
        rules::MUTANTS,
        state::MUTANTS,
        step::MUTANTS,
        rounds::MUTANTS,
        election::MUTANTS,
        replication::MUTANTS,
        compaction::MUTANTS,
        effects::MUTANTS,
        proposals::MUTANTS,
        reads::MUTANTS,
    ]
    .concat()
}
