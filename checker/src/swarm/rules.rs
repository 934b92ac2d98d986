//! What the rules of the paper answer, counted: each asks [`Paper`] and hands its answer on.
//!
//! Nothing of a run depends on it: each event is put to a copy of the server as well, before the step.

use std::cell::RefCell;

use rafttree_model::{
    Effects, Envelope, Event, Faulty, Index, Log, Members, Message, Node, Paper, Position, Range, Rules, ServerId,
    ServerSet, Slice, Term, step_by,
};

use crate::world::Tag;

/// A rule, and what it may answer.
pub(super) struct Asked {
    pub(super) rule: &'static str,
    pub(super) answers: &'static [&'static str],
}

/// How often each rule gave each of its answers.
pub(super) type Answers = [[u64; 2]; RULES.len()];

/// How often messages of each kind arrived.
pub(super) type Arrivals = [u64; MESSAGES.len()];

thread_local! {
    /// What this thread has counted since it was last taken.
    static COUNTS: RefCell<(Answers, Arrivals)> = const { RefCell::new(([[0; 2]; RULES.len()], [0; MESSAGES.len()])) };
}

/// Takes what was counted.
pub(super) fn taken() -> (Answers, Arrivals) {
    COUNTS.replace(([[0; 2]; RULES.len()], [0; MESSAGES.len()]))
}

/// Counts what happens to a server, and what the rules of the paper answer then.
pub(super) fn count_rules(node: &Node, event: &Event<Tag>) {
    count_arrival(node, event);
    step_by::<Counted, Tag>(&mut node.clone(), event.clone(), &mut Effects::new());
}

/// Counts what happens to a server whose rules are others.
pub(super) fn count_arrival(_: &Node, event: &Event<Tag>) {
    if let Event::Receive(letter) = event {
        COUNTS.with_borrow_mut(|(_, arrivals)| arrivals[kind(&letter.message)] += 1);
    }
}

/// Kinds of message.
pub(super) const MESSAGES: [&str; 15] = [
    "pre-vote request",
    "pre-vote granted",
    "pre-vote refused",
    "vote request",
    "vote request of a transfer",
    "vote granted",
    "vote refused",
    "heartbeat",
    "entries",
    "acknowledgement",
    "refusal of entries",
    "request to repair",
    "snapshot",
    "request to take over",
    "word of a newer term",
];

/// The place of a message's kind among all.
pub(super) fn kind(message: &Message<Slice<Tag>>) -> usize {
    match message {
        Message::PreVoteRequest { .. } => 0,
        Message::PreVoteReply { granted: true } => 1,
        Message::PreVoteReply { granted: false } => 2,
        Message::VoteRequest { transfer: false, .. } => 3,
        Message::VoteRequest { transfer: true, .. } => 4,
        Message::VoteReply { granted: true } => 5,
        Message::VoteReply { granted: false } => 6,
        Message::AppendRequest { entries, .. } if entries.entries().is_empty() => 7,
        Message::AppendRequest { .. } => 8,
        Message::AppendReply { .. } => 9,
        Message::AppendRefusal { .. } => 10,
        Message::RepairRequest { .. } => 11,
        Message::InstallSnapshot { .. } => 12,
        Message::TimeoutNow => 13,
        Message::Stale => 14,
    }
}

/// The rules of the paper, whose answers are counted.
struct Counted;

/// Defines them with their table. Of two answers the second is the one for which the condition holds.
macro_rules! counted {
    ($($rule:ident($($name:ident: $type:ty),*) -> $result:ty, [$($words:literal),+], $answer:ident => $is_second:expr;)*) => {
        /// In the order in which the rules are stated.
        pub(super) const RULES: [Asked; [$(stringify!($rule)),*].len()] =
            [$(Asked { rule: stringify!($rule), answers: &[$($words),+] }),*];

        impl Rules for Counted {
            $(fn $rule($($name: $type),*) -> $result {
                let $answer = Paper::$rule($($name),*);
                count(stringify!($rule), $is_second);
                $answer
            })*
        }
    };
}

counted! {
    is_newer(theirs: Term, ours: Term) -> bool, ["no", "yes"], answer => answer;
    is_stale(theirs: Term, ours: Term) -> bool, ["no", "yes"], answer => answer;
    must_yield_to_newer_term() -> bool, ["yes"], answer => !answer;
    must_ask_first() -> bool, ["yes"], answer => !answer;
    is_disturbance(sticky: bool, leader: Option<ServerId>, candidate: ServerId, transfer: bool) -> bool,
        ["no", "yes"], answer => answer;
    may_vote(vote: Option<ServerId>, candidate: ServerId) -> bool, ["no", "yes"], answer => answer;
    is_up_to_date(candidate: Position, ours: Position) -> bool, ["no", "yes"], answer => answer;
    last_for_votes(log: &Log, faulty: Faulty) -> Position,
        ["of a log that can be read", "of a log with faulty entries"], answer => !faulty.is_none();
    may_campaign(faulty: Faulty) -> bool, ["no", "yes"], answer => answer;
    is_majority(members: &Members, supporters: &ServerSet) -> bool, ["no", "yes"], answer => answer;
    has_own_vote(votes: &ServerSet, candidate: ServerId) -> bool, ["no", "yes"], answer => answer;
    must_step_down(members: &Members, heard: &ServerSet) -> bool, ["no", "yes"], answer => answer;
    matches(log: &Log, previous: Position) -> bool, ["no", "yes"], answer => answer;
    previous(log: &Log, next: Index) -> Option<Position>, ["none: compacted", "an entry"], answer => answer.is_some();
    may_compact(through: Index, commit: Index) -> bool, ["no", "yes"], answer => answer;
    must_restore(log: &Log, last: Position) -> bool, ["no", "yes"], answer => answer;
    is_held(log: &Log, faulty: Faulty, entry: Position) -> bool, ["no", "yes"], answer => answer;
    must_take_over(faulty: Faulty, last: Index) -> bool, ["no", "yes"], answer => answer;
    must_truncate(log: &Log, agreed: Index, new: Option<Position>) -> bool, ["no", "yes"], answer => answer;
    acknowledged(verified: Index, last: Index) -> Index, ["the whole log", "a part"], answer => answer < last;
    promised(faulty: Faulty, acknowledged: Index) -> Index, ["all of it", "a part"], answer => answer < acknowledged;
    applicable(faulty: Faulty, commit: Index) -> Index, ["all of it", "a part"], answer => answer < commit;
    follower_commit(leader_commit: Index, verified: Index) -> Index,
        ["what the leader has", "a part"], answer => answer < leader_commit;
    matched_at_start(last: Position) -> Index, ["nothing"], answer => Index::ZERO < answer;
    replicated(members: &Members, matched: impl Fn(ServerId) -> Index) -> Index,
        ["nothing", "an entry"], answer => Index::ZERO < answer;
    may_commit(log: &Log, index: Index, current: Term) -> bool, ["no", "yes"], answer => answer;
    read_index(commit: Index, has_committed_in_term: bool) -> Option<Index>,
        ["none yet", "an index"], answer => answer.is_some();
    is_confirmed(members: &Members, answered: usize) -> bool, ["no", "yes"], answer => answer;
    may_leave_early(envelope: &Envelope<Range>, is_behind: bool) -> bool, ["no", "yes"], answer => answer;
    may_transfer(matched: Index, last: Index) -> bool, ["no", "yes"], answer => answer;
}

fn count(rule: &str, is_second: bool) {
    let at = RULES.iter().position(|asked| asked.rule == rule).expect("each counts as what it is called");
    COUNTS.with_borrow_mut(|(answers, _)| answers[at][usize::from(is_second)] += 1);
}
