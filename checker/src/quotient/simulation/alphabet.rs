//! Everything that may happen to a server, whatever it has in memory: each timer, each thing that
//! is asked of it, and every well-formed message, whether correct servers would send it or not.

use rafttree_model::{Entry, Envelope, Event, Index, Message, Payload, Position, Round, ServerId, Slice, Term};

use crate::quotient::inputs::Happening;
use crate::quotient::server::Cells;
use crate::quotient::simulation::variants::MAX_ROUNDS;
use crate::world::{Letter, Server, Tag};

/// What a server is told by others, by itself and by its timers, service and disk.
///
/// Only servers whose disk was damaged ask for repairs: so that is tried where disks are.
pub(super) fn happenings(server: &Server, window: u64, snapshots: bool, damages: bool) -> Vec<Happening> {
    let events = local_events(server).chain(letters(server, window, damages).into_iter().map(Event::Receive));
    let damages = if damages { damaged(server) } else { Vec::new() };
    let of_snapshots = if snapshots { of_snapshots(server, window) } else { Vec::new() };
    let crashes = (0..=server.unsynced_records() as u8).map(|keep| Happening::Crash { keep });
    let flush = (!server.unsynced.is_empty()).then_some(Happening::Flush);
    events.map(Happening::Event).chain(crashes).chain(flush).chain(of_snapshots).chain(damages).collect()
}

/// Of a disk that can be read, any part may be damaged.
fn damaged(server: &Server) -> Vec<Happening> {
    let last = if server.disk.entries.faulty().is_none() { server.disk.entries.len() as u8 } else { 0 };
    let base = server.disk.durable.log().base().index.number() as u8;
    let parts = (base + 1..=last).flat_map(|first| (first..=last).map(move |last| (first, last)));
    parts.map(|(first, last)| Happening::Damage { first, last }).collect()
}

/// An entry of the same name is the same entry (§5.3): whoever sends it has what the server had.
fn carry_what_was_lost(message: &mut Message<Slice<Tag>>, server: &Server) {
    let Message::AppendRequest { entries, .. } = message else { return };
    let held = |entry: &Entry<Tag>| server.entries.iter().find(|held| held.position == entry.position).copied();
    let carried = entries.entries().iter().map(|entry| held(entry).unwrap_or(*entry)).collect();
    *entries = Slice::new(entries.previous(), carried).expect("they have the same names");
}

/// What servers ask for that have lost entries: each place, and each round that is told apart.
fn repair_requests(window: u64) -> impl Iterator<Item = Message<Slice<Tag>>> {
    let request = |matched, round| Message::RepairRequest { matched: Index::new(matched), round: Round::new(round) };
    (0..=window + 1).flat_map(move |matched| (0..=MAX_ROUNDS + 1).map(move |round| request(matched, round)))
}

fn local_events(server: &Server) -> impl Iterator<Item = Event<Tag>> + use<> {
    let timers = [Event::ElectionTimeout, Event::HeartbeatTimeout, Event::MinimumTimeout];
    let asked = [Event::Propose(Tag(ServerId::new(0))), Event::StepDown];
    let transfers: Vec<_> = server.node.members().ids().map(Event::Transfer).collect();
    timers.into_iter().chain(asked).chain(transfers)
}

/// A server only tells whether a term is lower than its own, the same, or higher.
fn letters(server: &Server, window: u64, damages: bool) -> Vec<Letter> {
    let id = server.node.id();
    let mut letters = Vec::new();
    for term in told_apart(server.node.term()) {
        let mut messages = messages(server.entries.base(), term, window);
        if damages {
            messages.extend(repair_requests(window));
            messages.iter_mut().for_each(|message| carry_what_was_lost(message, server));
        }
        for from in server.node.peers() {
            letters.extend(messages.iter().map(|message| Envelope { from, to: id, term, message: message.clone() }));
        }
    }
    letters.extend(own(server).into_iter().map(|message| Envelope {
        from: id,
        to: id,
        term: server.node.term(),
        message,
    }));
    letters
}

fn told_apart(term: Term) -> impl Iterator<Item = Term> {
    let terms = [term.number().checked_sub(1), Some(term.number()), Some(term.number() + 1)];
    terms.into_iter().flatten().map(Term::new)
}

/// Snapshots that become durable, and those that arrive, whatever entry they end with.
fn of_snapshots(server: &Server, window: u64) -> Vec<Happening> {
    let own = (0..=window + 1).map(|through| Happening::Event(Event::Snapshotted(Index::new(through))));
    let mut all: Vec<Happening> = own.collect();
    for term in told_apart(server.node.term()) {
        let ends = positions(server.entries.base(), term, window).into_iter().filter(|last| last.index != Index::ZERO);
        for (last, cells) in ends.filter_map(|last| Some((last, made_of(server, last)?))) {
            // What it says of the log makes no difference to the round that it is of.
            let rounds = if last.index.number() == window { 0..=1 } else { 0..=0 };
            for message in rounds.map(|round| Message::InstallSnapshot { last, round: Round::new(round) }) {
                let letter = |from| Envelope { from, to: server.node.id(), term, message: message.clone() };
                all.extend(server.node.peers().map(|from| Happening::Install { letter: letter(from), cells }));
            }
        }
    }
    all
}

/// Entries of which a snapshot that ends so may be made: those of the server, if it holds that entry; or
/// others behind what it knows to be committed. `None` if terms would fall along them.
fn made_of(server: &Server, last: Position) -> Option<Cells> {
    let length = last.index.number() as usize;
    if server.entries.get(length - 1).is_some_and(|entry| entry.position == last) {
        return Cells::new(&server.entries[..length]).ok();
    }
    let known = (server.node.commit().number() as usize).min(length - 1);
    let mut entries = server.entries[..known].to_vec();
    let before = entries.last().map_or(server.entries.base(), |entry| entry.position).term;
    let filling = (known + 1..length).map(|index| (index, before.max(Term::new(1).min(last.term))));
    for (index, term) in filling.chain([(length, last.term)]) {
        let position = Position { term, index: Index::new(index as u64) };
        entries.push(Entry { position, payload: Payload::Blank });
    }
    let is_log = entries.iter().map(|entry| entry.position.term).is_sorted() && before <= last.term;
    Cells::new(&entries).ok().filter(|_| is_log)
}

/// What a server tells itself: that it votes for itself, and what is on its disk.
fn own(server: &Server) -> Vec<Message<Slice<Tag>>> {
    let term = server.node.term();
    let on_disk = server.disk.entries.iter().map(|entry| entry.position).filter(|at| at.term == term);
    let acknowledgements = on_disk.map(|at| Message::AppendReply { matched: at.index, round: Round::ZERO });
    let votes = [Message::PreVoteReply { granted: true }, Message::VoteReply { granted: true }];
    votes.into_iter().chain(acknowledgements).collect()
}

/// Each kind of message, each flag, each position within the window.
fn messages(base: Position, term: Term, window: u64) -> Vec<Message<Slice<Tag>>> {
    let positions = positions(base, term, window);
    let granted = [true, false].into_iter();
    let mut all = vec![Message::TimeoutNow, Message::Stale];
    all.extend(granted.clone().map(|granted| Message::PreVoteReply { granted }));
    all.extend(granted.clone().map(|granted| Message::VoteReply { granted }));
    for &last in &positions {
        all.push(Message::PreVoteRequest { last });
        all.extend(granted.clone().map(|transfer| Message::VoteRequest { last, transfer }));
    }
    all.extend(
        (0..=window + 1).map(|matched| Message::AppendReply { matched: Index::new(matched), round: Round::ZERO }),
    );
    all.extend(of_rounds(base));
    for missing in (0..=window + 1).map(Index::new) {
        let hints = positions.iter().filter(|hint| hint.index <= missing);
        all.extend(hints.map(|&hint| Message::AppendRefusal { missing, hint, round: Round::ZERO }));
    }
    for entries in slices(base, term, window) {
        let commits = (0..=window).map(Index::new);
        all.extend(commits.map(|commit| Message::AppendRequest {
            entries: entries.clone(),
            commit,
            round: Round::ZERO,
        }));
    }
    all
}

/// What is said in rounds: the latest one, and the one after it, which has not begun, included. What it says
/// of logs makes no difference to that.
fn of_rounds(base: Position) -> impl Iterator<Item = Message<Slice<Tag>>> {
    let (commit, missing) = (Index::ZERO, Index::new(1));
    let none_behind = |at| Slice::new(at, Vec::new()).expect("no entries have no gaps");
    let beyond = Position { term: base.term, index: Index::new(9) };
    (1..=MAX_ROUNDS + 1).map(Round::new).flat_map(move |round| {
        let held = Message::AppendRequest { entries: none_behind(base), commit, round };
        let refused = Message::AppendRequest { entries: none_behind(beyond), commit, round };
        let answers = [
            Message::AppendReply { matched: Index::ZERO, round },
            Message::AppendRefusal { missing, hint: base, round },
        ];
        [held, refused].into_iter().chain(answers)
    })
}

/// Where a log may end, or agree: at the base, before it, or at any entry behind it.
fn positions(base: Position, term: Term, window: u64) -> Vec<Position> {
    let behind = (1..=window)
        .flat_map(|index| terms(base.term, term).map(move |term| Position { term, index: Index::new(index) }));
    let mut all: Vec<_> = [Position::default(), base].into_iter().chain(behind).collect();
    all.dedup();
    all
}

fn terms(from: Term, to: Term) -> impl Iterator<Item = Term> + Clone {
    (from.number().max(1)..=to.number()).map(Term::new)
}

/// All consecutive entries of terms that never fall and are not after the message's own.
fn slices(base: Position, term: Term, window: u64) -> Vec<Slice<Tag>> {
    let starts = positions(base, term, window).into_iter().filter(|start| *start == base || start.index != Index::ZERO);
    let mut all: Vec<(Position, Vec<Entry<Tag>>)> = starts.map(|start| (start, Vec::new())).collect();
    let mut at = 0;
    while let Some((previous, entries)) = all.get(at).cloned() {
        let last = entries.last().map_or(previous, |entry| entry.position);
        if last.index < Index::new(window) {
            for term in terms(last.term, term) {
                let position = Position { term, index: last.index.next() };
                let entry = Entry { position, payload: Payload::Blank };
                all.push((previous, [&entries[..], &[entry]].concat()));
            }
        }
        at += 1;
    }
    let slices = all.into_iter().map(|(previous, entries)| Slice::new(previous, entries).expect("made consecutive"));
    slices.filter(|slice| slice.last().term <= term).collect()
}
