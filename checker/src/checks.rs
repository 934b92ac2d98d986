//! Whether each property holds, stated apart from the transitions.
//!
//! Properties of a state are asked in every state, those of a step after every step, those of a
//! message at the moment it leaves, when it is known what the sender's disk holds.

use rafttree_model::{Effects, Entry, Event, Message, Record, Role, RoleName, ServerId, ServerSet, Term};

use crate::properties::{Property, PropertySet};
use crate::system::{Action, StepBy};
use crate::world::{Disk, Letter, Server, Tag, World};

// Of a state.

/// The properties that do not hold in this state.
pub(crate) fn broken_in(world: &World) -> PropertySet {
    let mut broken = PropertySet::default();
    let servers = || world.servers.iter().map(AsRef::as_ref);
    broken.insert_unless(has_one_leader_a_term(world), Property::ElectionSafety);
    broken.insert_unless(servers().all(|s| servers().all(|r| logs_match(s, r))), Property::LogMatching);
    broken.insert_unless(servers().all(|s| leads_completely(world, s)), Property::LeaderCompleteness);
    broken.insert_unless(servers().all(|s| holds_committed(world, s)), Property::CommitImmutable);
    broken.insert_unless(is_committed_durably(world), Property::CommitDurable);
    broken.insert_unless(servers().all(|s| beliefs_are_sound(world, s)), Property::MatchSafety);
    broken.insert_unless(servers().all(is_in_bounds), Property::Bounds);
    broken.insert_unless(servers().all(|s| counts_given_votes(world, s)), Property::OwnVotes);
    broken
}

fn has_one_leader_a_term(world: &World) -> bool {
    world.history.elected.windows(2).all(|pair| pair[0].0 != pair[1].0)
}

/// From the last index at which both logs have the same term, everything before is the same.
fn logs_match(one: &Server, other: &Server) -> bool {
    let pairs = || one.entries.iter().zip(&other.entries);
    let agree = pairs().rposition(|(a, b)| a.position == b.position);
    agree.is_none_or(|last| pairs().take(last).all(|(a, b)| a == b) && one.entries[last] == other.entries[last])
}

fn leads_completely(world: &World, server: &Server) -> bool {
    let Role::Leader { .. } = server.node.role() else { return true };
    let earlier = |term: Term| term < server.node.term();
    let mut committed = world.history.committed.iter().enumerate();
    committed.all(|(at, (entry, term))| !earlier(*term) || server.entries.get(at) == Some(entry))
}

fn holds_committed(world: &World, server: &Server) -> bool {
    let commit = server.node.commit().0 as usize;
    let known = world.history.committed.iter().take(commit).map(|(entry, _)| entry);
    commit <= server.entries.len() && known.eq(server.entries.iter().take(commit))
}

fn is_committed_durably(world: &World) -> bool {
    world.history.committed.iter().enumerate().all(|(at, (entry, _))| {
        let holders = world.servers.iter().filter(|server| server.disk.entries.get(at) == Some(entry));
        world.servers.len() < 2 * holders.count()
    })
}

fn beliefs_are_sound(world: &World, leader: &Server) -> bool {
    let Role::Leader { progress, .. } = leader.node.role() else { return true };
    progress.iter().all(|(id, progress)| {
        let disk = &world.server(id).disk;
        let matched = progress.matched.0 as usize;
        // A server that has moved on to a later leader may have cut what it acknowledged.
        let moved_on = leader.node.term() < disk.durable.term();
        let in_order = progress.matched < progress.next && matched <= leader.entries.len();
        in_order && (moved_on || holds_prefix(disk, &leader.entries, matched))
    })
}

fn holds_prefix(disk: &Disk, entries: &[Entry<Tag>], length: usize) -> bool {
    length <= entries.len() && disk.entries.get(..length) == Some(&entries[..length])
}

fn is_in_bounds(server: &Server) -> bool {
    let terms = server.entries.iter().map(|entry| entry.position.term);
    let in_place = server.entries.iter().enumerate().all(|(at, entry)| entry.position.index.0 == at as u64 + 1);
    let log = server.node.log();
    server.node.commit() <= log.last().index
        && log.last().index.0 == server.entries.len() as u64
        && terms.clone().is_sorted()
        && terms.max().is_none_or(|term| term <= server.node.term())
        && in_place
}

fn counts_given_votes(world: &World, server: &Server) -> bool {
    let node = &server.node;
    match node.role() {
        Role::Leader { .. } => node.vote() == Some(node.id()),
        Role::Candidate { votes, .. } => votes.ids().all(|voter| gave_vote(world, voter, server)),
        _ => true,
    }
}

fn gave_vote(world: &World, voter: ServerId, candidate: &Server) -> bool {
    let (id, term) = (candidate.node.id(), candidate.node.term());
    if voter == id {
        let disk = &candidate.disk.durable;
        return disk.term() == term && disk.vote() == Some(id);
    }
    // Votes of a term that the voter has left behind are no longer written down.
    let left_behind = term < world.server(voter).disk.durable.term();
    left_behind || world.history.votes.contains(&(term, voter, id))
}

// Of a message, as it leaves.

/// The properties that this message breaks by leaving now.
pub(crate) fn broken_by_send(world: &World, letter: &Letter) -> PropertySet {
    let mut broken = PropertySet::default();
    let disk = &world.server(letter.from).disk;
    broken.insert_unless(letter.term <= disk.durable.term(), Property::TermMonotonic);
    match &letter.message {
        Message::VoteReply { granted: true } => {
            broken.insert_unless(is_only_vote(world, letter), Property::VoteOnce);
            broken.insert_unless(is_vote_durable(disk, letter), Property::VoteOnce);
            broken.insert_unless(is_vote_deserved(world, letter), Property::ElectionRestriction);
        }
        Message::AppendReply { matched } => {
            let kept = acknowledges_what_it_holds(world, letter, matched.0 as usize);
            broken.insert_unless(kept, Property::PersistBeforeSend);
        }
        Message::TimeoutNow => {
            let (leader, target) = (world.server(letter.from), world.server(letter.to));
            let whole = holds_prefix(&target.disk, &leader.entries, leader.entries.len());
            broken.insert_unless(whole, Property::HandOverComplete);
        }
        _ => {}
    }
    broken
}

fn is_only_vote(world: &World, vote: &Letter) -> bool {
    let (term, voter, candidate) = (vote.term, vote.from, vote.to);
    world.history.votes.iter().all(|other| (other.0, other.1) != (term, voter) || other.2 == candidate)
}

fn is_vote_durable(disk: &Disk, vote: &Letter) -> bool {
    let (term, granted) = (disk.durable.term(), disk.durable.vote());
    vote.term < term || (vote.term == term && granted == Some(vote.to))
}

/// A vote for oneself needs no comparison; another's log is in its request.
fn is_vote_deserved(world: &World, vote: &Letter) -> bool {
    let ours = world.server(vote.from).disk.entries.last().map(|entry| entry.position);
    let asked_with = |letter: &Letter| match letter.message {
        Message::VoteRequest { last, .. } if (letter.from, letter.term) == (vote.to, vote.term) => Some(last),
        _ => None,
    };
    let mut requests = world.network.iter().filter_map(|letter| asked_with(letter));
    vote.from == vote.to
        || requests.all(|theirs| {
            ours.is_none_or(|ours| ours.term < theirs.term || (ours.term == theirs.term && ours.index <= theirs.index))
        })
}

/// While the leader of that term leads, its log tells what was acknowledged; afterwards at least
/// so many entries must be there.
fn acknowledges_what_it_holds(world: &World, reply: &Letter, matched: usize) -> bool {
    let (disk, leader) = (&world.server(reply.from).disk, world.server(reply.to));
    if reply.term < disk.durable.term() {
        return true; // A later leader may have cut it; the leader of that term will not be asked.
    }
    match leader.node.role() {
        Role::Leader { .. } if leader.node.term() == reply.term => holds_prefix(disk, &leader.entries, matched),
        _ => matched <= disk.entries.len(),
    }
}

// Of a step.

/// The properties that this step broke.
pub(crate) fn broken_by_step(step_by: StepBy, before: &World, action: &Action, after: &World) -> PropertySet {
    let mut broken = PropertySet::default();
    for id in after.ids() {
        let (old, new) = (before.server(id), after.server(id));
        broken.insert_unless(keeps_vote(old, new), Property::VoteOnce);
        if !action.is_crash() {
            broken.extend(broken_between(action, old, new));
        } else if old != new {
            broken.insert_unless(restarts_from_disk(old, new), Property::TermMonotonic);
        }
    }
    if let Action::Deliver(letter) = action {
        broken.insert_unless(leads_by_given_votes(before, letter, after), Property::OwnVotes);
        broken.insert_unless(is_idempotent(step_by, letter, after.server(letter.to)), Property::Totality);
        let (old, new) = (before.server(letter.to), after.server(letter.to));
        broken.insert_unless(disturbs_nobody(letter, old, new), Property::NonDisruption);
    }
    broken
}

/// Within a term, the vote on a disk never changes.
fn keeps_vote(old: &Server, new: &Server) -> bool {
    let (was, is) = (&old.disk.durable, &new.disk.durable);
    was.term() != is.term() || was.vote().is_none() || was.vote() == is.vote()
}

/// The vote that completed a majority was given in the term that the server now leads.
fn leads_by_given_votes(before: &World, letter: &Letter, after: &World) -> bool {
    let (old, new) = (before.server(letter.to), after.server(letter.to));
    let (Role::Candidate { .. }, Role::Leader { .. }) = (old.node.role(), new.node.role()) else { return true };
    gave_vote(before, letter.from, old)
}

fn restarts_from_disk(old: &Server, new: &Server) -> bool {
    new.node.durable() == &new.disk.durable && old.disk.durable.term() <= new.disk.durable.term()
}

fn broken_between(action: &Action, old: &Server, new: &Server) -> PropertySet {
    let mut broken = PropertySet::default();
    let (was, is) = (&old.node, &new.node);
    let terms_rise = was.term() <= is.term() && old.disk.durable.term() <= new.disk.durable.term();
    broken.insert_unless(terms_rise, Property::TermMonotonic);
    broken.insert_unless(was.commit() <= is.commit(), Property::CommitImmutable);
    broken.insert_unless(follows_figure_4(old, new), Property::RoleTransitions);
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
        let own = new.entries.get(is.commit().0 as usize - 1).is_some_and(|entry| entry.position.term == is.term());
        broken.insert_unless(own, Property::CommitOnlyOwnTerm);
    }
    broken.insert_unless(asks_first(action, old, new), Property::AskFirst);
    broken.insert_unless(leaves_quiet_majority(action, old, new), Property::QuorumHeard);
    broken
}

/// Figure 4, with the pre-candidate. In one step a server may pass through several roles if it is
/// its own majority or its flush completes one, so the arrows are those of the paths.
fn follows_figure_4(old: &Server, new: &Server) -> bool {
    use RoleName::{Candidate, Follower, Leader, PreCandidate};
    let same_term = old.node.term() == new.node.term();
    match (old.node.role().name(), new.node.role().name()) {
        (Follower | PreCandidate, Leader) => false,
        (PreCandidate | Candidate | Leader, Candidate) => !same_term || old.node.role().name() == Candidate,
        (Leader, PreCandidate) => false,
        (Follower, Candidate) => !same_term,
        (Candidate, Leader) => same_term,
        (Leader, Leader) => same_term,
        (_, Follower | PreCandidate) => true,
    }
}

/// Who becomes a candidate was asked to by the leader, or had a majority of pre-votes.
fn asks_first(action: &Action, old: &Server, new: &Server) -> bool {
    let Role::Candidate { transfer, .. } = new.node.role() else { return true };
    if old.node.term() == new.node.term() {
        return true;
    }
    if let Role::PreCandidate { votes } = old.node.role() {
        let last = if let Action::Deliver(letter) = action { letter.from } else { old.node.id() };
        let granted: ServerSet = votes.ids().chain([last]).collect();
        return !transfer && old.node.members().ids().len() < 2 * granted.len();
    }
    let told = matches!(action, Action::Deliver(letter) if letter.message == Message::TimeoutNow);
    *transfer && told || old.node.members().ids().len() == 1
}

fn leaves_quiet_majority(action: &Action, old: &Server, new: &Server) -> bool {
    let Role::Leader { heard, .. } = old.node.role() else { return true };
    let Role::Leader { .. } = new.node.role() else { return true };
    *action != Action::MinimumTimeout(old.node.id()) || old.node.members().ids().len() < 2 * heard.len()
}

/// Who hears a leader is not moved by another server's campaign.
fn disturbs_nobody(letter: &Letter, old: &Server, new: &Server) -> bool {
    let asks = match letter.message {
        Message::PreVoteRequest { .. } => true,
        Message::VoteRequest { transfer, .. } => !transfer,
        _ => false,
    };
    let leader = old.node.leader();
    let hears_another = leader.is_some() && leader != Some(letter.from);
    let unmoved = old.node.durable() == new.node.durable() && old.node.role() == new.node.role();
    !asks || !hears_another || unmoved
}

/// §5.5: a message that arrives twice in a row does no more than one that arrives once.
fn is_idempotent(step_by: StepBy, letter: &Letter, receiver: &Server) -> bool {
    let mut node = receiver.node.clone();
    let mut effects = Effects::<Tag>::new();
    let again = std::panic::AssertUnwindSafe(|| {
        step_by(&mut node, Event::Receive(letter.clone()), &mut effects);
    });
    std::panic::catch_unwind(again).is_ok() && effects.records().iter().all(|record| changes_nothing(record, receiver))
}

fn changes_nothing(record: &Record<Tag>, receiver: &Server) -> bool {
    let mut durable = receiver.node.durable().clone();
    durable.apply(record);
    durable == *receiver.node.durable()
}
