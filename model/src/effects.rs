//! What a step asks of the world: records first, then outputs.

use alloc::vec::Vec;

use crate::durable::Record;
use crate::message::{Envelope, Message, Range};
use crate::types::{Index, Position, ServerId, Term};

/// What a server does when its records are durable.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Output<P> {
    /// Send this message; the entries of a [`Range`] come from the sender's own log. A message to
    /// the sender itself is its own next event, before any other.
    Send(Envelope<Range>),
    /// Restart the timers: those of this list run from now on, and no others.
    Restart(Timers),
    /// The proposal has this place in the log. It is not committed yet.
    Accepted(Position),
    /// The proposal was not taken: this server does not lead, or is about to hand over.
    Refused(P),
    /// Entries up to here are committed: they may be applied, in order.
    Committed(Index),
    /// This server leads, and the follower has answered an AppendEntries of its term: at the time
    /// it was sent, the follower became loyal to this server.
    Heard(ServerId),
    /// This server leads in this term and has committed an entry of it, so its log holds
    /// everything that was ever committed (section 8).
    Leading(Term),
    /// This server no longer leads, or is about to hand over: whatever relied on it must end.
    Yielded(Term),
}

/// Which timers run, and what their firing means.
///
/// The election timeout is drawn anew from \[T, 2T) at each restart (§5.2); the minimum timeout
/// is T; the heartbeat timeout is far below T. When a timer fires is policy: safety holds for
/// any.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Timers {
    /// Election timeout and minimum timeout, each once.
    Follower,
    /// Election timeout once; heartbeat timeout again and again, to ask again.
    Candidate,
    /// Heartbeat timeout and minimum timeout, each again and again.
    Leader,
}

impl Timers {
    /// Whether the election timeout runs.
    pub fn election(self) -> bool {
        self != Timers::Leader
    }

    /// Whether the minimum timeout runs.
    pub fn minimum(self) -> bool {
        self != Timers::Candidate
    }

    /// Whether the heartbeat timeout runs.
    pub fn heartbeat(self) -> bool {
        self != Timers::Follower
    }
}

/// What one or more steps of a server ask of the world.
///
/// Make the [`records`](Effects::records) durable, in order; then, and only then, perform what
/// [`after_sync`](Effects::after_sync) gives. What [`early`](Effects::early) gives may be done at
/// once.
///
/// The effects of several steps may be collected in one value and share one flush. They ask for
/// the same as if each step had its own value, in fewer words:
///
/// - An AppendEntries that begins where the last message to its receiver ends, in the same term,
///   extends that one, which then has the newer commit index. It leaves the receiver in the state
///   that both would, and its answer acknowledges what the answer to the later one would.
/// - What a server acknowledges to itself takes the place of what it acknowledged before, in the
///   same term.
///
/// Everything else stays, in the order in which it was asked for. A single step says nothing that
/// could be said in fewer words.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[must_use]
pub struct Effects<P> {
    pub(crate) records: Vec<Record<P>>,
    pub(crate) early: Vec<Output<P>>,
    pub(crate) outputs: Vec<Output<P>>,
}

impl<P> Default for Effects<P> {
    fn default() -> Self {
        Effects { records: Vec::new(), early: Vec::new(), outputs: Vec::new() }
    }
}

impl<P> Effects<P> {
    /// No effects yet.
    pub fn new() -> Self {
        Effects::default()
    }

    /// The changes of the persistent state, in order.
    pub fn records(&self) -> &[Record<P>] {
        &self.records
    }

    /// What need not wait for the records: a leader's entries travel while it writes them itself
    /// (dissertation 10.2.1), and the end of a leadership is told at once.
    pub fn early(&mut self) -> impl Iterator<Item = Output<P>> + '_ {
        self.early.drain(..)
    }

    /// What may be done now that every record is durable. It leaves the value empty, so that its
    /// memory serves the next steps.
    pub fn after_sync(&mut self) -> impl Iterator<Item = Output<P>> + '_ {
        self.records.clear();
        self.outputs.drain(..)
    }

    /// Adds a message to what may leave early, or to what waits for the records.
    #[inline(always)]
    pub(crate) fn send(&mut self, envelope: Envelope<Range>, early: bool) {
        let unsent = if early { &mut self.early } else { &mut self.outputs };
        match envelope.message {
            Message::AppendRequest { entries, commit } if extend_last(unsent, &envelope, entries, commit) => return,
            Message::AppendReply { .. } if envelope.to == envelope.from => withdraw_last(unsent, &envelope),
            _ => {}
        }
        unsent.push(Output::Send(envelope));
    }

    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.early.is_empty() && self.outputs.is_empty()
    }
}

/// Lets an AppendEntries that was not sent yet carry these entries as well, if they follow its own.
fn extend_last<P>(unsent: &mut [Output<P>], envelope: &Envelope<Range>, more: Range, newer: Index) -> bool {
    let Some(at) = last_to(unsent, envelope.to) else { return false };
    let Output::Send(Envelope { term, message: Message::AppendRequest { entries, commit }, .. }) = &mut unsent[at]
    else {
        return false;
    };
    let follows = *term == envelope.term && entries.last == more.previous;
    if follows {
        (entries.last, *commit) = (more.last, newer);
    }
    follows
}

/// Withdraws the server's last acknowledgement to itself, which this one repeats.
fn withdraw_last<P>(unsent: &mut Vec<Output<P>>, envelope: &Envelope<Range>) {
    let Some(at) = last_to(unsent, envelope.to) else { return };
    if let Output::Send(Envelope { term, message: Message::AppendReply { .. }, .. }) = unsent[at]
        && term == envelope.term
    {
        unsent.remove(at);
    }
}

/// Where the last message to this server stands. Little comes after it, as a rule.
fn last_to<P>(unsent: &[Output<P>], receiver: ServerId) -> Option<usize> {
    let is_last = |output: &Output<P>| matches!(output, Output::Send(envelope) if envelope.to == receiver);
    unsent.iter().rposition(is_last)
}
