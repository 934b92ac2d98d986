//! Which messages may still matter, and what may be heard without one.
//!
//! Keeping every message for ever covers loss, duplication, delay and reordering, but keeps states
//! apart that no server can tell apart. So a message is forgotten once nobody can ever react to it
//! again, and messages that can be told from the rest of the state are not kept but offered:
//! all those that may have been sent, and some that may not, which can only find more.

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
    let Leadership { term, leader, entries, commit, round } = leadership;
    let ranges = (0..=entries.len()).flat_map(move |first| (first..=entries.len()).map(move |last| (first, last)));
    ranges.flat_map(move |(first, last)| {
        let slice = Slice::new(position(entries, first), entries[first..last].to_vec());
        let slice = slice.expect("a log has no gaps and its terms never fall");
        let message =
            move |commit| Message::AppendRequest { entries: slice.clone(), commit: Index::new(commit), round: *round };
        // A commit index beyond these entries tells a correct server no more than one at their end.
        let commits = (0..=commit.number()).filter(move |index| *index <= last as u64 || *index == commit.number());
        commits.map(move |commit| Envelope { from: *leader, to, term: *term, message: message(commit) })
    })
}

fn position(entries: &[Entry<Tag>], index: usize) -> Position {
    index.checked_sub(1).map_or(Position::default(), |at| entries[at].position)
}

/// Whether this message was sent, which stays so; of its log a leader may have sent any part.
pub(crate) fn is_sent(world: &World, letter: &Letter) -> bool {
    let is_part = |leadership: &Leadership| {
        (leadership.term, leadership.leader) == (letter.term, letter.from)
            && parts_for(leadership, letter.to).any(|part| part == *letter)
    };
    world.network.binary_search_by(|other| (**other).cmp(letter)).is_ok()
        || letter.from != letter.to && world.leaderships.iter().any(|leadership| is_part(leadership))
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
