//! Proposals and their ends: who is told what, and when it may truly be said.

use std::collections::VecDeque;

use rafttree_model::{
    Durable, End, Entries, Envelope, Event, Index, Log, Message, Next, Node, Output, Position, Proposals, Range,
    Replica,
};

use crate::support::{Command, all_terms, at, group, id, log, position_in};

/// Proposals at these positions, each by who is named as its position is.
fn accepted(positions: &[Position]) -> Proposals<Position> {
    let mut proposals = Proposals::default();
    positions.iter().for_each(|&position| proposals.accept(position, position));
    proposals
}

/// All ends that are known.
fn ends(proposals: &mut Proposals<Position>, log: &Log, commit: u64) -> Vec<(Position, End)> {
    let next = || proposals.next_end(log, Index::new(commit));
    std::iter::from_fn(next)
        .map(|(position, proposer, end)| {
            assert_eq!(position, proposer, "who waits is told of its own proposal");
            (position, end)
        })
        .collect()
}

#[test]
fn who_is_committed_is_told_so_once_and_in_order() {
    let mut proposals = accepted(&[at(2, 1), at(3, 1), at(4, 1)]);
    let log = log(&[1, 1, 1, 1]);
    assert_eq!(ends(&mut proposals, &log, 1), []);
    assert_eq!(ends(&mut proposals, &log, 3), [(at(2, 1), End::Committed), (at(3, 1), End::Committed)]);
    assert_eq!(ends(&mut proposals, &log, 3), []);
    assert_eq!(proposals.iter().len(), 1);
}

#[test]
fn who_is_cut_is_told_nothing_until_another_entry_is_committed() {
    let mut proposals = accepted(&[at(2, 1)]);
    assert_eq!(ends(&mut proposals, &log(&[1]), 1), [], "it is cut, and another server may hold it");
    assert_eq!(ends(&mut proposals, &log(&[1, 2]), 1), [], "what took its place is not committed");
    assert_eq!(ends(&mut proposals, &log(&[1, 2]), 2), [(at(2, 1), End::NotCommitted)]);
}

/// Nobody has to wait until the log is as long as it was: what is committed in a later term is what
/// every later leader begins with.
#[test]
fn an_entry_of_a_later_term_decides_what_was_further_on() {
    let mut proposals = accepted(&[at(2, 1), at(3, 1), at(9, 1)]);
    let log = log(&[1, 1, 3]);
    assert_eq!(
        ends(&mut proposals, &log, 3),
        [(at(2, 1), End::Committed), (at(3, 1), End::NotCommitted), (at(9, 1), End::NotCommitted)]
    );
}

#[test]
fn a_second_leadership_may_accept_at_a_lower_index() {
    let mut proposals = accepted(&[at(2, 1), at(3, 1), at(3, 3)]);
    let log = log(&[1, 2, 3]);
    assert_eq!(ends(&mut proposals, &log, 2), [(at(2, 1), End::NotCommitted), (at(3, 1), End::NotCommitted)]);
    assert_eq!(ends(&mut proposals, &log, 3), [(at(3, 3), End::Committed)]);
}

#[test]
#[should_panic(expected = "a leader appends behind what it has")]
fn a_proposal_that_stands_before_another_is_refused() {
    accepted(&[at(3, 1), at(3, 1)]);
}

/// A snapshot from elsewhere takes the place of the log.
#[test]
fn where_the_log_begins_later_the_end_is_unknown() {
    let mut proposals = accepted(&[at(2, 1), at(5, 1), at(6, 1)]);
    let log = Log::starting_at(at(5, 2));
    assert_eq!(
        ends(&mut proposals, &log, 5),
        [(at(2, 1), End::Unknown), (at(5, 1), End::NotCommitted), (at(6, 1), End::NotCommitted)]
    );
    let mut proposals = accepted(&[at(5, 2)]);
    assert_eq!(ends(&mut proposals, &log, 5), [(at(5, 2), End::Committed)]);
}

#[test]
fn a_server_that_stops_knows_no_more_ends() {
    let mut proposals = accepted(&[at(2, 1), at(3, 1)]);
    let left: Vec<_> = std::iter::from_fn(|| proposals.next_unknown()).map(|(_, proposer)| proposer).collect();
    assert_eq!(left, [at(2, 1), at(3, 1)]);
    assert_eq!(ends(&mut proposals, &log(&[1, 1, 1]), 3), []);
}

/// Every log with every commit index, every proposal, and every log that may come to be committed: one that
/// begins with what is committed. What is told is so in all of them; what is not told is open, or an entry
/// of an earlier term than the proposal's stands in its place.
#[test]
fn what_is_told_is_so_in_every_log_that_may_follow() {
    let futures: Vec<_> = all_terms(4, 4).into_iter().filter(|terms| terms.len() == 4).collect();
    let (mut told, mut open) = (0, 0);
    for terms in all_terms(4, 3) {
        for commit in 0..=terms.len() {
            let committed = &terms[..commit];
            let later: Vec<_> = futures.iter().filter(|later| later.starts_with(committed)).collect();
            for proposal in (1..=4).flat_map(|index| (1..=3).map(move |term| at(index, term))) {
                let is_held = |terms: &[u64]| position_in(terms, proposal.index.number()) == Some(proposal);
                let held = later.iter().filter(|later| is_held(later)).count();
                match ends(&mut accepted(&[proposal]), &log(&terms), commit as u64)[..] {
                    [(_, End::Committed)] => assert!(is_held(committed)),
                    [(_, End::NotCommitted)] => assert_eq!(held, 0, "{terms:?}, {commit} of them, {proposal}"),
                    [] => {
                        let is_of_later_term = committed.last() < Some(&proposal.term.number());
                        let is_open = 0 < held && held < later.len();
                        assert!(is_open || is_of_later_term && !is_held(committed));
                        open += 1;
                        continue;
                    }
                    _ => panic!("one proposal ends once"),
                }
                told += 1;
            }
        }
    }
    assert!(500 < told && 500 < open, "{told} told, {open} open");
}

/// Five servers, of which what they say is lost but for some of it.
struct Group {
    servers: Vec<Replica<Command>>,
    /// What server 1 has accepted, and what it has told of it.
    proposals: Proposals<()>,
    told: Vec<(Position, End)>,
}

impl Group {
    fn new() -> Group {
        let start = |number| Node::recover(id(number), group(5), Durable::default());
        let servers = (1..=5).map(|number| Replica::new(start(number), Entries::default())).collect();
        Group { servers, proposals: Proposals::default(), told: Vec::new() }
    }

    fn server(&mut self, number: u32) -> &mut Replica<Command> {
        &mut self.servers[number as usize - 1]
    }

    /// Something happens to a server, with all that comes of it where these messages arrive.
    fn happen(&mut self, number: u32, event: Event<Command>, arrives: impl Fn(&Envelope<Range>) -> bool) {
        let mut events = VecDeque::from([(number, event)]);
        while let Some((number, event)) = events.pop_front() {
            self.server(number).step(event);
            while let Some(next) = self.server(number).proceed() {
                match next {
                    Next::Perform(Output::Send(envelope)) if arrives(&envelope) => {
                        let letter = envelope.with_entries(|range| self.server(number).entries().fill(range));
                        events.extend(letter.map(|letter| (letter.to.number(), Event::Receive(letter))));
                    }
                    Next::Perform(Output::Send(_)) => {}
                    Next::Perform(output) if number == 1 => self.tell(output),
                    Next::Perform(_) => {}
                    Next::Receive(letter) => self.server(number).step(Event::Receive(letter)),
                    Next::Write => {
                        self.server(number).write().for_each(drop);
                        self.server(number).flushed();
                    }
                }
            }
        }
    }

    fn tell(&mut self, output: Output) {
        match output {
            Output::Accepted(position) => self.proposals.accept(position, ()),
            Output::Committed(commit) => {
                let log = self.servers[0].node().log();
                let next = || self.proposals.next_end(log, commit);
                self.told.extend(std::iter::from_fn(next).map(|(position, (), end)| (position, end)));
            }
            _ => {}
        }
    }

    /// The candidate is elected by these, itself among them, and nobody hears that it leads.
    fn elect(&mut self, candidate: u32, voters: &[u32]) {
        let is_vote = |envelope: &Envelope<Range>| {
            voters.contains(&envelope.to.number()) && !matches!(envelope.message, Message::AppendRequest { .. })
        };
        voters.iter().for_each(|&voter| self.happen(voter, Event::MinimumTimeout, is_vote));
        // The first time it may learn the term.
        for _ in 0..2 {
            if self.server(candidate).node().leader() != Some(id(candidate)) {
                self.happen(candidate, Event::ElectionTimeout, is_vote);
            }
        }
        assert_eq!(self.server(candidate).node().leader(), Some(id(candidate)));
    }

    /// The leader tells these what they lack.
    fn replicate(&mut self, leader: u32, followers: &[u32]) {
        let among = |envelope: &Envelope<Range>| [&[leader], followers].concat().contains(&envelope.to.number());
        self.happen(leader, Event::HeartbeatTimeout, among);
        self.happen(leader, Event::HeartbeatTimeout, among);
    }
}

/// Why nothing is told of an entry that is cut: its proposer's log loses it to the leader of term 2, and the
/// leader of term 3 has it still. With fewer servers who cuts it has the vote of somebody that holds it.
#[test]
fn an_entry_that_was_cut_where_it_was_proposed_is_committed_later() {
    let mut group = Group::new();
    group.elect(1, &[1, 2, 3, 4, 5]);
    group.replicate(1, &[2, 3, 4, 5]);
    group.happen(1, Event::Propose("x"), |envelope| envelope.to == id(2));
    assert_eq!(group.proposals.iter().map(|(position, ())| *position).collect::<Vec<_>>(), [at(2, 1)]);
    group.elect(3, &[3, 4, 5]);
    group.replicate(3, &[1]);
    assert_eq!(group.server(1).node().log().last(), at(2, 2), "the entry is cut where it was proposed");
    assert_eq!(group.told, []);
    group.elect(2, &[2, 4, 5]);
    group.replicate(2, &[4, 5]);
    assert_eq!(group.server(2).node().commit(), Index::new(3));
    group.replicate(2, &[1]);
    assert_eq!(group.told, [(at(2, 1), End::Committed)]);
}
