//! Log replication: §5.3, and the commit rule of §5.4.2.

use crate::durable::Record;
use crate::effects::{Output, Timers};
use crate::message::{Envelope, Message, Range, Slice};
use crate::node::{Node, Role};
use crate::rules::{Paper, Rules};
use crate::step::Step;
use crate::types::{Entry, Index, Payload, Position, Round, ServerId};

impl Node {
    /// §5.3: whether a follower refuses what it has acknowledged to this leader in this term. What
    /// was acknowledged is durable there, and only the leader of a later term removes it. So either
    /// the follower said this before it acknowledged, and it arrives late, or its disk has lost what
    /// it held.
    pub fn contradicts_acknowledgement<E>(&self, envelope: &Envelope<E>) -> bool {
        let Role::Leader { progress, .. } = &self.role else { return false };
        let Message::AppendRefusal { missing, .. } = envelope.message else { return false };
        let matched = progress.get(envelope.from).map_or(Index::ZERO, |follower| follower.matched);
        envelope.term == self.term() && missing <= matched
    }

    /// Dissertation 3.10: whether this server leads, and could transfer leadership to this one at once.
    pub fn may_transfer_to(&self, target: ServerId) -> bool {
        let Role::Leader { progress, .. } = &self.role else { return false };
        let last = self.log().last().index;
        progress.get(target).is_some_and(|target| Paper::may_transfer(target.matched, last))
    }
}

impl<R: Rules, P> Step<'_, R, P> {
    /// A client's command: a leader that is not transferring its leadership takes it.
    pub(crate) fn on_propose(&mut self, payload: P) {
        let Role::Leader { transfer: None, .. } = self.node.role else {
            return self.effects.outputs.push(Output::Refused);
        };
        let position = self.append_and_replicate(Payload::Command(payload));
        self.effects.outputs.push(Output::Accepted(position));
    }

    /// Appends an entry to the leader's log and sends it to everyone. The leader's own copy
    /// counts when its own acknowledgement arrives, which waits for the flush as any other does.
    pub(crate) fn append_and_replicate(&mut self, payload: Payload<P>) -> Position {
        let previous = self.node.log().last();
        let last = self.append(payload);
        let round = self.node.round().unwrap_or_default();
        for peer in self.node.peers() {
            self.replicate_new(peer, Range { previous, last });
        }
        self.send(self.node.id, Message::AppendReply { matched: last.index, round });
        last
    }

    /// Tells the followers that this server leads (§5.2), or asks again for votes that did not
    /// arrive (§5.5).
    pub(crate) fn on_heartbeat_timeout(&mut self) {
        let Role::Leader { .. } = self.node.role else { return self.ask_for_votes() };
        self.begin_round();
        for peer in self.node.peers() {
            self.replicate(peer);
        }
    }

    /// Sends an entry that was just appended, unless earlier ones are being sent again: the answer
    /// to those brings this one.
    fn replicate_new(&mut self, follower: ServerId, entry: Range) {
        let Role::Leader { progress, .. } = &mut self.node.role else { return };
        if let Some(progress) = progress.get_mut(follower)
            && progress.next == entry.last.index
        {
            progress.next = entry.last.index.next();
            self.send_entries(follower, entry);
        }
    }

    /// §5.3: sends what the follower is not known to hold; nothing new makes a heartbeat. What was
    /// compacted goes as a snapshot (§7).
    pub(crate) fn replicate(&mut self, follower: ServerId) {
        let Role::Leader { progress, .. } = &mut self.node.role else { return };
        let progress = progress.get_mut(follower).expect("a leader keeps the progress of every member");
        let log = self.node.durable.log();
        let Some(previous) = R::previous(log, progress.next) else { return self.send_snapshot(follower) };
        let last = log.last();
        progress.next = last.index.next();
        self.send_entries(follower, Range { previous, last });
    }

    /// AppendEntries RPC, sender.
    pub(crate) fn send_entries(&mut self, follower: ServerId, entries: Range) {
        let Some(round) = self.node.round() else { return };
        let commit = self.node.commit;
        self.send(follower, Message::AppendRequest { entries, commit, round });
    }

    /// AppendEntries RPC, receiver.
    pub(crate) fn on_append_request(&mut self, leader: ServerId, slice: Slice<P>, leader_commit: Index, round: Round) {
        if let Role::Leader { .. } = self.node.role {
            return; // A term has one leader (§5.2): only a broken rule leads here.
        }
        self.follow(leader);
        let (previous, verified) = (slice.previous(), slice.last().index);
        let log = self.node.log();
        if !R::matches(log, previous) {
            let hint = log.last_within(previous).unwrap_or(log.base());
            return self.send(leader, Message::AppendRefusal { missing: previous.index, hint, round });
        }
        self.store(slice);
        self.commit_to(R::applicable(self.node.faulty(), R::follower_commit(leader_commit, verified)));
        self.acknowledge(leader, verified, round);
    }

    /// §5.3: tells the leader how far the logs agree; and that what follows cannot be read, if it is so.
    pub(crate) fn acknowledge(&mut self, leader: ServerId, verified: Index, round: Round) {
        let agreed = R::acknowledged(verified, self.node.log().last().index);
        let matched = R::promised(self.node.faulty(), agreed);
        let is_legible = matched == agreed;
        let message = if is_legible {
            Message::AppendReply { matched, round }
        } else {
            Message::RepairRequest { matched, round }
        };
        self.send(leader, message);
    }

    /// The leader of this term was heard.
    pub(crate) fn follow(&mut self, leader: ServerId) {
        self.node.role = Role::Follower { leader: Some(leader), sticky: true };
        self.restart(Timers::Follower);
    }

    /// §5.3: removes what conflicts, appends what is missing, and leaves the rest alone: a delayed
    /// request may hold entries that this log has already, and be followed by later ones.
    fn store(&mut self, slice: Slice<P>) {
        let (log, faulty) = (self.node.log(), self.node.faulty());
        let held = slice.entries().iter().take_while(|entry| R::is_held(log, faulty, entry.position)).count();
        let agreed = slice.previous().index.after(held);
        let new = slice.entries().get(held).map(|entry| entry.position);
        if R::must_truncate(log, agreed, new) {
            assert!(self.node.commit <= agreed, "a committed entry is never removed");
            self.persist(Record::Truncate { keep: agreed });
        }
        let mut entries = slice.into_entries();
        entries.drain(held..).for_each(|entry| self.persist(Record::Append(entry)));
        if !faulty.is_none() {
            entries.into_iter().for_each(|entry| self.repair(entry));
        }
    }

    /// FAST'18: puts back what the disk has lost of this entry, which the log holds, if it is the first
    /// that cannot be read.
    fn repair(&mut self, entry: Entry<P>) {
        if self.node.faulty().first() == Some(entry.position.index) {
            self.persist(Record::Repair(entry));
        }
    }

    /// §5.3: the follower's log agrees with ours up to `matched`.
    pub(crate) fn on_append_reply(&mut self, follower: ServerId, matched: Index, round: Round) {
        let Some(behind) = self.count_copies(follower, matched, round) else { return };
        if behind && follower != self.node.id {
            self.replicate(follower);
        }
        self.transfer_if_ready();
    }

    /// §5.3: counts what a follower acknowledges. Whether there is more to send; `None` if it is not
    /// heard.
    #[inline(always)]
    fn count_copies(&mut self, follower: ServerId, matched: Index, round: Round) -> Option<bool> {
        let (last, commit) = (self.node.log().last().index, self.node.commit);
        // A follower of this term holds nothing that its leader lacks: who claims more is wrong.
        if last < matched || !self.take_answer(follower, round) {
            return None;
        }
        let progress = self.node.progress_mut(follower)?;
        // Who holds what is committed already adds nothing to any majority that is needed.
        let is_news = progress.matched.max(commit) < matched;
        progress.matched = progress.matched.max(matched);
        progress.next = progress.next.max(matched.next());
        let behind = progress.next <= last;
        if is_news {
            self.advance_commit();
        }
        Some(behind)
    }

    /// FAST'18: the follower has lost what follows `matched`, whatever it acknowledged before. Everything
    /// that is under way to it may be answered with this, so it is sent again once a round.
    pub(crate) fn on_repair_request(&mut self, follower: ServerId, matched: Index, round: Round) {
        let answered = self.node.progress_mut(follower).map(|progress| progress.answered);
        let Some(behind) = self.count_copies(follower, matched, round) else { return };
        if answered < Some(round) {
            self.send_again(follower, matched.next());
        } else if behind {
            self.replicate(follower);
        }
    }

    /// Sends the log from here on, though it was sent before; or a snapshot, if that was compacted (§7).
    fn send_again(&mut self, follower: ServerId, first: Index) {
        let log = self.node.log();
        let (Some(previous), last) = (R::previous(log, first), log.last()) else { return self.send_snapshot(follower) };
        if let Some(progress) = self.node.progress_mut(follower) {
            progress.next = last.index.next();
        }
        self.send_entries(follower, Range { previous, last });
    }

    /// §5.3, §5.4.2: commits what a majority holds, if it is of the current term.
    fn advance_commit(&mut self) {
        let Role::Leader { progress, transfer, .. } = &self.node.role else { return };
        let matched = |id| progress.get(id).map_or(Index::ZERO, |progress| progress.matched);
        let replicated = R::replicated(&self.node.members, matched);
        let stays = transfer.is_none();
        if self.node.commit < replicated && R::may_commit(self.node.log(), replicated, self.node.term()) {
            let starts = stays && !self.has_committed_in_term();
            self.commit_to(replicated);
            if starts {
                self.effects.early.push(Output::Leading(self.node.term()));
            }
        }
    }

    /// §5.3: the follower's log lacks `missing`. The next attempt starts where the logs may agree,
    /// which takes at most one round for each term that they differ in. Where that was compacted, a
    /// snapshot makes them agree (§7).
    pub(crate) fn on_append_refusal(&mut self, follower: ServerId, missing: Index, hint: Position, round: Round) {
        if !self.take_answer(follower, round) {
            return;
        }
        let (log, base) = (self.node.log(), self.node.log().base().index);
        let retry = log.last_within(hint).map(|position| position.index);
        let Some(progress) = self.node.progress_mut(follower) else { return };
        // A late refusal of what was stored since, or of what is being sent again already.
        if missing <= progress.matched || progress.next <= missing {
            return;
        }
        // Until this is answered, whatever else is on its way will be refused as well: so `next` does
        // not move on with what is sent.
        let known = progress.matched.next();
        let next = retry.map_or(known.max(base), |agreed| agreed.next().max(known));
        progress.next = next;
        match R::previous(self.node.log(), next) {
            Some(previous) => self.send_entries(follower, Range { previous, last: self.node.log().last() }),
            None => self.send_snapshot(follower),
        }
    }
}
