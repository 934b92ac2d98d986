//! Groups that run in one process and keep traces, as servers do, with what is wrong with some of them.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use rafttree_model::chain::{Chain, MAGIC};
use rafttree_model::digest::code;
use rafttree_model::trace::{Ending, Frame, Origin};
use rafttree_model::{
    Durable, Entries, Envelope, Event, Log, Members, Message, Next, Node, Output, Paper, Record, Replica, Rules,
    ServerId, Slice, Traced,
};
use tempfile::TempDir;

use crate::production::{End, Replayed, Run, Wrong, film, replay};
use crate::properties::Property;
use crate::system::Action;

type Command = Vec<u8>;

const KEY: u64 = 5;

fn id(number: u32) -> ServerId {
    ServerId::new(number)
}

/// One server: what runs, and what its disk holds.
struct Server {
    traced: Traced<Command>,
    durable: Durable,
    entries: Entries<Command>,
    writing: Vec<Record<Command>>,
    /// The trace: bodies of frames, by part.
    parts: Vec<Vec<Vec<u8>>>,
}

/// A group of three whose messages arrive in order, one a microsecond.
struct Group {
    servers: BTreeMap<ServerId, Server>,
    mail: VecDeque<Envelope<Slice<Command>>>,
    now: u64,
    group: u64,
}

impl Group {
    fn new() -> Group {
        Group::of(77)
    }

    fn of(group: u64) -> Group {
        let mut group = Group { servers: BTreeMap::new(), mail: VecDeque::new(), now: 0, group };
        (1..=3).for_each(|number| group.start(id(number), Durable::default(), Entries::default()));
        group
    }

    fn start(&mut self, id: ServerId, durable: Durable, entries: Entries<Command>) {
        let members = Members::new((1..=3).map(ServerId::new)).unwrap();
        let node = Node::recover(id, members, durable.clone());
        let mut traced = Traced::new(Replica::new(node, entries.clone()));
        traced.record(KEY);
        let digested = Origin::digested(&entries, KEY);
        let origin = Origin {
            code: code(),
            group: self.group,
            began: self.now,
            id,
            members,
            durable: durable.clone(),
            entries: digested,
        };
        let mut parts = self.servers.remove(&id).map_or(Vec::new(), Server::parts);
        parts.push(vec![origin.body()]);
        self.servers.insert(id, Server { traced, durable, entries, writing: Vec::new(), parts });
    }

    /// A server is killed, and starts again with what its disk holds.
    fn restart(&mut self, id: ServerId) {
        let server = &self.servers[&id];
        let (durable, entries) = (server.durable.clone(), server.entries.clone());
        self.now += 1_000;
        self.start(id, durable, entries);
    }

    fn happens<R: Rules>(&mut self, id: ServerId, event: Event<Command>) {
        self.now += 1_000;
        let began = self.began(id);
        let server = self.servers.get_mut(&id).unwrap();
        server.traced.set_now(self.now - began);
        server.traced.step_by::<R>(event);
        self.settle::<R>(id);
    }

    fn began(&self, id: ServerId) -> u64 {
        let parts = &self.servers[&id].parts;
        let Some(Frame::Origin(origin)) = Frame::read(&parts.last().unwrap()[0]) else { panic!("a part begins so") };
        origin.began
    }

    fn settle<R: Rules>(&mut self, id: ServerId) {
        let server = self.servers.get_mut(&id).unwrap();
        while let Some(next) = server.traced.proceed() {
            match next {
                Next::Perform(Output::Send(envelope)) => {
                    self.mail.extend(envelope.with_entries(|range| server.traced.entries().fill(range)));
                }
                Next::Perform(_) => {}
                Next::Receive(envelope) => server.traced.step_by::<R>(Event::Receive(envelope)),
                Next::Write => {
                    server.writing = server.traced.write().collect();
                    server.writing.iter().for_each(|record| {
                        server.durable.apply(record);
                        server.entries.apply(record);
                    });
                    server.traced.flushed();
                }
            }
        }
    }

    /// Lets messages arrive until there are none, but for those that are lost.
    fn deliver<R: Rules>(&mut self, mut is_lost: impl FnMut(&Envelope<Slice<Command>>) -> bool) {
        while let Some(envelope) = self.mail.pop_front() {
            if !is_lost(&envelope) {
                self.happens::<R>(envelope.to, Event::Receive(envelope));
            }
        }
    }

    fn elect(&mut self, candidate: ServerId) {
        for number in 1..=3 {
            self.happens::<Paper>(id(number), Event::MinimumTimeout);
        }
        self.happens::<Paper>(candidate, Event::ElectionTimeout);
        self.deliver::<Paper>(|_| false);
    }

    fn propose(&mut self, leader: ServerId, command: &str) {
        self.happens::<Paper>(leader, Event::Propose(command.into()));
        self.deliver::<Paper>(|_| false);
    }

    /// The traces as files; the last part of each ends in order.
    fn traces(&mut self) -> Traces {
        let ids: Vec<ServerId> = self.servers.keys().copied().collect();
        for id in ids {
            let server = self.servers.remove(&id).unwrap();
            let (traced, durable, entries, writing) =
                (server.traced.clone(), server.durable.clone(), server.entries.clone(), server.writing.clone());
            let mut parts = server.parts();
            parts.last_mut().unwrap().push(Ending::Stopped.body().to_vec());
            self.servers.insert(id, Server { traced, durable, entries, writing, parts });
        }
        let folder = tempfile::tempdir().unwrap();
        let traces = self.servers.iter().map(|(id, server)| {
            let path = folder.path().join(format!("{id}.trace"));
            std::fs::write(&path, sealed(&server.parts)).unwrap();
            path
        });
        Traces { files: traces.collect(), _folder: folder }
    }
}

impl Server {
    /// The parts of its trace, with all that was recorded.
    fn parts(mut self) -> Vec<Vec<Vec<u8>>> {
        let recorded = self.traced.take_recorded();
        let mut rest = &recorded[..];
        while let Some((length, after)) = rest.split_first_chunk() {
            let (body, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            self.parts.last_mut().unwrap().push(body.to_vec());
            rest = after;
        }
        self.parts
    }
}

fn sealed(parts: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let mut chain = Chain::default();
        out.extend(MAGIC);
        part.iter().for_each(|body| chain.seal(body, &mut out));
    }
    out
}

struct Traces {
    files: Vec<PathBuf>,
    _folder: TempDir,
}

impl Traces {
    fn replay(&self) -> Replayed {
        replay(&self.files).unwrap_or_else(|unreadable| panic!("{}", unreadable.0))
    }

    fn refusal(&self) -> String {
        replay(&self.files).err().expect("it is refused").0
    }

    fn bytes(&self, number: usize) -> Vec<u8> {
        std::fs::read(&self.files[number - 1]).unwrap()
    }

    fn change(&self, number: usize, bytes: &[u8]) {
        std::fs::write(&self.files[number - 1], bytes).unwrap();
    }
}

/// Two leaders, commands, a server that is killed and one that misses some of it.
fn lively() -> Group {
    lively_of(77)
}

fn lively_of(group: u64) -> Group {
    let mut group = Group::of(group);
    group.elect(id(1));
    ["a", "b"].into_iter().for_each(|command| group.propose(id(1), command));
    group.happens::<Paper>(id(1), Event::Propose("c".into()));
    group.deliver::<Paper>(|envelope| envelope.to == id(3));
    group.restart(id(2));
    group.elect(id(2));
    group.propose(id(2), "d");
    group.happens::<Paper>(id(1), Event::Snapshotted(group.servers[&id(1)].traced.node().commit()));
    group.happens::<Paper>(id(2), Event::HeartbeatTimeout);
    group.deliver::<Paper>(|_| false);
    group
}

fn broken(replayed: &Replayed) -> Vec<Property> {
    match &replayed.wrong {
        Some(Wrong::Broken(broken)) => broken.properties.iter().collect(),
        Some(Wrong::Differs(difference)) => panic!("{difference:?}"),
        Some(Wrong::Unsent { at }) => panic!("{} was not sent", at.call),
        None => Vec::new(),
    }
}

#[test]
fn a_group_that_is_right_is_accepted_and_what_is_not_known_is_said() {
    let replayed = lively().traces().replay();
    assert_eq!(broken(&replayed), []);
    assert!(100 < replayed.servers.iter().map(|line| line.steps).sum::<u64>());
    let cuts: Vec<usize> = replayed.servers.iter().map(|line| line.cuts.len()).collect();
    assert_eq!(cuts, [0, 1, 0], "server 2 was killed");
    assert!(!replayed.judged.contains(Property::CommitDurable), "its disk is not known at every time");
    let mut whole = Group::new();
    whole.elect(id(1));
    whole.propose(id(1), "a");
    let replayed = whole.traces().replay();
    assert_eq!((broken(&replayed), replayed.unknown), (vec![], 0));
    assert!(replayed.judged.contains(Property::CommitDurable) && replayed.judged.contains(Property::MatchSafety));
}

/// Where the frames of a part begin and end.
fn ends(part: &[Vec<u8>]) -> Vec<usize> {
    let ends = part.iter().scan(MAGIC.len(), |end, body| {
        *end += Chain::size(body.len());
        Some(*end)
    });
    [MAGIC.len()].into_iter().chain(ends).collect()
}

/// One server that elects itself, alone in its trace.
fn small() -> (Vec<Vec<u8>>, Traces) {
    let mut group = Group::new();
    group.elect(id(1));
    let traces = group.traces();
    let part = group.servers[&id(1)].parts[0].clone();
    (part, Traces { files: vec![traces.files[0].clone()], _folder: traces._folder })
}

#[test]
fn every_byte_that_was_changed_is_refused_and_its_step_named() {
    let (part, traces) = small();
    let (whole, ends) = (traces.bytes(1), ends(&part));
    for place in 0..whole.len() {
        let frame = ends.iter().filter(|end| **end <= place).count();
        let expected = match frame {
            0 if place + 1 == MAGIC.len() => "the format has version".to_owned(),
            0 => "no part of a trace begins here".to_owned(),
            frame => format!(
                "step {} (byte {}): the check does not fit",
                frame - 1 + usize::from(frame == 1),
                ends[frame - 1]
            ),
        };
        for flip in [1, 0x80] {
            let mut changed = whole.clone();
            changed[place] ^= flip;
            traces.change(1, &changed);
            let refusal = traces.refusal();
            assert!(refusal.contains(&expected), "byte {place}: {refusal}, not {expected}");
        }
    }
}

#[test]
fn steps_that_have_changed_places_or_are_missing_are_refused_and_named() {
    let (part, traces) = small();
    let whole = traces.bytes(1);
    let ends = ends(&part);
    let frame = |place: usize| &whole[ends[place]..ends[place + 1]];
    for place in 1..part.len() - 1 {
        let moved = [&whole[..ends[place]], frame(place + 1), frame(place), &whole[ends[place + 2]..]].concat();
        let without = [&whole[..ends[place]], &whole[ends[place + 1]..]].concat();
        for changed in [moved, without] {
            traces.change(1, &changed);
            let refusal = traces.refusal();
            assert!(refusal.contains(&format!("step {place} (byte {})", ends[place])), "{place}: {refusal}");
        }
    }
}

#[test]
fn a_trace_that_is_cut_is_judged_up_to_there_and_that_is_said() {
    let (part, traces) = small();
    let (whole, ends) = (traces.bytes(1), ends(&part));
    for length in 0..whole.len() {
        traces.change(1, &whole[..length]);
        if length < ends[1] {
            assert!(traces.refusal().contains("cut before its first step"), "{length}");
            continue;
        }
        let replayed = traces.replay();
        assert_eq!(broken(&replayed), []);
        let frames = ends.iter().filter(|end| **end <= length).count() - 1;
        let left = (length - ends[frames]) as u64;
        assert_eq!(replayed.servers[0].steps as usize, frames - 1, "{length}");
        assert!(matches!(replayed.servers[0].cuts[..], [(_, End::Cut { left: it })] if it == left), "{length}");
    }
}

/// A part that breaks off anywhere is followed by the next one.
#[test]
fn a_server_that_was_killed_while_its_trace_was_written_goes_on_in_the_next_part() {
    let mut group = lively();
    let traces = group.traces();
    let [first, second] = &group.servers[&id(2)].parts[..] else { panic!("server 2 was started twice") };
    let (whole, ends) = (sealed(std::slice::from_ref(first)), ends(first));
    for length in ends[1]..whole.len() {
        traces.change(2, &[&whole[..length], &sealed(std::slice::from_ref(second))[..]].concat());
        let replayed = replay(&traces.files[1..2]).unwrap_or_else(|unreadable| panic!("{}", unreadable.0));
        let line = &replayed.servers[0];
        let frames = ends.iter().filter(|end| **end <= length).count() - 1;
        assert_eq!(broken(&replayed), [], "{length}");
        assert_eq!(line.steps as usize, frames - 1 + second.len() - 2, "{length}");
        assert_eq!((line.parts, line.cuts.len()), (2, 1), "{length}");
    }
}

/// With checks that fit, as they would for whoever changed a trace on purpose.
#[test]
fn steps_that_were_exchanged_and_sealed_again_differ_from_what_the_code_does() {
    let (part, traces) = small();
    let mut differing = 0;
    for place in 1..part.len() - 2 {
        let mut moved = part.clone();
        moved.swap(place, place + 1);
        traces.change(1, &sealed(&[moved]));
        let replayed = traces.replay();
        if let Some(Wrong::Differs(difference)) = &replayed.wrong {
            assert!((place as u64..place as u64 + 2).contains(&difference.place.step), "{place}: {difference:?}");
            differing += 1;
        }
    }
    assert_eq!(differing, part.len() - 3);
}

#[test]
fn traces_that_do_not_belong_together_are_refused() {
    let (one, other) = (lively().traces(), lively_of(78).traces());
    let refused = |files: &[&PathBuf], expected: &str| {
        let files: Vec<PathBuf> = files.iter().map(|file| (*file).clone()).collect();
        let refusal = replay(&files).err().expect("it is refused").0;
        assert!(refusal.contains(expected), "{refusal}");
    };
    refused(&[&one.files[0], &other.files[1]], "give the traces of one group at a time");
    refused(&[&one.files[0], &one.files[0]], "are of the same start of server 1");
    let both = [one.bytes(1), one.bytes(2)].concat();
    one.change(1, &both);
    refused(&[&one.files[0]], "here begins a trace of server 2");
}

#[test]
fn a_trace_of_other_code_is_refused() {
    let (mut part, traces) = small();
    let Some(Frame::Origin(origin)) = Frame::read(&part[0]) else { panic!("a part begins so") };
    part[0] = Origin { code: origin.code + 1, ..origin }.body();
    traces.change(1, &sealed(&[part]));
    let refusal = traces.refusal();
    assert!(refusal.contains("the server ran other code of the protocol"), "{refusal}");
}

/// Votes for whoever asks.
struct MayVote;

impl Rules for MayVote {
    fn may_vote(_: Option<ServerId>, _: ServerId) -> bool {
        true
    }
}

/// Servers 1 and 2 ask server 3 for its vote of one term, one after the other; before the second one arrives, this
/// happens.
fn asked_twice<R: Rules>(between: impl FnOnce(&mut Group)) -> Group {
    let mut group = Group::new();
    (1..=3).for_each(|number| group.happens::<Paper>(id(number), Event::MinimumTimeout));
    [1, 2].into_iter().for_each(|candidate| group.happens::<Paper>(id(candidate), Event::ElectionTimeout));
    let mut second = None;
    group.deliver::<R>(|it| {
        let is_second = matches!(it.message, Message::VoteRequest { .. }) && (it.from, it.to) == (id(2), id(3));
        second = second.take().or(is_second.then(|| it.clone()));
        is_second || is_of_a_leader(it) || it.from != id(3) && it.to != id(3)
    });
    between(&mut group);
    group.happens::<R>(id(3), Event::MinimumTimeout);
    group.happens::<R>(id(3), Event::Receive(second.expect("server 2 asks")));
    group.deliver::<R>(|it| is_of_a_leader(it) || it.from != id(3));
    group
}

fn is_of_a_leader(it: &Envelope<Slice<Command>>) -> bool {
    matches!(it.message, Message::AppendRequest { .. })
}

#[test]
fn a_server_by_a_mutant_of_a_rule_is_named_with_the_step() {
    assert_eq!(broken(&asked_twice::<Paper>(|_| {}).traces().replay()), []);
    let replayed = asked_twice::<MayVote>(|_| {}).traces().replay();
    let consequence = replayed.consequence.expect("whoever it votes for is elected");
    assert!(consequence.properties.contains(Property::VoteOnce), "it is believed");
    let Some(Wrong::Differs(difference)) = replayed.wrong else { panic!("it votes twice") };
    assert_eq!(difference.id, id(3));
    assert!(difference.call.starts_with("deliver 2->3 term 1 vote_request"), "{}", difference.call);
    assert!(difference.before.contains("votes 1"), "{}", difference.before);
    assert!(difference.expected.iter().all(|line| !line.contains("vote_granted")), "{:?}", difference.expected);
}

/// Each step is what the code does, and yet the group breaks Figure 3.
#[test]
fn a_disk_that_forgets_a_vote_is_named_with_the_property() {
    let forgets = |group: &mut Group| {
        let term = group.servers[&id(3)].durable.term();
        group.now += 1_000;
        group.start(id(3), Durable::assume(term, None, Log::default()), Entries::default());
    };
    let replayed = asked_twice::<Paper>(forgets).traces().replay();
    assert_eq!(broken(&replayed), [Property::VoteOnce]);
}

#[test]
fn disks_that_lose_what_is_committed_are_named_with_the_property() {
    let mut group = Group::new();
    group.elect(id(1));
    group.propose(id(1), "a");
    for number in [2, 3] {
        group.now += 1_000;
        let vote = group.servers[&id(number)].durable.vote();
        let durable = Durable::assume(group.servers[&id(number)].durable.term(), vote, Log::default());
        group.start(id(number), durable, Entries::default());
    }
    [2, 3].into_iter().for_each(|number| group.happens::<Paper>(id(number), Event::MinimumTimeout));
    group.happens::<Paper>(id(2), Event::ElectionTimeout);
    group.deliver::<Paper>(|it| it.to == id(1));
    let found = broken(&group.traces().replay());
    assert!(found.contains(&Property::LeaderCompleteness), "{found:?}");
}

#[test]
fn what_nobody_has_sent_is_named() {
    let mut group = Group::new();
    group.elect(id(1));
    let term = group.servers[&id(1)].traced.node().term();
    let message = Message::VoteReply { granted: true };
    group.happens::<Paper>(id(1), Event::Receive(Envelope { from: id(2), to: id(1), term: term.next(), message }));
    let replayed = group.traces().replay();
    let Some(Wrong::Unsent { at }) = replayed.wrong else { panic!("nobody has sent it") };
    assert!(at.call.contains("2->1 term 2 vote_granted"), "{}", at.call);
}

/// The clocks of servers differ, and what arrives comes after what was sent all the same.
#[test]
fn traces_are_merged_though_clocks_differ() {
    let mut group = lively();
    for (id, server) in &mut group.servers {
        for part in &mut server.parts {
            let Some(Frame::Origin(origin)) = Frame::read(&part[0]) else { panic!("a part begins so") };
            let began = origin.began + 1_000_000_000 * u64::from(id.number() % 3);
            part[0] = Origin { began, ..origin }.body();
        }
    }
    assert_eq!(broken(&group.traces().replay()), []);
}

fn filmed(traces: &Traces) -> Run {
    let replayed = traces.replay();
    let film = film(&traces.files, &replayed).unwrap_or_else(|unreadable| panic!("{}", unreadable.0));
    film.expect("something happens")
}

#[test]
fn the_last_steps_are_a_run_in_which_whatever_arrives_was_sent() {
    let mut group = Group::new();
    group.elect(id(1));
    group.propose(id(1), "a");
    group.restart(id(2));
    group.elect(id(3));
    let Run { start, steps, base } = filmed(&group.traces());
    assert_eq!(base, 0, "little has happened");
    assert!(start == crate::world::World::new(3), "all of it is shown");
    let verbs = |verb: &str| steps.iter().filter(|step| step.action.to_string().starts_with(verb)).count();
    assert_eq!((verbs("propose"), verbs("crash"), verbs("election_timeout")), (1, 1, 2));
    let mut before = &start;
    for step in &steps {
        assert!(step.sent && step.world.broken.is_empty(), "{}", step.action);
        if let Action::Deliver(letter) = &step.action {
            assert!(before.network.binary_search(letter).is_ok(), "{} was sent", step.action);
        }
        before = &step.world;
    }
    let logs: Vec<usize> = before.servers.iter().map(|server| server.entries.len()).collect();
    assert_eq!(logs, [3, 3, 3], "two leaders' own entries and a command");
}

#[test]
fn where_a_server_differs_the_last_step_is_what_the_checked_code_does() {
    let Run { steps, .. } = filmed(&asked_twice::<MayVote>(|_| {}).traces());
    let last = steps.last().expect("there are steps");
    assert!(last.action.to_string().starts_with("deliver 2->3 term 1 vote_request"), "{}", last.action);
    let voter = last.world.server(id(3));
    assert_eq!(voter.node.vote(), Some(id(1)), "it does not vote again");
}

/// Of a long run the last steps are shown, and of its log the end.
#[test]
fn of_a_long_run_the_end_is_shown() {
    let mut group = Group::new();
    group.elect(id(1));
    (0..150).for_each(|number| group.propose(id(1), &number.to_string()));
    let Run { steps, base, .. } = filmed(&group.traces());
    assert_eq!(steps.len(), 40);
    assert!(100 < base && base < 151, "{base}");
    for step in &steps {
        let longest = step.world.servers.iter().map(|server| server.entries.len()).max();
        assert!(longest.is_some_and(|longest| longest < 16), "{longest:?} entries are shown");
    }
}
