//! Which messages may still matter, and what may be heard without one.
//!
//! Keeping every message for ever covers loss, duplication, delay and reordering, but keeps states
//! apart that no server can tell apart. So a message is forgotten once nobody can ever react to it
//! again, and messages that can be told from the rest of the state are not kept but offered:
//! all those that may have been sent, and some that may not, which can only find more.

use std::ops::Range;

use rafttree_model::{Entry, Envelope, Index, Message, Position, Role, Round, ServerId, Slice};

use crate::world::{Leadership, Letter, Tag, World};

/// Every AppendEntries that any pacing of any leader may have sent; perhaps without those that come
/// too late for their receiver.
pub(crate) fn parts(world: &World, without_late: bool) -> impl Iterator<Item = Letter> + '_ {
    let pairs = world.leaderships.iter().flat_map(|leadership| world.ids().map(move |to| (leadership, to)));
    let is_late = move |term, to| term < world.server(to).disk.durable.term();
    let is_offered = move |term, to| !(without_late && is_late(term, to));
    let pairs = pairs.filter(move |(leadership, to)| *to != leadership.leader && is_offered(leadership.term, *to));
    pairs.flat_map(|(leadership, to)| parts_for(leadership, to))
}

fn parts_for(leadership: &Leadership, to: ServerId) -> impl Iterator<Item = Letter> + '_ {
    let (length, known) = (leadership.entries.len(), leadership.commit.number());
    let ranges = (0..=length).flat_map(move |first| (first..=length).map(move |last| first..last));
    ranges.flat_map(move |range| {
        let (last, slice) = (range.end as u64, slice(leadership, range));
        // A commit index beyond these entries tells a correct server no more than one at their end.
        let commits = (0..=known).filter(move |index| *index <= last || *index == known);
        commits.map(move |commit| append(leadership, to, slice.clone(), Index::new(commit)))
    })
}

/// A part of what a leader has sent of its log, from one entry's place to another's, with a commit index.
pub(crate) fn part(leadership: &Leadership, to: ServerId, range: Range<usize>, commit: Index) -> Letter {
    append(leadership, to, slice(leadership, range), commit)
}

fn slice(leadership: &Leadership, range: Range<usize>) -> Slice<Tag> {
    let entries = &leadership.entries;
    let slice = Slice::new(position(entries, range.start), entries[range].to_vec());
    slice.expect("a log has no gaps and its terms never fall")
}

fn append(leadership: &Leadership, to: ServerId, entries: Slice<Tag>, commit: Index) -> Letter {
    let Leadership { term, leader, round, .. } = *leadership;
    Envelope { from: leader, to, term, message: Message::AppendRequest { entries, commit, round } }
}

/// Whether this is one of the parts of what a leader has sent.
fn is_part_of(leadership: &Leadership, letter: &Letter) -> bool {
    let Message::AppendRequest { entries, commit, .. } = &letter.message else { return false };
    let (first, last) = (entries.previous().index.number() as usize, entries.last().index.number() as usize);
    let is_told = *commit <= leadership.commit && (commit.number() as usize <= last || *commit == leadership.commit);
    is_told && last <= leadership.entries.len() && part(leadership, letter.to, first..last, *commit) == *letter
}

fn position(entries: &[Entry<Tag>], index: usize) -> Position {
    index.checked_sub(1).map_or(Position::default(), |at| entries[at].position)
}

/// Whether this message was sent, which stays so; of its log a leader may have sent any part.
pub(crate) fn is_sent(world: &World, letter: &Letter) -> bool {
    world.network.binary_search_by(|other| (**other).cmp(letter)).is_ok()
        || letter.from != letter.to && world.leaderships.iter().any(|leadership| is_part_of(leadership, letter))
}

/// What may be heard at any time without being kept in the network.
///
/// - Any server may learn the term on another's disk: that stands for every answer that tells
///   nothing but a newer term, whenever it was sent.
/// - PreVote binds nobody, so its messages are not kept. A pre-candidate may ask anyone at any
///   time, and anyone who has reached its term may have granted its wish at some time.
/// - Who has reached a leader's term may have refused its entries, or have acknowledged less than
///   it did since: the leader hears that the follower is there.
///
/// The last two offer more than can happen, so what holds here holds in fact.
pub(crate) fn rumours(world: &World) -> impl Iterator<Item = Letter> + '_ {
    let pairs = world.ids().flat_map(|from| world.ids().map(move |to| (from, to)));
    pairs.filter(|(from, to)| from != to).flat_map(|(from, to)| {
        let heard = [newer_term(world, from, to), request(world, from, to), answer(world, from, to)];
        heard.into_iter().flatten().chain(less(world, from, to))
    })
}

fn newer_term(world: &World, from: ServerId, to: ServerId) -> Option<Letter> {
    let term = world.server(from).disk.durable.term();
    let is_news = world.server(to).node.term() < term;
    is_news.then_some(Envelope { from, to, term, message: Message::Stale })
}

fn request(world: &World, from: ServerId, to: ServerId) -> Option<Letter> {
    let server = world.server(from);
    let node = &server.node;
    let Role::PreCandidate { .. } = node.role() else { return None };
    // It asks when everything before is on its disk.
    if !server.unsynced.is_empty() {
        return None;
    }
    let message = Message::PreVoteRequest { last: node.log().last() };
    Some(Envelope { from, to, term: node.term(), message })
}

fn answer(world: &World, from: ServerId, to: ServerId) -> Option<Letter> {
    let node = &world.server(to).node;
    let message = match node.role() {
        Role::PreCandidate { .. } => Message::PreVoteReply { granted: true },
        Role::Leader { .. } => Message::AppendReply { matched: Index::ZERO, round: Round::ZERO },
        _ => return None,
    };
    let has_been_there = node.term() <= world.server(from).disk.durable.term();
    has_been_there.then_some(Envelope { from, to, term: node.term(), message })
}

fn less(world: &World, from: ServerId, to: ServerId) -> impl Iterator<Item = Letter> + '_ {
    let replies = world.network.iter().filter(move |letter| (letter.from, letter.to) == (from, to));
    replies.flat_map(|letter| {
        let most = match letter.message {
            Message::AppendReply { matched, .. } | Message::RepairRequest { matched, .. } => matched.number(),
            _ => 1,
        };
        let message = |matched| Message::AppendReply { matched: Index::new(matched), round: Round::ZERO };
        (1..most).map(move |matched| Envelope { message: message(matched), ..(**letter).clone() })
    })
}
