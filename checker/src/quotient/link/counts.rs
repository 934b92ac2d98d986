//! How much was looked up, and by how many histories it was explained.

use std::collections::BTreeSet;

use crate::cli::report::grouped;
use crate::inductive::history::{History, MOST_ENTRIES, MOST_TERMS, Terms};

/// How much was looked up in the class of the invariant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Linked {
    pub(crate) states: u64,
    pub(crate) servers: u64,
    pub(crate) disks: u64,
    /// Requests for votes, requests to append, acknowledgements.
    pub(crate) messages: u64,
    /// What else may happen to a server: the class allows it, whatever it says.
    pub(crate) free: u64,
    /// Different histories.
    pub(crate) histories: u64,
    /// States of which a part is explained by a leader that nothing is left of, or by more than is left of
    /// one: an old candidate asks with a log that nobody holds any more.
    pub(crate) lost: u64,
    /// States whose terms are more than there is room for.
    pub(crate) left_out: u64,
}

/// What all threads have looked up together.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    counts: Linked,
    histories: BTreeSet<History>,
}

impl Linked {
    fn numbers(&self) -> [u64; 7] {
        let Linked { states, servers, disks, messages, free, histories: _, lost, left_out } = *self;
        [states, servers, disks, messages, free, lost, left_out]
    }

    fn of_numbers([states, servers, disks, messages, free, lost, left_out]: [u64; 7]) -> Linked {
        Linked { states, servers, disks, messages, free, histories: 0, lost, left_out }
    }

    /// For a report.
    pub(crate) fn words(&self, is_missed: bool) -> String {
        let Linked { servers, messages, free, histories, .. } = *self;
        let [servers, messages, free, histories] = [servers, messages, free, histories].map(grouped);
        let missing = if is_missed { "one is missing, and told below" } else { "none is missing" };
        format!(
            "{servers} servers and as many disks, {messages} messages looked up in the class of the invariant, beside \
             {histories} histories: {missing}; {free} other messages, timers and requests, which it allows whatever \
             they say"
        )
    }
}

impl Gathered {
    pub(crate) fn add(&mut self, counts: Linked, histories: &[History]) {
        let (ours, new) = (self.counts.numbers(), counts.numbers());
        self.counts = Linked::of_numbers(std::array::from_fn(|at| ours[at] + new[at]));
        self.histories.extend(histories);
    }

    pub(crate) fn counts(&self) -> Linked {
        Linked { histories: self.histories.len() as u64, ..self.counts }
    }

    /// Appends all of it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.counts.numbers().iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        for history in &self.histories {
            out.push(history.leaders().count() as u8);
            for (term, log) in history.leaders() {
                out.extend([term, log.len()].into_iter().chain(log.iter()));
            }
        }
    }

    /// Adds what was written; `None` if it makes no sense.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Option<()> {
        let (numbers, mut rest) = bytes.split_at_checked(size_of::<[u64; 7]>())?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let numbers: [u64; 7] = std::array::from_fn(|at| u64::from_le_bytes(numbers[at]));
        let mut histories = Vec::new();
        while !rest.is_empty() {
            histories.push(decoded(&mut rest)?);
        }
        self.add(Linked::of_numbers(numbers), &histories);
        Some(())
    }
}

fn decoded(bytes: &mut &[u8]) -> Option<History> {
    let (&leaders, mut rest) = bytes.split_first()?;
    let mut history = History::NONE;
    for _ in 0..leaders {
        let (&[term, len], behind) = rest.split_first_chunk()?;
        let (terms, behind) = behind.split_at_checked(len.into())?;
        if MOST_TERMS + 1 < term.into() || MOST_ENTRIES < len.into() {
            return None;
        }
        history = history.with(term, terms.iter().copied().fold(Terms::default(), Terms::and));
        rest = behind;
    }
    *bytes = rest;
    Some(history)
}
