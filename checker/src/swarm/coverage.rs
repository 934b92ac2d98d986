//! Coverage: what was offered, what arrived, what the rules answered, and what of all this never was.

use crate::properties::witness::Witness;
use crate::search::Bits;
use crate::swarm::habits::Kind;
use crate::swarm::rules::{self, Answers, Arrivals, MESSAGES, RULES};

/// What runs have met.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Coverage {
    /// Actions that were tried, by kind; and those that changed something.
    pub(super) offered: [u64; Kind::COUNT],
    pub(super) changed: [u64; Kind::COUNT],
    /// Messages that arrived, by kind, those of a server to itself among them.
    pub(super) arrived: Arrivals,
    /// What rules answered; nothing, where a mutant is run.
    pub(super) answers: Answers,
    /// The witnesses, as a search has them.
    pub(super) met: Bits,
    /// The highest term, the longest log and the most committed entries of a run.
    pub(crate) terms: u64,
    pub(crate) entries: u64,
    pub(crate) committed: u64,
}

impl Coverage {
    /// What this thread has counted apart from the steps.
    pub(super) fn take_counts(&mut self) {
        (self.answers, self.arrived) = rules::taken();
    }

    pub(super) fn add(&mut self, other: &Coverage) {
        add(&mut self.offered, &other.offered);
        add(&mut self.changed, &other.changed);
        add(&mut self.arrived, &other.arrived);
        self.answers.iter_mut().zip(&other.answers).for_each(|(all, more)| add(all, more));
        self.met |= other.met;
        self.terms = self.terms.max(other.terms);
        self.entries = self.entries.max(other.entries);
        self.committed = self.committed.max(other.committed);
    }

    /// Actions that were tried.
    pub(crate) fn choices(&self) -> u64 {
        self.offered.iter().sum()
    }

    /// Those that changed something.
    pub(crate) fn steps(&self) -> u64 {
        self.changed.iter().sum()
    }

    pub(crate) fn has_met(&self, witness: Witness) -> bool {
        self.met & 1 << witness as u8 != 0
    }

    /// Each kind of action, with how often it was offered and changed something.
    pub(super) fn actions(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let counts = self.offered.iter().zip(&self.changed);
        Kind::ALL.iter().zip(counts).map(|(kind, (&offered, &changed))| (kind.words(), offered, changed))
    }

    /// Each kind of message, with how often it arrived.
    pub(super) fn messages(&self) -> impl Iterator<Item = (&'static str, u64)> {
        MESSAGES.into_iter().zip(self.arrived)
    }

    /// Each rule with its answers, and how often it gave each; none, where no rule was asked.
    pub(super) fn rules(&self) -> Vec<(&'static str, Vec<(&'static str, u64)>)> {
        if self.answers == Answers::default() {
            return Vec::new();
        }
        let counts = RULES.iter().zip(&self.answers);
        counts.map(|(it, counts)| (it.rule, it.answers.iter().copied().zip(counts.iter().copied()).collect())).collect()
    }

    /// What was never met, in words.
    pub(super) fn never(&self) -> Vec<String> {
        let actions = self.actions().filter_map(|(name, offered, changed)| match (offered, changed) {
            (0, _) => Some(format!("'{name}' was never offered")),
            (_, 0) => Some(format!("'{name}' never changed anything")),
            _ => None,
        });
        let messages = self.messages().filter(|(_, count)| *count == 0).map(|(name, _)| format!("no {name} arrived"));
        let rules = self.rules().into_iter().flat_map(|(rule, answers)| {
            let missing = answers.into_iter().filter(|(_, count)| *count == 0);
            missing.map(move |(answer, _)| format!("{rule} never answered '{answer}'"))
        });
        let unmet = Witness::ALL.into_iter().filter(|&it| is_followed(it) && !self.has_met(it));
        let unmet = unmet.map(|witness| format!("{} was never reached", witness.words()));
        actions.chain(messages).chain(rules).chain(unmet).collect()
    }
}

/// Leases are followed where they are searched, and not here.
pub(super) fn is_followed(witness: Witness) -> bool {
    !matches!(witness, Witness::Lease | Witness::LeaseInNewerTerm)
}

fn add<const N: usize>(all: &mut [u64; N], more: &[u64; N]) {
    all.iter_mut().zip(more).for_each(|(all, more)| *all += more);
}
