//! The server's state as its handles see it.

use std::mem;

use rafttree_model::{Index, Node, Position};
use tokio::sync::watch;

use crate::api::status::Leader;

/// The latest leader, and that the status has changed.
pub(super) struct Views {
    leader: watch::Sender<Leader>,
    changes: watch::Sender<()>,
    /// The protocol's status as it was last told.
    told: rafttree_model::Status,
}

impl Views {
    pub(super) fn new(leader: watch::Sender<Leader>, changes: watch::Sender<()>, node: &Node) -> Views {
        Views { leader, changes, told: told(node) }
    }

    /// Tells whoever watches that something of the status has changed.
    pub(super) fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Tells whoever watches what is new of the leader and of the protocol.
    pub(super) fn show(&mut self, leader: Leader, node: &Node) {
        self.leader.send_if_modified(|old| mem::replace(old, leader) != leader);
        let told = told(node);
        if mem::replace(&mut self.told, told) != told {
            self.changed();
        }
    }
}

/// The protocol's status without what each step of an election changes.
fn told(node: &Node) -> rafttree_model::Status {
    let (vote, last, commit) = (None, Position::default(), Index::default());
    rafttree_model::Status { vote, last, commit, ..node.status() }
}
