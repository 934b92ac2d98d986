//! Requests in the world: what a server does around its driver, its log and its state machine.

use rafttree_model::{Event, Index, Message, Output, Position, ServerId};

use super::faults::T;
use super::mutant::Mutant;
use super::world::{Happening, World};
use crate::core::driver::Input;
use crate::core::request::ServiceMessage;
use crate::core::service::{Committed, Work};
use crate::machine::apply::{Report, Task};
use crate::storage::snapshot::ArrivalError;

/// How many snapshots the log waits with going while one is being sent.
const MAX_HELD_BACK: u32 = 4;

impl World<'_> {
    /// Something happens to a server, with all that comes of it for requests.
    pub(super) fn input(&mut self, id: ServerId, input: Input) {
        if let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) {
            match &input {
                Input::Connected(peer, _) => {
                    running.connected.insert(*peer);
                    running.service.connected(*peer);
                }
                Input::Disconnected(peer) => {
                    running.connected.remove(peer);
                    running.service.disconnected(*peer);
                }
                _ => {}
            }
        }
        self.forget_leader(id, &input);
        self.feed(id, input);
        self.serve(id);
    }

    /// A mutant votes for whoever asks, though it has just heard a leader.
    fn forget_leader(&mut self, id: ServerId, input: &Input) {
        let Input::Frame(frame) = input else { return };
        let asks = matches!(frame.message, Message::PreVoteRequest { .. } | Message::VoteRequest { .. });
        let follows = self.group[&id].running.as_ref().is_some_and(|running| running.lease.is_none());
        if asks && follows && self.is_mutant(Mutant::ForgetsItsLeader) {
            self.feed(id, Input::Event(Event::MinimumTimeout));
        }
    }

    /// Goes on with requests as far as that is possible now.
    pub(super) fn serve(&mut self, id: ServerId) {
        let missing = self.group.get_mut(&id).and_then(|server| server.running.as_mut()?.missing.take());
        if let Some(newest) = missing {
            self.feed(id, Input::Event(Event::Snapshotted(newest.index)));
        }
        let mut has_begun_round = false;
        loop {
            let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
            for output in running.driver.take_told() {
                self.hear(id, output);
            }
            let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
            running.service.settle(running.driver.node());
            if let Some(work) = running.service.next_work() {
                self.work(id, work);
            } else if running.service.wants_round() && !has_begun_round {
                has_begun_round = true;
                self.feed(id, Input::Event(Event::HeartbeatTimeout));
            } else {
                return;
            }
        }
    }

    /// The service hears what a step has come to, or what a mutant makes of it.
    fn hear(&mut self, id: ServerId, output: Output) {
        let mutant = self.mutant;
        let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
        running.service.hear(&running.driver, output);
        match (mutant, output) {
            (Some(Mutant::AppliesWhatIsAccepted), Output::Accepted(position)) => {
                running.service.hear(&running.driver, Output::Committed(position.index));
            }
            (Some(Mutant::ConfirmsAtOnce), Output::Round { round, .. }) => {
                running.service.hear(&running.driver, Output::Confirmed(round));
            }
            _ => {}
        }
    }

    fn work(&mut self, id: ServerId, work: Work) {
        match work {
            Work::Propose(commands) => self.feed(id, Input::Propose(commands)),
            Work::Send(to, message) => self.send_service(id, to, message),
            Work::Apply(committed) => {
                committed.into_iter().for_each(|entry| self.add_task(id, Task::Apply(vec![entry])));
            }
            Work::Restore(last) => self.add_task(id, Task::Restore(last)),
            Work::Read(job) => self.add_task(id, Task::Read(job)),
        }
    }

    /// The state machine does its tasks.
    pub(super) fn apply(&mut self, id: ServerId) {
        loop {
            let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
            let Some(task) = running.tasks.pop_front() else {
                running.is_applying = false;
                break;
            };
            self.perform_task(id, task);
            self.has_used_disk(id);
        }
        self.hear_reports(id);
    }

    fn perform_task(&mut self, id: ServerId, task: Task) {
        let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
        let changes = match &task {
            Task::Apply(entries) => entries.first().map(|entry| entry.position),
            Task::Restore(last) => Some(*last),
            _ => None,
        };
        if let (Some(position), Task::Apply(_)) = (changes, &task) {
            let (applied, index) = (running.applied, position.index.number());
            if applied + 1 != index {
                return self
                    .judge(Err(format!("server {id} has applied up to entry {applied}, and applies {index} next")));
            }
        }
        let again = copy(&task).filter(|_| self.mutant == Some(Mutant::AppliesTwice) && self.random.chance(3));
        let skips = self.mutant == Some(Mutant::KeepsTheMachine) && matches!(task, Task::Restore(_));
        self.figures.restores += u64::from(matches!(task, Task::Restore(_)));
        if let (Some(position), true) = (changes, matches!(task, Task::Apply(_) | Task::Restore(_))) {
            running.notebook.open().index = position.index.number();
        }
        let mut performed = if skips { Ok(()) } else { running.applier.perform(task) };
        if let Some(again) = again {
            performed = performed.and_then(|()| running.applier.perform(again));
        }
        if let Err(failure) = performed {
            return self.on_machine_failure(id, &failure.to_string());
        }
        if let Some(position) = changes {
            self.has_applied(id, position);
        }
    }

    /// The state machine cannot go on: since the disk of its snapshots fails, or it is wrong.
    fn on_machine_failure(&mut self, id: ServerId, why: &str) {
        let server = &self.group[&id];
        let is_excused =
            server.directory.disk.is_dead() || server.directory.wounds.rot || server.directory.disk.has_failed();
        if !is_excused {
            self.judge(Err(format!("the state machine of server {id} has failed: {why}")));
        }
        if !self.group[&id].directory.disk.is_dead() {
            self.stop(id, why);
        }
    }

    fn has_applied(&mut self, id: ServerId, position: Position) {
        let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
        running.applied = position.index.number();
        let (point, news, broken) = {
            let mut notes = running.notebook.open();
            (notes.point, std::mem::take(&mut notes.applied), notes.broken.take())
        };
        self.digest.add(point.journal);
        let judgement = self.facts.applies(id, position.index.number(), point, news);
        self.judge(judgement);
        if let Some(words) = broken {
            let index = position.index;
            self.judge(Err(format!("the invariant is broken at server {id} with entry {index}: {words}")));
        }
    }

    /// What the state machine's thread has to say, and snapshots whose writing begins.
    fn hear_reports(&mut self, id: ServerId) {
        let life = self.group[&id].life;
        loop {
            let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
            let Ok(report) = running.reports.try_recv() else { break };
            match report {
                Report::Answered(proposer, outcome) => running.service.answer(proposer, outcome),
                Report::Snapshotted { last, previous } => self.on_snapshotted(id, last, previous),
                Report::SnapshotFailed(error) => {
                    self.tell(|| format!("server {id} makes no snapshot: {error}"));
                    self.stop_if_undecided(id);
                }
                Report::Failed(failure) => self.on_machine_failure(id, &failure.to_string()),
            }
        }
        if let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut())
            && running.has_bodies()
        {
            let delay = self.moment(T / 4);
            self.later(delay, Happening::WriteSnapshot { at: id, life });
            self.begins_snapshot(id);
        }
        self.serve(id);
    }

    /// A server stops where a flush of its directory has failed: nobody knows what is in it.
    fn stop_if_undecided(&mut self, id: ServerId) {
        let Some(running) = &self.group[&id].running else { return };
        if let Err(error) = running.snapshots.check()
            && !self.group[&id].directory.disk.is_dead()
        {
            self.stop(id, &error.to_string());
        }
    }

    /// A mutant lets the log go before the snapshot is there.
    fn begins_snapshot(&mut self, id: ServerId) {
        let Some(running) = &self.group[&id].running else { return };
        if self.is_mutant(Mutant::CompactsBeforeTheSnapshot) {
            let applied = Index::new(running.applied);
            self.feed(id, Input::Event(Event::Snapshotted(applied)));
        }
    }

    /// The snapshots whose writing has begun are written.
    pub(super) fn write_snapshots(&mut self, id: ServerId) {
        while let Some(body) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()?.next_body()) {
            body();
            self.has_used_disk(id);
        }
        self.hear_reports(id);
    }

    /// The log may go up to the snapshot before the newest, unless one is on its way that needs it.
    fn on_snapshotted(&mut self, id: ServerId, last: Position, previous: Option<Position>) {
        self.figures.snapshots += 1;
        self.tell(|| format!("server {id} has a snapshot up to {last}"));
        let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
        let node = running.driver.node();
        let is_sending = running.connected.iter().any(|&peer| node.sends_snapshot_to(peer));
        let is_held_back = is_sending && running.held_back < MAX_HELD_BACK;
        running.held_back = if is_held_back { running.held_back + 1 } else { 0 };
        if let Some(previous) = previous.filter(|_| !is_held_back) {
            self.feed(id, Input::Event(Event::Snapshotted(previous.index)));
            if self.is_mutant(Mutant::RemovesBeforeCompacting) {
                self.add_task(id, Task::RemoveOlder(previous));
            }
        }
    }

    /// The disk writes what it was given.
    pub(super) fn flush(&mut self, id: ServerId) {
        let ignores = self.is_mutant(Mutant::IgnoresDiskErrors);
        let server = self.group.get_mut(&id).expect("it is one of the group");
        let Some(running) = &mut server.running else { return };
        let Some(records) = running.writing.take() else { return };
        let written = running.log.write(&records);
        if server.directory.disk.is_dead() {
            return self.has_used_disk(id);
        }
        if let Err(error) = written
            && !ignores
        {
            return self.stop(id, &error.to_string());
        }
        server.directory.promise.keep();
        if !self.is_mutant(Mutant::SendsBeforeFlush) {
            self.input(id, Input::Flushed);
        }
        self.prepare(id);
    }

    /// The next segment is made before it is needed.
    fn prepare(&mut self, id: ServerId) {
        let server = self.group.get_mut(&id).expect("it is one of the group");
        let Some(running) = &mut server.running else { return };
        let prepared = running.log.prepare();
        if server.directory.disk.is_dead() {
            return self.has_used_disk(id);
        }
        if let Err(error) = prepared
            && !self.is_mutant(Mutant::IgnoresDiskErrors)
        {
            self.stop(id, &error.to_string());
        }
    }

    pub(super) fn receive(&mut self, to: ServerId, from: ServerId, message: ServiceMessage) {
        let Some(running) = self.group.get_mut(&to).and_then(|server| server.running.as_mut()) else { return };
        running.service.receive(running.driver.node(), from, message);
        self.serve(to);
    }

    /// A snapshot goes from one disk to the other, or as much of it as arrives.
    pub(super) fn travel(&mut self, from: ServerId, to: ServerId, last: Position) {
        self.travelling.remove(&(from, to));
        let (is_lost, breaks) = (self.is_lost(from, to) || self.is_lost(to, from), self.chance(30));
        let [sender, receiver] = [from, to].map(|id| self.group[&id].running.as_ref().map(|it| it.snapshots.clone()));
        let (Some(sender), Some(receiver), false) = (sender, receiver, is_lost) else { return };
        let mut parts = if breaks { self.random.below(2) } else { u64::MAX };
        let arrived = (|| {
            let Some(outgoing) = sender.send(last)? else { return Ok(None) };
            let Some(mut arrival) = receiver.receive(outgoing.offer, || {})? else { return Ok(None) };
            loop {
                let Ok(bytes) = outgoing.read(arrival.offset()) else { return Ok(None) };
                if bytes.is_empty() {
                    return arrival.finish(|| {}).map(Some);
                }
                if parts == 0 {
                    return Ok(None);
                }
                parts -= 1;
                arrival.add(arrival.offset(), &bytes)?;
            }
        })();
        self.has_arrived(from, to, last, arrived.map(|snapshot| snapshot.is_some()));
    }

    fn has_arrived(&mut self, from: ServerId, to: ServerId, last: Position, arrived: Result<bool, ArrivalError>) {
        [from, to].into_iter().for_each(|id| self.has_used_disk(id));
        let is_early = self.is_mutant(Mutant::CountsSnapshotsEarly);
        match arrived {
            Err(error) => {
                self.tell(|| format!("a snapshot from {from} to {to} does not arrive: {error}"));
                self.stop_if_undecided(to);
            }
            Ok(false) if !is_early => {}
            Ok(_) => {
                self.figures.arrivals += 1;
                self.tell(|| format!("the snapshot up to {last} has come from {from} to {to}"));
                self.input(to, Input::SnapshotHeld(last));
            }
        }
    }
}

/// The same task once more, where it applies something: nobody waits for it a second time.
fn copy(task: &Task) -> Option<Task> {
    let Task::Apply(entries) = task else { return None };
    let again =
        |entry: &Committed| Committed { position: entry.position, payload: entry.payload.clone(), proposer: None };
    Some(Task::Apply(entries.iter().map(again).collect()))
}
