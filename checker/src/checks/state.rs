//! Properties of a state, and of a message at the moment it leaves.

use rafttree_model::{Durable, Entry, Message, Node, Role, ServerId, Term};

use crate::properties::{Property, PropertySet};
use crate::world::{Disk, Lease, Letter, Server, Tag, World};

// Of a state.

/// The properties that do not hold in this state.
pub(crate) fn broken_in(world: &World) -> PropertySet {
    let mut broken = PropertySet::default();
    let servers = || world.servers.iter().map(AsRef::as_ref);
    broken.insert_unless(has_one_leader_a_term(world), Property::ElectionSafety);
    broken.insert_unless(leases_are_exclusive(world), Property::LeaseExclusive);
    broken.insert_unless(servers().all(|s| servers().all(|r| logs_match(s, r))), Property::LogMatching);
    broken.insert_unless(servers().all(|s| leads_completely(world, s)), Property::LeaderCompleteness);
    broken.insert_unless(servers().all(|s| holds_committed(world, s)), Property::CommitImmutable);
    broken.insert_unless(is_committed_durably(world), Property::CommitDurable);
    broken.insert_unless(is_committed_legibly(world), Property::CommittedLegible);
    broken.insert_unless(servers().all(|s| beliefs_are_sound(world, s)), Property::MatchSafety);
    let sound = world.network.iter().all(|letter| acknowledgements_are_sound(world, letter));
    broken.insert_unless(sound, Property::MatchSafety);
    broken.insert_unless(votes_are_single(world), Property::VoteOnce);
    broken.insert_unless(servers().all(is_in_bounds), Property::Bounds);
    broken.insert_unless(servers().all(begins_committed), Property::SnapshotPrefix);
    broken.insert_unless(servers().all(|s| counts_given_votes(world, s)), Property::OwnVotes);
    broken
}

fn has_one_leader_a_term(world: &World) -> bool {
    world.history.elected.windows(2).all(|pair| pair[0].0 != pair[1].0)
}

/// Whose service was told that it leads does lead; and while it has a lease nobody does so in a later term.
fn leases_are_exclusive(world: &World) -> bool {
    let serving = &world.history.serving;
    let leads = |&(term, id): &(Term, ServerId)| world.server(id).leads() && world.server(id).node.term() == term;
    let is_exclusive =
        |lease: &Lease| !world.servers.iter().any(|server| server.leads() && lease.term < server.node.term());
    let is_taken = |lease: &&Lease| lease.confirmed && serving.contains(&(lease.term, lease.leader));
    serving.iter().all(leads) && world.history.leases.iter().filter(is_taken).all(is_exclusive)
}

fn votes_are_single(world: &World) -> bool {
    let votes = || world.history.votes.iter();
    votes().all(|one| votes().all(|other| (one.0, one.1) != (other.0, other.1) || one.2 == other.2))
}

/// From the last index at which both logs have the same term, everything before is the same.
fn logs_match(one: &Server, other: &Server) -> bool {
    let pairs = || one.entries.iter().zip(other.entries.iter());
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
    let commit = server.node.commit().number() as usize;
    let known = world.history.committed.iter().take(commit).map(|(entry, _)| entry);
    commit <= server.entries.len() && known.eq(server.entries.iter().take(commit))
}

fn is_committed_durably(world: &World) -> bool {
    world.history.committed.iter().enumerate().all(|(at, (entry, _))| {
        let holders = world.servers.iter().filter(|server| server.disk.entries.get(at) == Some(entry));
        world.servers.len() < 2 * holders.count()
    })
}

/// Disks are damaged one at a time, so somebody else can read what one cannot.
fn is_committed_legibly(world: &World) -> bool {
    let mut committed = world.history.committed.iter().enumerate();
    committed.all(|(at, (entry, _))| {
        let reads =
            |disk: &Disk| disk.entries.get(at) == Some(entry) && !disk.entries.faulty().contains(entry.position.index);
        world.servers.iter().any(|server| reads(&server.disk))
    })
}

fn beliefs_are_sound(world: &World, leader: &Server) -> bool {
    let Role::Leader { progress, .. } = leader.node.role() else { return true };
    progress.iter().all(|(id, progress)| {
        let disk = &world.server(id).disk;
        let matched = progress.matched.number() as usize;
        // A server that has moved on to a later leader may have cut what it acknowledged.
        let moved_on = leader.node.term() < disk.durable.term();
        let in_order = progress.matched < progress.next && matched <= leader.entries.len();
        in_order && (moved_on || holds_prefix(disk, &leader.entries, matched))
    })
}

/// What a leader may yet come to believe, by acknowledgements that are on their way.
fn acknowledgements_are_sound(world: &World, reply: &Letter) -> bool {
    let (Message::AppendReply { matched, .. } | Message::RepairRequest { matched, .. }) = reply.message else {
        return true;
    };
    let leader = world.server(reply.to);
    let Role::Leader { .. } = leader.node.role() else { return true };
    let disk = &world.server(reply.from).disk;
    let counts = leader.node.term() == reply.term && disk.durable.term() <= reply.term;
    !counts || holds_prefix(disk, &leader.entries, matched.number() as usize)
}

fn holds_prefix(disk: &Disk, entries: &[Entry<Tag>], length: usize) -> bool {
    length <= entries.len() && disk.entries.get(..length) == Some(&entries[..length])
}

fn is_in_bounds(server: &Server) -> bool {
    let terms = server.entries.iter().map(|entry| entry.position.term);
    let in_place = server.entries.iter().enumerate().all(|(at, entry)| entry.position.index.number() == at as u64 + 1);
    let log = server.node.log();
    server.node.commit() <= log.last().index
        && log.last().index.number() == server.entries.len() as u64
        && terms.clone().is_sorted()
        && terms.max().is_none_or(|term| term <= server.node.term())
        && in_place
}

/// Whether a log begins where snapshots end: with what is committed, and no later.
fn begins_committed(server: &Server) -> bool {
    let base = server.node.log().base();
    base.index <= server.node.commit() && server.position(base.index.number()) == Some(base)
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

/// §5.2: a majority of votes had left their voters when a server began to lead; its own is on its disk.
pub(crate) fn has_votes_of_majority(world: &World, leader: &Server) -> bool {
    let (id, term) = (leader.node.id(), leader.node.term());
    let others = world.history.votes.iter().filter(|&&(of, from, to)| (of, to) == (term, id) && from != id);
    let disk = &leader.disk.durable;
    let own = (disk.term(), disk.vote()) == (term, Some(id));
    world.servers.len() < 2 * (others.count() + usize::from(own))
}

/// 9.6, 3.10: every candidate was promised a majority of votes, or told to campaign by a leader. Only
/// where every message stays.
pub(crate) fn campaigns_are_allowed(world: &World) -> bool {
    world.servers.iter().all(|server| match server.node.role() {
        Role::Candidate { transfer, .. } => may_campaign(world, &server.node, *transfer),
        _ => true,
    })
}

fn may_campaign(world: &World, candidate: &Node, transfer: bool) -> bool {
    let (id, before) = (candidate.id(), Term::new(candidate.term().number().saturating_sub(1)));
    let to_it = world.network.iter().filter(|letter| (letter.to, letter.term) == (id, before));
    if transfer {
        let led = |letter: &Letter| world.history.elected.contains(&(before, letter.from));
        return to_it.into_iter().any(|letter| letter.message == Message::TimeoutNow && led(letter));
    }
    let others = to_it.filter(|letter| letter.message == Message::PreVoteReply { granted: true });
    world.servers.len() < 2 * (others.count() + 1)
}

// Of a message, as it leaves.

/// The properties that this message breaks by leaving now.
pub(crate) fn broken_by_send(sender: &Server, letter: &Letter) -> PropertySet {
    let mut broken = PropertySet::default();
    let disk = &sender.disk;
    let is_candidacy = matches!(letter.message, Message::VoteRequest { .. }) && is_in_memory(sender, letter.term);
    broken.insert_unless(is_candidacy || letter.term <= disk.durable.term(), Property::TermMonotonic);
    match &letter.message {
        Message::VoteRequest { last, .. } => {
            let is_on_disk = disk.entries == sender.entries && *last == sender.last();
            broken.insert_unless(!is_candidacy || is_on_disk, Property::PersistBeforeSend);
        }
        Message::VoteReply { granted: true } => {
            broken.insert_unless(is_vote_durable(disk, letter), Property::VoteOnce);
        }
        // Whether the entries are those of the leader is asked of every state: `MatchSafety`.
        Message::AppendReply { matched, .. } | Message::RepairRequest { matched, .. } => {
            let reads = disk.entries.faulty().first().is_none_or(|first| *matched < first);
            let moved_on = letter.term < disk.durable.term();
            let held = matched.number() as usize <= disk.entries.len();
            broken.insert_unless(moved_on || held, Property::PersistBeforeSend);
            broken.insert_unless(moved_on || reads, Property::PromisesLegible);
        }
        _ => {}
    }
    broken
}

/// The properties that this message breaks where terms and indices are what they are, and not only in
/// order: a receiver must not take it in.
pub(crate) fn broken_by_saying(letter: &Letter) -> PropertySet {
    let mut broken = PropertySet::default();
    broken.insert_unless(letter.is_coherent(), Property::Bounds);
    broken
}

/// Whether this is the term that a server campaigns in, whether or not that is on its disk yet: the vote of
/// that term which it has written, or writes, is its own.
fn is_in_memory(server: &Server, term: Term) -> bool {
    let node = &server.node;
    matches!(node.role(), Role::Candidate { .. }) && (node.term(), node.vote()) == (term, Some(node.id()))
}

fn is_vote_durable(disk: &Disk, vote: &Letter) -> bool {
    let (term, granted) = (disk.durable.term(), disk.durable.vote());
    vote.term < term || (vote.term == term && granted == Some(vote.to))
}

/// Whether the target of a transfer holds all that its leader has.
pub(crate) fn may_take_over(leader: &Server, target: &Server) -> bool {
    holds_prefix(&target.disk, &leader.entries, leader.entries.len())
}

// Of a disk.

/// The properties that a change of what is on a disk broke.
pub(crate) fn broken_on_disk(was: &Durable, is: &Durable) -> PropertySet {
    let mut broken = PropertySet::default();
    broken.insert_unless(was.term() <= is.term(), Property::TermMonotonic);
    let keeps_vote = was.term() != is.term() || was.vote().is_none() || was.vote() == is.vote();
    broken.insert_unless(keeps_vote, Property::VoteOnce);
    broken
}
