//! The mutation catalogue: semantic mistakes in the deployed model, one entry each.
//!
//! An entry names a snippet of the model's text and what stands in its place in the mutant. The
//! snippet is an expression or whole statements, and it stands in its file once: a test says so, so
//! that the catalogue cannot drift away from the model.

mod effects;
mod election;
mod replication;
mod rules;
mod state;
mod step;
pub(crate) mod text;

/// One mistake in the text of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutant {
    /// The mistake in words, in snake case.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// A file of `model/src`.
    pub(crate) file: &'static str,
    /// An expression or whole statements. Spaces and line ends are alike.
    pub(crate) find: &'static str,
    /// What stands there in the mutant.
    pub(crate) replace: &'static str,
    pub(crate) expected: Expected,
}

/// What the checker has to make of a mutant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Expected {
    /// Servers behave differently: some check must see it.
    Harmful,
    /// No server of any group ever behaves differently, for this reason.
    Equivalent(&'static str),
}

impl Mutant {
    const fn new(
        file: &'static str,
        name: &'static str,
        about: &'static str,
        find: &'static str,
        replace: &'static str,
    ) -> Mutant {
        Mutant { name, about, file, find, replace, expected: Expected::Harmful }
    }

    const fn equivalent(self, reason: &'static str) -> Mutant {
        Mutant { expected: Expected::Equivalent(reason), ..self }
    }

    /// The file without its ending, as modules are called.
    pub(crate) fn module(&self) -> &'static str {
        self.file.strip_suffix(".rs").unwrap_or(self.file)
    }
}

/// Every mutant, in the reading order of the model. The number of a mutant is its place here, from 1 on.
pub(crate) fn all() -> Vec<Mutant> {
    [rules::MUTANTS, state::MUTANTS, step::MUTANTS, election::MUTANTS, replication::MUTANTS, effects::MUTANTS].concat()
}
