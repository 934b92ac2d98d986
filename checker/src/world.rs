//! Everything that exists: servers, their disks, the network; and what may happen next.
//!
//! This module describes no protocol behaviour. It decides when events happen and what a crash
//! keeps; what a server then does is the deployed `step`.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rafttree_model::{
    Durable, Effects, Entry, Envelope, Event, Index, Members, Message, Node, Output, Payload, Range, Record, Role,
    Rules, ServerId, Slice, Term, step_by,
};

use crate::network;
use crate::properties::{self, Property, PropertySet};
use crate::stats::{Stats, Witness};

/// A command's payload: who proposed it, so that two entries of one index and term can be told
/// apart when a broken rule makes them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Tag(pub(crate) ServerId);

pub(crate) type Letter = Envelope<Slice<Tag>>;

/// One state of the whole system.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct World {
    pub(crate) servers: Vec<Arc<Server>>,
    /// Every message that was ever sent and may still matter, sorted. Delivering one does not
    /// remove it: so a message may be lost (never delivered), duplicated (delivered again),
    /// delayed and reordered.
    pub(crate) network: Arc<Vec<Arc<Letter>>>,
    /// What leaders sent, or could have sent, of their logs.
    pub(crate) leaderships: Arc<Vec<Arc<Leadership>>>,
    pub(crate) history: Arc<History>,
    /// How much of what the bounds allow has happened.
    pub(crate) spent: Spent,
    /// The properties that the step into this state, or the state itself, broke.
    pub(crate) broken: PropertySet,
}

/// What a leader has sent of its log in one term, whatever its pacing: any consecutive part of
/// these entries, with this commit index or an earlier one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Leadership {
    pub(crate) term: Term,
    pub(crate) leader: ServerId,
    pub(crate) entries: Vec<Entry<Tag>>,
    pub(crate) commit: Index,
}

/// How often something limited happened.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Spent {
    pub(crate) timeouts: u32,
    pub(crate) crashes: u32,
}

/// One server with its disk.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Server {
    pub(crate) node: Node,
    /// The log in memory, with payloads.
    pub(crate) entries: Vec<Entry<Tag>>,
    pub(crate) disk: Disk,
    /// Steps whose records are not flushed yet, oldest first.
    pub(crate) unsynced: VecDeque<Unsynced>,
}

/// What survives a crash.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Disk {
    pub(crate) durable: Durable,
    pub(crate) entries: Vec<Entry<Tag>>,
}

/// The records of one step, and the outputs that wait for them.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Unsynced {
    pub(crate) records: Vec<Record<Tag>>,
    /// Whether something of this step could be seen before the flush.
    pub(crate) seen: bool,
    /// Invariant: those to others first, in order; then those to the server itself, as they came.
    pub(crate) held: Vec<Envelope<Range>>,
}

/// What really happened, whether or not any server remembers it. Terms that every server has left
/// behind on its disk are forgotten: nobody acts in them again without breaking `TermMonotonic`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct History {
    /// Who was ever leader, by term.
    pub(crate) elected: Vec<(Term, ServerId)>,
    /// Every vote that left its voter: term, voter, candidate.
    pub(crate) votes: Vec<(Term, ServerId, ServerId)>,
    /// What was ever committed, by index from 1, with the term of the server that knew it first.
    pub(crate) committed: Vec<(Entry<Tag>, Term)>,
}

/// Something that may happen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    ElectionTimeout(ServerId),
    HeartbeatTimeout(ServerId),
    MinimumTimeout(ServerId),
    Deliver(Arc<Letter>),
    Propose(ServerId),
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
    /// Only for a disk that writes term and vote apart: the newest vote survives, its term does not.
    CrashTorn(ServerId),
}

/// A mistake that is not a rule of the protocol but lies in what surrounds it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mistake {
    /// Term and vote are written to different places, so that a crash may keep either.
    TornVote,
    /// A server whose term and vote were lost starts as if for the first time.
    LostHardState,
}

/// How far the system is explored. Everything else is unlimited: losses, duplications, delays,
/// reorderings, heartbeat timeouts, minimum timeouts, flushes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Bounds {
    /// Servers in the group.
    pub(crate) servers: u32,
    /// Election timeouts that fire, of all servers together.
    pub(crate) timeouts: Option<u32>,
    /// Crashes, of all servers together.
    pub(crate) crashes: Option<u32>,
    /// The highest term that any server reaches.
    pub(crate) terms: u64,
    /// The longest log, the leaders' own first entries included.
    pub(crate) entries: u64,
    /// Steps of one server that may wait for a flush at the same time.
    pub(crate) unsynced: usize,
    /// Whether a server goes on while a step that nobody can have seen waits for its flush. If
    /// not, such a step is flushed, or cut off by a crash, before anything else happens.
    pub(crate) interleaved: bool,
    /// Whether messages are forgotten that no server reacts to any more, by the rules of the paper.
    /// Where those rules are broken, they have to be kept.
    pub(crate) forgets: bool,
    /// Whether clients propose commands.
    pub(crate) proposals: bool,
    /// Whether leaders are told to hand over or to step down.
    pub(crate) handovers: bool,
}

/// The deployed `step`, by the rules of the paper or with one of them broken.
pub(crate) type StepBy = fn(&mut Node, Event<Tag>, &mut Effects<Tag>);

/// The system to explore: the deployed transitions in a world that may go wrong in every way
/// within the bounds.
#[derive(Clone)]
pub(crate) struct System {
    pub(crate) step_by: StepBy,
    pub(crate) bounds: Bounds,
    pub(crate) mistake: Option<Mistake>,
    /// Where exploration starts.
    pub(crate) start: World,
    /// Only these properties count.
    pub(crate) watched: PropertySet,
    pub(crate) stats: Arc<Stats>,
    /// Whether one state stands for all that differ in the servers' names alone.
    pub(crate) symmetric: bool,
}

/// An action led beyond the bounds, so it is not offered.
#[derive(Debug)]
pub(crate) struct OutOfBounds;

impl World {
    /// Every server starts for the first time, with an empty disk.
    pub(crate) fn new(servers: u32) -> World {
        let members = Members::new((1..=servers).map(ServerId)).expect("bounds name one to nine servers");
        let start = |id| {
            let node = Node::recover(id, members, Durable::default());
            Arc::new(Server { node, entries: Vec::new(), disk: Disk::default(), unsynced: VecDeque::new() })
        };
        World {
            servers: members.ids().map(start).collect(),
            network: Arc::default(),
            leaderships: Arc::default(),
            history: Arc::default(),
            spent: Spent::default(),
            broken: PropertySet::default(),
        }
    }

    pub(crate) fn server(&self, id: ServerId) -> &Server {
        &self.servers[id.0 as usize - 1]
    }

    fn server_mut(&mut self, id: ServerId) -> &mut Server {
        Arc::make_mut(&mut self.servers[id.0 as usize - 1])
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (1..=self.servers.len() as u32).map(ServerId)
    }

    fn note_vote(&mut self, letter: &Letter) {
        let vote = (letter.term, letter.from, letter.to);
        if letter.message == (Message::VoteReply { granted: true }) && !self.history.votes.contains(&vote) {
            let votes = &mut Arc::make_mut(&mut self.history).votes;
            votes.push(vote);
            votes.sort_unstable();
        }
    }

    /// The lowest term on any disk.
    fn lowest_term(&self) -> Term {
        self.servers.iter().map(|server| server.disk.durable.term()).min().unwrap_or_default()
    }

    /// Forgets what can no longer matter to anyone.
    pub(crate) fn forget(&mut self) {
        if self.network.iter().any(|letter| network::is_dead(self, letter)) {
            let mut alive = (*self.network).clone();
            alive.retain(|letter| !network::is_dead(self, letter));
            self.network = Arc::new(alive);
        }
        if self.leaderships.iter().any(|leadership| network::is_over(self, leadership)) {
            let mut alive = (*self.leaderships).clone();
            alive.retain(|leadership| !network::is_over(self, leadership));
            self.leaderships = Arc::new(alive);
        }
        let lowest = self.lowest_term();
        if self.history.has_before(lowest) {
            Arc::make_mut(&mut self.history).forget_before(lowest);
        }
    }

    fn put_into_network(&mut self, letter: Letter) {
        if let Err(at) = self.network.binary_search_by(|other| (**other).cmp(&letter)) {
            Arc::make_mut(&mut self.network).insert(at, Arc::new(letter));
        }
    }

    /// A leader sends a part of its log: so it may have sent all that it has now.
    fn put_leadership(&mut self, leader: ServerId, term: Term) {
        let server = self.server(leader);
        let (entries, commit) = (server.entries.clone(), server.node.commit());
        let new = Leadership { term, leader, entries, commit };
        if self.leaderships.iter().any(|old| **old == new) {
            return;
        }
        let leaderships = Arc::make_mut(&mut self.leaderships);
        leaderships.retain(|old| !new.says_all_of(old));
        leaderships.push(Arc::new(new));
        leaderships.sort_unstable();
    }
}

impl History {
    fn has_before(&self, lowest: Term) -> bool {
        let elected = self.elected.iter().any(|(term, _)| *term < lowest);
        let votes = self.votes.iter().any(|(term, _, _)| *term < lowest);
        elected || votes || self.committed.iter().any(|(_, term)| *term < lowest && *term != Term(0))
    }

    fn forget_before(&mut self, lowest: Term) {
        self.elected.retain(|(term, _)| lowest <= *term);
        self.votes.retain(|(term, _, _)| lowest <= *term);
        // Whoever leads from now on leads in a later term, which is all that is asked.
        self.committed.iter_mut().filter(|(_, term)| *term < lowest).for_each(|(_, term)| *term = Term(0));
    }
}

impl Leadership {
    fn says_all_of(&self, old: &Leadership) -> bool {
        (self.term, self.leader) == (old.term, old.leader)
            && self.entries.starts_with(&old.entries)
            && old.commit <= self.commit
    }
}

impl Disk {
    pub(crate) fn apply(&mut self, record: &Record<Tag>) {
        self.durable.apply(record);
        apply_to_entries(&mut self.entries, record);
    }
}

fn apply_to_entries(entries: &mut Vec<Entry<Tag>>, record: &Record<Tag>) {
    match record {
        Record::Append(entry) => entries.push(*entry),
        Record::Truncate { keep } => entries.truncate(keep.0 as usize),
        Record::Term(_) | Record::Vote(_) | Record::Compact { .. } => {}
    }
}

impl Server {
    fn unsynced_records(&self) -> usize {
        self.unsynced.iter().map(|step| step.records.len()).sum()
    }
}

impl Unsynced {
    /// The network keeps a message as long as it may matter and in no order, so once is enough.
    pub(crate) fn hold(&mut self, outputs: Vec<Envelope<Range>>) {
        for envelope in outputs {
            if !self.held.contains(&envelope) && !network::is_never_kept(&envelope) {
                self.held.push(envelope);
            }
        }
        self.held.sort_by_key(|envelope| {
            let own = envelope.from == envelope.to;
            (own, (!own).then_some(*envelope))
        });
    }
}

/// Counts what is limited; what is not makes no states differ.
fn spend(spent: &mut u32, limit: Option<u32>) -> Result<(), OutOfBounds> {
    let Some(limit) = limit else { return Ok(()) };
    *spent += 1;
    if *spent <= limit { Ok(()) } else { Err(OutOfBounds) }
}

/// What is to be sent; the other outputs concern timers and clients, of which the world has none.
fn sent(output: Output<Tag>) -> Option<Envelope<Range>> {
    if let Output::Send(envelope) = output { Some(envelope) } else { None }
}

impl System {
    pub(crate) fn new<R: Rules>(bounds: Bounds, mistake: Option<Mistake>) -> Self {
        System {
            step_by: step_by::<R, Tag>,
            bounds,
            mistake,
            start: World::new(bounds.servers),
            watched: PropertySet::all(),
            stats: Arc::default(),
            symmetric: true,
        }
    }

    /// Everything that may happen next. An action that would change nothing may be among them.
    pub(crate) fn offers(&self, world: &World, actions: &mut Vec<Action>) {
        let unseen = |server: &Server| server.unsynced.iter().any(|step| !step.seen);
        if !self.bounds.interleaved
            && let Some(server) = world.servers.iter().find(|server| unseen(server))
        {
            return self.offer_disk(server, actions);
        }
        for id in world.ids() {
            let server = world.server(id);
            self.offer_events(world, id, &server.node, actions);
            self.offer_disk(server, actions);
        }
        actions.extend(world.network.iter().map(|letter| Action::Deliver(Arc::clone(letter))));
        actions.extend(network::parts(world).map(|letter| Action::Deliver(Arc::new(letter))));
        actions.extend(network::rumours(world).map(|letter| Action::Deliver(Arc::new(letter))));
    }

    fn offer_disk(&self, server: &Server, actions: &mut Vec<Action>) {
        let id = server.node.id();
        if !server.unsynced.is_empty() {
            actions.push(Action::Flush(id));
        }
        actions.extend((0..=server.unsynced_records()).map(|keep| Action::Crash { server: id, keep }));
        if self.mistake == Some(Mistake::TornVote) && !server.unsynced.is_empty() {
            actions.push(Action::CrashTorn(id));
        }
    }

    fn offer_events(&self, world: &World, id: ServerId, node: &Node, actions: &mut Vec<Action>) {
        actions.extend([Action::ElectionTimeout(id), Action::HeartbeatTimeout(id), Action::MinimumTimeout(id)]);
        let Role::Leader { .. } = node.role() else { return };
        if self.bounds.proposals {
            actions.push(Action::Propose(id));
        }
        if self.bounds.handovers {
            actions.push(Action::StepDown(id));
            actions.extend(world.ids().filter(|&to| to != id).map(|to| Action::Transfer { from: id, to }));
        }
    }

    /// The state after an action; `None` if it leads beyond the bounds or changes nothing.
    pub(crate) fn after(&self, before: &World, action: &Action) -> Option<World> {
        if self.passes_unnoticed(before, action) {
            return None;
        }
        let mut world = before.clone();
        self.act(&mut world, action).ok()?;
        if self.bounds.forgets {
            world.forget();
        }
        world.broken.extend(properties::broken_by_step(self.step_by, before, action, &world));
        let spent = std::mem::replace(&mut world.spent, before.spent);
        if world == *before {
            return None;
        }
        world.spent = spent;
        world.broken.extend(properties::broken_in(&world));
        world.broken.keep(self.watched);
        Some(self.represented(world))
    }

    /// The state that stands for this one in the search.
    pub(crate) fn represented(&self, world: World) -> World {
        if self.symmetric { world.representative() } else { world }
    }

    /// Whether a message is delivered that neither changes its receiver nor makes it say anything
    /// of consequence. Most are; asking first saves most of the time.
    fn passes_unnoticed(&self, world: &World, action: &Action) -> bool {
        let Action::Deliver(letter) = action else { return false };
        let old = &world.server(letter.to).node;
        let (mut node, mut effects) = (old.clone(), Effects::new());
        let event = Event::Receive((**letter).clone());
        let ended = catch_unwind(AssertUnwindSafe(|| (self.step_by)(&mut node, event, &mut effects)));
        let of_consequence = |output: Output<Tag>| {
            sent(output)
                .is_some_and(|it| !network::is_never_kept(&it) && !matches!(it.message, Message::AppendRequest { .. }))
        };
        ended.is_ok()
            && node == *old
            && effects.records().is_empty()
            && !effects.early().any(of_consequence)
            && !effects.after_sync().any(of_consequence)
    }

    fn act(&self, world: &mut World, action: &Action) -> Result<(), OutOfBounds> {
        let spent = &mut world.spent;
        match action {
            Action::ElectionTimeout(_) => spend(&mut spent.timeouts, self.bounds.timeouts)?,
            Action::Crash { .. } | Action::CrashTorn(_) => spend(&mut spent.crashes, self.bounds.crashes)?,
            _ => {}
        }
        match action {
            Action::ElectionTimeout(id) => self.happen(world, *id, Event::ElectionTimeout),
            Action::HeartbeatTimeout(id) => self.happen(world, *id, Event::HeartbeatTimeout),
            Action::MinimumTimeout(id) => self.happen(world, *id, Event::MinimumTimeout),
            Action::Deliver(letter) => self.happen(world, letter.to, Event::Receive((**letter).clone())),
            Action::Propose(id) => self.happen(world, *id, Event::Propose(Tag(*id))),
            Action::Transfer { from, to } => self.happen(world, *from, Event::Transfer(*to)),
            Action::StepDown(id) => self.happen(world, *id, Event::StepDown),
            Action::Flush(id) => self.flush(world, *id),
            Action::Crash { server, keep } => {
                self.crash(world, *server, *keep);
                Ok(())
            }
            Action::CrashTorn(id) => {
                self.crash_torn(world, *id);
                Ok(())
            }
        }
    }

    /// An event happens to a server; what it then sends to itself happens before anything else.
    fn happen(&self, world: &mut World, id: ServerId, event: Event<Tag>) -> Result<(), OutOfBounds> {
        let own = VecDeque::from([event]);
        self.drain(world, id, own)
    }

    /// What a server sends to itself. A leader then tells the others all that it has: as they may
    /// be told any part at any time, this makes states one that differ in the pacing alone.
    fn drain(&self, world: &mut World, id: ServerId, mut own: VecDeque<Event<Tag>>) -> Result<(), OutOfBounds> {
        while let Some(event) = own.pop_front() {
            self.step(world, id, event, &mut own)?;
        }
        if let Role::Leader { .. } = world.server(id).node.role() {
            self.step(world, id, Event::HeartbeatTimeout, &mut own)?;
        }
        Ok(())
    }

    /// The loop that the production driver runs as well: step, perform what need not wait, make
    /// records durable, perform the rest.
    fn step(
        &self,
        world: &mut World,
        id: ServerId,
        event: Event<Tag>,
        own: &mut VecDeque<Event<Tag>>,
    ) -> Result<(), OutOfBounds> {
        let server = world.server_mut(id);
        let committed = server.node.commit();
        let mut effects = Effects::new();
        // A panic is a finding, not the end of the search.
        if catch_unwind(AssertUnwindSafe(|| (self.step_by)(&mut server.node, event, &mut effects))).is_err() {
            world.broken.insert(Property::Totality);
            return Ok(());
        }
        for record in effects.records() {
            self.stats.witness_if(matches!(record, Record::Truncate { .. }), Witness::ConflictCut);
            apply_to_entries(&mut server.entries, record);
        }
        if self.bounds.terms < server.node.term().0 || self.bounds.entries < server.node.log().last().index.0 {
            return Err(OutOfBounds);
        }
        self.remember(world, id, committed);
        let early: Vec<_> = effects.early().collect();
        let seen = early.iter().any(|output| matches!(output, Output::Send(_)));
        early.into_iter().filter_map(sent).for_each(|envelope| self.perform(world, id, envelope, own));
        let records = effects.records().to_vec();
        let outputs = effects.after_sync().filter_map(sent).collect();
        self.hold_or_perform(world, id, Unsynced { records, seen, held: outputs }, own)
    }

    /// Outputs wait for every record before them; without such they need not wait.
    fn hold_or_perform(
        &self,
        world: &mut World,
        id: ServerId,
        step: Unsynced,
        own: &mut VecDeque<Event<Tag>>,
    ) -> Result<(), OutOfBounds> {
        let server = world.server_mut(id);
        let Unsynced { records, seen, held } = step;
        if records.is_empty() && server.unsynced.is_empty() {
            held.into_iter().for_each(|envelope| self.perform(world, id, envelope, own));
            return Ok(());
        }
        if !records.is_empty() {
            if server.unsynced.len() == self.bounds.unsynced {
                return Err(OutOfBounds);
            }
            server.unsynced.push_back(Unsynced { records, seen, held: Vec::new() });
        }
        let waiting = server.unsynced.back_mut().expect("either there was one or it was just added");
        waiting.hold(held);
        Ok(())
    }

    fn perform(&self, world: &mut World, id: ServerId, envelope: Envelope<Range>, own: &mut VecDeque<Event<Tag>>) {
        if let Message::AppendRequest { .. } = envelope.message {
            let on_disk = envelope.term <= world.server(id).disk.durable.term();
            if !on_disk {
                world.broken.insert(Property::TermMonotonic);
            }
            return world.put_leadership(id, envelope.term);
        }
        let Some(letter) = envelope.with_entries(|_| None) else { return };
        let found = properties::broken_by_send(world, &letter);
        world.broken.extend(found);
        world.note_vote(&letter);
        if letter.to == id {
            own.push_back(Event::Receive(letter));
        } else {
            world.put_into_network(letter);
        }
    }

    /// Writes down what can no longer be undone: who led, what was committed.
    fn remember(&self, world: &mut World, id: ServerId, committed: Index) {
        let server = Arc::clone(&world.servers[id.0 as usize - 1]);
        let (node, term) = (&server.node, server.node.term());
        if let Role::Leader { .. } = node.role()
            && !world.history.elected.contains(&(term, id))
        {
            let elected = &mut Arc::make_mut(&mut world.history).elected;
            elected.push((term, id));
            elected.sort_unstable();
        }
        for index in committed.0..node.commit().0 {
            // A commit index beyond the log is found by `Bounds`.
            let Some(&entry) = server.entries.get(index as usize) else { break };
            match world.history.committed.get(index as usize) {
                None => {
                    let committed = &mut Arc::make_mut(&mut world.history).committed;
                    let later = committed.last().is_some_and(|(last, _)| last.position.term < entry.position.term);
                    self.stats.witness_if(later, Witness::LaterCommit);
                    committed.push((entry, term));
                }
                Some((first, _)) if *first != entry => world.broken.insert(Property::StateMachineSafety),
                Some(_) => {}
            }
        }
    }

    fn flush(&self, world: &mut World, id: ServerId) -> Result<(), OutOfBounds> {
        let server = world.server_mut(id);
        let Some(Unsynced { records, held, .. }) = server.unsynced.pop_front() else { return Ok(()) };
        records.iter().for_each(|record| server.disk.apply(record));
        let mut own = VecDeque::new();
        held.into_iter().for_each(|envelope| self.perform(world, id, envelope, &mut own));
        self.drain(world, id, own)
    }

    fn crash(&self, world: &mut World, id: ServerId, keep: usize) {
        let server = world.server_mut(id);
        self.stats.witness_if(keep < server.unsynced_records(), Witness::UnsyncedLost);
        let unsynced = std::mem::take(&mut server.unsynced);
        let survivors: Vec<_> = unsynced.into_iter().flat_map(|step| step.records).take(keep).collect();
        survivors.iter().for_each(|record| server.disk.apply(record));
        self.restart(server);
    }

    fn crash_torn(&self, world: &mut World, id: ServerId) {
        let server = world.server_mut(id);
        let unsynced = std::mem::take(&mut server.unsynced);
        let votes = unsynced.into_iter().flat_map(|step| step.records).filter(|r| matches!(r, Record::Vote(_)));
        votes.for_each(|vote| server.disk.apply(&vote));
        self.restart(server);
    }

    fn restart(&self, server: &mut Server) {
        if self.mistake == Some(Mistake::LostHardState) {
            let mut without = Disk::default();
            server.disk.entries.iter().for_each(|entry| without.apply(&Record::Append(*entry)));
            server.disk = without;
        }
        server.entries = server.disk.entries.clone();
        server.node = Node::recover(server.node.id(), *server.node.members(), server.disk.durable.clone());
    }
}

/// What the Explorer shows of a state.
impl fmt::Debug for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", crate::words::Picture(self))
    }
}

impl Action {
    pub(crate) fn is_crash(&self) -> bool {
        matches!(self, Action::Crash { .. } | Action::CrashTorn(_))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::ElectionTimeout(id) => write!(out, "election_timeout {id}"),
            Action::HeartbeatTimeout(id) => write!(out, "heartbeat_timeout {id}"),
            Action::MinimumTimeout(id) => write!(out, "minimum_timeout {id}"),
            Action::Deliver(letter) => write!(out, "deliver {}", Words(letter.as_ref())),
            Action::Propose(id) => write!(out, "propose {id}"),
            Action::Transfer { from, to } => write!(out, "transfer {from} to {to}"),
            Action::StepDown(id) => write!(out, "step_down {id}"),
            Action::Flush(id) => write!(out, "flush {id}"),
            Action::Crash { server, keep: 0 } => write!(out, "crash {server}"),
            Action::Crash { server, keep } => write!(out, "crash {server} keep {keep}"),
            Action::CrashTorn(id) => write!(out, "crash {id} torn"),
        }
    }
}

/// Writes something in the words of the scenario language.
pub(crate) struct Words<'a, T>(pub(crate) &'a T);

impl fmt::Display for Words<'_, Letter> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Envelope { from, to, term, message } = self.0;
        write!(out, "{from}->{to} term {term} ")?;
        match message {
            Message::PreVoteRequest { last } => write!(out, "pre_vote_request last {last}"),
            Message::PreVoteReply { granted: true } => write!(out, "pre_vote_granted"),
            Message::PreVoteReply { granted: false } => write!(out, "pre_vote_denied"),
            Message::VoteRequest { last, transfer: false } => write!(out, "vote_request last {last}"),
            Message::VoteRequest { last, transfer: true } => write!(out, "vote_request last {last} transfer"),
            Message::VoteReply { granted: true } => write!(out, "vote_granted"),
            Message::VoteReply { granted: false } => write!(out, "vote_denied"),
            Message::AppendRequest { entries, commit } => {
                write!(out, "append after {} {} commit {commit}", entries.previous(), Words(&entries.entries()))
            }
            Message::AppendReply { matched } => write!(out, "appended up to {matched}"),
            Message::AppendRefusal { missing, hint } => write!(out, "append_refused missing {missing} hint {hint}"),
            Message::TimeoutNow => write!(out, "timeout_now"),
            Message::Stale => write!(out, "stale"),
        }
    }
}

impl fmt::Display for Words<'_, &[Entry<Tag>]> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|entry| Words(entry).to_string()).collect();
        write!(out, "[{}]", words.join(" "))
    }
}

/// Index, term, and for a command who proposed it: `3@2` or `3@2/1`.
impl fmt::Display for Words<'_, Entry<Tag>> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.payload {
            Payload::Blank => write!(out, "{}", self.0.position),
            Payload::Command(Tag(proposer)) => write!(out, "{}/{proposer}", self.0.position),
        }
    }
}
