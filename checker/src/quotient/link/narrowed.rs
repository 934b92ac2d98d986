//! Classes that are too narrow on purpose: the link has to notice each.

use rafttree_model::{Index, Message, Slice};
use rustc_hash::FxHashSet;

use crate::inductive::class::Class;
use crate::inductive::history::History;
use crate::world::Tag;

/// What a class lacks that the invariant allows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, clap::ValueEnum)]
pub(crate) enum Narrowed {
    /// Nobody knows the newest entry that may be committed to be so.
    Commit,
    /// Nobody acknowledges a leader's whole log.
    Matched,
    /// Nobody holds the last entry of the newest leader.
    Logs,
    /// Nobody asks for votes with an entry.
    Requests,
    /// No leader sends two entries at once, or one after the first.
    Entries,
    /// Nobody has compacted anything.
    Compacted,
    /// No leader sends a snapshot.
    Snapshots,
}

impl Narrowed {
    /// The class that is narrowed is that beside this history.
    pub(super) fn history(self, history: History) -> History {
        match history.leaders().last() {
            Some((term, log)) if self == Narrowed::Logs => history.with(term, log.first(log.len() - 1)),
            _ => history,
        }
    }

    /// Keeps what is left of the messages of a leader with a log of this length, and of others.
    pub(super) fn keep(self, messages: &mut FxHashSet<Message<Slice<Tag>>>, len: u8) {
        let whole = Index::new(len.into());
        messages.retain(|message| match message {
            Message::AppendReply { matched, .. } => self != Narrowed::Matched || len == 0 || *matched != whole,
            Message::VoteRequest { last, .. } => self != Narrowed::Requests || last.index == Index::default(),
            Message::InstallSnapshot { .. } => self != Narrowed::Snapshots,
            Message::AppendRequest { entries, .. } => {
                self != Narrowed::Entries || entries.last().index <= Index::new(1)
            }
            _ => true,
        });
    }
}

/// The class beside a history, narrowed or not. How far terms and entries go counts only for what the
/// class allows whatever it says, and that is not looked up.
pub(super) fn class(history: &History, narrowed: Option<Narrowed>) -> Class<'_> {
    let mut class = Class::new(history, 0, 0);
    if narrowed == Some(Narrowed::Commit) {
        class.committable.pop();
    }
    class
}
