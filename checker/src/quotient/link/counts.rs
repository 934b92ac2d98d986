//! How much was looked up, and by how many histories it was explained.

use std::collections::BTreeSet;

use crate::inductive::history::{History, MOST_ENTRIES, MOST_TERMS, Terms};
use crate::verdict::Linked;

/// What all threads have looked up together.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    counts: Linked,
    histories: BTreeSet<History>,
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
