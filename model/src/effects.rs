//! What a step asks of the world: records first, then outputs.

use alloc::vec::Vec;

use crate::durable::Record;
use crate::message::{Envelope, Message, Range};
use crate::types::{Index, Position, Round, ServerId, Term};

/// What a server does when its records are durable.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Output {
    /// Send this message; the entries of a [`Range`] come from the sender's own log. A message to
    /// the sender itself is its own next event, before any other.
    Send(Envelope<Range>),
    /// Restart the timers: those of this list run from now on, and no others.
    Restart(Timers),
    /// The proposal has this place in the log. It is not committed yet. Each proposal is either
    /// accepted or refused, in their order.
    Accepted(Position),
    /// The proposal was not taken: this server does not lead, or is transferring its leadership.
    Refused,
    /// Entries up to here are committed: they may be applied, in order. If a snapshot has taken some
    /// of them out of the log since, it says so itself ([`Restored`](Output::Restored)).
    Committed(Index),
    /// §7: the state machine takes over the state of the snapshot that ends with this entry. Everything
    /// up to there is committed, and the log does not hold it.
    Restored(Position),
    /// Section 8, dissertation 6.4: this server leads and begins a round of heartbeats. What it
    /// sends from now on is of this round.
    Round {
        /// The round, counted from the first of this leadership.
        round: Round,
        /// The read index: who asks now may be served once the round is confirmed and this entry
        /// is applied. `None` as long as the leader has committed nothing in its term: it cannot
        /// know yet what was ever committed.
        read: Option<Index>,
    },
    /// This server leads, and the follower has answered an AppendEntries of its term: after this
    /// round had begun, the follower began to stick to this server.
    Heard {
        /// Who has answered.
        follower: ServerId,
        /// The round of what it has answered.
        round: Round,
    },
    /// This server leads, and a majority has answered this round or later ones: when it began,
    /// nobody led in a later term.
    Confirmed(Round),
    /// This server leads in this term and has committed an entry of it, so its log holds
    /// everything that was ever committed (section 8).
    Leading(Term),
    /// This server no longer leads, or is transferring its leadership: whatever relied on it must end.
    Yielded(Term),
}

/// Which timers run, and what their firing means.
///
/// The minimum timeout is T; the heartbeat timeout is far below T; the election timeout is drawn
/// anew from \[T, 2T) at each restart (§5.2). Where the minimum timeout runs as well, which is
/// restarted with every word of a leader, nothing needs to be drawn before that has passed. When a
/// timer fires is policy: safety holds for any.
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
/// [`after_sync`](Effects::after_sync) lists, and say [`done`](Effects::done). What
/// [`early`](Effects::early) lists may be performed at once: say [`early_done`](Effects::early_done)
/// then.
///
/// The effects of several steps may be collected in one value and share one flush. They ask for
/// the same as if each step had its own value, in fewer words:
///
/// - An AppendEntries that begins where the last message to its receiver ends, in the same term,
///   extends that one, which then has the newer commit index and round. It leaves the receiver in the state
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
    pub(crate) early: Vec<Output>,
    pub(crate) outputs: Vec<Output>,
    /// Whether earlier records are being written.
    pub(crate) is_writing: bool,
}

impl<P> Default for Effects<P> {
    fn default() -> Self {
        Effects { records: Vec::new(), early: Vec::new(), outputs: Vec::new(), is_writing: false }
    }
}

impl<P> Effects<P> {
    /// No effects yet.
    pub fn new() -> Self {
        Effects::default()
    }

    /// The same while records of earlier steps are being written, which are not collected here.
    pub fn while_writing(self, is_writing: bool) -> Self {
        Effects { is_writing, ..self }
    }

    /// Whether the next step comes before something that earlier ones wrote is durable.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_writing || !self.records.is_empty()
    }

    /// The changes of the persistent state, in order.
    pub fn records(&self) -> &[Record<P>] {
        &self.records
    }

    /// The changes of the persistent state, in order, for whoever makes them durable to keep. What
    /// waits for them stays.
    pub fn take_records(&mut self) -> impl ExactSizeIterator<Item = Record<P>> + '_ {
        self.records.drain(..)
    }

    /// What need not wait for the records, in order: a leader's entries travel while it writes them itself
    /// (dissertation 10.2.1), a candidate's requests while it writes its vote, and the end of a leadership is
    /// told at once.
    pub fn early(&self) -> &[Output] {
        &self.early
    }

    /// What waits until every record is durable, in order.
    pub fn after_sync(&self) -> &[Output] {
        &self.outputs
    }

    /// What was early has been performed, and is taken out.
    pub fn early_done(&mut self) {
        self.early.clear();
    }

    /// Everything has been performed: nothing is left, and the memory serves the next steps.
    pub fn done(&mut self) {
        self.records.clear();
        self.early.clear();
        self.outputs.clear();
    }

    /// Adds a message to what may leave early, or to what waits for the records.
    #[inline(always)]
    pub(crate) fn send(&mut self, envelope: Envelope<Range>, early: bool) {
        let unsent = if early { &mut self.early } else { &mut self.outputs };
        let joins = match envelope.message {
            Message::AppendRequest { entries, commit, round } => {
                extend_last(unsent, &envelope, entries, (commit, round))
            }
            Message::AppendReply { .. } if envelope.to == envelope.from => replace_own(unsent, &envelope),
            _ => false,
        };
        if !joins {
            unsent.push(Output::Send(envelope));
        }
    }

    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.early.is_empty() && self.outputs.is_empty()
    }
}

/// Lets an AppendEntries that was not sent yet carry these entries as well, if they follow its own.
fn extend_last(unsent: &mut [Output], envelope: &Envelope<Range>, more: Range, newer: (Index, Round)) -> bool {
    let Some(at) = last_to(unsent, envelope.to) else { return false };
    let Output::Send(Envelope { term, message: Message::AppendRequest { entries, commit, round }, .. }) =
        &mut unsent[at]
    else {
        return false;
    };
    let follows = *term == envelope.term && entries.last == more.previous;
    if follows {
        entries.last = more.last;
        (*commit, *round) = newer;
    }
    follows
}

/// Lets what a server acknowledges to itself take the place of what it acknowledged before. That
/// stands near the beginning: what is said of each proposal comes after it.
fn replace_own(unsent: &mut [Output], envelope: &Envelope<Range>) -> bool {
    let sent = unsent.iter_mut().filter_map(|output| if let Output::Send(sent) = output { Some(sent) } else { None });
    let mut own = sent.filter(|sent| (sent.to, sent.term) == (envelope.to, envelope.term));
    let before = own.find(|sent| matches!(sent.message, Message::AppendReply { .. }));
    before.map(|before| *before = *envelope).is_some()
}

/// Where the last message to this server stands. Little comes after it, as a rule.
fn last_to(unsent: &[Output], receiver: ServerId) -> Option<usize> {
    let is_last = |output: &Output| matches!(output, Output::Send(envelope) if envelope.to == receiver);
    unsent.iter().rposition(is_last)
}
