//! What is measured, the same for every library.

use crate::Group;

/// The size of a command.
const COMMAND: [u8; 256] = [0x5a; 256];

/// Something that a group does again and again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Round {
    /// From the election timeout until nothing is left to say: with PreVote, unless the library
    /// is taken without it.
    Election,
    /// All campaign at once and everyone votes for itself; then the election timeout fires at one.
    ElectionAfterSplit,
    /// The leader has an entry that it could not send; a server without it is elected, and the
    /// entry is removed.
    ElectionUnequalLogs,
    /// The leader speaks, and is answered.
    Heartbeat,
    /// One command of 256 bytes, until the leader has applied it.
    Commit,
    /// The same, until everyone has applied it.
    CommitEverywhere,
    /// 64 commands that are proposed at once, until the leader has applied them.
    CommitBatch,
}

impl Round {
    /// All of them.
    pub const ALL: [Round; 7] = [
        Round::Election,
        Round::ElectionAfterSplit,
        Round::ElectionUnequalLogs,
        Round::Heartbeat,
        Round::Commit,
        Round::CommitEverywhere,
        Round::CommitBatch,
    ];

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Round::Election => "election",
            Round::ElectionAfterSplit => "election after split",
            Round::ElectionUnequalLogs => "election unequal logs",
            Round::Heartbeat => "heartbeat",
            Round::Commit => "commit",
            Round::CommitEverywhere => "commit everywhere",
            Round::CommitBatch => "commit 64",
        }
    }

    /// How many commands are proposed in the round.
    pub fn commands(self) -> u64 {
        match self {
            Round::Election | Round::ElectionAfterSplit | Round::ElectionUnequalLogs | Round::Heartbeat => 0,
            Round::Commit | Round::CommitEverywhere => 1,
            Round::CommitBatch => 64,
        }
    }

    /// Plays the round once. `leader` leads; after an election it is the next server.
    pub fn play(self, group: &mut dyn Group, leader: &mut usize) {
        match self {
            Round::Election => start_election(group, leader),
            Round::ElectionAfterSplit => {
                split_votes(group);
                start_election(group, leader);
            }
            Round::ElectionUnequalLogs => {
                group.propose(*leader, &COMMAND);
                group.lose();
                start_election(group, leader);
            }
            Round::Heartbeat => group.heartbeat(*leader),
            Round::Commit | Round::CommitEverywhere | Round::CommitBatch => {}
        }
        for _ in 0..self.commands() {
            group.propose(*leader, &COMMAND);
        }
        settle(group);
        if let Round::CommitEverywhere = self {
            group.announce_commit(*leader);
            settle(group);
        }
    }

    /// A group with a leader, ready for any round.
    pub fn prepare(group: &mut dyn Group) -> usize {
        let mut leader = 0;
        for _ in 0..=group.servers() {
            Round::Election.play(group, &mut leader);
        }
        assert!(group.is_known_to_all(leader), "every election has a winner here");
        leader
    }

    /// The part of an election that ends when everyone knows the leader. What is left to say is
    /// not said yet: [`settle`] does that.
    pub fn elect(group: &mut dyn Group, leader: &mut usize) {
        start_election(group, leader);
        while !group.is_known_to_all(*leader) {
            assert!(group.deliver(), "every election has a winner here");
        }
    }
}

/// The election timeout fires at the next server.
fn start_election(group: &mut dyn Group, leader: &mut usize) {
    *leader = (*leader + 1) % group.servers();
    group.give_up();
    group.time_out(*leader);
}

/// An election that nobody wins.
pub fn split_votes(group: &mut dyn Group) {
    group.give_up();
    (0..group.servers()).for_each(|server| group.time_out(server));
    settle(group);
}

/// Delivers messages until none is left.
pub fn settle(group: &mut dyn Group) {
    while group.deliver() {}
}
