//! What can happen to one server.

use rafttree_model::{Envelope, Event, Index, Message, Position, ServerId, Slice, Term};

use crate::quotient::server::{Cells, Seat, term_of};
use crate::quotient::sets::{Indices, Mask, index_of, members_of};
use crate::world::Tag;

/// Something that may happen to a server. Terms, indices and ids are those of the state.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Stimulus {
    /// §5.2: times out, and hears that these others would vote for it.
    Campaign {
        grants: Mask,
    },
    /// Counts the votes of these others.
    Count {
        votes: Mask,
    },
    /// Learns that a newer term has begun.
    Learn {
        term: u8,
        from: u8,
    },
    /// Is asked for its vote; it may have just heard from this leader (0: from none).
    VoteRequest {
        term: u8,
        from: u8,
        last: (u8, u8),
        loyal_to: u8,
    },
    /// Is asked how it would vote.
    PreVoteRequest {
        term: u8,
        from: u8,
        last: (u8, u8),
        loyal_to: u8,
    },
    /// Is sent this part of a leader's log.
    Append {
        term: u8,
        from: u8,
        previous: (u8, u8),
        cells: Cells,
        commit: u8,
    },
    /// A leader hears what followers acknowledge.
    Acknowledge {
        matched: Indices,
    },
    /// A leader that was told so much hears that a follower lacks an entry.
    Refuse {
        from: u8,
        missing: u8,
        hint: (u8, u8),
        matched: u8,
    },
    /// It is time to repeat what was said.
    HeartbeatTimeout,
    /// The minimum timeout passes after these were heard.
    MinimumTimeout {
        heard: Mask,
    },
    /// A client proposes a command.
    Propose {
        version: u8,
    },
    /// The leader is told to hand over to a server that has acknowledged so much.
    Transfer {
        to: u8,
        matched: u8,
    },
    /// The leader, just heard, hands over.
    TimeoutNow {
        from: u8,
    },
    StepDown,
    /// A leader's oldest unsynced entry becomes durable.
    Flush,
    /// The server stops and starts again; of its unsynced records so many are on the disk.
    Crash {
        keep: u8,
    },
}

/// Something that happens to a concrete server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Happening {
    Event(Event<Tag>),
    /// Its oldest unsynced step becomes durable.
    Flush,
    /// It stops and starts again; of its unsynced records so many are on the disk.
    Crash {
        keep: u8,
    },
}

fn position((term, index): (u8, u8)) -> Position {
    Position { term: Term::new(term.into()), index: Index::new(index.into()) }
}

fn slice(previous: (u8, u8), cells: Cells) -> Slice<Tag> {
    let entries = Slice::new(position(previous), cells.entries(previous.1));
    entries.expect("a log has no gaps and its terms never fall")
}

/// What a leader has acknowledged to itself: it does so for each entry that it appends, once that is
/// durable, and not for those that it had before.
pub(crate) fn own(seat: Seat) -> u8 {
    let synced = seat.cells().first(seat.synced());
    let is_own = synced.len != 0 && term_of(synced.get(synced.len - 1)) == seat.term();
    if is_own { synced.len } else { 0 }
}

/// The events that a stimulus consists of.
pub(crate) fn script(seat: Seat, id: u8, base: u8, stimulus: Stimulus) -> Vec<Event<Tag>> {
    let receive = |from: u8, term: u8, message| {
        let (from, to) = (ServerId::new(from.into()), ServerId::new(id.into()));
        Event::Receive(Envelope { from, to, term: Term::new(term.into()), message })
    };
    let granted = |votes: Mask, message: Message<Slice<Tag>>| {
        members_of(votes).map(|voter| receive(voter, seat.term(), message.clone())).collect::<Vec<_>>()
    };
    let append = |from, term, previous: (u8, u8), cells: Cells, commit: u8| {
        let entries = slice(previous, cells);
        receive(from, term, Message::AppendRequest { entries, commit: Index::new(commit.into()) })
    };
    let heard = |leader: u8| (leader != 0).then(|| append(leader, seat.term(), (base, 0), Cells::default(), 0));
    let asked =
        |loyal_to, from, term, message| heard(loyal_to).into_iter().chain([receive(from, term, message)]).collect();
    let acknowledged = |from, matched: u8| {
        (matched != 0).then(|| receive(from, seat.term(), Message::AppendReply { matched: Index::new(matched.into()) }))
    };
    match stimulus {
        Stimulus::Campaign { grants } => {
            let replies = granted(grants, Message::PreVoteReply { granted: true });
            [vec![Event::ElectionTimeout], replies].concat()
        }
        Stimulus::Count { votes } => granted(votes, Message::VoteReply { granted: true }),
        Stimulus::Learn { term, from } => vec![receive(from, term, Message::Stale)],
        Stimulus::VoteRequest { term, from, last, loyal_to } => {
            asked(loyal_to, from, term, Message::VoteRequest { last: position(last), transfer: false })
        }
        Stimulus::PreVoteRequest { term, from, last, loyal_to } => {
            asked(loyal_to, from, term, Message::PreVoteRequest { last: position(last) })
        }
        Stimulus::Append { term, from, previous, cells, commit } => vec![append(from, term, previous, cells, commit)],
        Stimulus::Acknowledge { matched } => {
            let others =
                (1..=8).filter(|other| *other != id).map(|other| acknowledged(other, index_of(matched, other)));
            [acknowledged(id, own(seat))].into_iter().chain(others).flatten().collect()
        }
        Stimulus::Refuse { from, missing, hint, matched } => {
            let message = Message::AppendRefusal { missing: Index::new(missing.into()), hint: position(hint) };
            let refusal = receive(from, seat.term(), message);
            // What it has acknowledged may arrive again when the leader is sending anew.
            let again = acknowledged(from, matched);
            acknowledged(from, matched).into_iter().chain([refusal]).chain(again).collect()
        }
        Stimulus::HeartbeatTimeout => vec![Event::HeartbeatTimeout],
        Stimulus::MinimumTimeout { heard } => {
            let answers = granted(heard, Message::AppendReply { matched: Index::ZERO });
            [answers, vec![Event::MinimumTimeout]].concat()
        }
        Stimulus::Propose { version } => vec![Event::Propose(Tag(ServerId::new(version.into())))],
        Stimulus::Transfer { to, matched } => {
            acknowledged(to, matched).into_iter().chain([Event::Transfer(ServerId::new(to.into()))]).collect()
        }
        Stimulus::TimeoutNow { from } => {
            heard(from).into_iter().chain([receive(from, seat.term(), Message::TimeoutNow)]).collect()
        }
        Stimulus::StepDown => vec![Event::StepDown],
        Stimulus::Flush | Stimulus::Crash { .. } => unreachable!("no event of the server"),
    }
}
