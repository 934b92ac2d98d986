//! Short names for the stories, and servers brought into a state by events alone.

use rafttree_model::{
    Durable, Effects, Entry, Envelope, Event, Index, Log, Members, Message, Node, Output, Payload, Position, Range,
    Record, Round, Rules, ServerId, Slice, Term, step, step_by,
};

/// What clients propose in the stories.
pub(crate) type Command = &'static str;

/// The round with which a leadership begins.
pub(crate) const FIRST: Round = Round::new(1);

pub(crate) fn id(number: u32) -> ServerId {
    ServerId::new(number)
}

/// Written as it is displayed: `at(3, 2)` is `3@2`.
pub(crate) fn at(index: u64, term: u64) -> Position {
    Position { term: Term::new(term), index: Index::new(index) }
}

pub(crate) fn blank(index: u64, term: u64) -> Entry<Command> {
    Entry { position: at(index, term), payload: Payload::Blank }
}

pub(crate) fn command(index: u64, term: u64, text: Command) -> Entry<Command> {
    Entry { position: at(index, term), payload: Payload::Command(text) }
}

/// The servers 1, 2, .. of a group.
pub(crate) fn group(size: u32) -> Members {
    Members::new((1..=size).map(ServerId::new)).expect("the stories' groups have one to nine servers")
}

/// Entries of these terms behind `previous`.
pub(crate) fn slice(previous: Position, terms: &[u64]) -> Slice<Command> {
    let entries = (previous.index.number() + 1..).zip(terms).map(|(index, &term)| blank(index, term)).collect();
    Slice::new(previous, entries).expect("the stories' entries are consecutive and their terms never fall")
}

/// A disk with entries of these terms from index 1 on.
pub(crate) fn disk(term: u64, terms: &[u64]) -> Durable {
    let mut durable = Durable::default();
    durable.apply(&Record::<Command>::Term(Term::new(term)));
    for entry in slice(at(0, 0), terms).into_entries() {
        durable.apply(&Record::Append(entry));
    }
    durable
}

/// The shape of a log with entries of these terms.
pub(crate) fn log(terms: &[u64]) -> Log {
    disk(0, terms).log().clone()
}

/// The entry at `index` of a log with entries of these terms; `0@0` before the first.
pub(crate) fn position_in(terms: &[u64], index: u64) -> Option<Position> {
    match index.checked_sub(1) {
        None => Some(at(0, 0)),
        Some(before) => terms.get(before as usize).map(|&term| at(index, term)),
    }
}

/// The terms of every entry that the log holds.
pub(crate) fn terms_of(log: &Log) -> Vec<u64> {
    let held = log.base().index.number() + 1..=log.last().index.number();
    held.map(|index| log.term_at(Index::new(index)).expect("every entry between base and last has a term").number())
        .collect()
}

/// Every list of at most `longest` terms from 1 to `highest` that never fall.
pub(crate) fn all_terms(longest: usize, highest: u64) -> Vec<Vec<u64>> {
    let grow = |list: &Vec<u64>| -> Vec<Vec<u64>> {
        let lowest = list.last().copied().unwrap_or(1);
        (lowest..=highest).map(|term| [&list[..], &[term]].concat()).collect()
    };
    let mut layer: Vec<Vec<u64>> = vec![vec![]];
    let mut lists = layer.clone();
    for _ in 0..longest {
        layer = layer.iter().flat_map(grow).collect();
        lists.extend(layer.iter().cloned());
    }
    lists
}

/// What a step asked of the world.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Done {
    pub(crate) records: Vec<Record<Command>>,
    pub(crate) early: Vec<Output>,
    pub(crate) outputs: Vec<Output>,
}

impl Done {
    /// Nothing to write and nothing to do.
    pub(crate) fn is_nothing(&self) -> bool {
        self.records.is_empty() && self.early.is_empty() && self.outputs.is_empty()
    }

    /// What it says to others and to itself, early or not.
    pub(crate) fn messages(&self) -> Vec<Envelope<Range>> {
        let outputs = self.early.iter().chain(&self.outputs);
        outputs.filter_map(|output| if let Output::Send(envelope) = output { Some(*envelope) } else { None }).collect()
    }
}

/// One step.
pub(crate) fn on(node: &mut Node, event: Event<Command>) -> Done {
    let mut effects = Effects::new();
    step(node, event, &mut effects);
    done(effects)
}

/// One step by other rules than those that are deployed.
pub(crate) fn on_by<R: Rules>(node: &mut Node, event: Event<Command>) -> Done {
    let mut effects = Effects::new();
    step_by::<R, Command>(node, event, &mut effects);
    done(effects)
}

fn done(mut effects: Effects<Command>) -> Done {
    let records = effects.records().to_vec();
    let early = effects.early().to_vec();
    let outputs = effects.after_sync().to_vec();
    effects.done();
    assert!(effects.is_empty(), "records are gone with the outputs that wait for them");
    Done { records, early, outputs }
}

/// Several steps, of which only the last is of interest.
pub(crate) fn after(node: &mut Node, events: impl IntoIterator<Item = Event<Command>>) -> Done {
    let mut last = None;
    for event in events {
        last = Some(on(node, event));
    }
    last.expect("a story has at least one event")
}

/// Server 1 receives a message.
pub(crate) fn receive(from: u32, term: u64, message: Message<Slice<Command>>) -> Event<Command> {
    Event::Receive(Envelope { from: id(from), to: id(1), term: Term::new(term), message })
}

/// Server 1 sends a message.
pub(crate) fn send(to: u32, term: u64, message: Message<Range>) -> Output {
    Output::Send(Envelope { from: id(1), to: id(to), term: Term::new(term), message })
}

/// The server has answered something of the first round.
pub(crate) fn heard(follower: u32) -> Output {
    Output::Heard { follower: id(follower), round: FIRST }
}

pub(crate) fn vote_request(last: Position) -> Message<Slice<Command>> {
    Message::VoteRequest { last, transfer: false }
}

pub(crate) fn vote(granted: bool) -> Message<Slice<Command>> {
    Message::VoteReply { granted }
}

pub(crate) fn heartbeat(previous: Position, commit: u64) -> Message<Slice<Command>> {
    append(previous, &[], commit)
}

pub(crate) fn append(previous: Position, terms: &[u64], commit: u64) -> Message<Slice<Command>> {
    Message::AppendRequest { entries: slice(previous, terms), commit: Index::new(commit), round: FIRST }
}

pub(crate) fn matched(index: u64) -> Message<Slice<Command>> {
    Message::AppendReply { matched: Index::new(index), round: FIRST }
}

/// A leader's request as it leaves: the entries after `previous` up to `last`.
pub(crate) fn range(previous: Position, last: Position, commit: u64) -> Message<Range> {
    Message::AppendRequest { entries: Range { previous, last }, commit: Index::new(commit), round: FIRST }
}

/// The same in a later round than the first.
pub(crate) fn range_of(round: u64, previous: Position, last: Position, commit: u64) -> Message<Range> {
    let entries = Range { previous, last };
    Message::AppendRequest { entries, commit: Index::new(commit), round: Round::new(round) }
}

/// Server 1 of a group as it starts on this disk.
pub(crate) fn restarted(size: u32, durable: Durable) -> Node {
    Node::recover(id(1), group(size), durable)
}

/// Server 1, which has heard no leader for the minimum timeout.
pub(crate) fn follower(size: u32, term: u64, terms: &[u64]) -> Node {
    let mut node = restarted(size, disk(term, terms));
    let _ = on(&mut node, Event::MinimumTimeout);
    node
}

/// Server 1, which has heard server 2 as the leader of its term.
pub(crate) fn follower_of_2(size: u32, term: u64, terms: &[u64]) -> Node {
    let mut node = follower(size, term, terms);
    let _ = on(&mut node, receive(2, term, heartbeat(log(terms).last(), 0)));
    node
}

/// Server 1, which a majority would vote for; its campaign is for `term`.
pub(crate) fn candidate(size: u32, term: u64, terms: &[u64]) -> Node {
    let mut node = follower(size, term - 1, terms);
    let _ = on(&mut node, Event::ElectionTimeout);
    for voter in 1..=size / 2 + 1 {
        let _ = on(&mut node, receive(voter, term - 1, Message::PreVoteReply { granted: true }));
    }
    node
}

/// Server 1, which leads `term` with a log of these terms and its own blank entry, stored by
/// nobody yet, itself included.
pub(crate) fn leader(size: u32, term: u64, terms: &[u64]) -> Node {
    let mut node = candidate(size, term, terms);
    for voter in 1..=size / 2 + 1 {
        let _ = on(&mut node, receive(voter, term, vote(true)));
    }
    node
}

/// Server 1, which leads `term` and has committed its own entry with the help of the lower half.
pub(crate) fn leader_in_office(size: u32, term: u64, terms: &[u64]) -> Node {
    let mut node = leader(size, term, terms);
    let last = node.log().last().index.number();
    for server in 1..=size / 2 + 1 {
        let _ = on(&mut node, receive(server, term, matched(last)));
    }
    assert_eq!(node.commit(), Index::new(last), "a majority holds the leader's own entry");
    node
}
