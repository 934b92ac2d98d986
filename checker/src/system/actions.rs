//! What may happen, one action after the other.

use std::sync::Arc;

use rafttree_model::{Faulty, Index, Labels, Message, Relabelled, ServerId, Slice};

use crate::system::symmetry;
use crate::world::Letter;

/// Something that may happen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    ElectionTimeout(ServerId),
    HeartbeatTimeout(ServerId),
    MinimumTimeout(ServerId),
    Deliver(Arc<Letter>),
    Propose(ServerId),
    /// Somebody asks for a linearizable read.
    Read(ServerId),
    /// The state machine applies one more entry, while the reader waits there.
    Apply(ServerId),
    /// The server has made a snapshot up to here durable.
    Snapshot {
        server: ServerId,
        through: Index,
    },
    Transfer {
        from: ServerId,
        to: ServerId,
    },
    StepDown(ServerId),
    /// The oldest unsynced step becomes durable, and its outputs take effect.
    Flush(ServerId),
    /// The server stops and starts again. Of its unsynced records the first `keep` had reached
    /// the disk; what waited for them is lost.
    Crash {
        server: ServerId,
        keep: usize,
    },
    /// The server stops and starts again, without what it had not flushed, and cannot read these entries
    /// any more.
    Damage {
        server: ServerId,
        faulty: Faulty,
    },
    /// Only for a disk that writes term and vote apart: the newest vote survives, its term does not.
    CrashTorn(ServerId),
}

impl Action {
    /// The server to which it happens.
    pub(crate) fn server(&self) -> ServerId {
        match *self {
            Action::Deliver(ref letter) => letter.to,
            Action::Transfer { from, .. } => from,
            Action::ElectionTimeout(id)
            | Action::HeartbeatTimeout(id)
            | Action::MinimumTimeout(id)
            | Action::Propose(id)
            | Action::Read(id)
            | Action::Apply(id)
            | Action::StepDown(id)
            | Action::Flush(id)
            | Action::CrashTorn(id) => id,
            Action::Snapshot { server, .. } | Action::Crash { server, .. } | Action::Damage { server, .. } => server,
        }
    }

    /// The other server that it names.
    pub(crate) fn other(&self) -> Option<ServerId> {
        match *self {
            Action::Deliver(ref letter) => Some(letter.from),
            Action::Transfer { to, .. } => Some(to),
            _ => None,
        }
    }

    /// Whether it happens to this server, or names it.
    pub(crate) fn concerns(&self, id: ServerId) -> bool {
        self.server() == id || self.other() == Some(id)
    }
}

impl Relabelled for Action {
    fn relabelled(&self, labels: &impl Labels) -> Action {
        match *self {
            Action::ElectionTimeout(id) => Action::ElectionTimeout(labels.id(id)),
            Action::HeartbeatTimeout(id) => Action::HeartbeatTimeout(labels.id(id)),
            Action::MinimumTimeout(id) => Action::MinimumTimeout(labels.id(id)),
            Action::Deliver(ref letter) => Action::Deliver(Arc::new(relabelled_letter(letter, labels))),
            Action::Propose(id) => Action::Propose(labels.id(id)),
            Action::Read(id) => Action::Read(labels.id(id)),
            Action::Apply(id) => Action::Apply(labels.id(id)),
            Action::Snapshot { server, through } => {
                Action::Snapshot { server: labels.id(server), through: labels.index(through) }
            }
            Action::Transfer { from, to } => Action::Transfer { from: labels.id(from), to: labels.id(to) },
            Action::StepDown(id) => Action::StepDown(labels.id(id)),
            Action::Flush(id) => Action::Flush(labels.id(id)),
            Action::Crash { server, keep } => Action::Crash { server: labels.id(server), keep },
            Action::Damage { server, faulty } => {
                Action::Damage { server: labels.id(server), faulty: faulty.relabelled(labels) }
            }
            Action::CrashTorn(id) => Action::CrashTorn(labels.id(id)),
        }
    }
}

/// A message with the commands in it, which name whoever proposed them.
fn relabelled_letter(letter: &Letter, labels: &impl Labels) -> Letter {
    let mut renamed = letter.relabelled(labels);
    if let (Message::AppendRequest { entries: new, .. }, Message::AppendRequest { entries: old, .. }) =
        (&mut renamed.message, &letter.message)
    {
        let commands = symmetry::entries(old.entries(), labels);
        *new = Slice::new(new.previous(), commands).expect("labels keep order and succession");
    }
    renamed
}
