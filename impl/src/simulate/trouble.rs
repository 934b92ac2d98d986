//! Faults in the world: each strikes when it was planned to, if it can.

use rafttree_model::{Event, ServerId};

use super::faults::{T, What};
use super::lives::CLUSTER;
use super::mutant::Mutant;
use super::world::{Happening, World};
use crate::core::driver::Input;
use crate::core::links::Place;
use crate::machine::apply::Task;
use crate::storage::log::SegmentedLog;
use crate::storage::simulate::{Fault, SimulatedDisk};
use crate::storage::{Identity, Incarnation};

impl World<'_> {
    /// The fault of this number strikes.
    pub(super) fn strike(&mut self, number: usize) {
        let what = self.faults[number].what.clone();
        let has_struck = self.strike_processes(&what) || self.strike_disks(number, &what) || self.strike_links(&what);
        if has_struck {
            self.meets(what.kind());
            self.tell(|| format!("fault {number}: {what}"));
        }
    }

    fn strike_processes(&mut self, what: &What) -> bool {
        match *what {
            What::Crash { server, calls, pause } => self.plan_end(server, calls, false, pause),
            What::PowerLoss { ref servers, calls, pause } => {
                let struck = servers.iter().filter(|&&server| self.plan_end(server, calls, true, pause));
                struck.count() != 0
            }
            What::Pause { ref servers, length } => {
                let end = self.now + length;
                servers.iter().for_each(|id| self.server(*id).still = end);
                true
            }
            What::Drift { server, speed } => {
                let (now, is_wild) = (self.now, self.is_mutant(Mutant::ClocksDrift));
                let speed = if is_wild { 1000 + (speed % 7) * 200 - 600 } else { speed };
                self.server(server).clock.set_speed(now, speed);
                true
            }
            What::Eclipse { still, stalled, ref unheard, length, more } => {
                let now = self.now;
                self.server(stalled).stalled = now + length + more;
                self.server(still).still = now + length;
                unheard.iter().for_each(|&id| self.lose(id, still, length + 2 * T));
                true
            }
            _ => false,
        }
    }

    /// A process ends now, or at a call of its disk.
    fn plan_end(&mut self, id: ServerId, calls: Option<u64>, power_is_lost: bool, pause: u64) -> bool {
        let server = self.server(id);
        if server.running.is_none() {
            return false;
        }
        match calls {
            None => self.crash(id, power_is_lost, pause),
            Some(calls) => {
                server.doom = Some((power_is_lost, pause));
                let disk = &server.directory.disk;
                disk.plan(disk.calls() + calls, Fault::Crash);
            }
        }
        true
    }

    fn server(&mut self, id: ServerId) -> &mut super::server::Server {
        self.group.get_mut(&id).expect("it is one of the group")
    }

    fn strike_disks(&mut self, number: usize, what: &What) -> bool {
        let now = self.now;
        match *what {
            What::Stall { ref servers, length } => {
                servers.iter().for_each(|id| self.server(*id).stalled = now + length);
                true
            }
            What::DiskError { server, calls } => self.plan_call(server, calls, Fault::Error),
            What::ShortWrite { server, calls } => self.plan_call(server, calls, Fault::Short),
            What::FullDisk { server, length } => {
                let server = self.server(server);
                server.full = now + length;
                server.directory.disk.set_full(true);
                true
            }
            What::LyingDisk { server, length, pause } => {
                self.server(server).directory.disk.lie();
                let end = What::PowerLoss { servers: vec![server], calls: None, pause };
                self.add_fault(length, end);
                true
            }
            What::Rot { server, pause, in_snapshot } => self.rot(server, pause, in_snapshot),
            What::Wipe { server, anew, pause } => self.wipe(server, anew, pause),
            What::Swap { one, other, length } => self.swap(one, other, length),
            What::OlderCopy { server, pause, .. } => {
                let Some(mut copy) = self.copies.remove(&number).filter(|_| self.is_own(server)) else { return false };
                self.crash(server, false, pause);
                let server = self.server(server);
                // What was promised since is gone, and so it is known that it was promised.
                copy.promise = server.directory.promise.clone();
                copy.wounds.forgets = true;
                server.directory = copy;
                true
            }
            _ => false,
        }
    }

    fn add_fault(&mut self, delay: u64, what: What) {
        let at = self.now + delay;
        self.faults.push(super::faults::Fault { at, what });
        self.later(delay, Happening::Fault(self.faults.len() - 1));
    }

    fn plan_call(&mut self, id: ServerId, calls: u64, fault: Fault) -> bool {
        let disk = &self.server(id).directory.disk;
        disk.plan(disk.calls() + calls, fault);
        true
    }

    fn rot(&mut self, id: ServerId, pause: u64, in_snapshot: bool) -> bool {
        if self.group[&id].running.is_none() || !self.is_own(id) {
            return false;
        }
        self.crash(id, true, pause);
        let server = self.group.get_mut(&id).expect("it is one of the group");
        server.directory.rot(in_snapshot, &mut self.random)
    }

    /// Whether the server is on its own directory.
    fn is_own(&self, id: ServerId) -> bool {
        self.group[&id].directory.owner.is_some_and(|(identity, _)| identity.id == id)
    }

    /// The directory is emptied, and perhaps initialised anew: then the disk has another incarnation.
    fn wipe(&mut self, id: ServerId, anew: bool, pause: u64) -> bool {
        if !self.is_own(id) {
            return false;
        }
        self.crash(id, false, pause);
        let former = self.group[&id].directory.owner;
        let wiped = self.new_directory(id);
        let server = self.server(id);
        server.directory = wiped;
        match (anew, former) {
            _ if self.is_mutant(Mutant::FormatsWipedDisks) => self.server(id).directory.owner = former,
            (false, _) => self.server(id).directory.owner = None,
            (true, _) => self.server(id).is_stranger = true,
        }
        if let (true, Some((_, incarnation))) = (self.is_mutant(Mutant::FormatsWipedDisks), former) {
            let disk = SimulatedDisk::default();
            let _ = SegmentedLog::create(&disk, incarnation, super::server::SEGMENT);
            self.server(id).directory.disk = disk;
        }
        true
    }

    /// A directory as `init` makes it.
    pub(super) fn new_directory(&mut self, id: ServerId) -> super::directory::Directory {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.random.number().to_le_bytes());
        let incarnation = Incarnation::from_bytes(bytes);
        let disk = SimulatedDisk::default();
        SegmentedLog::create(&disk, incarnation, super::server::SEGMENT).expect("a new disk takes a new log");
        let owner = Some((Identity { cluster: CLUSTER, id }, incarnation));
        super::directory::Directory { disk, owner, ..Default::default() }
    }

    /// Two servers start on each other's directories, until somebody notices.
    fn swap(&mut self, one: ServerId, other: ServerId, length: u64) -> bool {
        if [one, other].iter().any(|id| !self.is_own(*id)) {
            return false;
        }
        [one, other].into_iter().for_each(|id| self.crash(id, false, length / 4));
        self.exchange(one, other);
        self.later(length, Happening::SwapBack(one, other));
        true
    }

    fn exchange(&mut self, one: ServerId, other: ServerId) {
        let first = std::mem::take(&mut self.server(one).directory);
        let second = std::mem::replace(&mut self.server(other).directory, first);
        self.server(one).directory = second;
        for id in [one, other] {
            self.server(id).is_lost = false;
        }
    }

    pub(super) fn swap_back(&mut self, one: ServerId, other: ServerId) {
        [one, other].into_iter().for_each(|id| self.crash(id, false, T / 10));
        self.exchange(one, other);
        [one, other].into_iter().for_each(|id| self.later(T / 10, Happening::Start(id)));
    }

    /// A server's own directory as it is now, which is put back later.
    pub(super) fn copy_directory(&mut self, number: usize) {
        let What::OlderCopy { server, .. } = self.faults[number].what else { return };
        if !self.is_own(server) {
            return;
        }
        let mut copy = self.group[&server].directory.clone();
        copy.disk = copy.disk.restarted();
        self.copies.insert(number, copy);
    }

    fn strike_links(&mut self, what: &What) -> bool {
        match what {
            What::Cut { side } => self.side.clone_from(side),
            What::Heal => self.side.clear(),
            What::OneWay { ways, length } => ways.iter().for_each(|&(from, to)| self.lose(from, to, *length)),
            What::Sever { server, others, again, noticed, .. } => self.sever(*server, others, *again, *noticed),
            What::Flap { server, others, times, every } => {
                let (server, others, times, every) = (*server, others.clone(), *times, *every);
                self.flap(server, others, times, every);
            }
            What::Reject { side } => return self.reject(side),
            What::Loss { percent } => self.weather.loss = *percent,
            What::Repeats { percent } => self.weather.repeats = *percent,
            What::Delays { percent } => self.weather.delays = *percent,
            What::LateTimers { percent } => self.weather.late_timers = *percent,
            What::SlowFlushes { percent } => self.weather.slow_flushes = *percent,
            _ => return false,
        }
        true
    }

    pub(super) fn flap(&mut self, server: ServerId, others: Vec<ServerId>, times: u64, every: u64) {
        let noticed = self.moment(every);
        self.sever(server, &others, every / 4, noticed);
        if 1 < times && self.is_trouble {
            self.later(every, Happening::Flap { server, others, times: times - 1, every });
        }
    }

    /// Each side takes the other for dead. Where one of the servers stands still, it does not know in time;
    /// that is more than the lease is good for, so it is not tried.
    pub(super) fn reject(&mut self, side: &[ServerId]) -> bool {
        if self.group.values().any(|server| self.now < server.still) {
            return false;
        }
        self.side = side.to_vec();
        for from in self.ids() {
            for to in self.peers(from) {
                if !self.is_reachable(from, to) {
                    self.input(from, Input::Closed(to));
                    self.input(from, Input::Disconnected(to));
                    self.input(from, Input::NobodyListens(to, Place::Elsewhere));
                    self.later(T / 4, Happening::Call(from, to));
                }
            }
        }
        true
    }

    /// Somebody asks a server to give up its leadership, to transfer it, or to make a snapshot.
    pub(super) fn demand(&mut self) {
        let (id, to) = (self.any_id(), self.any_id());
        match self.random.below(5) {
            0 => self.input(id, Input::Event(Event::StepDown)),
            1 | 2 => self.input(id, Input::Event(Event::Transfer(to))),
            _ => {
                let (reply, _) = tokio::sync::oneshot::channel();
                self.add_task(id, Task::Snapshot(reply));
            }
        }
    }
}
