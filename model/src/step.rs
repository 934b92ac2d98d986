//! The one door: an event goes in, the state changes, effects come out.

use core::marker::PhantomData;

use crate::durable::Record;
use crate::effects::{Effects, Output, Timers};
use crate::message::{Envelope, Message, Range, Slice};
use crate::node::{Node, Role};
use crate::rules::{Paper, Rules};
use crate::types::{Entry, Index, Payload, Position, ServerId, Term};

/// Something that happens to a server.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Event<P> {
    /// §5.2: the randomised election timeout has passed.
    ElectionTimeout,
    /// It is time to tell the others that this server leads, or to ask them again for votes. A leader
    /// begins a round with it, at any time that somebody needs one.
    HeartbeatTimeout,
    /// The minimum election timeout has passed: for a follower since it heard a leader, for a
    /// leader since the last such event.
    MinimumTimeout,
    /// A message has arrived.
    Receive(Envelope<Slice<P>>),
    /// A client proposes a command.
    Propose(P),
    /// §7: a snapshot of the state machine that includes this entry is durable, and the log need not
    /// hold it any more, nor what comes before it.
    Snapshotted(Index),
    /// Leadership is to be handed to this server (dissertation 3.10).
    Transfer(ServerId),
    /// Leadership is to be given up.
    StepDown,
}

/// What a server does upon an event, by the rules of the paper. This is what production calls.
///
/// The effects are added to those that `effects` already holds.
pub fn step<P>(node: &mut Node, event: Event<P>, effects: &mut Effects<P>) {
    step_by::<Paper, P>(node, event, effects);
}

/// What a server does upon an event, by the rules `R`: [`Paper`], or a broken variant that the
/// checker must catch.
pub fn step_by<R: Rules, P>(node: &mut Node, event: Event<P>, effects: &mut Effects<P>) {
    let is_behind = effects.is_behind();
    let mut step = Step { node, effects, is_behind, rules: PhantomData::<R> };
    match event {
        Event::ElectionTimeout => step.on_election_timeout(),
        Event::HeartbeatTimeout => step.on_heartbeat_timeout(),
        Event::MinimumTimeout => step.on_minimum_timeout(),
        Event::Receive(envelope) => step.on_receive(envelope),
        Event::Propose(payload) => step.on_propose(payload),
        Event::Snapshotted(index) => step.on_snapshotted(index),
        Event::Transfer(target) => step.on_transfer(target),
        Event::StepDown => step.on_step_down(),
    }
}

/// One step in progress.
pub(crate) struct Step<'a, R, P> {
    pub(crate) node: &'a mut Node,
    pub(crate) effects: &'a mut Effects<P>,
    /// Whether something that the server wrote in earlier steps is not durable yet.
    is_behind: bool,
    rules: PhantomData<R>,
}

impl<R: Rules, P> Step<'_, R, P> {
    /// Rules for all servers (§5.1), then the one who knows what the message means.
    fn on_receive(&mut self, envelope: Envelope<Slice<P>>) {
        if !self.is_addressed_to_us(&envelope) || self.is_disturbance(&envelope) {
            return;
        }
        let Envelope { from, term, message, .. } = envelope;
        if R::is_newer(term, self.node.term()) {
            self.adopt(term);
        }
        if R::is_stale(term, self.node.term()) {
            return self.answer_stale(from, &message);
        }
        match message {
            Message::PreVoteRequest { last } => self.on_pre_vote_request(from, last),
            Message::PreVoteReply { granted } => self.on_pre_vote_reply(from, granted),
            Message::VoteRequest { last, .. } => self.on_vote_request(from, last),
            Message::VoteReply { granted } => self.on_vote_reply(from, granted),
            Message::AppendRequest { entries, commit, round } => self.on_append_request(from, entries, commit, round),
            Message::AppendReply { matched, round } => self.on_append_reply(from, matched, round),
            Message::RepairRequest { matched, round } => self.on_repair_request(from, matched, round),
            Message::AppendRefusal { missing, hint, round } => self.on_append_refusal(from, missing, hint, round),
            Message::InstallSnapshot { last, round } => self.on_install_snapshot(from, last, round),
            Message::TimeoutNow => self.on_timeout_now(from),
            Message::Stale => {}
        }
    }

    /// Only members are heard, only about what is ours, and no leader sends entries of a term
    /// after its own.
    fn is_addressed_to_us(&self, envelope: &Envelope<Slice<P>>) -> bool {
        let of_its_term = match &envelope.message {
            Message::AppendRequest { entries, .. } => entries.last().term <= envelope.term,
            Message::InstallSnapshot { last, .. } => last.term <= envelope.term,
            _ => true,
        };
        envelope.to == self.node.id && self.node.members.contains(envelope.from) && of_its_term
    }

    /// Asked before the term is looked at: a server that cannot hear the leader must not depose
    /// it through those that can (dissertation 4.2.3).
    fn is_disturbance(&self, envelope: &Envelope<Slice<P>>) -> bool {
        let transfer = match envelope.message {
            Message::PreVoteRequest { .. } => false,
            Message::VoteRequest { transfer, .. } => transfer,
            _ => return false,
        };
        R::is_disturbance(self.node.is_sticky(), self.node.leader(), envelope.from, transfer)
    }

    /// §5.1: a newer term was seen.
    fn adopt(&mut self, term: Term) {
        let sticky = self.node.is_sticky();
        match self.node.role {
            Role::Follower { .. } => {
                self.persist(Record::Term(term));
                self.node.role = Role::Follower { leader: None, sticky };
            }
            _ if R::must_yield_to_newer_term() => {
                // The end of a leadership names the term that ends.
                self.become_follower();
                self.persist(Record::Term(term));
            }
            _ => self.persist(Record::Term(term)),
        }
    }

    /// §5.1: who asks in an older term learns the current one.
    fn answer_stale(&mut self, from: ServerId, message: &Message<Slice<P>>) {
        match message {
            Message::PreVoteRequest { .. }
            | Message::VoteRequest { .. }
            | Message::AppendRequest { .. }
            | Message::InstallSnapshot { .. } => {
                self.send(from, Message::Stale);
            }
            _ => {}
        }
    }

    /// Stops leading or campaigning, without a leader to follow.
    pub(crate) fn become_follower(&mut self) {
        self.yield_leadership();
        self.node.role = Role::Follower { leader: None, sticky: false };
        self.restart(Timers::Follower);
    }

    /// Changes the persistent state: the record that goes to disk is the change.
    #[inline(always)]
    pub(crate) fn persist(&mut self, record: Record<P>) {
        self.node.durable.apply(&record);
        self.effects.records.push(record);
    }

    /// Adds an entry of the current term to the log.
    pub(crate) fn append(&mut self, payload: Payload<P>) -> Position {
        let index = self.node.log().last().index.next();
        let position = Position { term: self.node.term(), index };
        self.persist(Record::Append(Entry { position, payload }));
        position
    }

    /// Sends a message in the current term.
    #[inline(always)]
    pub(crate) fn send(&mut self, to: ServerId, message: Message<Range>) {
        let envelope = Envelope { from: self.node.id, to, term: self.node.term(), message };
        let early = R::may_leave_early(&envelope, self.is_behind);
        self.effects.send(envelope, early);
    }

    /// Restarts the timers: no promise depends on them, so they wait for no flush.
    pub(crate) fn restart(&mut self, timers: Timers) {
        self.effects.early.push(Output::Restart(timers));
    }

    /// Everything up to `index` is committed; a commit index never goes back.
    pub(crate) fn commit_to(&mut self, index: Index) {
        if self.node.commit < index {
            self.node.commit = index;
            self.effects.outputs.push(Output::Committed(index));
        }
    }

    /// Whether the last committed entry is of the current term. A leader for whom this holds
    /// knows everything that was ever committed (section 8).
    pub(crate) fn has_committed_in_term(&self) -> bool {
        R::may_commit(self.node.log(), self.node.commit, self.node.term())
    }

    /// Tells the service, before anything else happens, that it must no longer act as leader.
    pub(crate) fn yield_leadership(&mut self) {
        let Role::Leader { transfer: None, .. } = self.node.role else { return };
        if self.has_committed_in_term() {
            self.effects.early.push(Output::Yielded(self.node.term()));
        }
    }
}
