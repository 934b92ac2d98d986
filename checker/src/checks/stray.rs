//! What a server must not mind: it is tried on every state that a step leads to.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{
    Effects, Envelope, Event, Index, Message, Node, Output, Position, Range, Round, ServerId, Slice, Term,
};

use crate::checks::memory::is_disturbance;
use crate::checks::replies::asks;
use crate::properties::{Property, PropertySet};
use crate::world::{Letter, Server, StepBy, Tag};

/// The properties that this server breaks when it hears what is not for it, or is over.
pub(super) fn broken_by_noise(step_by: StepBy, server: &Server) -> PropertySet {
    let mut broken = PropertySet::default();
    let said = said_unmoved(step_by, &server.node, strange_events(server));
    broken.insert_unless(said.is_some_and(|said| said.is_empty()), Property::OutsidersIgnored);
    let letters = stale_letters(server);
    let to_answer = letters.iter().filter(|letter| asks(letter) && !is_disturbance(server, letter));
    let told: Vec<_> = to_answer.map(|letter| Output::Send(told_of_our_term(&server.node, letter.from))).collect();
    let said = said_unmoved(step_by, &server.node, letters.into_iter().map(Event::Receive));
    broken.insert_unless(said.is_some_and(|said| said == told), Property::StaleAnswered);
    broken
}

/// What a server says to all of this; nothing, if it does not stay as it is.
fn said_unmoved(step_by: StepBy, server: &Node, events: impl IntoIterator<Item = Event<Tag>>) -> Option<Vec<Output>> {
    let mut node = server.clone();
    let mut effects = Effects::new();
    let heard = AssertUnwindSafe(|| events.into_iter().for_each(|event| step_by(&mut node, event, &mut effects)));
    catch_unwind(heard).ok()?;
    let is_unmoved = node == *server && effects.records().is_empty();
    is_unmoved.then(|| [effects.early(), effects.after_sync()].concat())
}

/// Messages from outside the group, for others, or with entries of a term after their own; transfers
/// to nobody else.
fn strange_events(server: &Server) -> impl Iterator<Item = Event<Tag>> {
    let (us, term) = (server.node.id(), server.node.term());
    let (peer, stranger) = (server.peer().unwrap_or(us), stranger(server));
    let of_both_terms = move |from, to| [term, term.next()].into_iter().flat_map(move |term| letters(from, to, term));
    let ahead = Position { term: term.next().next(), index: server.last().index };
    let of_later_term = Message::AppendRequest { entries: none_behind(ahead), commit: Index::ZERO, round: Round::ZERO };
    let of_later_term = Envelope { from: peer, to: us, term: term.next(), message: of_later_term };
    let snapshot = Message::InstallSnapshot { last: ahead, round: Round::ZERO };
    let snapshot = Envelope { message: snapshot, ..of_later_term.clone() };
    let letters = of_both_terms(stranger, us).chain(of_both_terms(peer, stranger)).chain([of_later_term, snapshot]);
    letters.map(Event::Receive).chain([us, stranger].map(Event::Transfer))
}

/// Everything that may have been said to it in the term before its own.
fn stale_letters(server: &Server) -> Vec<Letter> {
    let before = server.node.term().number().checked_sub(1).map(Term::new);
    let (Some(term), Some(peer)) = (before, server.peer()) else { return Vec::new() };
    letters(peer, server.node.id(), term).collect()
}

/// A message of each kind.
fn letters(from: ServerId, to: ServerId, term: Term) -> impl Iterator<Item = Letter> {
    let start = Position::default();
    let messages = [
        Message::PreVoteRequest { last: Position { term, index: Index::new(9) } },
        Message::PreVoteReply { granted: true },
        Message::VoteRequest { last: Position { term, index: Index::new(9) }, transfer: false },
        Message::VoteRequest { last: Position { term, index: Index::new(9) }, transfer: true },
        Message::VoteReply { granted: true },
        Message::AppendRequest { entries: none_behind(start), commit: Index::ZERO, round: Round::ZERO },
        Message::AppendReply { matched: Index::ZERO, round: Round::ZERO },
        Message::RepairRequest { matched: Index::ZERO, round: Round::ZERO },
        Message::AppendRefusal { missing: Index::new(1), hint: start, round: Round::ZERO },
        Message::InstallSnapshot { last: Position { term, index: Index::new(9) }, round: Round::ZERO },
        Message::TimeoutNow,
        Message::Stale,
    ];
    messages.into_iter().map(move |message| Envelope { from, to, term, message })
}

fn none_behind(previous: Position) -> Slice<Tag> {
    Slice::new(previous, Vec::new()).expect("no entries have no gaps")
}

fn told_of_our_term(node: &Node, to: ServerId) -> Envelope<Range> {
    Envelope { from: node.id(), to, term: node.term(), message: Message::Stale }
}

/// Somebody whom the group does not know.
fn stranger(server: &Server) -> ServerId {
    ServerId::new(server.node.members().ids().map(|id| id.number()).max().unwrap_or(0) + 1)
}
