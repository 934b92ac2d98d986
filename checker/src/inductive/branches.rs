//! Long logs: two branches as long as the window, with what is acknowledged of them in groups of any
//! size. What goes wrong only beyond the first few entries goes wrong here.

use rafttree_model::{
    Durable, Envelope, Event, Index, Members, Message, Node, Progress, Role, Round, ServerId, ServerMap, ServerSet,
    Term,
};

use crate::inductive::class::{Class, ITSELF, OTHER, THIRD};
use crate::inductive::conjuncts::Cause;
use crate::inductive::history::{History, Terms};
use crate::inductive::work::Hand;

/// A server's log and its leader's: what both begin with, then what each has alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branches {
    both: u8,
    own: u8,
    leaders: u8,
    shape: Shape,
}

/// Whose branch is of the later term.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    LeaderIsLater,
    LeaderIsEarlier,
    /// One log begins the other.
    SameTerm,
    /// The leader's begins with entries of an earlier term, and only its last is of the later one.
    LeaderIsBoth,
}

/// What is told of each server with its log and the messages that may arrive at it. False ends it.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&Class, &Node, &Terms, &[Cause]) -> bool;

/// Terms of the common part, of the earlier branch, of one between, of the later one, and the highest.
const COMMON: u8 = 1;
const EARLIER: u8 = 3;
const BETWEEN: u8 = 4;
const LATER: u8 = 5;
const NEWEST: u8 = 6;

pub(crate) fn branches(window: u8) -> Vec<Branches> {
    let mut all = Vec::new();
    for both in 0..=window {
        for own in 0..=window - both {
            for leaders in 0..=window - both {
                for shape in Shape::ALL {
                    let is_some = match shape {
                        Shape::LeaderIsLater | Shape::LeaderIsEarlier => 0 < leaders,
                        Shape::SameTerm => 0 < own.max(leaders),
                        Shape::LeaderIsBoth => 0 < own && 1 < leaders,
                    };
                    if is_some {
                        all.push(Branches { both, own, leaders, shape });
                    }
                }
            }
        }
    }
    all.sort_by_key(Branches::window);
    all
}

impl Shape {
    const ALL: [Shape; 4] = [Shape::LeaderIsLater, Shape::LeaderIsEarlier, Shape::SameTerm, Shape::LeaderIsBoth];
}

impl Branches {
    /// The smallest window that has room for them.
    pub(crate) fn window(&self) -> u8 {
        self.both + self.own.max(self.leaders)
    }

    /// History, the server's log, and the leader's term.
    fn drawn(&self) -> (History, Terms, u8) {
        let Branches { both, own, leaders, shape } = *self;
        let common = Terms::default().and_many(COMMON, both);
        let start = if both == 0 { History::NONE } else { History::NONE.with(COMMON, common) };
        let branch = |history: History, term, count| {
            if count == 0 { history } else { history.with(term, common.and_many(term, count)) }
        };
        match shape {
            Shape::LeaderIsLater => {
                (branch(branch(start, EARLIER, own), LATER, leaders), common.and_many(EARLIER, own), LATER)
            }
            Shape::LeaderIsEarlier => {
                (branch(branch(start, LATER, own), EARLIER, leaders), common.and_many(LATER, own), EARLIER)
            }
            Shape::SameTerm => (branch(start, LATER, own.max(leaders)), common.and_many(LATER, own), LATER),
            Shape::LeaderIsBoth => {
                let history = branch(branch(start, EARLIER, leaders - 1), BETWEEN, own);
                let leader = common.and_many(EARLIER, leaders - 1).and(LATER);
                (history.with(LATER, leader), common.and_many(BETWEEN, own), LATER)
            }
        }
    }

    /// Every entry that may arrive at every server with this log.
    pub(crate) fn judge(&self, hand: &mut Hand) -> bool {
        hand.new_history();
        self.visit(&mut |class, node, log, causes| hand.judge_all(class, node, log, causes))
    }

    /// The same with every part of the log compacted that may be, and every snapshot.
    pub(crate) fn judge_snapshots(&self, hand: &mut Hand) -> bool {
        hand.new_history();
        let mut of_snapshots = None;
        self.visit(&mut |class, node, log, causes| {
            let events = || class.events_of_snapshots(*node.members(), self.window());
            let of_snapshots = of_snapshots.get_or_insert_with(events);
            hand.judge_all(class, node, log, of_snapshots)
                && class.compacted(node, log).all(|node| {
                    hand.judge_all(class, &node, log, causes) && hand.judge_all(class, &node, log, of_snapshots)
                })
        })
    }

    pub(crate) fn visit(&self, visit: Visit) -> bool {
        let (history, log, of) = self.drawn();
        let class = Class::new(&history, NEWEST, history.leader(of).map_or(0, |leader| leader.len()));
        let Some(leader) = history.leader(of) else { return true };
        let receive = |message| Envelope { from: OTHER, to: ITSELF, term: Term::new(of.into()), message };
        let requests = class.requests(of, leader).into_iter();
        let causes: Vec<Cause> = requests.map(|message| Cause::Event(Event::Receive(receive(message)))).collect();
        self.servers(&class, &log).iter().all(|node| visit(&class, node, &log, &causes))
    }

    fn servers(&self, class: &Class, log: &Terms) -> Vec<Node> {
        let members = Members::new([ITSELF, OTHER, THIRD]).expect("three servers make a group");
        let mut all = Vec::new();
        for term in log.last().term..=NEWEST {
            for commit in (0..=log.len()).filter(|&commit| class.may_be_committed(log, commit, term)) {
                let durable = Durable::assume(Term::new(term.into()), Some(ITSELF), log.log());
                let node = |role| Node::assume(ITSELF, members, durable.clone(), Index::new(commit.into()), role);
                all.push(node(Role::Follower { leader: None, sticky: false }));
                all.push(node(Role::PreCandidate { votes: ServerSet::default() }));
                if log.last().term < term {
                    all.push(node(Role::Candidate { votes: ServerSet::default(), transfer: false }));
                }
            }
        }
        all
    }
}

/// A leader with entries of its own term behind earlier ones, in a group of some size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    entries: u8,
    earlier: u8,
    servers: u8,
}

pub(crate) fn acknowledged(window: u8) -> Vec<Acknowledged> {
    let sizes = [1, 2, 3, 5, 9];
    let shapes = (1..=window).flat_map(|entries| (0..entries).map(move |earlier| (entries, earlier)));
    let of_shape = |(entries, earlier)| sizes.map(|servers| Acknowledged { entries, earlier, servers });
    shapes.flat_map(of_shape).collect()
}

impl Acknowledged {
    pub(crate) fn window(&self) -> u8 {
        self.entries
    }

    pub(crate) fn judge(&self, hand: &mut Hand) -> bool {
        hand.new_history();
        self.visit(&mut |class, node, log, causes| hand.judge_all(class, node, log, causes))
    }

    /// The same with every part of the log compacted that may be; then entries that are to be sent may be
    /// gone, upon an answer or a heartbeat.
    pub(crate) fn judge_snapshots(&self, hand: &mut Hand) -> bool {
        hand.new_history();
        let heartbeat = [Cause::Event(Event::HeartbeatTimeout)];
        self.visit(&mut |class, node, log, causes| {
            class
                .compacted(node, log)
                .all(|node| hand.judge_all(class, &node, log, causes) && hand.judge_all(class, &node, log, &heartbeat))
        })
    }

    /// Who answers may hold anything; so may the rest, who decide what a majority holds, all alike; and
    /// a target of a transfer.
    pub(crate) fn visit(&self, visit: Visit) -> bool {
        let Acknowledged { entries, earlier, servers } = *self;
        let term = COMMON + 1;
        let log = Terms::default().and_many(COMMON, earlier).and_many(term, entries - earlier);
        let history = History::NONE.with(term, log);
        let history = if earlier == 0 { history } else { history.with(COMMON, log.first(earlier)) };
        let class = Class::new(&history, term, entries);
        let members = Members::new((1..=servers).map(|id| ServerId::new(id.into()))).expect("one to nine servers");
        let durable = Durable::assume(Term::new(term.into()), Some(ITSELF), log.log());
        let last = Index::new(entries.into());
        let indices = || (0..=entries).map(|index| Index::new(index.into()));
        for from in [ITSELF, OTHER].into_iter().filter(|id| members.contains(*id)) {
            let reply = |matched| {
                let message = Message::AppendReply { matched, round: Round::ZERO };
                Cause::Event(Event::Receive(Envelope { from, to: ITSELF, term: Term::new(term.into()), message }))
            };
            let causes: Vec<Cause> = indices().map(reply).collect();
            for commit in indices() {
                for answering in self.views(from) {
                    for (rest, transfer) in rests(members, from, entries) {
                        let view = |id| match transfer {
                            _ if id == from => answering,
                            Some((target, matched)) if target == id => {
                                Progress { matched, next: last.next(), answered: Round::ZERO }
                            }
                            _ => Progress { matched: rest, next: last.next(), answered: Round::ZERO },
                        };
                        let progress: ServerMap<Progress> = members.ids().map(|id| (id, view(id))).collect();
                        let transfer = transfer.map(|(target, _)| target);
                        let role = Role::Leader {
                            progress,
                            heard: ServerSet::from_iter([ITSELF]),
                            transfer,
                            confirmed: Round::ZERO,
                            round: Round::ZERO,
                        };
                        let node = Node::assume(ITSELF, members, durable.clone(), commit, role);
                        if !visit(&class, &node, &log, &causes) {
                            return false;
                        }
                    }
                }
            }
        }
        true
    }

    fn views(&self, from: ServerId) -> Vec<Progress> {
        let end = self.entries + 1;
        let nexts = move |matched: u8| if from == ITSELF { end..=end } else { matched + 1..=end };
        let index = |index: u8| Index::new(index.into());
        let of = |matched| {
            nexts(matched).map(move |next| Progress {
                matched: index(matched),
                next: index(next),
                answered: Round::ZERO,
            })
        };
        (0..=self.entries).flat_map(of).collect()
    }
}

/// What the rest holds, and whom leadership is being handed to, with what that one holds.
fn rests(members: Members, from: ServerId, entries: u8) -> Vec<(Index, Option<(ServerId, Index)>)> {
    let index = |index: u8| Index::new(index.into());
    let mut all = Vec::new();
    for rest in (0..=entries).map(index) {
        all.push((rest, None));
        if from != ITSELF {
            all.push((rest, Some((from, index(0)))));
        }
        if members.contains(THIRD) {
            all.extend([rest, index(0), index(entries)].map(|matched| (rest, Some((THIRD, matched)))));
        }
    }
    all
}
