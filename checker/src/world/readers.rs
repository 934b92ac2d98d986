//! Readers: who has asked for a linearizable read, and what servers answer.

use std::collections::BTreeMap;

use rafttree_model::{AppliedReads, Event, Index, Node, Output, ReadIndices, ServerId};

use crate::world::message::Tag;

/// What a server keeps in memory of those who read: there is one reader at most.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Readers {
    pub(crate) indices: ReadIndices<()>,
    pub(crate) applied: AppliedReads<()>,
}

/// When a server looks after its readers.
#[derive(Clone, Copy)]
pub(crate) enum Moment<'a> {
    /// Somebody asks for a read.
    Asked,
    /// The server has taken a step upon this event, which tells this.
    Stepped(&'a Event<Tag>, &'a [Output]),
    /// The state machine has applied one more entry.
    Applied,
}

/// What a reader is told.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Answer {
    /// It reads the state machine, as that is now.
    Served,
    /// It has to ask elsewhere.
    Elsewhere,
}

/// What a server tells its readers then, with everything up to an index applied.
pub(crate) type Attend = fn(&mut Readers, &Node, Moment, Index) -> Vec<Answer>;

/// What the deployed server tells.
pub(crate) fn attend(readers: &mut Readers, node: &Node, moment: Moment, applied: Index) -> Vec<Answer> {
    match moment {
        Moment::Asked => readers.indices.ask(node.round(), ()),
        Moment::Stepped(_, told) => readers.hear(node, told),
        Moment::Applied => {}
    }
    readers.wait_for_applied();
    readers.answers(applied)
}

impl Readers {
    /// What a step tells readers at a leader.
    pub(crate) fn hear(&mut self, node: &Node, told: &[Output]) {
        told.iter().for_each(|&output| self.indices.hear(output));
        if node.round().is_none() {
            self.indices.end();
        }
    }

    /// Whoever has a read index waits for the state machine.
    pub(crate) fn wait_for_applied(&mut self) {
        while let Some(((), read)) = self.indices.next_confirmed() {
            self.applied.wait(read, ());
        }
    }

    /// Whoever may read now, and whoever has to ask elsewhere.
    pub(crate) fn answers(&mut self, applied: Index) -> Vec<Answer> {
        let served = std::iter::from_fn(|| self.applied.next_applied(applied)).map(|()| Answer::Served);
        let elsewhere = std::iter::from_fn(|| self.indices.next_ended()).map(|()| Answer::Elsewhere);
        served.chain(elsewhere).collect()
    }
}

/// The one read that is followed. All of it stays empty where none is.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Reads {
    /// What each server keeps of readers, where it keeps something.
    pub(crate) kept: BTreeMap<ServerId, Readers>,
    /// Who has asked, and has been told nothing yet.
    pub(crate) waiting: Option<Waiting>,
    /// What whoever waited was told in the end.
    pub(crate) ended: Option<(Answer, Waiting)>,
}

/// A reader that waits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Waiting {
    /// The server that it has asked.
    pub(crate) server: ServerId,
    /// What was committed when it asked, and known to be by any server.
    pub(crate) committed: Index,
    /// What that server's state machine has applied: nothing when it was asked, as it may be as slow as it
    /// likes, or have been started again.
    pub(crate) applied: Index,
}

impl Reads {
    /// The reader that waits at this server.
    pub(crate) fn waiting_at(&self, id: ServerId) -> Option<Waiting> {
        self.waiting.filter(|waiting| waiting.server == id)
    }

    /// A server stops, and with it whoever waits there: it is told nothing more.
    pub(crate) fn crash(&mut self, id: ServerId) {
        self.kept.remove(&id);
        if let Some(reader) = self.waiting.take_if(|waiting| waiting.server == id) {
            self.ended = Some((Answer::Elsewhere, reader));
        }
    }
}
