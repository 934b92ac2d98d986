//! Beginnings and ends of processes: starts, crashes, losses of power, and stops for what a disk does.

use rafttree_model::{Position, ServerId};

use super::faults::{MILLISECOND, T};
use super::mutant::Mutant;
use super::server::{Refusal, Start};
use super::world::{Happening, World};
use crate::core::driver::Input;
use crate::core::links::Place;
use crate::storage::disk::lacks_room;
use crate::storage::simulate::Fault;
use crate::storage::{ClusterId, Identity, StorageError};

/// The group of every simulation.
pub(super) const CLUSTER: ClusterId = ClusterId::from_bytes([7; 16]);

/// For how long a server is down that has stopped by itself.
const RESTART_PAUSE: u64 = 3 * T;

impl World<'_> {
    /// Starts a process, or finds out that it cannot start.
    pub(super) fn start(&mut self, id: ServerId) {
        let (subject, mutant, members, snapshot_after) = (self.subject, self.mutant, self.members, self.snapshot_after);
        let expected = Identity { cluster: CLUSTER, id };
        let start = Start { subject, mutant, members, expected, snapshot_after, now: self.now };
        let server = self.group.get_mut(&id).expect("it is one of the group");
        if server.running.is_some() || server.is_lost {
            return;
        }
        server.life += 1;
        server.directory.disk.set_full(self.now < server.full);
        if mutant == Some(Mutant::FlushesNothing) {
            server.directory.disk.lie();
        }
        match server.start(&start, &mut self.random) {
            Ok(found) => {
                let (is_kept, wounds) = (server.directory.promise.settle(&found), server.directory.wounds);
                server.directory.wounds.forgets = false;
                let faulty = !found.durable.faulty().is_none();
                self.tell(|| {
                    format!("server {id} starts in term {} with {:?}", found.durable.term(), found.durable.log().last())
                });
                self.figures.faulty_starts += u64::from(faulty);
                match (is_kept, wounds.forgets) {
                    (true, _) => {}
                    (false, true) => self.excuse(format!("server {id} has forgotten what it had promised")),
                    (false, false) => {
                        self.judge(Err(format!("server {id} has lost what was durable, and does not know it")))
                    }
                }
                let judgement = self.facts.starts(id, &found);
                self.judge(judgement);
                self.judge_directory(id);
                if self.excuse.is_none() {
                    let judgement = self.facts.remembers(id, &found);
                    self.judge(judgement);
                    self.judge_snapshots(id, wounds.rot);
                }
                self.peers(id).into_iter().for_each(|peer| self.call_each_other(id, peer, MILLISECOND / 5));
                self.has_used_disk(id);
            }
            Err(refusal) => self.refuse(id, &refusal),
        }
    }

    /// A server runs on its own directory alone.
    fn judge_directory(&mut self, id: ServerId) {
        let owner = self.group[&id].directory.owner.map(|(identity, _)| identity.id);
        if owner != Some(id) {
            self.judge(Err(format!("server {id} runs on the directory of server {owner:?}")));
        }
    }

    /// Where the log begins, a snapshot ends: whoever lacks what came before is sent that one.
    fn judge_snapshots(&mut self, id: ServerId, is_damaged: bool) {
        let Some(running) = &self.group[&id].running else { return };
        let base = running.driver.node().log().base();
        let is_there = base == Position::default() || running.snapshots.all().iter().any(|it| it.last == base);
        if !is_there && !is_damaged {
            self.judge(Err(format!("the log of server {id} begins behind {base}, and no snapshot ends there")));
        }
    }

    /// A start that was refused: for a reason that passes, for one that stays, or for none.
    fn refuse(&mut self, id: ServerId, refusal: &Refusal) {
        let server = self.group.get_mut(&id).expect("it is one of the group");
        self.figures.refusals += 1;
        let disk = &server.directory.disk;
        let (is_ended, has_failed) = (disk.is_dead(), disk.has_failed());
        let (wounds, has_owner) = (server.directory.wounds, server.directory.owner.is_some());
        let is_own = server.directory.owner.is_some_and(|(identity, _)| identity.id == id);
        let (is_broken, lacks_room) = match refusal {
            Refusal::Storage(StorageError::Io { source, .. }) => (true, lacks_room(source)),
            Refusal::Storage(StorageError::NoRoom { .. }) => (true, true),
            _ => (false, false),
        };
        let words = refusal.to_string();
        self.tell(|| format!("server {id} does not start: {words}"));
        if is_ended || is_broken || lacks_room || has_failed {
            if is_ended {
                return self.has_used_disk(id);
            }
            self.end_process(id, false);
            return self.later(RESTART_PAUSE / 2, Happening::Start(id));
        }
        let server = self.group.get_mut(&id).expect("it is one of the group");
        server.is_lost = is_own || !has_owner;
        if is_own && !wounds.rot && !wounds.forgets {
            self.judge(Err(format!("server {id} is refused its own directory, which nobody has touched: {words}")));
        }
    }

    /// The process ends; the disk loses what was not flushed, if the machine has lost its power.
    pub(super) fn end_process(&mut self, id: ServerId, power_is_lost: bool) {
        let server = self.group.get_mut(&id).expect("it is one of the group");
        let lies = server.directory.disk.lies();
        server.directory.ended(power_is_lost, &mut self.random);
        server.directory.wounds.forgets |= lies && self.mutant != Some(Mutant::FlushesNothing);
        (server.running, server.doom) = (None, None);
    }

    /// The process ends in the middle of what its disk does, and is started again.
    pub(super) fn crash(&mut self, id: ServerId, power_is_lost: bool, pause: u64) {
        self.finish_in_part(id);
        let server = self.group.get_mut(&id).expect("it is one of the group");
        if server.running.is_none() {
            return;
        }
        self.tell(|| format!("server {id} ends{}", if power_is_lost { ", without power" } else { "" }));
        self.end_process(id, power_is_lost);
        for peer in self.peers(id) {
            if self.random.chance(70) && self.is_reachable(id, peer) && !power_is_lost {
                self.give(peer, 300_000, Input::Closed(id));
                self.give(peer, 310_000, Input::Disconnected(id));
                self.give(peer, 400_000, Input::NobodyListens(id, Place::Elsewhere));
            }
        }
        self.later(pause, Happening::Start(id));
    }

    /// A crash may come in the middle of a write.
    fn finish_in_part(&mut self, id: ServerId) {
        let server = self.group.get_mut(&id).expect("it is one of the group");
        let Some(running) = &mut server.running else { return };
        let disk = server.directory.disk.clone();
        if disk.is_dead() || self.random.chance(50) {
            return;
        }
        disk.plan(disk.calls() + self.random.below(4), Fault::Crash);
        if let Some(records) = running.writing.take() {
            let _ = running.log.write(&records);
        }
        if let Some(body) = running.next_body() {
            body();
        }
    }

    /// The server stops for what its disk does, and is started again.
    pub(super) fn stop(&mut self, id: ServerId, why: &str) {
        self.figures.stops += 1;
        self.tell(|| format!("server {id} stops: {why}"));
        self.end_process(id, false);
        for peer in self.peers(id) {
            self.hang_up(peer, id, 1);
        }
        let pause = self.moment(RESTART_PAUSE);
        self.later(pause, Happening::Start(id));
    }

    /// Whether a crash that was planned for a call of the disk has come; then the process has ended.
    pub(super) fn has_used_disk(&mut self, id: ServerId) {
        let server = self.group.get_mut(&id).expect("it is one of the group");
        if !server.directory.disk.is_dead() {
            return;
        }
        let (power_is_lost, pause) = server.doom.take().unwrap_or((false, RESTART_PAUSE));
        if server.running.is_some() {
            return self.crash(id, power_is_lost, pause);
        }
        self.end_process(id, power_is_lost);
        self.later(pause, Happening::Start(id));
    }
}
