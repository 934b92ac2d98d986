//! Messages that were sent: what arrives is among them.

use std::collections::{BTreeMap, VecDeque};

use rafttree_model::digest::Digest;
use rafttree_model::{Envelope, Message, Output, Range, ServerId, Slice};

/// So many messages from one server to another are remembered.
const MAX_REMEMBERED: usize = 1 << 16;

/// The messages that servers have sent.
#[derive(Debug, Default)]
pub(crate) struct Sent(BTreeMap<(ServerId, ServerId), Way>);

/// Those from one server to another, in order.
#[derive(Debug, Default)]
struct Way {
    messages: VecDeque<Envelope<Range>>,
    /// How many were forgotten.
    forgotten: u64,
    /// Where the message stands that has arrived last: as a rule the next one comes soon after it.
    arrived: usize,
}

/// What is known of a message that arrives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Known {
    Sent,
    NotSent,
    /// Older ones than it may be were forgotten.
    Forgotten,
}

impl Sent {
    /// A server says this.
    pub(crate) fn note(&mut self, output: &Output) {
        let Output::Send(envelope) = output else { return };
        let way = self.0.entry((envelope.from, envelope.to)).or_default();
        if way.messages.len() == MAX_REMEMBERED {
            way.messages.pop_front();
            way.forgotten += 1;
            way.arrived = way.arrived.saturating_sub(1);
        }
        way.messages.push_back(*envelope);
    }

    /// How many messages were sent that way.
    pub(crate) fn count(&self, letter: &Envelope<Slice<Digest>>) -> u64 {
        self.way(letter).map_or(0, |way| way.forgotten + way.messages.len() as u64)
    }

    /// Whether it was sent after the one that arrived last.
    pub(crate) fn is_next(&self, letter: &Envelope<Slice<Digest>>) -> bool {
        self.way(letter).is_some_and(|way| way.messages.range(way.arrived..).any(|sent| is_of(letter, sent)))
    }

    /// Whether it was sent at any time.
    pub(crate) fn find(&self, letter: &Envelope<Slice<Digest>>) -> Known {
        match self.way(letter) {
            Some(way) if way.messages.iter().any(|sent| is_of(letter, sent)) => Known::Sent,
            Some(way) if way.forgotten != 0 => Known::Forgotten,
            _ => Known::NotSent,
        }
    }

    /// It has arrived.
    pub(crate) fn arrive(&mut self, letter: &Envelope<Slice<Digest>>) {
        let Some(way) = self.0.get_mut(&(letter.from, letter.to)) else { return };
        let place = way.messages.range(way.arrived..).position(|sent| is_of(letter, sent));
        way.arrived += place.unwrap_or(0);
    }

    fn way(&self, letter: &Envelope<Slice<Digest>>) -> Option<&Way> {
        self.0.get(&(letter.from, letter.to))
    }
}

/// Whether the letter is the message that was sent, or a part of it.
fn is_of(letter: &Envelope<Slice<Digest>>, sent: &Envelope<Range>) -> bool {
    if letter.term != sent.term {
        return false;
    }
    match (&letter.message, &sent.message) {
        (
            Message::AppendRequest { entries, commit, round },
            Message::AppendRequest { entries: range, commit: sent_commit, round: sent_round },
        ) => {
            let is_within =
                range.previous.index <= entries.previous().index && entries.last().index <= range.last.index;
            (commit, round) == (sent_commit, sent_round) && is_within
        }
        (Message::AppendRequest { .. }, _) | (_, Message::AppendRequest { .. }) => false,
        _ => sent.with_entries(|_| None).as_ref() == Some(letter),
    }
}
