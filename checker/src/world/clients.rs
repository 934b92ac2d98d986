//! Clients: what they have proposed, and what servers tell them of it.

use std::collections::BTreeMap;

use rafttree_model::{End, Entry, Node, Output, Position, Proposals, ServerId};

use crate::world::message::Tag;

/// What a server tells after a step: it has the proposals that it keeps, and what the step asks to be told.
pub(crate) type Tell = fn(&mut Proposals<Tag>, &Node, &[Output]) -> Vec<(Position, Tag, End)>;

/// What clients wait for, and what they may rely on. All of it stays empty where proposals are not followed.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Clients {
    /// What each server keeps in memory of proposals, where it keeps something.
    pub(crate) kept: BTreeMap<ServerId, Proposals<Tag>>,
    /// Commands that a server has accepted, and of which it has told nothing since.
    pub(crate) waiting: Vec<(ServerId, Entry<Tag>)>,
    /// Commands of which a client was told that they never will be committed.
    pub(crate) given_up: Vec<Entry<Tag>>,
    /// What was told and is not so, or was told twice.
    pub(crate) untrue: Vec<(ServerId, Position, End)>,
}

/// What the deployed server tells: proposals are kept as they are accepted, and end with what is committed.
pub(crate) fn tell(proposals: &mut Proposals<Tag>, node: &Node, told: &[Output]) -> Vec<(Position, Tag, End)> {
    let mut ended = Vec::new();
    for output in told {
        match *output {
            Output::Accepted(position) => proposals.accept(position, Tag(node.id())),
            Output::Committed(commit) | Output::Restored(Position { index: commit, .. }) => {
                ended.extend(std::iter::from_fn(|| proposals.next_end(node.log(), commit)));
            }
            _ => {}
        }
    }
    ended
}

impl Clients {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Clients::default()
    }

    /// Lets a server tell what it has to tell.
    pub(crate) fn told_by(&mut self, tell: Tell, node: &Node, told: &[Output]) -> Vec<(Position, Tag, End)> {
        let kept = self.kept.entry(node.id()).or_default();
        let ended = tell(kept, node, told);
        if kept.iter().len() == 0 {
            self.kept.remove(&node.id());
        }
        ended
    }

    /// Whoever waits at this server hears no more: it has forgotten them.
    pub(crate) fn crash(&mut self, id: ServerId) {
        self.kept.remove(&id);
        self.waiting.retain(|(server, _)| *server != id);
    }

    /// Takes out what was accepted there and not told of yet.
    pub(crate) fn take(&mut self, id: ServerId, position: Position) -> Option<Entry<Tag>> {
        let at = self.waiting.iter().position(|(server, entry)| (*server, entry.position) == (id, position))?;
        Some(self.waiting.remove(at).1)
    }

    /// In an order of their own: states that differ in it alone are one.
    pub(crate) fn normalise(&mut self) {
        self.waiting.sort_unstable();
        self.given_up.sort_unstable();
        self.given_up.dedup();
        self.untrue.sort_unstable();
    }
}
