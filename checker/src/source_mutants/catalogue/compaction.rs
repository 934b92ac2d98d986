//! Mutants of `compaction`: what is compacted, when snapshots are sent, and what they replace.

use crate::source_mutants::catalogue::mutant::Mutant;

const fn mutant(name: &'static str, about: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    Mutant::new("compaction.rs", name, about, find, replace)
}

const MAY_COMPACT: &str = "self.node.log().base().index < through && R::may_compact(through, self.node.commit)";
const COMPACTS: &str = "self.persist(Record::Compact { through });";
const INSTALL: &str = "self.send(follower, Message::InstallSnapshot { last, round });";
const HEARTBEAT: &str = "self.send_entries(follower, Range { previous: last, last });";
const LEADS_ALREADY: &str = "if let Role::Leader { .. } = self.node.role { \
    return; // A term has one leader (§5.2): only a broken rule leads here. \
    }";
const FOLLOWS: &str = "self.follow(leader);";
const TAKES: &str = "if R::must_restore(self.node.log(), last) { self.restore(last); } \
    else if R::must_take_over(self.node.faulty(), last.index) { self.take_over(last); } else { \
    // The log holds what the snapshot stands for, or a later snapshot does. \
    self.commit_to(last.index); }";
const HELD: &str = "self.commit_to(last.index);";
const TAKES_OVER: &str = "self.persist(Record::Compact { through: last.index });";
const ANSWER: &str = "self.acknowledge(leader, last.index, round);";
const RESTORES: &str = "self.persist(Record::Restore { last });";
const COMMITS: &str = "self.node.commit = last.index;";
const TELLS: &str = "self.effects.outputs.push(Output::Restored(last));";

#[rustfmt::skip]
pub(super) const MUTANTS: &[Mutant] = &[
    mutant(
        "compacted_logs_are_compacted_again",
        "an older snapshot is heeded",
        MAY_COMPACT,
        "R::may_compact(through, self.node.commit)",
    ),
    mutant(
        "logs_are_never_compacted",
        "whatever is in a snapshot",
        MAY_COMPACT,
        "{ let _ = through; false }",
    ),
    mutant(
        "the_last_committed_entry_is_not_compacted",
        "one entry is kept",
        MAY_COMPACT,
        "self.node.log().base().index < through && through < self.node.commit",
    ),
    mutant(
        "one_entry_too_few_is_compacted",
        "the last entry of the snapshot is kept",
        COMPACTS,
        "self.persist(Record::Compact { through: through.previous() });",
    ),
    mutant(
        "all_that_is_committed_is_compacted",
        "whatever the snapshot includes",
        COMPACTS,
        "{ let _ = through; self.persist(Record::Compact { through: self.node.commit }); }",
    ),
    mutant(
        "compacting_is_told_as_restoring",
        "a server that makes a snapshot takes it over as well",
        COMPACTS,
        "self.persist(Record::Compact { through }); self.effects.outputs.push(Output::Restored(self.node.log().base()));",
    ),
    mutant(
        "snapshots_are_said_to_end_with_the_log",
        "what is sent is named wrongly",
        INSTALL,
        "{ let _ = last; self.send(follower, Message::InstallSnapshot { last: self.node.log().last(), round }); }",
    ),
    mutant(
        "snapshots_are_not_sent",
        "only the heartbeat is",
        INSTALL,
        "{ let _ = round; }",
    ),
    mutant(
        "snapshots_are_sent_twice",
        "each leaves twice",
        INSTALL,
        "self.send(follower, Message::InstallSnapshot { last, round }); self.send(follower, Message::InstallSnapshot { last, round });",
    ),
    mutant(
        "no_heartbeats_below_the_base",
        "a follower hears nothing until the snapshot has arrived",
        HEARTBEAT,
        "{ let _ = last; }",
    ),
    mutant(
        "all_entries_go_with_the_snapshot",
        "behind what the follower lacks",
        HEARTBEAT,
        "self.send_entries(follower, Range { previous: last, last: self.node.log().last() });",
    ),
    mutant(
        "leaders_install_snapshots",
        "of their own term",
        LEADS_ALREADY,
        "{}",
    ),
    mutant(
        "snapshots_are_no_word_of_the_leader",
        "who installs one hears nobody",
        FOLLOWS,
        "{}",
    ),
    mutant(
        "every_snapshot_is_restored",
        "whatever the log holds",
        TAKES,
        "{ self.restore(last); }",
    ),
    mutant(
        "no_snapshot_is_restored",
        "whatever the log holds",
        TAKES,
        "{ self.commit_to(last.index); }",
    ),
    mutant(
        "a_held_snapshot_commits_nothing",
        "only one that is restored does",
        HELD,
        "{}",
    ),
    mutant(
        "a_held_snapshot_commits_the_whole_log",
        "as if that were in it",
        HELD,
        "self.commit_to(self.node.log().last().index);",
    ),
    mutant(
        "snapshots_are_not_acknowledged",
        "the leader sends them for ever",
        ANSWER,
        "{ let _ = (leader, round, last); }",
    ),
    mutant(
        "snapshots_are_acknowledged_one_too_far",
        "as if the next entry were there",
        ANSWER,
        "self.send(leader, Message::AppendReply { matched: last.index.next(), round });",
    ),
    mutant(
        "snapshots_are_acknowledged_as_nothing",
        "the leader sends them for ever",
        ANSWER,
        "{ let _ = last; self.send(leader, Message::AppendReply { matched: Index::ZERO, round }); }",
    ),
    mutant(
        "snapshots_are_acknowledged_in_no_round",
        "the leader does not know when",
        ANSWER,
        "{ let _ = round; self.send(leader, Message::AppendReply { matched: last.index, round: Round::ZERO }); }",
    ),
    mutant(
        "what_is_restored_is_not_written",
        "the log in memory and on the disk differ from the snapshot",
        RESTORES,
        "{}",
    ),
    mutant(
        "what_is_restored_is_compacted",
        "as if the log held it",
        RESTORES,
        "self.persist(Record::Compact { through: last.index });",
    ),
    mutant(
        "what_is_restored_is_not_committed",
        "the commit index stays before the log",
        COMMITS,
        "{}",
    ),
    mutant(
        "the_entry_before_is_committed",
        "by a snapshot that is restored",
        COMMITS,
        "self.node.commit = last.index.previous();",
    ),
    mutant(
        "restoring_is_not_told",
        "the state machine misses what the log does not hold",
        TELLS,
        "{}",
    ),
    mutant(
        "restoring_is_told_at_once",
        "before it is on the disk",
        TELLS,
        "self.effects.early.push(Output::Restored(last));",
    ),
    mutant(
        "restoring_is_told_as_a_commitment",
        "the state machine is to apply what the log does not hold",
        TELLS,
        "self.effects.outputs.push(Output::Committed(last.index));",
    ),
    mutant(
        "what_cannot_be_read_is_restored",
        "with all that follows it, and was acknowledged",
        TAKES_OVER,
        "self.persist(Record::Restore { last });",
    ),
    mutant(
        "what_cannot_be_read_stays",
        "though a snapshot includes it",
        TAKES_OVER,
        "{}",
    ),
];
