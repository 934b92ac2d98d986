//! What may happen next, and what it leads to.
//!
//! This module describes no protocol behaviour. It decides when events happen and what a crash
//! keeps; what a server then does is the deployed `step`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rafttree_model::{Effects, Entry, Envelope, Event, Faulty, Index, Message, Node, Output, Range, Role, ServerId};

use crate::checks;
use crate::properties::{Property, PropertySet};
use crate::system::actions::Action;
use crate::system::bounds::Bounds;
use crate::system::{forgetting, network};
use crate::world::{DiskMutant, Ground, Letter, PAPER, Server, Stepped, Tag, World};

/// The system to explore: the deployed transitions in a world that may go wrong in every way
/// within the bounds.
#[derive(Clone)]
pub(crate) struct System {
    pub(crate) ground: Ground,
    pub(crate) bounds: Bounds,
    /// Where exploration starts.
    pub(crate) start: World,
    /// Only these properties count.
    pub(crate) watched: PropertySet,
    /// Whether one state stands for all that differ in the servers' names alone.
    pub(crate) symmetric: bool,
}

/// What the snapshot was made of that arrives, if one does: what its leader had in its log up to there.
fn snapshot_of(world: &World, event: &Event<Tag>) -> Vec<Entry<Tag>> {
    let Event::Receive(Envelope { from, term, message: Message::InstallSnapshot { last, .. }, .. }) = event else {
        return Vec::new();
    };
    let of_sender = world.leaderships.iter().filter(|it| (it.term, it.leader) == (*term, *from));
    let mut up_to = of_sender.filter_map(|it| it.entries.get(..last.index.number() as usize));
    up_to.find(|entries| entries.last().is_some_and(|entry| entry.position == *last)).unwrap_or_default().to_vec()
}

/// An action led beyond the bounds, so it is not offered.
#[derive(Debug)]
pub(crate) struct OutOfBounds;

/// The deployed rules in the concrete system.
pub(crate) fn deployed(bounds: Bounds) -> System {
    System::with(PAPER, bounds)
}
impl System {
    pub(crate) fn with(ground: Ground, bounds: Bounds) -> Self {
        let start = World::new(bounds.servers);
        System { ground, bounds, start, watched: bounds.watched(), symmetric: !ground.looks_at_names }
    }

    /// Everything that may happen next. An action that would change nothing may be among them.
    pub(crate) fn offers(&self, world: &World, actions: &mut Vec<Action>) {
        if world.reads.ended.is_some() {
            return; // What comes after the end of what is followed is of no interest.
        }
        if let Some(application) = self.is_only_applying(world) {
            return actions.push(application);
        }
        if !self.bounds.interleaved
            && let Some(server) = world.servers.iter().find(|server| server.hides_something())
        {
            return self.offer_disk(server, actions);
        }
        if self.bounds.is_concrete()
            && let Some(question) = self.is_only_answered(world)
        {
            return actions.push(question);
        }
        self.offers_of_servers(world, actions);
        self.offers_of_messages(world, actions);
    }

    /// What may happen to servers, but for messages.
    pub(crate) fn offers_of_servers(&self, world: &World, actions: &mut Vec<Action>) {
        for id in world.ids() {
            let server = world.server(id);
            self.offer_events(world, id, &server.node, actions);
            self.offer_disk(server, actions);
            self.offer_damage(world, server, actions);
            self.offer_reads(world, id, actions);
        }
    }

    /// Which messages may arrive.
    pub(crate) fn offers_of_messages(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend(world.network.iter().map(|letter| Action::Deliver(Arc::clone(letter))));
        let parts = network::parts(world, !self.bounds.is_concrete());
        actions.extend(parts.map(|letter| Action::Deliver(Arc::new(letter))));
        if self.bounds.rumours {
            actions.extend(network::rumours(world).map(|letter| Action::Deliver(Arc::new(letter))));
        }
    }

    fn offer_disk(&self, server: &Server, actions: &mut Vec<Action>) {
        let id = server.node.id();
        if !server.unsynced.is_empty() {
            actions.push(Action::Flush(id));
        }
        actions.extend((0..=server.unsynced_records()).map(|keep| Action::Crash { server: id, keep }));
        if self.ground.disk_mutant == Some(DiskMutant::TornVote) && !server.unsynced.is_empty() {
            actions.push(Action::CrashTorn(id));
        }
    }

    /// Disks are damaged one at a time: the next when the last is as it was.
    fn offer_damage(&self, world: &World, server: &Server, actions: &mut Vec<Action>) {
        let are_sound = world.servers.iter().all(|server| server.disk.durable.faulty().is_none());
        if !self.bounds.damages || !are_sound {
            return;
        }
        let id = server.node.id();
        let log = server.disk.durable.log();
        let held = log.base().index.number() + 1..=log.last().index.number();
        let parts = held.clone().flat_map(|first| (first..=*held.end()).map(move |last| (first, last)));
        let faulty = parts.map(|(first, last)| Faulty::between(Index::new(first), Index::new(last)));
        actions.extend(faulty.map(|faulty| Action::Damage { server: id, faulty }));
    }

    fn offer_events(&self, world: &World, id: ServerId, node: &Node, actions: &mut Vec<Action>) {
        actions.extend([Action::ElectionTimeout(id), Action::HeartbeatTimeout(id), Action::MinimumTimeout(id)]);
        if self.bounds.snapshots {
            let news = node.log().base().index.number() + 1..=node.log().last().index.number();
            actions.extend(news.map(|through| Action::Snapshot { server: id, through: Index::new(through) }));
        }
        let Role::Leader { .. } = node.role() else { return };
        if self.bounds.proposals {
            actions.push(Action::Propose(id));
        }
        if self.bounds.transfers {
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
        if let Err(OutOfBounds) = self.act(&mut world, action) {
            // What was broken on the way counts all the same.
            world.broken.keep(self.watched);
            return (!world.broken.is_empty()).then_some(world);
        }
        if self.follows_reads() && world.reads.ended.is_none() {
            world.renumber_rounds();
        }
        if self.bounds.forgets {
            world.forget();
        }
        let spent = std::mem::replace(&mut world.spent, before.spent);
        if world == *before {
            return None;
        }
        world.spent = spent;
        world.broken.extend(checks::broken_in(&world));
        if self.bounds.is_concrete() {
            world.broken.insert_unless(checks::campaigns_are_allowed(&world), Property::AskFirst);
        }
        world.broken.keep(self.watched);
        if self.bounds.forgets && world.has_sent_reader_away() && world.broken.is_empty() {
            return None;
        }
        Some(self.represented(world))
    }

    /// The state that stands for this one in the search.
    pub(crate) fn represented(&self, world: World) -> World {
        if self.symmetric { world.representative() } else { world }
    }

    /// Whether a message is delivered that neither changes its receiver nor makes it say anything
    /// of consequence. Most are; asking first saves most of the time. Where nothing is forgotten they
    /// are judged all the same.
    fn passes_unnoticed(&self, world: &World, action: &Action) -> bool {
        let Action::Deliver(letter) = action else { return false };
        !self.bounds.is_concrete() && self.said_unmoved(world, letter).is_some_and(|said| said.concat().is_empty())
    }

    /// A message that changes no server, and is answered as none was before. As messages stay, whatever
    /// may happen before the answer may happen after it: so it may as well wait for the answer.
    fn is_only_answered(&self, world: &World) -> Option<Action> {
        let parts = network::parts(world, !self.bounds.is_concrete()).map(Arc::new);
        let mut letters = world.network.iter().map(Arc::clone).chain(parts);
        let tells_news = |letter: &Arc<Letter>| {
            let said = self.said_unmoved(world, letter);
            said.is_some_and(|[early, later]| early.is_empty() && later.iter().any(|answer| !is_said(world, answer)))
        };
        letters.find(tells_news).map(Action::Deliver)
    }

    /// What the receiver of a message says to it, at once and after a flush, if that is all that it does.
    fn said_unmoved(&self, world: &World, letter: &Letter) -> Option<[Vec<Letter>; 2]> {
        let old = &world.server(letter.to).node;
        let (mut node, mut effects) = (old.clone(), Effects::new());
        let event = Event::Receive(letter.clone());
        let ended = catch_unwind(AssertUnwindSafe(|| (self.ground.step_by)(&mut node, event, &mut effects)));
        let of_consequence = |output: &Output| match *output {
            Output::Send(it) if self.is_told_by_rumours(&it) => None,
            Output::Send(it) => it.with_entries(|_| None),
            _ => None,
        };
        let said = |outputs: &[Output]| outputs.iter().filter_map(of_consequence).collect();
        let is_unmoved = ended.is_ok() && node == *old && effects.records().is_empty();
        is_unmoved.then(|| [said(effects.early()), said(effects.after_sync())])
    }

    /// Where nothing is forgotten, rumours come on top of what was really said.
    fn is_told_by_rumours(&self, envelope: &Envelope<Range>) -> bool {
        self.bounds.forgets && forgetting::is_never_kept(envelope)
    }

    fn act(&self, world: &mut World, action: &Action) -> Result<(), OutOfBounds> {
        let spent = &mut world.spent;
        match action {
            Action::ElectionTimeout(_) => spend(&mut spent.timeouts, self.bounds.timeouts)?,
            Action::MinimumTimeout(_) => spend(&mut spent.minimums, self.bounds.minimums)?,
            Action::Propose(_) | Action::Snapshot { .. } | Action::Transfer { .. } | Action::StepDown(_) => {
                spend(&mut spent.requests, self.bounds.requests)?;
            }
            Action::Crash { .. } | Action::Damage { .. } | Action::CrashTorn(_) => {
                spend(&mut spent.crashes, self.bounds.crashes)?
            }
            _ => {}
        }
        match action {
            Action::ElectionTimeout(id) => self.happen(world, *id, Event::ElectionTimeout),
            Action::HeartbeatTimeout(id) => self.happen(world, *id, Event::HeartbeatTimeout),
            Action::MinimumTimeout(id) => self.happen(world, *id, Event::MinimumTimeout),
            Action::Deliver(letter) => self.happen(world, letter.to, Event::Receive((**letter).clone())),
            Action::Propose(id) => self.happen(world, *id, Event::Propose(Tag(*id))),
            Action::Read(id) => self.read(world, *id),
            Action::Apply(id) => {
                self.apply(world, *id);
                Ok(())
            }
            Action::Snapshot { server, through } => self.happen(world, *server, Event::Snapshotted(*through)),
            Action::Transfer { from, to } => self.happen(world, *from, Event::Transfer(*to)),
            Action::StepDown(id) => self.happen(world, *id, Event::StepDown),
            Action::Flush(id) => self.flush(world, *id),
            Action::Crash { server, keep } => {
                self.crash(world, *server, *keep);
                Ok(())
            }
            Action::Damage { server, faulty } => {
                world.forget_clients_of(*server);
                let damaged = |it: &mut Server| it.crash_damaged(self.ground, *faulty);
                let broken = checks::judged_crash(world.server_mut(*server), damaged);
                world.broken.extend(broken);
                self.end_leases(world, *server);
                Ok(())
            }
            Action::CrashTorn(id) => {
                world.forget_clients_of(*id);
                let broken = checks::judged_crash(world.server_mut(*id), |server| server.crash_torn(self.ground));
                world.broken.extend(broken);
                Ok(())
            }
        }
    }

    /// An event happens to a server; what it then sends to itself happens before anything else.
    pub(super) fn happen(&self, world: &mut World, id: ServerId, event: Event<Tag>) -> Result<(), OutOfBounds> {
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
        let snapshot = snapshot_of(world, &event);
        let server = world.server_mut(id);
        let committed = server.node.commit();
        let ground = Ground { keeps_rounds: self.ground.keeps_rounds || self.follows_reads(), ..self.ground };
        let (stepped, broken) = checks::judged_step(server, ground, &event, &snapshot);
        let Stepped { early, records, outputs, told_early, told_late, moved, .. } = stepped;
        let broken = if moved { broken.and(checks::broken_when_tried(self.ground.step_by, server)) } else { broken };
        let (term, last) = (server.node.term(), server.node.log().last().index);
        world.broken.extend(broken);
        if self.bounds.terms < term.number() || self.bounds.entries < last.number() {
            return Err(OutOfBounds);
        }
        told_early.iter().for_each(|told| self.note_round(world, id, told));
        self.follow_leases(world, id, &event, &told_early);
        self.attend_readers(world, id, &event, &told_early);
        checks::remember(world, id, committed);
        self.tell_clients(world, id, &told_late);
        let seen = !early.is_empty();
        early.into_iter().for_each(|envelope| self.perform(world, id, envelope, own));
        let server = world.server_mut(id);
        if !records.is_empty() && server.unsynced.len() == self.bounds.unsynced {
            return Err(OutOfBounds);
        }
        // What is told by rumours need not be held to be told.
        let waits = !records.is_empty() || !server.unsynced.is_empty();
        let told = |envelope: &Envelope<Range>| waits && self.is_told_by_rumours(envelope);
        let kept = outputs.into_iter().filter(|envelope| !told(envelope)).collect();
        let ready = server.hold(records, seen, kept);
        ready.into_iter().for_each(|envelope| self.perform(world, id, envelope, own));
        Ok(())
    }

    fn perform(&self, world: &mut World, id: ServerId, envelope: Envelope<Range>, own: &mut VecDeque<Event<Tag>>) {
        if let Message::AppendRequest { entries, commit, .. } = envelope.message {
            // What is offered in its place are all parts of the leader's log.
            let node = &world.server(id).node;
            let is_part = node.log().holds(entries.previous) && node.log().holds(entries.last);
            debug_assert!(is_part && commit <= node.commit(), "a leader sends what it has");
            let on_disk = envelope.term <= world.server(id).disk.durable.term();
            if !on_disk {
                world.broken.insert(Property::TermMonotonic);
            }
            return world.put_leadership(id, envelope.term);
        }
        if let Message::InstallSnapshot { .. } = envelope.message {
            world.put_leadership(id, envelope.term);
        }
        let Some(letter) = envelope.with_entries(|_| None) else { return };
        let mut found = checks::broken_by_send(world.server(id), &letter);
        found.extend(checks::broken_by_saying(&letter));
        world.broken.extend(found);
        if letter.message == Message::TimeoutNow {
            let may = checks::may_take_over(world.server(id), world.server(letter.to));
            world.broken.insert_unless(may, Property::TransferComplete);
        }
        world.note_vote(&letter);
        if letter.to == id {
            own.push_back(Event::Receive(letter));
        } else {
            world.put_into_network(letter);
        }
    }

    /// Dissertation 6.4: a round that is confirmed began when its read index was all that was committed. Where
    /// rounds are forgotten, none is ever confirmed.
    fn note_round(&self, world: &mut World, id: ServerId, told: &Output) {
        if !self.ground.keeps_rounds {
            return;
        }
        let term = world.server(id).node.term();
        match *told {
            Output::Round { round, read: Some(read) } if read.number() < world.history.committed.len() as u64 => {
                let stale = &mut Arc::make_mut(&mut world.history).stale_reads;
                stale.push((term, id, round));
                stale.sort_unstable();
                stale.dedup();
            }
            Output::Confirmed(confirmed) => {
                let answered = |&(of, leader, round): &_| (of, leader) == (term, id) && round <= confirmed;
                let is_stale = world.history.stale_reads.iter().any(answered);
                world.broken.insert_unless(!is_stale, Property::ReadIndex);
            }
            _ => {}
        }
    }

    /// What a step says of proposals waits for the flush, all of it, so that it comes in order.
    fn tell_clients(&self, world: &mut World, id: ServerId, told: &[Output]) {
        if self.watched.contains(Property::ProposalEnds) {
            let broken = checks::judged_ends(world, self.ground, id, told);
            world.broken.extend(broken);
        }
    }

    fn flush(&self, world: &mut World, id: ServerId) -> Result<(), OutOfBounds> {
        let (ready, broken) = checks::judged_flush(world.server_mut(id), self.ground);
        world.broken.extend(broken);
        let mut own = VecDeque::new();
        ready.into_iter().for_each(|envelope| self.perform(world, id, envelope, &mut own));
        self.drain(world, id, own)
    }

    fn crash(&self, world: &mut World, id: ServerId, keep: usize) {
        world.forget_clients_of(id);
        let broken = checks::judged_crash(world.server_mut(id), |server| server.crash(self.ground, keep));
        world.broken.extend(broken);
        self.end_leases(world, id);
    }
}

/// Whether an answer waits for the flush that it would have to wait for, or was sent if there is none.
fn is_said(world: &World, answer: &Letter) -> bool {
    let Some(waiting) = world.server(answer.from).unsynced.back() else {
        return world.network.binary_search_by(|other| (**other).cmp(answer)).is_ok();
    };
    let is_same = |held: &Envelope<Range>| held.with_entries(|_| None).is_some_and(|held| held == *answer);
    waiting.held.iter().any(is_same)
}

/// Counts what is limited; what is not makes no states differ.
fn spend(spent: &mut u32, limit: Option<u32>) -> Result<(), OutOfBounds> {
    let Some(limit) = limit else { return Ok(()) };
    *spent += 1;
    if *spent <= limit { Ok(()) } else { Err(OutOfBounds) }
}
