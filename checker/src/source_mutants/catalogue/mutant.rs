//! One entry of the catalogue.

/// One mutation of the text of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutant {
    /// The mutation in words, in snake case.
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
    pub(super) const fn new(
        file: &'static str,
        name: &'static str,
        about: &'static str,
        find: &'static str,
        replace: &'static str,
    ) -> Mutant {
        Mutant { name, about, file, find, replace, expected: Expected::Harmful }
    }

    pub(super) const fn equivalent(self, reason: &'static str) -> Mutant {
        Mutant { expected: Expected::Equivalent(reason), ..self }
    }

    /// The file without its ending, as modules are called.
    pub(crate) fn module(&self) -> &'static str {
        self.file.strip_suffix(".rs").unwrap_or(self.file)
    }
}
