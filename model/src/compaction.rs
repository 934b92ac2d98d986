//! Log compaction: §7, and dissertation chapter 5.
//!
//! What a snapshot says is the service's. Here is what its place in the log means: the service tells
//! that it has made one durable, a leader has it sent where the log no longer goes back far enough,
//! and a follower steps once one has arrived whole and is durable there.

use crate::durable::Record;
use crate::effects::Output;
use crate::message::{Message, Range};
use crate::node::{Node, Role};
use crate::rules::{Paper, Rules};
use crate::step::Step;
use crate::types::{Index, Position, Round, ServerId};

impl Node {
    /// §7: whether a snapshot up to this entry would replace the log, or entries that cannot be read, so
    /// that its bytes have to be here first.
    pub fn needs_snapshot(&self, last: Position) -> bool {
        Paper::must_restore(self.log(), last) || Paper::must_take_over(self.faulty(), last.index)
    }

    /// §7: whether this server leads, and the member is being sent a snapshot: what it lacks was compacted.
    pub fn sends_snapshot_to(&self, member: ServerId) -> bool {
        self.progress(member).is_some_and(|progress| Paper::previous(self.log(), progress.next).is_none())
    }
}

impl<R: Rules, P> Step<'_, R, P> {
    /// §7: takes out of the log what a snapshot includes. An older snapshot than the log begins
    /// with changes nothing.
    pub(crate) fn on_snapshotted(&mut self, through: Index) {
        if self.node.log().base().index < through && R::may_compact(through, self.node.commit) {
            self.persist(Record::Compact { through });
        }
    }

    /// InstallSnapshot RPC, sender. With it goes a heartbeat, which every follower understands: until
    /// the snapshot has arrived, the answers to it are the word of both that they are there.
    pub(crate) fn send_snapshot(&mut self, follower: ServerId) {
        let Some(round) = self.node.round() else { return };
        let last = self.node.log().base();
        self.send(follower, Message::InstallSnapshot { last, round });
        self.send_entries(follower, Range { previous: last, last });
    }

    /// InstallSnapshot RPC, receiver.
    pub(crate) fn on_install_snapshot(&mut self, leader: ServerId, last: Position, round: Round) {
        if let Role::Leader { .. } = self.node.role {
            return; // A term has one leader (§5.2): only a broken rule leads here.
        }
        self.follow(leader);
        if R::must_restore(self.node.log(), last) {
            self.restore(last);
        } else if R::must_take_over(self.node.faulty(), last.index) {
            self.take_over(last);
        } else {
            // The log holds what the snapshot stands for, or a later snapshot does.
            self.commit_to(last.index);
        }
        self.acknowledge(leader, last.index, round);
    }

    /// FAST'18: the snapshot takes the place of entries that can no longer be read. What follows it in the
    /// log was acknowledged, and stays.
    fn take_over(&mut self, last: Position) {
        assert!(self.node.commit < last.index, "what cannot be read is not committed here");
        self.persist(Record::Compact { through: last.index });
        self.go_on_from(last);
    }

    /// §7: the state machine goes on from what the snapshot says.
    fn go_on_from(&mut self, last: Position) {
        self.node.commit = last.index;
        self.effects.outputs.push(Output::Restored(last));
    }

    /// §7: the snapshot takes the place of the whole log, which differs from the leader's.
    fn restore(&mut self, last: Position) {
        assert!(self.node.commit < last.index, "what is committed is never replaced by less");
        self.persist(Record::Restore { last });
        self.go_on_from(last);
    }
}
