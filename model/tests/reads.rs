//! Linearizable reads: who waits for which round, and who may read what has been applied.

use rafttree_model::{AppliedReads, Event, Index, Message, Node, ReadIndices, Round, Slice};

use crate::support::{Command, Done, leader, leader_in_office, matched, on, receive};

type Readers = ReadIndices<&'static str>;

/// Readers at a leader whose latest round is this one; they ask now.
fn asked(latest: u64, names: &[&'static str]) -> Readers {
    let mut readers = Readers::default();
    names.iter().for_each(|name| readers.ask(Some(Round::new(latest)), name));
    readers
}

fn begin(readers: &mut Readers, round: u64, read: u64) {
    readers.begun(Round::new(round), Some(Index::new(read)));
}

fn confirm(readers: &mut Readers, round: u64) {
    readers.confirmed(Round::new(round));
}

/// All that may read now, with their read indices.
fn served(readers: &mut Readers) -> Vec<(&'static str, u64)> {
    std::iter::from_fn(|| readers.next_confirmed()).map(|(reader, read)| (reader, read.number())).collect()
}

/// All that have to ask elsewhere.
fn sent_away(readers: &mut Readers) -> Vec<&'static str> {
    std::iter::from_fn(|| readers.next_ended()).collect()
}

#[test]
fn whoever_asks_waits_for_a_round_that_begins_later_and_is_served_with_its_read_index() {
    let mut readers = asked(3, &["a", "b"]);
    assert!(readers.wants_round());
    begin(&mut readers, 4, 7);
    assert!(!readers.wants_round());
    assert_eq!(served(&mut readers), [], "the round is not confirmed");
    confirm(&mut readers, 4);
    assert_eq!(served(&mut readers), [("a", 7), ("b", 7)]);
    assert_eq!((readers.iter().len(), readers.wants_round()), (0, false));
}

/// Answers to what was sent before somebody asked say nothing of what has been since.
#[test]
fn a_round_that_had_begun_serves_nobody_who_asks_then() {
    let mut readers = asked(4, &["a"]);
    begin(&mut readers, 4, 7);
    confirm(&mut readers, 4);
    assert_eq!(served(&mut readers), []);
    assert!(readers.wants_round(), "another one has to begin");
}

#[test]
fn an_answer_to_an_earlier_round_serves_nobody_of_a_later_one() {
    let mut readers = asked(3, &["a"]);
    begin(&mut readers, 4, 7);
    readers.ask(Some(Round::new(4)), "b");
    begin(&mut readers, 5, 8);
    confirm(&mut readers, 4);
    assert_eq!(served(&mut readers), [("a", 7)]);
    confirm(&mut readers, 5);
    assert_eq!(served(&mut readers), [("b", 8)]);
}

#[test]
fn who_comes_while_a_round_is_under_way_waits_for_the_next_and_shares_it() {
    let mut readers = asked(0, &["a"]);
    begin(&mut readers, 1, 7);
    readers.ask(Some(Round::new(1)), "b");
    readers.ask(Some(Round::new(1)), "c");
    assert!(!readers.wants_round(), "one is under way");
    confirm(&mut readers, 1);
    assert_eq!(served(&mut readers), [("a", 7)]);
    assert!(readers.wants_round());
    begin(&mut readers, 2, 9);
    confirm(&mut readers, 2);
    assert_eq!(served(&mut readers), [("b", 9), ("c", 9)]);
}

/// Ten thousand readers, one every 10 units of time; an answer takes 1000. The first round begins with the first
/// reader, and each of the others when the one before it is confirmed.
#[test]
fn thousands_of_readers_share_a_few_rounds() {
    let mut readers = ReadIndices::default();
    let (mut asked, mut served, mut begun) = (0, 0, Vec::new());
    for now in (0..10_200).map(|step| step * 10) {
        let latest = begun.len() as u64;
        if asked < 10_000 {
            readers.ask(Some(Round::new(latest)), asked);
            asked += 1;
        }
        let answered = begun.iter().filter(|&&round| round + 1000 <= now).count();
        readers.confirmed(Round::new(answered as u64));
        served += std::iter::from_fn(|| readers.next_confirmed()).count();
        if readers.wants_round() {
            begun.push(now);
            readers.begun(Round::new(latest + 1), Some(Index::ZERO));
        }
    }
    assert_eq!(served, 10_000);
    let every_thousand: Vec<u64> = (0..=100).map(|round| round * 1000).collect();
    assert_eq!(begun, every_thousand);
}

#[test]
fn a_round_that_is_lost_is_made_good_by_the_next_heartbeat() {
    let mut readers = asked(0, &["a"]);
    begin(&mut readers, 1, 7);
    readers.ask(Some(Round::new(1)), "b");
    begin(&mut readers, 2, 8);
    confirm(&mut readers, 2);
    assert_eq!(served(&mut readers), [("a", 7), ("b", 8)]);
}

/// Before it has committed an entry of its term a leader cannot know what was ever committed.
#[test]
fn a_round_without_a_read_index_serves_nobody_and_no_other_is_of_use_until_there_is_one() {
    let mut readers = asked(0, &["a"]);
    readers.begun(Round::new(1), None);
    confirm(&mut readers, 1);
    assert_eq!(served(&mut readers), []);
    assert!(!readers.wants_round(), "it would have none either");
    readers.leading();
    assert!(readers.wants_round());
    begin(&mut readers, 2, 7);
    assert_eq!(served(&mut readers), []);
    confirm(&mut readers, 2);
    assert_eq!(served(&mut readers), [("a", 7)]);
}

#[test]
fn the_end_of_a_leadership_sends_all_who_wait_elsewhere_and_serves_none_of_them() {
    let mut readers = asked(3, &["a"]);
    begin(&mut readers, 4, 7);
    readers.ask(Some(Round::new(4)), "b");
    readers.end();
    confirm(&mut readers, 4);
    assert_eq!((served(&mut readers), readers.wants_round()), (vec![], false));
    readers.ask(None, "c");
    assert_eq!(sent_away(&mut readers), ["a", "b", "c"]);
    assert_eq!(readers, Readers::default());
}

/// The next leadership counts its rounds anew, and what it confirms says nothing of an earlier read index.
#[test]
fn the_rounds_of_another_leadership_serve_nobody_who_waits_for_one_of_this() {
    let mut readers = asked(3, &["a"]);
    begin(&mut readers, 4, 7);
    readers.begun(Round::new(1), None);
    readers.ask(Some(Round::new(1)), "b");
    for round in 2..=5 {
        begin(&mut readers, round, 9);
        confirm(&mut readers, round);
    }
    assert_eq!(sent_away(&mut readers), ["a"]);
    assert_eq!(served(&mut readers), [("b", 9)]);
}

#[test]
fn who_asks_where_nobody_leads_is_sent_elsewhere() {
    let mut readers = Readers::default();
    readers.ask(None, "a");
    assert_eq!((readers.wants_round(), sent_away(&mut readers)), (false, vec!["a"]));
}

/// What happens to readers of one server, and what is known of each of them without looking at any queue.
#[derive(Clone, Default)]
struct Known {
    readers: ReadIndices<usize>,
    /// Of each reader, when it asked.
    asked: Vec<usize>,
    /// When each round of this leadership began, with its read index; the first stands for its beginning.
    rounds: Vec<(usize, Option<Index>)>,
    confirmed: usize,
    ended: Vec<usize>,
    served: Vec<usize>,
    now: usize,
}

impl Known {
    /// One of the things that may happen.
    fn happen(&mut self, what: usize) {
        self.now += 1;
        let latest = Round::new(self.rounds.len() as u64);
        match what {
            0 => {
                self.readers.ask(Some(latest), self.asked.len());
                self.asked.push(self.now);
            }
            1 | 2 => {
                let read = (what == 1).then_some(Index::new(self.now as u64));
                self.rounds.push((self.now, read));
                self.readers.begun(latest.next(), read);
            }
            3 | 4 => {
                self.confirmed = self.rounds.len().saturating_sub(what - 3).max(self.confirmed);
                self.readers.confirmed(Round::new(self.confirmed as u64));
            }
            _ => {
                self.rounds.clear();
                self.confirmed = 0;
                self.readers.end();
            }
        }
    }

    /// Whoever is served asked before a round of this leadership that is confirmed, and has the read index of
    /// the first that has one. Whoever could be served is.
    fn judge(&mut self, is_end: bool) {
        while let Some((reader, read)) = self.readers.next_confirmed() {
            let first = self.rounds[..self.confirmed]
                .iter()
                .find(|(began, read)| self.asked[reader] < *began && read.is_some());
            assert_eq!(first.and_then(|(_, read)| *read), Some(read));
            self.served.push(reader);
        }
        while let Some(reader) = self.readers.next_ended() {
            assert!(is_end, "nothing has ended");
            self.ended.push(reader);
        }
        let gone: Vec<_> = self.served.iter().chain(&self.ended).collect();
        let waits = |reader: &usize| !gone.contains(&reader);
        for reader in (0..self.asked.len()).filter(waits) {
            let counts = |(began, read): &(usize, Option<Index>)| self.asked[reader] < *began && read.is_some();
            assert!(!self.rounds[..self.confirmed].iter().any(counts), "it could be served");
            assert!(!is_end, "it is told so");
        }
        assert_eq!(gone.len() + self.readers.iter().len(), self.asked.len(), "each is told once");
    }
}

/// Whatever seven things happen in whichever order: asking, rounds with and without a read index, the
/// confirmation of the latest and of the one before it, the end of the leadership.
#[test]
fn whoever_is_served_was_there_before_a_round_that_is_confirmed() {
    fn go_on(known: &Known, left: usize, served: &mut usize) {
        *served += known.served.len();
        for what in (0..6).filter(|_| 0 < left) {
            let mut known = known.clone();
            known.happen(what);
            known.judge(what == 5);
            go_on(&known, left - 1, served);
        }
    }
    let mut served = 0;
    go_on(&Known::default(), 7, &mut served);
    assert!(10_000 < served, "{served}");
}

/// A server with its readers, which take what its steps ask for as a production server does.
struct Server {
    node: Node,
    readers: Readers,
}

impl Server {
    fn new(node: Node) -> Server {
        Server { node, readers: Readers::default() }
    }

    fn ask(&mut self, reader: &'static str) {
        self.readers.ask(self.node.round(), reader);
    }

    fn happen(&mut self, event: Event<Command>) {
        let Done { early, outputs, .. } = on(&mut self.node, event);
        for output in early.into_iter().chain(outputs) {
            self.readers.hear(output);
        }
        if self.node.round().is_none() {
            self.readers.end();
        }
    }

    /// What server 2 says in this term, when it holds everything and answers this round.
    fn hear(&mut self, term: u64, round: u64) {
        let matched = self.node.log().last().index;
        self.happen(receive(2, term, Message::AppendReply { matched, round: Round::new(round) }));
    }
}

#[test]
fn a_leader_in_office_serves_what_it_has_committed_after_a_round() {
    let mut server = Server::new(leader_in_office(3, 2, &[1]));
    server.ask("a");
    server.hear(2, 1);
    assert_eq!(served(&mut server.readers), [], "that round had begun before");
    server.happen(Event::HeartbeatTimeout);
    server.hear(2, 2);
    assert_eq!(served(&mut server.readers), [("a", 2)]);
}

#[test]
fn a_new_leader_serves_once_its_own_entry_is_committed() {
    let mut server = Server::new(leader(3, 2, &[1]));
    server.ask("a");
    server.happen(Event::HeartbeatTimeout);
    server.happen(receive(2, 2, of_round(0, 2)));
    assert_eq!((served(&mut server.readers), server.readers.wants_round()), (vec![], false));
    server.happen(receive(1, 2, matched(2)));
    server.hear(2, 2);
    assert!(server.readers.wants_round(), "now a round has a read index");
    server.happen(Event::HeartbeatTimeout);
    server.hear(2, 3);
    assert_eq!(served(&mut server.readers), [("a", 2)]);
}

fn of_round(matched: u64, round: u64) -> Message<Slice<Command>> {
    Message::AppendReply { matched: Index::new(matched), round: Round::new(round) }
}

#[test]
fn answers_that_arrive_after_the_leader_was_deposed_serve_nobody() {
    let mut server = Server::new(leader_in_office(3, 2, &[1]));
    server.ask("a");
    server.happen(Event::HeartbeatTimeout);
    server.happen(receive(3, 3, Message::Stale));
    server.hear(2, 2);
    assert_eq!((served(&mut server.readers), sent_away(&mut server.readers)), (vec![], vec!["a"]));
}

#[test]
fn a_leadership_that_never_came_into_office_ends_for_its_readers_as_well() {
    let mut server = Server::new(leader(3, 2, &[1]));
    server.ask("a");
    server.happen(receive(3, 3, Message::Stale));
    assert_eq!(sent_away(&mut server.readers), ["a"]);
}

#[test]
fn a_transfer_sends_readers_elsewhere() {
    let mut server = Server::new(leader_in_office(3, 2, &[1]));
    server.ask("a");
    server.happen(Event::Transfer(crate::support::id(2)));
    assert_eq!(sent_away(&mut server.readers), ["a"]);
}

#[test]
fn a_group_of_one_serves_with_the_round_itself() {
    let mut server = Server::new(leader_in_office(1, 2, &[1]));
    server.ask("a");
    server.happen(Event::HeartbeatTimeout);
    assert_eq!(served(&mut server.readers), [("a", 2)]);
}

#[test]
fn nobody_reads_before_the_read_index_is_applied() {
    let mut readers = AppliedReads::default();
    readers.wait(Index::new(2), "a");
    readers.wait(Index::new(3), "b");
    assert_eq!(readers.next_applied(Index::ZERO), None, "a server that was started again has applied nothing");
    assert_eq!(readers.next_applied(Index::new(1)), None);
    assert_eq!(readers.next_applied(Index::new(2)), Some("a"));
    assert_eq!(readers.next_applied(Index::new(2)), None);
    assert_eq!(readers.next_applied(Index::new(9)), Some("b"));
    assert_eq!(readers, AppliedReads::default());
}

#[test]
fn nobody_waits_behind_a_later_read_index() {
    for indices in [[2, 1, 3], [3, 2, 1], [1, 3, 2], [2, 2, 1], [1, 2, 2]] {
        let mut readers = AppliedReads::default();
        indices.iter().enumerate().for_each(|(reader, &index)| readers.wait(Index::new(index), (index, reader)));
        assert_eq!(readers.iter().len(), 3);
        let mut due: Vec<_> = indices.iter().enumerate().map(|(reader, &index)| (index, reader)).collect();
        due.sort_unstable();
        for applied in 1..=3 {
            let may_read: Vec<_> = std::iter::from_fn(|| readers.next_applied(Index::new(applied))).collect();
            let at_most: Vec<_> = due.iter().copied().filter(|&(index, _)| index == applied).collect();
            assert_eq!(may_read, at_most, "in the order in which they came, of those with one index");
        }
    }
}
