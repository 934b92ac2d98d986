//! What can happen to one server.

use rafttree_model::{Envelope, Event, Index, Message, Round, ServerId, Slice, Term};

use crate::quotient::server::{Cells, Seat, term_of};
use crate::quotient::sets::{Indices, Mask, index_of, members_of};
use crate::world::{Letter, Place, Tag};

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
        last: Place,
        sticks_to: u8,
        /// Whether a leader asked for that campaign; where there are leases.
        transfer: bool,
    },
    /// Is asked how it would vote.
    PreVoteRequest {
        term: u8,
        from: u8,
        last: Place,
        sticks_to: u8,
    },
    /// Is sent this part of a leader's log.
    Append {
        term: u8,
        from: u8,
        previous: Place,
        cells: Cells,
        commit: u8,
    },
    /// A leader hears what followers acknowledge.
    Acknowledge {
        matched: Indices,
    },
    /// A leader's snapshot arrives, made of these entries.
    Install {
        term: u8,
        from: u8,
        cells: Cells,
    },
    /// A snapshot is durable up to here.
    Snapshot {
        through: u8,
    },
    /// A leader that was told so much hears that a follower lacks an entry.
    Refuse {
        from: u8,
        missing: u8,
        hint: Place,
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
    /// The leader is told to transfer leadership to a server that has acknowledged so much.
    Transfer {
        to: u8,
        matched: u8,
    },
    /// The leader, just heard, transfers its leadership.
    TimeoutNow {
        from: u8,
    },
    StepDown,
    /// A leader begins a round of heartbeats, and these others answer it.
    Read {
        answered: Mask,
    },
    /// A leader begins the round that its lease is counted from.
    BeginLease,
    /// Is told by its leader of that round, and answers.
    AnswerLease {
        term: u8,
        from: u8,
    },
    /// The leader hears what others say in answer to that round, of some before it, and, in a newer term, instead.
    ConfirmLease {
        answered: Mask,
        earlier: Mask,
        newer: Mask,
        newer_term: u8,
    },
    /// A leader's oldest unsynced entry becomes durable.
    Flush,
    /// The server stops and starts again; of its unsynced records so many are on the disk.
    Crash {
        keep: u8,
    },
    /// The same, none are, and of its log the disk has damaged these entries.
    Damage {
        first: u8,
        last: u8,
    },
}

/// Something that happens to a concrete server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Happening {
    Event(Event<Tag>),
    /// A snapshot arrives, made of these entries.
    Install {
        letter: Letter,
        cells: Cells,
    },
    /// Its oldest unsynced step becomes durable.
    Flush,
    /// It stops and starts again; of its unsynced records so many are on the disk.
    Crash {
        keep: u8,
    },
    /// The same, none are, and of its log the disk has damaged these entries.
    Damage {
        first: u8,
        last: u8,
    },
}

fn slice(previous: Place, cells: Cells) -> Slice<Tag> {
    let entries = Slice::new(previous.position(), cells.entries(previous.index));
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
    let told = Told { seat, id, base };
    let no_news = |round| Message::AppendReply { matched: Index::ZERO, round };
    match stimulus {
        Stimulus::Campaign { grants } => {
            let replies = told.by_each(grants, &Message::PreVoteReply { granted: true });
            [vec![Event::ElectionTimeout], replies].concat()
        }
        Stimulus::Count { votes } => told.by_each(votes, &Message::VoteReply { granted: true }),
        Stimulus::Learn { term, from } => vec![told.by(from, term, Message::Stale)],
        Stimulus::VoteRequest { term, from, last, sticks_to, transfer } => {
            let request = Message::VoteRequest { last: last.position(), transfer };
            told.after_hearing(sticks_to, told.by(from, term, request))
        }
        Stimulus::PreVoteRequest { term, from, last, sticks_to } => {
            let request = Message::PreVoteRequest { last: last.position() };
            told.after_hearing(sticks_to, told.by(from, term, request))
        }
        Stimulus::Append { term, from, previous, cells, commit } => {
            vec![told.by(from, term, append(previous, cells, commit, Round::ZERO))]
        }
        Stimulus::Install { term, from, cells } => {
            let last = cells.last(base).position();
            vec![told.by(from, term, Message::InstallSnapshot { last, round: Round::ZERO })]
        }
        Stimulus::Snapshot { through } => vec![Event::Snapshotted(Index::new(through.into()))],
        Stimulus::Acknowledge { matched } => {
            let others = (1..=8).filter(|other| *other != id);
            let others = others.map(|other| told.acknowledged(other, index_of(matched, other)));
            [told.acknowledged(id, own(seat))].into_iter().chain(others).flatten().collect()
        }
        Stimulus::Refuse { from, missing, hint, matched } => told.refused(from, missing, hint, matched),
        Stimulus::HeartbeatTimeout => vec![Event::HeartbeatTimeout],
        Stimulus::MinimumTimeout { heard } => {
            [told.by_each(heard, &no_news(Round::ZERO)), vec![Event::MinimumTimeout]].concat()
        }
        Stimulus::Propose { version } => vec![Event::Propose(Tag(ServerId::new(version.into())))],
        Stimulus::Transfer { to, matched } => {
            let transfer = Event::Transfer(ServerId::new(to.into()));
            told.acknowledged(to, matched).into_iter().chain([transfer]).collect()
        }
        Stimulus::TimeoutNow { from } => told.after_hearing(from, told.by(from, seat.term(), Message::TimeoutNow)),
        Stimulus::StepDown => vec![Event::StepDown],
        Stimulus::Read { answered } => {
            [vec![Event::HeartbeatTimeout], told.by_each(answered, &no_news(Round::ZERO.next()))].concat()
        }
        Stimulus::BeginLease => vec![Event::HeartbeatTimeout],
        Stimulus::AnswerLease { term, from } => {
            vec![told.by(from, term, append(Place::new(base, 0), Cells::default(), 0, LEASED))]
        }
        Stimulus::ConfirmLease { answered, earlier, newer, newer_term } => {
            told.of_lease(answered, earlier, newer, newer_term)
        }
        Stimulus::Flush | Stimulus::Crash { .. } | Stimulus::Damage { .. } => unreachable!("no event of the server"),
    }
}

/// The round that a lease is counted from, and one before it.
pub(crate) const LEASED: Round = Round::new(2);
const EARLIER: Round = Round::new(1);

/// What a server is told by others.
#[derive(Clone, Copy)]
struct Told {
    seat: Seat,
    id: u8,
    base: u8,
}

impl Told {
    fn by(self, from: u8, term: u8, message: Message<Slice<Tag>>) -> Event<Tag> {
        let (from, to) = (ServerId::new(from.into()), ServerId::new(self.id.into()));
        Event::Receive(Envelope { from, to, term: Term::new(term.into()), message })
    }

    /// The same by several, in the server's own term.
    fn by_each(self, others: Mask, message: &Message<Slice<Tag>>) -> Vec<Event<Tag>> {
        members_of(others).map(|from| self.by(from, self.seat.term(), message.clone())).collect()
    }

    /// This, once a leader of its term was heard; 0 is none.
    fn after_hearing(self, leader: u8, event: Event<Tag>) -> Vec<Event<Tag>> {
        let word =
            || self.by(leader, self.seat.term(), append(Place::new(self.base, 0), Cells::default(), 0, Round::ZERO));
        (leader != 0).then(word).into_iter().chain([event]).collect()
    }

    /// A leader begins two rounds. What others say of newer terms ends its leadership; what they say of the
    /// first round, refusals included, is no answer to the second.
    fn of_lease(self, answered: Mask, earlier: Mask, newer: Mask, newer_term: u8) -> Vec<Event<Tag>> {
        let (missing, hint, matched) = (Index::new(1), Place::new(self.base, 0).position(), Index::ZERO);
        let refused = Message::AppendRefusal { missing, hint, round: EARLIER };
        let reply = |round| Message::AppendReply { matched, round };
        let rounds = vec![Event::HeartbeatTimeout, Event::HeartbeatTimeout];
        let moved_on = members_of(newer).map(|from| self.by(from, newer_term, Message::Stale)).collect();
        let before = [refused, reply(EARLIER)].map(|message| self.by_each(earlier, &message)).concat();
        [rounds, moved_on, before, self.by_each(answered, &reply(LEASED))].concat()
    }

    fn acknowledged(self, from: u8, matched: u8) -> Option<Event<Tag>> {
        let message = Message::AppendReply { matched: Index::new(matched.into()), round: Round::ZERO };
        (matched != 0).then(|| self.by(from, self.seat.term(), message))
    }

    /// What the follower has acknowledged may arrive again when the leader is sending anew.
    fn refused(self, from: u8, missing: u8, hint: Place, matched: u8) -> Vec<Event<Tag>> {
        let (missing, hint, round) = (Index::new(missing.into()), hint.position(), Round::ZERO);
        let refusal = self.by(from, self.seat.term(), Message::AppendRefusal { missing, hint, round });
        let acknowledged = || self.acknowledged(from, matched);
        acknowledged().into_iter().chain([refusal]).chain(acknowledged()).collect()
    }
}

fn append(previous: Place, cells: Cells, commit: u8, round: Round) -> Message<Slice<Tag>> {
    Message::AppendRequest { entries: slice(previous, cells), commit: Index::new(commit.into()), round }
}
