//! What must hold between a server before a step and the same server after it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{Effects, Entry, Envelope, Event, Message, Range, Record, Role, RoleName};
use rustc_hash::FxHashMap;

use crate::checks::seen::{Seen, is_as_new};
use crate::checks::state::broken_on_disk;
use crate::checks::{batching, faulty, memory, obligations, replies, rounds, snapshots, stray};
use crate::properties::{Property, PropertySet};
use crate::search::fingerprint;
use crate::world::{Ground, Letter, Ready, Server, StepBy, Stepped, Tag};

/// A server takes a step, and that is judged. If a snapshot arrives, it was made of these entries.
pub(crate) fn judged_step(
    server: &mut Server,
    ground: Ground,
    event: &Event<Tag>,
    snapshot: &[Entry<Tag>],
) -> (Stepped, PropertySet) {
    let (mut new, mut stepped) = server.step(ground, event, snapshot);
    let mut broken = PropertySet::default();
    broken.insert_unless(!stepped.panicked && !stepped.is_miscounted, Property::Totality);
    if !stepped.panicked {
        broken.extend(broken_by_event(ground.step_by, server, event, &new, &stepped));
        if !ground.keeps_rounds {
            stepped.forget_rounds(&mut new, server);
        }
        *server = new;
    }
    (stepped, broken)
}

/// What waited longest becomes durable, and that is judged.
pub(crate) fn judged_flush(server: &mut Server, ground: Ground) -> (Ready, PropertySet) {
    let old = server.disk.durable.clone();
    let ready = server.flush(ground);
    (ready, broken_on_disk(&old, &server.disk.durable))
}

/// A server crashes in some way, and what it then finds is judged.
pub(crate) fn judged_crash(server: &mut Server, crash: impl FnOnce(&mut Server)) -> PropertySet {
    let old = server.disk.durable.clone();
    crash(server);
    broken_on_disk(&old, &server.disk.durable).and(memory::broken_memory(server))
}

/// The properties that this step of one server broke.
pub(crate) fn broken_by_event(
    step_by: StepBy,
    old: &Server,
    event: &Event<Tag>,
    new: &Server,
    stepped: &Stepped,
) -> PropertySet {
    let step = Seen { old, event, new, stepped };
    let mut broken = broken_between(event, old, new);
    broken.extend(memory::broken_memory(new));
    broken.insert_unless(memory::is_elected_by_votes(&step), Property::OwnVotes);
    broken.insert_unless(memory::asks_first(&step), Property::AskFirst);
    broken.insert_unless(memory::leads_on_by_majority(&step), Property::QuorumHeard);
    broken.insert_unless(memory::helps_nobody_else(&step), Property::Stickiness);
    broken.insert_unless(obligations::transfer_is_sent(&step), Property::TransferSent);
    if let Event::Receive(letter) = event {
        broken.insert_unless(is_idempotent(step_by, letter, new), Property::Totality);
        broken.insert_unless(disturbs_nobody(letter, old, new), Property::NonDisruption);
        broken.insert_unless(is_vote_deserved(letter, &step), Property::ElectionRestriction);
        let asks = matches!(letter.message, Message::PreVoteRequest { .. }) && letter.term == old.node.term();
        broken.insert_unless(!asks || old.node == new.node, Property::PreVoteBindsNobody);
    }
    broken.insert_unless(replies::is_answered(&step) && replies::is_stored(&step), Property::Answered);
    broken.insert_unless(
        obligations::asks_whom_it_must(&step) && obligations::sends_on_from_there(&step),
        Property::Asked,
    );
    broken.insert_unless(obligations::counts_at_once(&step), Property::CountedAtOnce);
    broken.insert_unless(obligations::timers_are_of_its_role(&step), Property::TimersOfRole);
    broken.insert_unless(obligations::clients_are_told(&step), Property::ClientsTold);
    broken.insert_unless(obligations::all_is_in_time(&step), Property::InTime);
    broken.insert_unless(rounds::rounds_are_counted(&step), Property::RoundsCounted);
    broken.extend(snapshots::broken_by_step(&step));
    broken.extend(faulty::broken_by_step(&step));
    broken
}

/// The properties that a server breaks, wherever a step has led it, when it is tried further.
/// Each is tried once by a thread: many states share a server.
pub(crate) fn broken_when_tried(step_by: StepBy, server: &Server) -> PropertySet {
    let key = (step_by as usize, fingerprint(server, 0));
    if let Some(broken) = TRIED.with_borrow(|tried| tried.get(&key).copied()) {
        return broken;
    }
    let mut broken = stray::broken_by_noise(step_by, server);
    broken.insert_unless(batching::asks_the_same_at_once(step_by, server), Property::GatheredSame);
    TRIED.with_borrow_mut(|tried| {
        if tried.len() == MAX_TRIED {
            tried.clear();
        }
        tried.insert(key, broken);
    });
    broken
}

/// Servers that a thread remembers to have tried.
const MAX_TRIED: usize = 1 << 20;

thread_local! {
    /// By step and fingerprint, what they broke.
    static TRIED: RefCell<FxHashMap<(usize, u128), PropertySet>> = RefCell::default();
}

/// A vote for oneself needs no comparison.
fn is_vote_deserved(request: &Letter, step: &Seen) -> bool {
    let Message::VoteRequest { last: theirs, .. } = request.message else { return true };
    let grants = |reply: &Envelope<Range>| reply.message == Message::VoteReply { granted: true };
    is_as_new(theirs, step.old.last()) || !step.sent().any(grants)
}

fn broken_between(event: &Event<Tag>, old: &Server, new: &Server) -> PropertySet {
    let mut broken = PropertySet::default();
    let (was, is) = (&old.node, &new.node);
    broken.insert_unless(was.term() <= is.term(), Property::TermMonotonic);
    broken.insert_unless(was.commit() <= is.commit(), Property::CommitImmutable);
    broken.insert_unless(follows_figure_4(event, old, new), Property::RoleTransitions);
    if let (Role::Leader { progress: then, .. }, Role::Leader { progress: now, .. }) = (was.role(), is.role())
        && was.term() == is.term()
    {
        broken.insert_unless(new.entries.starts_with(&old.entries), Property::LeaderAppendOnly);
        let kept = then.iter().all(|(id, old)| now.get(id).is_some_and(|new| old.matched <= new.matched));
        broken.insert_unless(kept, Property::MatchSafety);
    }
    if let Role::Leader { .. } = is.role()
        && was.commit() < is.commit()
    {
        let own =
            new.entries.get(is.commit().number() as usize - 1).is_some_and(|entry| entry.position.term == is.term());
        broken.insert_unless(own, Property::CommitOnlyOwnTerm);
    }
    broken
}

/// Figure 4, with the pre-candidate: which changes of role there are, and what for.
fn follows_figure_4(event: &Event<Tag>, old: &Server, new: &Server) -> bool {
    use RoleName::{Candidate, Follower, Leader, PreCandidate};
    let same_term = old.node.term() == new.node.term();
    match (old.node.role().name(), new.node.role().name()) {
        (Follower | PreCandidate, Leader) => false,
        (PreCandidate | Candidate | Leader, Candidate) => !same_term || old.node.role().name() == Candidate,
        (Leader, PreCandidate) => false,
        (Follower, Candidate) => !same_term,
        (Candidate, Leader) => same_term,
        (Leader, Leader) => same_term,
        (Candidate | PreCandidate, Follower) if same_term => gives_way(event, old),
        (Leader, Follower) if same_term => matches!(event, Event::MinimumTimeout | Event::StepDown),
        (Follower | Candidate, PreCandidate) => *event == Event::ElectionTimeout,
        (PreCandidate, PreCandidate) | (_, Follower) => true,
    }
}

/// A campaign ends for a leader of its term, one that is not in earnest yet for another's as well.
fn gives_way(event: &Event<Tag>, old: &Server) -> bool {
    let Event::Receive(letter) = event else { return false };
    match letter.message {
        Message::AppendRequest { .. } | Message::InstallSnapshot { .. } => true,
        Message::VoteRequest { .. } => matches!(old.node.role(), Role::PreCandidate { .. }),
        _ => false,
    }
}

/// Who hears a leader is not moved by another server's campaign.
fn disturbs_nobody(letter: &Letter, old: &Server, new: &Server) -> bool {
    let leader = memory::leader(old);
    let hears_another = leader.is_some() && leader != Some(letter.from);
    let unmoved = old.node.durable() == new.node.durable() && old.node.role() == new.node.role();
    !memory::campaigns(letter) || !hears_another || unmoved
}

/// §5.5: a message that arrives twice in a row does no more than one that arrives once.
fn is_idempotent(step_by: StepBy, letter: &Letter, receiver: &Server) -> bool {
    let mut node = receiver.node.clone();
    let mut effects = Effects::<Tag>::new();
    let again = AssertUnwindSafe(|| step_by(&mut node, Event::Receive(letter.clone()), &mut effects));
    catch_unwind(again).is_ok() && effects.records().iter().all(|record| changes_nothing(record, receiver))
}

fn changes_nothing(record: &Record<Tag>, receiver: &Server) -> bool {
    let mut durable = receiver.node.durable().clone();
    durable.apply(record);
    durable == *receiver.node.durable()
}
