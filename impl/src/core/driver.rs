//! The driver of the protocol core: inputs go in, actions come out.
//!
//! No input or output, no threads and no clock of its own: `now` is passed in. So the tests run
//! this very code over simulated disks, networks and time. It takes no decision of the protocol:
//! it runs a [`Replica`] and performs what comes out.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use bytes::Bytes;
use rafttree_model::{
    Entries, Entry, Envelope, Event, Members, Message, Next, Node, Output, Payload, Position, Range, Record, Replica,
    Round, ServerId, ServerMap, ServerSet, Slice, Term, Timers as Running, Traced,
};

use super::frame::Frame;
use super::lease::Contacts;
use super::links::{ElectOnDisconnect, Links, Place};
use super::stamp::Stamp;
use super::timers::Timers;
use crate::storage::Recovered;

/// Entries are sent in messages of about this many bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// A follower that lacks more is sent so many messages of it, and the rest once it has those: what waits for
/// it is bounded, and heartbeats do not wait long behind it.
const MAX_PARTS: usize = 4;

/// Snapshots of which is remembered that they are here. Older ones are removed, and sent again if they are
/// needed after all.
const MAX_HELD_SNAPSHOTS: usize = 3;

/// Timing and limits of a server, which are policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// T: the election timeout is drawn from \[T, 2T).
    pub(crate) minimum_timeout: Duration,
    /// The time between a leader's heartbeats.
    pub(crate) heartbeat_interval: Duration,
    /// When a leader that was disconnected counts as dead.
    pub(crate) elect_on_disconnect: ElectOnDisconnect,
    /// A flush that takes longer stops the server.
    pub(crate) longest_flush: Duration,
}

/// An input of the driver.
#[derive(Debug)]
pub(crate) enum Input {
    /// A message has arrived.
    Frame(Frame),
    /// The connection on which this peer sends is ready; its minimum timeout is this.
    Accepted(ServerId, Duration),
    /// The connection on which this peer sends ended.
    Closed(ServerId),
    /// Our own connection to this peer is ready; its minimum timeout is this.
    Connected(ServerId, Duration),
    /// Our own connection to this peer ended.
    Disconnected(ServerId),
    /// Where this peer was reached before, a new connection was refused.
    NobodyListens(ServerId, Place),
    /// The time of [`Driver::next_deadline`] has come.
    Deadline,
    /// The records of the last [`Action::Write`] are durable.
    Flushed,
    /// Somebody asks for something.
    Event(Event<Bytes>),
    /// These commands are proposed.
    Propose(Vec<Bytes>),
    /// Whether this server is to campaign when its election timeout fires.
    Campaigns(bool),
    /// The snapshot that ends with this entry has arrived from another server, or was here at the start: it
    /// is whole and durable.
    SnapshotHeld(Position),
}

/// An action that the driver asks for, to be performed in this order.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Send this to a peer.
    Send(Frame),
    /// Make these durable, then say [`Input::Flushed`]. There is one at a time.
    Write(Vec<Record<Bytes>>),
    /// This server leads in this term.
    Leading(Term),
    /// This server no longer leads.
    Yielded,
    /// This peer has lost entries that it had acknowledged: it is to be told, and kept out.
    KeepOut(ServerId),
    /// A peer that was kept out may come back: it was restarted, or another server judges it.
    LetIn(ServerId),
    /// The log begins behind this entry, and that is durable: what only an earlier beginning needs may go.
    Compacted(Position),
    /// The disk has not answered for the longest time that is allowed: stop.
    Stalled,
    /// End this peer's connection: it has said what no correct server could have.
    Refuse(ServerId),
}

/// One server's protocol, with its timers and lease.
#[derive(Debug)]
pub(crate) struct Driver {
    replica: Traced<Bytes>,
    /// When the trace began, if one is kept.
    traced_since: Option<Stamp>,
    policy: Policy,
    timers: Timers,
    contacts: Contacts,
    links: Links,
    /// Whether this server would have work if it were elected.
    campaigns: bool,
    /// The leader that was heard last, and when.
    heard: Option<(ServerId, Stamp)>,
    /// Whether an election timeout has fired for nothing, and nothing was heard since.
    is_overdue: bool,
    /// Whether it has been said that this server leads.
    leads: bool,
    /// Whether the lease had run out before that could be said.
    lapsed: bool,
    /// The latest round that had begun when each peer's latest acknowledgement arrived, during this
    /// leadership.
    acknowledged: ServerMap<Round>,
    /// Peers that have lost entries which they had acknowledged during this leadership.
    unsound: ServerSet,
    flight: Option<Flight>,
    /// Where the durable log begins.
    compacted: Position,
    actions: Vec<Action>,
    /// What the steps have come to that is about requests.
    told: Vec<Output>,
    /// The snapshots that are durable here, as far as they have come from elsewhere or were here at the
    /// start; the latest of them.
    held: VecDeque<Position>,
    /// What a leader has said of a snapshot that is still on its way.
    install: Option<Frame>,
}

/// A write that the disk has not finished.
#[derive(Clone, Copy, Debug)]
struct Flight {
    began: Stamp,
    /// Whether it has lasted so long that this server should not lead.
    slow: bool,
    /// Where the log begins once it has ended.
    base: Position,
}

impl Driver {
    /// A server as it starts, with what its disk holds.
    pub(crate) fn new(
        id: ServerId,
        members: Members,
        recovered: Recovered,
        policy: Policy,
        seed: u64,
        now: Stamp,
    ) -> Driver {
        let Policy { minimum_timeout, heartbeat_interval, .. } = policy;
        let compacted = recovered.durable.log().base();
        Driver {
            replica: Traced::new(Replica::new(Node::recover(id, members, recovered.durable), recovered.entries)),
            traced_since: None,
            policy,
            timers: Timers::new(minimum_timeout, heartbeat_interval, seed, now),
            contacts: Contacts::new(id, minimum_timeout),
            links: Links::default(),
            campaigns: true,
            heard: None,
            is_overdue: false,
            leads: false,
            lapsed: false,
            acknowledged: ServerMap::default(),
            unsound: ServerSet::default(),
            flight: None,
            compacted,
            actions: Vec::new(),
            told: Vec::new(),
            held: VecDeque::new(),
            install: None,
        }
    }

    /// The server as the protocol sees it.
    pub(crate) fn node(&self) -> &Node {
        self.replica.node()
    }

    /// The log's entries.
    pub(crate) fn entries(&self) -> &Entries<Bytes> {
        self.replica.entries()
    }

    /// Keeps a trace of the protocol from now on, with this key of all digests.
    pub(crate) fn record(&mut self, key: u64, now: Stamp) {
        self.replica.record(key);
        self.traced_since = Some(now);
    }

    /// Keeps no trace any more.
    pub(crate) fn stop_recording(&mut self) {
        self.replica.stop_recording();
        self.traced_since = None;
    }

    /// How many bytes of the trace wait to be taken.
    pub(crate) fn recorded(&self) -> usize {
        self.replica.recorded()
    }

    /// What was recorded since this was asked last.
    pub(crate) fn take_recorded(&mut self) -> Vec<u8> {
        self.replica.take_recorded()
    }

    /// What the last steps have come to, for whoever serves requests, in order.
    pub(crate) fn take_told(&mut self) -> Vec<Output> {
        mem::take(&mut self.told)
    }

    /// When [`Input::Deadline`] is due.
    pub(crate) fn next_deadline(&self, now: Stamp) -> Option<Stamp> {
        // A lease that ran out while this server stood still is looked at once it has listened.
        let lease = self.lease(now).map(|lease| lease.max(self.timers.listens()));
        [self.timers.next(), self.flight.map(|flight| self.patience(flight)), lease].into_iter().flatten().min()
    }

    /// The end of the lease, before which nobody else leads; `None` if it does not lead.
    pub(crate) fn lease(&self, now: Stamp) -> Option<Stamp> {
        self.leads.then(|| self.contacts.lease(self.node().members(), now))
    }

    /// The peer that is fittest to lead: the one that was heard last, of those that could take over
    /// at once if there are any.
    pub(crate) fn successor(&self, now: Stamp) -> Option<ServerId> {
        let ready = self.node().peers().filter(|&peer| self.node().may_transfer_to(peer));
        let heard = ready.filter_map(|peer| Some((self.contact(peer, now)?, peer)));
        heard.max().map(|(_, peer)| peer).or_else(|| self.contacts.freshest())
    }

    /// The usual time of a write, rather more than less; nothing if there was none.
    pub(crate) fn usual_flush(&self) -> Option<Duration> {
        self.timers.usual_flush()
    }

    /// Whether this server campaigns when its election timeout fires.
    pub(crate) fn campaigns(&self) -> bool {
        self.campaigns
    }

    /// The leader that was heard last, and when; `None` if none was since the start.
    pub(crate) fn heard(&self) -> Option<(ServerId, Stamp)> {
        self.heard
    }

    /// Whether the peer has lost entries that it had acknowledged.
    pub(crate) fn is_unsound(&self, peer: ServerId) -> bool {
        self.unsound.contains(peer)
    }

    /// When a peer was last in contact, by our own clock; for leaders only.
    pub(crate) fn contact(&self, peer: ServerId, now: Stamp) -> Option<Stamp> {
        Some(self.contacts.contact(peer, now)).filter(|&contact| contact != Stamp(0))
    }

    /// Takes one input, and says what is to be done.
    pub(crate) fn handle(&mut self, input: Input, now: Stamp) -> Vec<Action> {
        if let Some(since) = self.traced_since {
            self.replica.set_now(u64::try_from(now.since(since).as_nanos()).unwrap_or(u64::MAX));
        }
        match input {
            Input::Frame(frame) => self.receive(frame, now),
            Input::Accepted(peer, minimum_timeout) => {
                self.links.set_inbound(peer, true);
                self.on_timeout_told(peer, minimum_timeout);
            }
            Input::Closed(peer) => self.links.set_inbound(peer, false),
            Input::Connected(peer, minimum_timeout) => {
                self.links.set_outbound(peer, true);
                self.on_timeout_told(peer, minimum_timeout);
            }
            Input::Disconnected(peer) => {
                self.links.set_outbound(peer, false);
                self.let_in(|unsound| unsound != peer);
            }
            Input::NobodyListens(peer, place) => self.on_nobody_listens(peer, place, now),
            Input::Deadline => self.on_deadline(now),
            Input::Flushed => self.on_flushed(now),
            Input::Event(event) => self.step(event, now),
            Input::Propose(commands) => {
                self.replica.propose(commands);
                self.perform_all(now);
            }
            Input::Campaigns(campaigns) => self.on_campaigns(campaigns, now),
            Input::SnapshotHeld(last) => self.on_snapshot_held(last, now),
        }
        self.settle(now);
        mem::take(&mut self.actions)
    }

    fn receive(&mut self, frame: Frame, now: Stamp) {
        let from = frame.from;
        if !frame.is_plausible(self.node()) {
            return self.actions.push(Action::Refuse(from));
        }
        if self.unsound.contains(from) {
            return;
        }
        if self.node().contradicts_acknowledgement(&frame) && self.answers_what_came_later(&frame) {
            return self.keep_out(from, now);
        }
        if let (Message::AppendReply { .. }, Some(round)) = (&frame.message, self.node().round()) {
            self.acknowledged.insert(from, round);
        }
        if let Message::InstallSnapshot { last, .. } = frame.message
            && self.node().needs_snapshot(last)
            && !self.held.contains(&last)
        {
            // Its bytes come another way. Until they are durable here this message is late, as it may be.
            self.install = Some(frame);
            return;
        }
        self.step(Event::Receive(frame), now);
    }

    /// A snapshot is whole and durable.
    fn on_snapshot_held(&mut self, last: Position, now: Stamp) {
        self.held.push_back(last);
        if MAX_HELD_SNAPSHOTS < self.held.len() {
            self.held.pop_front();
        }
        let is_it =
            |frame: &mut Frame| matches!(frame.message, Message::InstallSnapshot { last: named, .. } if named == last);
        if let Some(frame) = self.install.take_if(is_it) {
            self.step(Event::Receive(frame), now);
        }
    }

    /// Whether the peer refuses what is of a later round than was begun when its latest acknowledgement
    /// had arrived: then it has not said this before that.
    fn answers_what_came_later(&self, frame: &Frame) -> bool {
        let Message::AppendRefusal { round, .. } = frame.message else { return false };
        self.acknowledged.get(frame.from).is_some_and(|&acknowledged| acknowledged < round)
    }

    /// A peer whose disk has lost what it had acknowledged may have forgotten its vote as well, so
    /// nothing counts that it says.
    fn keep_out(&mut self, peer: ServerId, now: Stamp) {
        self.unsound.insert(peer, ());
        self.contacts.forget(peer, now);
        self.actions.push(Action::KeepOut(peer));
    }

    /// Keeps only these out from now on.
    fn let_in(&mut self, stays_out: impl Fn(ServerId) -> bool) {
        let (out, back): (Vec<_>, Vec<_>) = self.unsound.ids().partition(|&peer| stays_out(peer));
        self.unsound = out.into_iter().collect();
        self.actions.extend(back.into_iter().map(Action::LetIn));
    }

    /// A peer's minimum timeout, as it has told it: it holds for the lease, and a leader speaks often
    /// enough for whoever has the shortest.
    fn on_timeout_told(&mut self, peer: ServerId, minimum_timeout: Duration) {
        self.contacts.told(peer, minimum_timeout);
        self.timers.suit(minimum_timeout);
    }

    /// A peer whose process has ended: it answers nothing any more, and if it was our leader, its
    /// time is over. PreVote keeps a false alarm from doing harm to the group.
    fn on_nobody_listens(&mut self, peer: ServerId, place: Place, now: Stamp) {
        if !self.links.is_cut(peer) || !self.policy.elect_on_disconnect.believes(place) {
            return;
        }
        self.contacts.forget(peer, now);
        if self.node().leader() == Some(peer) {
            self.step(Event::MinimumTimeout, now);
            let turns = self.node().members().ids().filter(|&id| id != peer).count();
            self.timers.hasten_in_turn(self.turn_after(peer), turns as u32, now);
        }
    }

    /// How many survivors campaign before this server: those that follow the peer by their ids,
    /// and after them those that precede it.
    fn turn_after(&self, peer: ServerId) -> u32 {
        let place = |id: ServerId| (id < peer, id);
        let survivors = self.node().members().ids().filter(|&id| id != peer);
        survivors.filter(|&id| place(id) < place(self.node().id())).count() as u32
    }

    /// A server that has missed its election timeout campaigns soon, in turn: others may have as well.
    fn on_campaigns(&mut self, campaigns: bool, now: Stamp) {
        self.campaigns = campaigns;
        if campaigns && mem::take(&mut self.is_overdue) {
            let node = self.replica.node();
            let members = node.members();
            let turn = members.ids().filter(|&id| id < node.id()).count();
            self.timers.hasten_in_turn(turn as u32, members.ids().count() as u32, now);
        }
    }

    fn on_deadline(&mut self, now: Stamp) {
        while let Some(event) = self.timers.fire(now) {
            // A timer may always be late: the protocol is safe and others are free to campaign.
            if !self.campaigns && matches!(event, Event::ElectionTimeout) {
                self.is_overdue = true;
                continue;
            }
            self.step(event, now);
            self.settle(now);
        }
        if let Some(flight) = self.flight.filter(|&flight| self.patience(flight) <= now) {
            self.on_slow_flight(flight, now);
        }
        // Whoever relied on the lease has ended; only another election may begin anew. If nobody has
        // looked since, answers that arrive while the server listens renew it.
        self.lapsed = self.lease(now).is_some_and(|lease| lease.max(self.timers.listens()) <= now);
    }

    /// Until when a write may take before something is done about it.
    fn patience(&self, flight: Flight) -> Stamp {
        flight.began.after(if flight.slow { self.policy.longest_flush } else { self.policy.minimum_timeout })
    }

    /// A server whose disk stalls cannot promise anything: it should not lead, then not go on.
    fn on_slow_flight(&mut self, flight: Flight, now: Stamp) {
        if flight.slow {
            self.actions.push(Action::Stalled);
        } else {
            self.flight = Some(Flight { slow: true, ..flight });
            self.timers.note_flush(now.since(flight.began));
            self.step(Event::StepDown, now);
        }
    }

    fn on_flushed(&mut self, now: Stamp) {
        if let Some(flight) = self.flight.take() {
            self.timers.note_flush(now.since(flight.began));
            if mem::replace(&mut self.compacted, flight.base) != flight.base {
                self.actions.push(Action::Compacted(flight.base));
            }
        }
        self.replica.flushed();
        self.perform_all(now);
    }

    /// One event of the protocol, and what of it need not wait.
    fn step(&mut self, event: Event<Bytes>, now: Stamp) {
        self.replica.step(event);
        self.perform_all(now);
    }

    fn perform_all(&mut self, now: Stamp) {
        while let Some(output) = self.replica.next_output() {
            self.perform(output, now);
        }
    }

    /// Goes on until everything waits for the disk or for the world.
    fn settle(&mut self, now: Stamp) {
        loop {
            match self.replica.proceed() {
                Some(Next::Perform(output)) => self.perform(output, now),
                Some(Next::Receive(envelope)) => self.step(Event::Receive(envelope), now),
                // A leadership that lapsed ends before anything else is written.
                _ if mem::take(&mut self.lapsed) => self.step(Event::StepDown, now),
                Some(Next::Write) => self.write(now),
                None => return,
            }
        }
    }

    /// Writes the records, if there are any; what waits for none is done now.
    fn write(&mut self, now: Stamp) {
        let records: Vec<_> = self.replica.write().collect();
        if records.is_empty() {
            return self.on_flushed(now);
        }
        let base = self.node().log().base();
        self.flight = Some(Flight { began: now, slow: false, base });
        self.actions.push(Action::Write(records));
    }

    fn perform(&mut self, output: Output, now: Stamp) {
        match output {
            Output::Send(envelope) => return self.send(envelope, now),
            Output::Restart(running) => return self.restart(running, now),
            Output::Heard { follower, round } => return self.contacts.heard(follower, round, now),
            Output::Round { round, .. } => self.contacts.begin(round, now),
            Output::Leading(term) => self.begin_to_lead(term, now),
            Output::Yielded(_) => {
                if mem::take(&mut self.leads) {
                    self.actions.push(Action::Yielded);
                }
            }
            Output::Accepted(_) | Output::Refused | Output::Committed(_) => {}
            Output::Restored(_) | Output::Confirmed(_) => {}
        }
        self.told.push(output);
    }

    /// The answers that made this server's first entry committed may have been late: if somebody
    /// else can have been elected since, this leadership ends before anybody relies on it.
    fn begin_to_lead(&mut self, term: Term, now: Stamp) {
        self.leads = now < self.contacts.lease(self.node().members(), now);
        if self.leads {
            self.actions.push(Action::Leading(term));
        } else {
            self.lapsed = true;
        }
    }

    fn restart(&mut self, running: Running, now: Stamp) {
        // What was acknowledged to a leader counts during its leadership.
        self.acknowledged = ServerMap::default();
        if let Running::Leader = running {
            self.contacts.forget_all();
        } else {
            self.let_in(|_| false);
        }
        let leader = self.node().leader().filter(|&leader| leader != self.node().id());
        self.heard = leader.map(|leader| (leader, now)).or(self.heard);
        self.timers.follow(leader.and_then(|leader| self.contacts.timeout(leader)));
        self.is_overdue = false;
        self.timers.restart(running, now);
    }

    /// Sends a message, its entries in as many parts as they need. If the log no longer holds
    /// them, the message is lost, as it could have been on its way.
    fn send(&mut self, envelope: Envelope<Range>, now: Stamp) {
        if envelope.message == (Message::PreVoteReply { granted: true }) {
            self.timers.give_way(now);
        }
        let Message::AppendRequest { entries, .. } = envelope.message else {
            return self.actions.extend(envelope.with_entries(|_| None).map(Action::Send));
        };
        for slice in self.slices(entries).unwrap_or_default() {
            self.actions.extend(envelope.with_entries(|_| Some(slice)).map(Action::Send));
        }
    }

    /// The entries of a range, in parts; `None` if the log does not hold exactly both its ends.
    fn slices(&self, range: Range) -> Option<Vec<Slice<Bytes>>> {
        let count = |rest: &[Entry<Bytes>]| count_within(rest, MAX_MESSAGE_BYTES);
        self.replica.entries().fill_in_parts(range, MAX_PARTS, count)
    }
}

/// How many of these entries fit into one message.
fn count_within(entries: &[Entry<Bytes>], most: usize) -> usize {
    let mut size = 0;
    let fits = |entry: &&Entry<Bytes>| {
        size += match &entry.payload {
            Payload::Blank => 32,
            Payload::Command(command) => 32 + command.len(),
        };
        size <= most
    };
    entries.iter().take_while(fits).count()
}

#[cfg(test)]
mod tests;
