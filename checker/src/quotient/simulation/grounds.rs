//! What the search tries for a compact server when something happens to a concrete one: the rest
//! changes nothing.

use rafttree_model::{Event, Index, Message, Role, ServerId};

use crate::checks::is_disturbance;
use crate::quotient::inputs::{Happening, Stimulus};
use crate::quotient::server::{Cells, Seat};
use crate::quotient::sets::{Indices, Mask};
use crate::world::{Contact, Letter, Place, Server, Servers, Tag};

/// Inputs of the compact server, in a row, that the search offers whenever this may happen; what
/// comes of it must be what comes of some of them, or nothing.
///
/// Where there are leases, it matters whether it is a campaign that a leader asked for.
pub(super) fn grounds(seat: Seat, server: &Server, happening: &Happening, leases: bool) -> Vec<Vec<Stimulus>> {
    let observed = &server.observed;
    let one = |stimulus| vec![vec![stimulus]];
    match happening {
        // What is on a leader's disk counts at once, with what was acknowledged before.
        Happening::Flush => behind(&[Stimulus::Flush], acknowledged(seat, server, server.node.id(), Index::ZERO)),
        Happening::Crash { keep } => one(Stimulus::Crash { keep: *keep }),
        Happening::Damage { first, last } => one(Stimulus::Damage { first: *first, last: *last }),
        Happening::Event(Event::ElectionTimeout) => one(Stimulus::Campaign { grants: 0 }),
        Happening::Event(Event::HeartbeatTimeout) => one(Stimulus::HeartbeatTimeout),
        Happening::Event(Event::MinimumTimeout) => {
            [0, others(server, observed.answered)].map(|heard| vec![Stimulus::MinimumTimeout { heard }]).to_vec()
        }
        Happening::Event(Event::Propose(Tag(version))) => one(Stimulus::Propose { version: version.number() as u8 }),
        // What a leader has not on its disk yet is flushed with it, and counts at once.
        Happening::Event(Event::Snapshotted(through)) => {
            let told = acknowledged(seat, server, server.node.id(), Index::ZERO);
            behind(&[Stimulus::Snapshot { through: through.number() as u8 }], told)
        }
        Happening::Install { letter, cells } => of_snapshot(server, letter, *cells),
        Happening::Event(Event::StepDown) => one(Stimulus::StepDown),
        Happening::Event(Event::Transfer(to)) => transfer(server, *to).map(|told| vec![told]).into_iter().collect(),
        Happening::Event(Event::Receive(letter)) => of_letter(seat, server, letter, leases),
    }
}

/// Each of these after the first ones, and the first ones alone.
fn behind(first: &[Stimulus], then: Vec<Vec<Stimulus>>) -> Vec<Vec<Stimulus>> {
    let later = then.into_iter().map(|inputs| [first, &inputs].concat());
    [first.to_vec()].into_iter().chain(later).collect()
}

fn of_letter(seat: Seat, server: &Server, letter: &Letter, leases: bool) -> Vec<Vec<Stimulus>> {
    let (ours, theirs) = (server.node.term(), letter.term);
    let (term, from) = (theirs.number() as u8, name(letter.from));
    let learnt = (ours < theirs).then_some(Stimulus::Learn { term, from });
    match &letter.message {
        _ if theirs < ours || is_disturbance(server, letter) => Vec::new(),
        Message::AppendReply { matched, .. } | Message::RepairRequest { matched, .. } if ours == theirs => {
            acknowledged(seat, server, letter.from, *matched)
        }
        _ => match (input(server, letter, leases), learnt) {
            // A leader whose transfer is asked to vote learns of the new term first: anybody may.
            (Some(input), Some(learnt)) => vec![vec![input], vec![learnt, input]],
            (Some(input), None) | (None, Some(input)) => vec![vec![input]],
            (None, None) => Vec::new(),
        },
    }
}

/// Whoever sends a snapshot of an older term is only told the newer one.
fn of_snapshot(server: &Server, letter: &Letter, cells: Cells) -> Vec<Vec<Stimulus>> {
    let (term, from) = (letter.term.number() as u8, name(letter.from));
    let is_old = letter.term < server.node.term();
    if is_old { Vec::new() } else { vec![vec![Stimulus::Install { term, from, cells }]] }
}

fn input(server: &Server, letter: &Letter, leases: bool) -> Option<Stimulus> {
    let (term, from, sticks_to) = (letter.term.number() as u8, name(letter.from), 0);
    let is_of_our_term = letter.term == server.node.term();
    match &letter.message {
        Message::PreVoteRequest { last } => {
            Some(Stimulus::PreVoteRequest { term, from, last: Place::of(*last), sticks_to })
        }
        Message::VoteRequest { last, transfer } => {
            let transfer = *transfer && leases;
            Some(Stimulus::VoteRequest { term, from, last: Place::of(*last), sticks_to, transfer })
        }
        Message::AppendRequest { entries, commit, .. } => {
            let cells = Cells::new(entries.entries()).unwrap_or_default();
            let (previous, commit) = (Place::of(entries.previous()), commit.number() as u8);
            Some(Stimulus::Append { term, from, previous, cells, commit })
        }
        Message::TimeoutNow => {
            let is_told = is_of_our_term && server.observed.contact == Contact::Leader(letter.from);
            is_told.then_some(Stimulus::TimeoutNow { from })
        }
        Message::PreVoteReply { granted: true } | Message::VoteReply { granted: true } if is_of_our_term => {
            granted(server, letter)
        }
        _ => None,
    }
}

/// The vote that this letter brings counts with those that were granted before.
fn granted(server: &Server, letter: &Letter) -> Option<Stimulus> {
    let all = server.observed.granted_with(&server.node, &Event::Receive(letter.clone()));
    let votes = others(server, all);
    match server.node.role() {
        Role::PreCandidate { .. } => Some(Stimulus::Campaign { grants: votes }),
        Role::Candidate { .. } => Some(Stimulus::Count { votes }),
        Role::Follower { .. } | Role::Leader { .. } => None,
    }
}

/// What this acknowledgement and earlier ones allow to commit, and whom they allow to take over.
fn acknowledged(seat: Seat, server: &Server, from: ServerId, matched: Index) -> Vec<Vec<Stimulus>> {
    let Role::Leader { progress, .. } = server.node.role() else { return Vec::new() };
    let told = |id: ServerId| if id == from { matched } else { Index::ZERO };
    let known = progress.iter().filter(|(id, _)| *id != server.node.id());
    let known: Vec<(u8, u8)> = known.map(|(id, it)| (name(id), it.matched.max(told(id)).number() as u8)).collect();
    let up_to = |most: u8| {
        let capped = known.iter().map(|&(id, matched)| Indices::from(matched.min(most)) << (3 * (id - 1)));
        Stimulus::Acknowledge { matched: capped.sum() }
    };
    let target = known.iter().find(|(id, _)| server.observed.target == Some(ServerId::new((*id).into())));
    let transfer: Vec<_> = target.map(|&(to, matched)| vec![Stimulus::Transfer { to, matched }]).into_iter().collect();
    // Several entries may be committed at once, or one after the other.
    let chosen = |bits: u8| (seat.commit() + 1..=seat.len()).filter(move |index| bits >> index & 1 != 0).map(up_to);
    let commits = (1..2 << seat.len()).map(|bits| chosen(bits).collect::<Vec<_>>());
    commits.flat_map(|commits| behind(&commits, transfer.clone())).collect()
}

fn transfer(server: &Server, to: ServerId) -> Option<Stimulus> {
    let Role::Leader { progress, .. } = server.node.role() else { return None };
    progress.get(to).map(|it| Stimulus::Transfer { to: name(to), matched: it.matched.number() as u8 })
}

fn others(server: &Server, set: Servers) -> Mask {
    set.ids().filter(|&id| id != server.node.id()).map(|id| 1 << (name(id) - 1)).sum()
}

fn name(id: ServerId) -> u8 {
    id.number() as u8
}
