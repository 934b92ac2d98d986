//! What must be met for a search to mean something.

use crate::properties::witness::Witness;
use crate::search::Bits;

/// How often actions of a kind were tried, and how often that changed something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) offered: u64,
    pub(crate) changed: u64,
}

/// Whether a witness was reached, and whether the search would say nothing without it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Met {
    pub(crate) name: &'static str,
    pub(crate) reached: bool,
    pub(crate) expected: bool,
}

/// What must be met for COMPLETE to mean something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) witnesses: &'static [Witness],
    /// Kinds of action that the bounds rule out, so that none is offered.
    pub(crate) ruled_out: &'static [&'static str],
    /// Kinds that are offered and may change nothing by themselves.
    pub(crate) idle: &'static [&'static str],
    /// Whether kinds of action count at all.
    pub(crate) kinds: bool,
}

/// Nothing is expected: what is looked for is a violation.
pub(crate) const NOTHING: Expected = Expected { witnesses: &[], ruled_out: &[], idle: &[], kinds: false };

impl Expected {
    pub(super) fn met(&self, witness: Witness, met: Bits) -> Met {
        let reached = met & 1 << witness as u8 != 0;
        Met { name: witness.words(), reached, expected: self.witnesses.contains(&witness) }
    }

    /// What is missing of a kind of action, if anything.
    pub(super) fn lacks(&self, kind: &Kind) -> Option<String> {
        let Kind { name, offered, changed } = *kind;
        if !self.kinds || self.ruled_out.contains(&name) {
            None
        } else if offered == 0 {
            Some(format!("'{name}' was never offered"))
        } else {
            (changed == 0 && !self.idle.contains(&name)).then(|| format!("'{name}' never changed anything"))
        }
    }
}

/// The kinds of action with what was counted of each.
pub(super) fn kinds(names: Vec<&'static str>, offered: &[u64], changed: &[u64]) -> Vec<Kind> {
    let counts = offered.iter().zip(changed);
    names.into_iter().zip(counts).map(|(name, (&offered, &changed))| Kind { name, offered, changed }).collect()
}
