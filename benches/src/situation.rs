//! One server and one event of each kind, in a group of three.

use bytes::Bytes;
use rafttree_model::{Effects, Entry, Envelope, Event, Message, Node, Payload, Position, ServerId, Slice, Term, step};

use crate::{Deployed, Rafttree, Round};

/// A server, and what happens to it.
#[derive(Clone, Debug)]
pub struct Situation {
    /// What is special about it.
    pub name: &'static str,
    /// The server before the event.
    pub node: Node,
    /// The event.
    pub event: Event<Bytes>,
}

/// A situation for each kind of event and of message.
pub fn all() -> Vec<Situation> {
    let cast = Cast::new();
    [cast.timers(), cast.elections(), cast.replication(), cast.requests()].concat()
}

/// The servers that situations begin with.
struct Cast {
    leader: Node,
    /// Who hears the leader.
    follower: Node,
    /// The same, once the leader was silent.
    quiet: Node,
    /// Who asks for votes.
    rival: ServerId,
}

impl Cast {
    fn new() -> Cast {
        let mut group = Rafttree::<Deployed>::new(3);
        let mut leader = Round::prepare(&mut group);
        Round::CommitEverywhere.play(&mut group, &mut leader);
        let follower = group.node((leader + 1) % 3).clone();
        let quiet = after(&follower, [Event::MinimumTimeout]);
        let rival = group.node((leader + 2) % 3).id();
        Cast { leader: group.node(leader).clone(), follower, quiet, rival }
    }

    fn timers(&self) -> Vec<Situation> {
        let Cast { leader, follower, quiet, .. } = self;
        vec![
            situation("ElectionTimeout, follower", quiet, Event::ElectionTimeout),
            situation("HeartbeatTimeout, leader", leader, Event::HeartbeatTimeout),
            situation("HeartbeatTimeout, candidate", &self.candidate(), Event::HeartbeatTimeout),
            situation("MinimumTimeout, follower", follower, Event::MinimumTimeout),
            situation("MinimumTimeout, leader", leader, Event::MinimumTimeout),
        ]
    }

    fn elections(&self) -> Vec<Situation> {
        let Cast { follower, quiet, rival, .. } = self;
        let (term, last, granted) = (quiet.term(), quiet.log().last(), true);
        let (asking, candidate) = (self.asking(), self.candidate());
        let question = Message::PreVoteRequest { last };
        let request = Message::VoteRequest { last, transfer: false };
        let answer = receive(*rival, &asking, Message::PreVoteReply { granted });
        let vote = receive(*rival, &candidate, Message::VoteReply { granted });
        vec![
            situation("PreVoteRequest, granted", quiet, receive(*rival, quiet, question.clone())),
            situation("PreVoteRequest, ignored", follower, receive(*rival, follower, question)),
            situation("PreVoteReply, deciding", &asking, answer),
            situation("VoteRequest, granted", quiet, receive_in(term.next(), *rival, quiet, request)),
            situation("VoteReply, deciding", &candidate, vote),
        ]
    }

    fn replication(&self) -> Vec<Situation> {
        let Cast { leader, follower, .. } = self;
        let (last, commit) = (follower.log().last(), follower.commit());
        let round = leader.round().expect("it leads");
        let append = |entries| {
            let entries = Slice::new(last, entries).expect("the entry follows the last one");
            receive(leader.id(), follower, Message::AppendRequest { entries, commit, round })
        };
        let reply = |node: &Node, matched| receive(follower.id(), node, Message::AppendReply { matched, round });
        let proposed = after(leader, [Event::Propose(command())]);
        let next = Position { term: last.term, index: last.index.next() };
        let own = receive(leader.id(), &proposed, Message::AppendReply { matched: next.index, round });
        let waiting = after(&proposed, [own]);
        let refusal = Message::AppendRefusal { missing: last.index.next(), hint: last, round };
        let entry = Entry { position: next, payload: Payload::Command(command()) };
        let beating = after(leader, [Event::MinimumTimeout, Event::HeartbeatTimeout]);
        let round = beating.round().expect("it leads");
        let answer = receive(follower.id(), &beating, Message::AppendReply { matched: last.index, round });
        vec![
            situation("AppendRequest, heartbeat", follower, append(Vec::new())),
            situation("AppendRequest, one entry", follower, append(vec![entry])),
            situation("AppendReply, heartbeat", &beating, answer),
            situation("AppendReply, committing", &waiting, reply(&waiting, next.index)),
            situation("AppendRefusal, tried again", &behind(leader), receive(follower.id(), leader, refusal)),
        ]
    }

    fn requests(&self) -> Vec<Situation> {
        let Cast { leader, follower, .. } = self;
        vec![
            situation("TimeoutNow", follower, receive(leader.id(), follower, Message::TimeoutNow)),
            situation("Stale", follower, receive_in(follower.term().next(), leader.id(), follower, Message::Stale)),
            situation("Propose", leader, Event::Propose(command())),
            situation("Transfer", leader, Event::Transfer(follower.id())),
            situation("StepDown", leader, Event::StepDown),
        ]
    }

    /// Who asks whether an election could be won, and needs one more answer.
    fn asking(&self) -> Node {
        let asking = after(&self.quiet, [Event::ElectionTimeout]);
        let own = receive(asking.id(), &asking, Message::PreVoteReply { granted: true });
        after(&asking, [own])
    }

    /// A candidate that needs one more vote.
    fn candidate(&self) -> Node {
        let asking = self.asking();
        let candidate = after(&asking, [receive(self.rival, &asking, Message::PreVoteReply { granted: true })]);
        let own = receive(candidate.id(), &candidate, Message::VoteReply { granted: true });
        after(&candidate, [own])
    }
}

/// A leader that has sent one entry after those that its followers hold, and a second one.
fn behind(leader: &Node) -> Node {
    after(leader, [Event::Propose(command()), Event::Propose(command())])
}

fn situation(name: &'static str, node: &Node, event: Event<Bytes>) -> Situation {
    Situation { name, node: node.clone(), event }
}

fn after<const N: usize>(node: &Node, events: [Event<Bytes>; N]) -> Node {
    let mut node = node.clone();
    let mut effects = Effects::new();
    events.into_iter().for_each(|event| step(&mut node, event, &mut effects));
    node
}

fn receive(from: ServerId, to: &Node, message: Message<Slice<Bytes>>) -> Event<Bytes> {
    receive_in(to.term(), from, to, message)
}

fn receive_in(term: Term, from: ServerId, to: &Node, message: Message<Slice<Bytes>>) -> Event<Bytes> {
    Event::Receive(Envelope { from, to: to.id(), term, message })
}

fn command() -> Bytes {
    Bytes::from_static(&[0x5a; 256])
}
