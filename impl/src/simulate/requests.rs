//! Commands and reads in a history, the state machines that they are about, and their snapshots.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rafttree_model::{Applying, Event, Message, Payload, Position, ServerId};
use rand::RngExt;
use tokio::sync::oneshot;

use super::{Happening, Server, TROUBLE, World};
use crate::core::driver::{Input, MAX_MESSAGE_BYTES};
use crate::core::frame::Frame;
use crate::core::request::{Job, Outcome, Reply, ServiceMessage};
use crate::core::service::{Committed, Service, Work};

/// The state machine: every command that was applied, in order, and the last entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Machine {
    last: Position,
    applied: Vec<u64>,
}

/// A read that was served: the commands that had been answered when it was asked for, and those that it saw.
type Read = (BTreeSet<u64>, Vec<u64>);

/// What clients were told.
#[derive(Default)]
pub(super) struct Client {
    proposed: u64,
    waiting: BTreeMap<u64, oneshot::Receiver<Outcome>>,
    /// Of each command that something is known of: whether it was answered.
    pub(super) told: BTreeMap<u64, bool>,
    reads: Arc<Mutex<Vec<Read>>>,
    /// Held by every reader that waits.
    waits: Arc<()>,
    /// How often a snapshot took the place of a log.
    restored: usize,
}

impl Client {
    /// The commands that were answered by now.
    fn answered(&self) -> BTreeSet<u64> {
        self.told.iter().filter(|(_, answered)| **answered).map(|(&number, _)| number).collect()
    }

    /// Takes in what has become of commands. An answer says at which place the command was applied.
    fn listen(&mut self) {
        let told = &mut self.told;
        self.waiting.retain(|&number, answer| match answer.try_recv() {
            Ok(Outcome::Answer(answer)) => {
                assert_eq!(answer, number.to_le_bytes().as_slice(), "the answer to another command");
                told.insert(number, true);
                false
            }
            Ok(Outcome::NotCommitted) => {
                told.insert(number, false);
                false
            }
            Ok(Outcome::Unknown) | Err(oneshot::error::TryRecvError::Closed) => false,
            Err(oneshot::error::TryRecvError::Empty) => true,
        });
    }
}

/// How often each thing happened that makes histories worth running.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    pub(super) answered: usize,
    pub(super) not_committed: usize,
    pub(super) unknown: usize,
    pub(super) read: usize,
    pub(super) restored: usize,
}

impl Client {
    pub(super) fn met(&self) -> Met {
        let answered = self.answered().len();
        Met {
            answered,
            not_committed: self.told.len() - answered,
            unknown: self.proposed as usize - self.told.len(),
            read: self.reads.lock().unwrap().len(),
            restored: self.restored,
        }
    }
}

impl std::iter::Sum for Met {
    fn sum<I: Iterator<Item = Met>>(all: I) -> Met {
        all.fold(Met::default(), |sum, met| Met {
            answered: sum.answered + met.answered,
            not_committed: sum.not_committed + met.not_committed,
            unknown: sum.unknown + met.unknown,
            read: sum.read + met.read,
            restored: sum.restored + met.restored,
        })
    }
}

impl Server {
    /// The state machine as the newest snapshot has it.
    pub(super) fn start_machine(&mut self, seed: u64, now: u64) {
        let log = self.driver.as_ref().expect("it has just started").node().log();
        self.machine = self.snapshots.last().cloned().unwrap_or_default();
        let snapshot = self.snapshots.last().map(|snapshot| snapshot.last);
        self.service = Applying::start(log, snapshot).map(|applying| Service::new(applying, seed));
        assert!(self.service.is_some(), "the log begins behind the newest snapshot");
        let (now, held) = (self.clock(now), self.snapshots.iter().map(|snapshot| snapshot.last));
        for last in held {
            self.driver.as_mut().expect("it has just started").handle(Input::SnapshotHeld(last), now);
        }
    }

    fn keep(&mut self, machine: Machine) {
        self.snapshots.retain(|kept| kept.last != machine.last);
        self.snapshots.push(machine);
        self.snapshots.sort_by_key(|kept| kept.last);
    }
}

impl World {
    pub(super) fn plan_requests(&mut self) {
        for _ in 0..60 {
            let (at, id) = (self.moment(TROUBLE), self.any_id());
            self.later(at, Happening::Propose(id));
            let (at, id) = (self.moment(TROUBLE), self.any_id());
            self.later(at, Happening::Read(id));
        }
        for _ in 0..self.random.random_range(0..20) {
            let (at, id) = (self.moment(TROUBLE), self.any_id());
            self.later(at, Happening::Snapshot(id));
        }
    }

    /// Somebody proposes a command, which is named by its number.
    pub(super) fn propose(&mut self, id: ServerId) {
        let length = if self.random.random_bool(0.1) { MAX_MESSAGE_BYTES / 2 + 1 } else { 8 };
        let server = self.servers.get_mut(&id).expect("it is one of the group");
        let (Some(driver), Some(service)) = (&server.driver, &mut server.service) else { return };
        self.client.proposed += 1;
        let mut command = vec![0; length];
        command[..8].copy_from_slice(&self.client.proposed.to_le_bytes());
        let (sender, answer) = oneshot::channel();
        self.client.waiting.insert(self.client.proposed, answer);
        service.propose(driver.node(), command.into(), Reply { sender, permit: None });
        self.serve(id);
    }

    /// Somebody wants to see what is committed.
    pub(super) fn read(&mut self, id: ServerId) {
        self.client.listen();
        let server = self.servers.get_mut(&id).expect("it is one of the group");
        let (Some(driver), Some(service)) = (&server.driver, &mut server.service) else { return };
        let (answered, reads, waits) = (self.client.answered(), self.client.reads.clone(), self.client.waits.clone());
        let look = move |machine: &dyn Any| {
            drop(waits);
            let machine = machine.downcast_ref::<Machine>().expect("this is what it looks at");
            reads.lock().unwrap().push((answered, machine.applied.clone()));
        };
        service.read(driver.node(), Job(Box::new(look)));
        self.serve(id);
    }

    /// The service hears of connections, as a server's does.
    pub(super) fn note_link(&mut self, id: ServerId, input: &Input) {
        let server = self.servers.get_mut(&id).expect("it is one of the group");
        match (&mut server.service, input) {
            (Some(service), Input::Connected(peer, _)) => service.connected(*peer),
            (Some(service), Input::Disconnected(peer)) => service.disconnected(*peer),
            _ => {}
        }
    }

    /// Goes on with requests as far as that is possible now, as a server does.
    pub(super) fn serve(&mut self, id: ServerId) {
        let mut has_begun_round = false;
        loop {
            let server = self.servers.get_mut(&id).expect("it is one of the group");
            let (Some(driver), Some(service)) = (&mut server.driver, &mut server.service) else { break };
            for output in driver.take_told() {
                service.hear(driver, output);
            }
            service.settle(driver.node());
            if let Some(work) = service.next_work() {
                self.work(id, work);
            } else if service.wants_round() && !has_begun_round {
                has_begun_round = true;
                self.drive(id, Input::Event(Event::HeartbeatTimeout));
            } else {
                break;
            }
        }
        self.client.listen();
    }

    fn work(&mut self, id: ServerId, work: Work) {
        match work {
            Work::Propose(commands) => self.drive(id, Input::Propose(commands)),
            Work::Send(to, message) => {
                let delay = self.moment(Duration::from_millis(1));
                if !self.is_lost(id, to) {
                    let life = self.servers[&to].life;
                    self.later(delay, Happening::Service { to, life, from: id, message });
                }
            }
            Work::Apply(committed) => committed.into_iter().for_each(|entry| self.apply(id, entry)),
            Work::Restore(last) => {
                self.client.restored += 1;
                let server = self.servers.get_mut(&id).expect("it is one of the group");
                let snapshot = server.snapshots.iter().find(|snapshot| snapshot.last == last);
                server.machine = snapshot.expect("it arrived before it was asked for").clone();
            }
            Work::Read(Job(look)) => look(&self.servers[&id].machine),
        }
    }

    fn apply(&mut self, id: ServerId, Committed { position, payload, proposer }: Committed) {
        let server = self.servers.get_mut(&id).expect("it is one of the group");
        let last = std::mem::replace(&mut server.machine.last, position);
        assert_eq!(last.index.next(), position.index, "server {id} misses entries, or has one twice");
        let Payload::Command(command) = payload else { return };
        let number: [u8; 8] = command[..8].try_into().expect("it begins with its number");
        server.machine.applied.push(u64::from_le_bytes(number));
        if let (Some(proposer), Some(service)) = (proposer, &mut server.service) {
            service.answer(proposer, Outcome::Answer(Bytes::copy_from_slice(&number)));
        }
    }

    pub(super) fn receive(&mut self, to: ServerId, life: u64, from: ServerId, message: ServiceMessage) {
        let server = self.servers.get_mut(&to).expect("it is one of the group");
        if server.life != life {
            return;
        }
        let (Some(driver), Some(service)) = (&server.driver, &mut server.service) else { return };
        service.receive(driver.node(), from, message);
        self.serve(to);
    }

    /// A snapshot is made and durable; the log may go up to the one before.
    pub(super) fn snapshot(&mut self, id: ServerId) {
        let server = self.servers.get_mut(&id).expect("it is one of the group");
        let previous = server.snapshots.last().map(|previous| previous.last);
        if server.driver.is_none() || previous.unwrap_or_default() == server.machine.last {
            return;
        }
        server.keep(server.machine.clone());
        let Some(previous) = previous else { return };
        self.input(id, Input::Event(Event::Snapshotted(previous.index)));
        let server = self.servers.get_mut(&id).expect("it is one of the group");
        server.snapshots.retain(|kept| previous <= kept.last);
    }

    /// With the word that there is a snapshot go its bytes, which take a while.
    pub(super) fn send_snapshot_of(&mut self, frame: &Frame) {
        let Message::InstallSnapshot { last, .. } = frame.message else { return };
        let snapshots = &self.servers[&frame.from].snapshots;
        let Some(machine) = snapshots.iter().find(|snapshot| snapshot.last == last).cloned() else {
            // The log begins elsewhere than any snapshot ends: it may go as far as the newest.
            let newest = snapshots.last().expect("a log that was compacted has a snapshot").last;
            return self.tell(frame.from, Duration::from_micros(1), Input::Event(Event::Snapshotted(newest.index)));
        };
        let delay = self.moment(Duration::from_millis(100));
        if !self.is_lost(frame.from, frame.to) {
            let life = self.servers[&frame.to].life;
            self.later(delay, Happening::Arrived { at: frame.to, life, machine });
        }
    }

    pub(super) fn arrived(&mut self, at: ServerId, life: u64, machine: Machine) {
        let server = self.servers.get_mut(&at).expect("it is one of the group");
        // Whoever has it already says so, and is sent nothing.
        let is_news = server.snapshots.iter().all(|kept| kept.last != machine.last);
        if server.life == life && server.driver.is_some() && is_news {
            let last = machine.last;
            server.keep(machine);
            self.input(at, Input::SnapshotHeld(last));
        }
    }

    /// Whatever clients were told is so; and now that all is well, each server answers.
    pub(super) fn check_requests(&mut self) {
        let committed = self.committed_commands();
        for (number, answered) in &self.client.told {
            assert_eq!(committed.contains(number), *answered, "command {number} was told otherwise");
        }
        for (answered, seen) in self.client.reads.lock().unwrap().iter() {
            let seen: BTreeSet<_> = seen.iter().copied().collect();
            assert!(answered.is_subset(&seen), "a read misses what was answered before: {answered:?}, {seen:?}");
        }
        let (before, served) = (self.client.answered().len(), self.client.reads.lock().unwrap().len());
        for id in self.ids() {
            self.propose(id);
            self.read(id);
        }
        self.run_until(Duration::from_nanos(self.now) + Duration::from_secs(1));
        let count = self.servers.len();
        assert_eq!(self.client.answered().len(), before + count, "all is well, and a command is not answered");
        assert_eq!(self.client.reads.lock().unwrap().len(), served + count, "all is well, and a read is not served");
        self.renew_connections();
        assert_eq!(Arc::strong_count(&self.client.waits), 1, "all is well, and somebody waits who asked before that");
        let machines: Vec<_> = self.servers.values().map(|server| &server.machine).collect();
        assert!(machines.iter().all(|machine| *machine == machines[0]), "state machines differ");
        assert_eq!(machines[0].applied.iter().copied().collect::<BTreeSet<_>>(), self.committed_commands());
    }

    /// What was lost here without the end of a connection, as it is by none that servers have, is waited for no
    /// more.
    fn renew_connections(&mut self) {
        for id in self.ids() {
            let peers = self.peers(id);
            let service = self.servers.get_mut(&id).and_then(|server| server.service.as_mut()).expect("all run");
            peers.iter().for_each(|&peer| service.disconnected(peer));
            peers.iter().for_each(|&peer| service.connected(peer));
        }
    }

    fn committed_commands(&self) -> BTreeSet<u64> {
        let number = |payload: &Payload<Bytes>| match payload {
            Payload::Blank => None,
            Payload::Command(command) => Some(u64::from_le_bytes(command[..8].try_into().expect("it is numbered"))),
        };
        let numbers: Vec<_> = self.history.committed.iter().filter_map(|entry| number(&entry.payload)).collect();
        let distinct: BTreeSet<_> = numbers.iter().copied().collect();
        assert_eq!(numbers.len(), distinct.len(), "a command is committed twice, and was proposed once");
        distinct
    }
}
