//! One step of a server, as all checks see it.

use rafttree_model::{Envelope, Event, Message, Position, Range, ServerId};

use crate::world::{Letter, Server, Stepped, Tag};

/// A step of one server, as it is seen from outside.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) old: &'a Server,
    pub(super) event: &'a Event<Tag>,
    pub(super) new: &'a Server,
    pub(super) stepped: &'a Stepped,
}

impl Seen<'_> {
    /// The messages of the step, to itself as well.
    pub(super) fn sent(&self) -> impl Iterator<Item = &Envelope<Range>> {
        self.stepped.early.iter().chain(&self.stepped.outputs)
    }

    /// The snapshot that arrived, if the server takes notice of it: the last entry that it includes.
    pub(super) fn snapshot(&self) -> Option<Position> {
        let letter = self.letter().filter(|letter| self.old.node.term() <= letter.term)?;
        let Message::InstallSnapshot { last, .. } = letter.message else { return None };
        let leads = self.old.leads() && letter.term == self.old.node.term();
        (!leads).then_some(last)
    }

    /// The message that arrived, if one did.
    pub(super) fn letter(&self) -> Option<&Letter> {
        if let Event::Receive(letter) = self.event { Some(letter) } else { None }
    }
}

impl Server {
    /// Last entry of the log, or what it begins behind.
    pub(super) fn last(&self) -> Position {
        self.entries.last().map_or(self.entries.base(), |entry| entry.position)
    }

    /// The entry at this index, or what the log begins behind.
    pub(super) fn position(&self, index: u64) -> Option<Position> {
        let Some(at) = index.checked_sub(1) else { return Some(self.entries.base()) };
        self.entries.get(at as usize).map(|entry| entry.position)
    }

    /// Some other server of the group, if it has one.
    pub(super) fn peer(&self) -> Option<ServerId> {
        self.node.peers().next()
    }
}

/// §5.4.1: the later term is the newer log, or else the longer log.
pub(super) fn is_as_new(theirs: Position, ours: Position) -> bool {
    ours.term < theirs.term || (ours.term == theirs.term && ours.index <= theirs.index)
}
