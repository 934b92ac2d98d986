//! The driver in the world: inputs go in, what comes out is done and judged.

use bytes::Bytes;
use rafttree_model::{Message, Position, Record, ServerId};

use super::faults::{MILLISECOND, T};
use super::mutant::Mutant;
use super::world::{Happening, World};
use crate::core::driver::{Action, Input};
use crate::machine::apply::Task;

/// About as long as a flush takes, if nothing is wrong with the disk.
const FLUSH: u64 = MILLISECOND / 4;

impl World<'_> {
    /// Lets the driver take an input, and does what it wants.
    pub(super) fn feed(&mut self, id: ServerId, input: Input) {
        let late = if self.chance(self.weather.late_timers) { self.moment(2 * MILLISECOND) } else { 0 };
        let server = self.group.get_mut(&id).expect("it is one of the group");
        server.late = server.late.max(self.now + late);
        let now = server.now(self.now);
        let Some(running) = &mut server.running else { return };
        let actions = running.driver.handle(input, now);
        running.lease = running.driver.lease(now);
        let before = std::mem::replace(&mut running.committed, running.driver.node().commit());
        let judgement = self.facts.commits(&running.driver, before);
        let node = running.driver.node();
        let words = [self.now, id.number().into(), node.term().number(), node.commit().number(), actions.len() as u64];
        words.into_iter().for_each(|word| self.digest.add(word));
        self.judge(judgement);
        actions.into_iter().for_each(|action| self.perform(id, action));
        self.judge_leases();
    }

    fn perform(&mut self, id: ServerId, action: Action) {
        match action {
            Action::Send(frame) => {
                let judgement = self.facts.sends(&frame);
                self.judge(judgement);
                if let Message::InstallSnapshot { last, .. } = frame.message {
                    self.send_snapshot(id, frame.to, last);
                }
                self.send(frame);
            }
            Action::Write(records) => self.write(id, records),
            Action::Leading(term) => {
                self.tell(|| format!("server {id} leads in term {term}"));
                let judgement = self.facts.begins(id, term);
                self.judge(judgement);
                self.judge_completeness(id);
            }
            Action::Yielded => self.tell(|| format!("server {id} leads no more")),
            Action::LetIn(peer) => self.keep_out(id, peer, false),
            Action::KeepOut(peer) => self.keep_out(id, peer, true),
            Action::Compacted(base) => self.add_task(id, Task::RemoveOlder(base)),
            Action::Stalled => self.stop(id, "its disk has stalled"),
            Action::Refuse(peer) => self.judge(Err(format!("server {id} refuses {peer}, which is as correct as all"))),
        }
    }

    fn judge_completeness(&mut self, id: ServerId) {
        let Some(running) = &self.group[&id].running else { return };
        let judgement = self.facts.completes(&running.driver);
        self.judge(judgement);
    }

    /// A leader has noticed that a peer's disk has forgotten something, or hears it again.
    fn keep_out(&mut self, id: ServerId, peer: ServerId, is_out: bool) {
        let Some(running) = self.group.get_mut(&id).and_then(|server| server.running.as_mut()) else { return };
        if !is_out {
            running.kept_out.remove(&peer);
            return self.call_each_other(id, peer, 1);
        }
        running.kept_out.insert(peer);
        self.figures.kept_out += 1;
        self.tell(|| format!("server {id} keeps {peer} out: it has forgotten what it had acknowledged"));
        if self.excuse.is_none() {
            self.judge(Err(format!("server {id} keeps {peer} out, whose disk has forgotten nothing")));
        }
        self.hang_up(id, peer, 1);
        self.hang_up(peer, id, 1);
    }

    /// The disk is given records. They are durable when it says so.
    fn write(&mut self, id: ServerId, mut records: Vec<Record<Bytes>>) {
        let delay = match (self.chance(1), self.chance(self.weather.slow_flushes)) {
            (true, true) => 15 * T,
            (_, true) => self.moment(2 * T),
            _ => FLUSH / 4 + self.moment(FLUSH),
        };
        self.forget_some(&mut records);
        let is_early = self.is_mutant(Mutant::SendsBeforeFlush);
        let server = self.group.get_mut(&id).expect("it is one of the group");
        let Some(running) = &mut server.running else { return };
        let waiting = running.writing.get_or_insert_default();
        let is_first = waiting.is_empty();
        waiting.extend(records);
        if !is_first && !is_early {
            return self.judge(Err(format!("server {id} writes before its last write has ended")));
        }
        server.directory.promise.begin(waiting);
        let life = server.life;
        self.later(delay, Happening::Flush { at: id, life });
        if is_early {
            self.give(id, 1, Input::Flushed);
        }
    }

    /// What mutants do not write.
    fn forget_some(&self, records: &mut Vec<Record<Bytes>>) {
        match self.mutant {
            Some(Mutant::ForgetsVotes) => records.retain(|record| !matches!(record, Record::Vote(_))),
            Some(Mutant::ForgetsTerms) => records.retain(|record| !matches!(record, Record::Term(_) | Record::Vote(_))),
            Some(Mutant::WritesAllButTheLast) => {
                records.pop_if(|record| matches!(record, Record::Append(_)));
            }
            Some(Mutant::ForgetsTruncation) => records.retain(|record| !matches!(record, Record::Truncate { .. })),
            _ => {}
        }
    }

    /// Sends the snapshot, unless it is on its way. Where the log begins elsewhere than a snapshot ends, the
    /// newest is sent the next time.
    fn send_snapshot(&mut self, from: ServerId, to: ServerId, last: Position) {
        let lives = (self.group[&from].life, self.group[&to].life);
        let Some(running) = self.group.get_mut(&from).and_then(|server| server.running.as_mut()) else { return };
        let held = running.snapshots.all();
        if held.iter().all(|snapshot| snapshot.last != last) {
            running.missing = held.first().map(|newest| newest.last);
        } else if self.travelling.insert((from, to)) {
            let delay = self.moment(if self.is_trouble { T } else { T / 20 });
            self.later(delay, Happening::Travel { from, to, lives, last });
        }
    }

    /// The state machine does this after what it was told before, by and by.
    pub(super) fn add_task(&mut self, id: ServerId, task: Task) {
        let hurries = self.is_mutant(Mutant::ReadsBeforeApplying) && matches!(task, Task::Read(_));
        let is_slow = self.chance(self.weather.slow_flushes);
        let delay = self.moment(if is_slow { T / 2 } else { MILLISECOND / 20 });
        let server = self.group.get_mut(&id).expect("it is one of the group");
        let Some(running) = &mut server.running else { return };
        if hurries {
            running.tasks.push_front(task)
        } else {
            running.tasks.push_back(task)
        }
        if !std::mem::replace(&mut running.is_applying, true) {
            let life = server.life;
            self.later(delay, Happening::Apply { at: id, life });
        }
    }

    fn judge_leases(&mut self) {
        let more = if self.is_mutant(Mutant::LeaseTooLong) { T / 2 } else { 0 };
        let mut holders = Vec::new();
        for (&id, server) in &self.group {
            let lease = server.running.as_ref().and_then(|running| running.lease);
            if lease.is_some_and(|lease| server.now(self.now).0 < lease.0 + more) {
                holders.push(id);
            }
        }
        if 1 < holders.len() {
            self.judge(Err(format!("servers {} and {} hold a lease at a time", holders[0], holders[1])));
        }
    }
}
