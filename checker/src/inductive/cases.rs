//! Case tables: every case that small logs and two long branches come to, each with the one outcome that
//! it has. Where longer logs bring no new case, the tables are saturated: what is longer is told alike.

use std::collections::hash_map::Entry;

use rafttree_model::{Envelope, Event, Index, Members, Message, Node, Role, Slice};
use rustc_hash::FxHashMap;

use crate::inductive::branches::{Acknowledged, Branches, acknowledged, branches};
use crate::inductive::class::{Class, ITSELF, OTHER, THIRD};
use crate::inductive::conjuncts::Cause;
use crate::inductive::history::{History, Terms};
use crate::inductive::symbols::{Case, KINDS, Outcome, Scene, Sign, Stepper};
use crate::inductive::work::{Clock, share};
use crate::world::{StepBy, Tag};

/// How large the logs are that fill the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// Every history of so many terms and entries.
    pub(crate) terms: u8,
    pub(crate) entries: u8,
    /// Then two branches, and acknowledgements, as long as each window from 2 to this one.
    pub(crate) window: u8,
}

/// Whose steps fill the tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Logs {
    /// Servers that have compacted nothing.
    Whole,
    /// The same with every part compacted that may be, and all of them upon snapshots.
    Compacted,
}

/// What the tables hold, and how they became full.
pub(crate) struct Filled {
    pub(crate) tables: Tables,
    pub(crate) counts: Vec<Counts>,
    /// Whether the last two windows brought no new case.
    pub(crate) saturated: bool,
    /// One case with two outcomes, or with one that it has no words for.
    pub(crate) clash: Option<String>,
    /// Whether everything was met, or a clash found.
    pub(crate) is_whole: bool,
}

/// One kind of cases.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) kind: &'static str,
    pub(crate) steps: u64,
    pub(crate) cases: u64,
    /// How many of them small logs come to, and how many more each window.
    pub(crate) small: u64,
    pub(crate) windows: Vec<u64>,
}

/// Every case that was met, with its outcome.
#[derive(Default)]
pub(crate) struct Tables {
    rows: FxHashMap<Case, Row>,
}

struct Row {
    first: Box<Found>,
    /// The first one after it that has another outcome.
    other: Option<Box<Found>>,
}

struct Found {
    at: Place,
    outcome: Outcome,
    node: Node,
    letter: Envelope<Slice<Tag>>,
}

/// Stage, task of the stage, step of the task: does not depend on who does the task.
type Place = (usize, usize, u64);

/// Where all servers and messages of one part come from.
enum Task {
    Small(Box<History>),
    Branches(Branches),
    Acknowledged(Acknowledged),
}

impl Scope {
    pub(crate) const FULL: Scope = Scope { terms: 3, entries: 3, window: 9 };

    fn stages(self) -> Vec<Vec<Task>> {
        let small =
            History::all(self.terms, self.entries).into_iter().map(|history| Task::Small(Box::new(history))).collect();
        let (branches, acknowledged) = (branches(self.window), acknowledged(self.window));
        // The first window has room for the smaller ones, too.
        let stage_of = |window: u8| window.max(2);
        let of_window = |window: u8| {
            let branches = branches.iter().filter(move |it| stage_of(it.window()) == window);
            let acknowledged = acknowledged.iter().filter(move |it| stage_of(it.window()) == window);
            let tasks = branches.map(|it| Task::Branches(*it));
            tasks.chain(acknowledged.map(|it| Task::Acknowledged(*it))).collect()
        };
        [small].into_iter().chain((2..=self.window).map(of_window)).collect()
    }
}

/// Fills the tables, the small ones first; ends with the first stage in which there is a clash.
pub(crate) fn fill(step_by: StepBy, scope: Scope, clock: Clock, tick: &mut dyn FnMut(usize, usize)) -> Filled {
    fill_on(Tables::default(), Logs::Whole, step_by, (scope, clock), tick)
}

/// Fills them on with steps of servers that have compacted a part of their logs. A case in which that is
/// said to make no difference has the outcome already that it must have.
pub(crate) fn fill_compacted(
    tables: Tables,
    step_by: StepBy,
    scope: Scope,
    clock: Clock,
    tick: &mut dyn FnMut(usize, usize),
) -> Filled {
    fill_on(tables, Logs::Compacted, step_by, (scope, clock), tick)
}

fn fill_on(
    tables: Tables,
    logs: Logs,
    step_by: StepBy,
    (scope, clock): (Scope, Clock),
    tick: &mut dyn FnMut(usize, usize),
) -> Filled {
    let stages = scope.stages();
    let all = stages.iter().map(Vec::len).sum();
    let mut done = 0;
    let counts = Case::KINDS.map(|kind| Counts { kind, ..Counts::default() }).to_vec();
    let mut filled = Filled { tables, counts, saturated: false, clash: None, is_whole: true };
    for (stage, tasks) in stages.iter().enumerate() {
        let hand = || Hand {
            known: &filled.tables,
            logs,
            stepper: Stepper::new(step_by),
            clock,
            scope,
            at: (stage, 0, 0),
            row: Vec::new(),
            met: Tables::default(),
            steps: [0; KINDS],
        };
        let work = |hand: &mut Hand, at, task: &Task| {
            hand.at = (stage, at, 0);
            hand.work(task);
        };
        let (hands, is_whole) = share(tasks, clock, hand, work, &mut |now, _| tick(done + now, all));
        let met = hands.into_iter().map(|hand| (hand.met, hand.steps)).collect::<Vec<_>>();
        done += tasks.len();
        filled.is_whole = is_whole && !clock.is_over();
        filled.add(stage, met);
        if filled.clash.is_some() || !filled.is_whole {
            filled.is_whole |= filled.clash.is_some();
            return filled;
        }
    }
    let is_last =
        |counts: &Counts| 2 < counts.windows.len() && counts.windows.iter().rev().take(2).all(|new| *new == 0);
    filled.saturated = filled.counts.iter().all(is_last);
    filled
}

/// One thread at one stage.
struct Hand<'a> {
    known: &'a Tables,
    logs: Logs,
    stepper: Stepper,
    clock: Clock<'a>,
    scope: Scope,
    at: Place,
    row: Vec<u64>,
    /// What is not known from the stages before.
    met: Tables,
    steps: [u64; KINDS],
}

impl Hand<'_> {
    fn work(&mut self, task: &Task) {
        match task {
            Task::Small(history) => self.small(history),
            Task::Branches(branches) => {
                let (mut votes, mut snapshots) = (None, None);
                branches.visit(&mut |class, node, log, causes| {
                    let votes = votes.get_or_insert_with(|| class_events(class, node, is_vote_request));
                    let snapshots = snapshots.get_or_insert_with(|| arriving(class, node));
                    self.meet_snapshots(class, node, log, snapshots);
                    self.meet_all(class, node, log, causes);
                    self.meet_all(class, node, log, votes)
                });
            }
            Task::Acknowledged(acknowledged) => {
                let mut refusals = None;
                acknowledged.visit(&mut |class, node, log, causes| {
                    if has_one_behind(node) {
                        let refusals = refusals.get_or_insert_with(|| class_events(class, node, is_refusal));
                        self.meet_all(class, node, log, refusals);
                    }
                    self.meet_all(class, node, log, causes)
                });
            }
        }
    }

    /// Every server beside one history. What leaders know of others matters to answers alone.
    fn small(&mut self, history: &History) {
        let class = Class::new(history, self.scope.terms, self.scope.entries);
        let members = Members::new([ITSELF, OTHER, THIRD]).expect("three servers make a group");
        let mut asked: Vec<Cause> = Vec::new();
        let (mut refusals, mut replies) = (Vec::new(), Vec::new());
        for cause in class.events(members) {
            match &cause {
                _ if is_refusal(&cause) => refusals.push(cause),
                _ if is_reply(&cause) => replies.push(cause),
                _ => asked.push(cause),
            }
        }
        let snapshots = class.events_of_snapshots(members, 0);
        let servers = class.servers(members);
        // Who follows may as well follow another than the one who asks.
        let others = servers.iter().filter_map(|(node, log)| Some((following_third(node)?, *log)));
        for (node, log) in others.collect::<Vec<_>>().into_iter().chain(servers) {
            let leads = matches!(node.role(), Role::Leader { .. });
            let goes_on = (leads || self.meet_all(&class, &node, &log, &asked))
                && (!leads || self.meet_all(&class, &node, &log, &replies))
                && (!has_one_behind(&node) || self.meet_all(&class, &node, &log, &refusals))
                && (!knows_nothing(&node) || self.meet_all(&class, &node, &log, &asked))
                && (leads && !knows_nothing(&node) || self.meet_snapshots(&class, &node, &log, &snapshots));
            if !goes_on {
                return;
            }
        }
    }

    /// Snapshots that arrive at this server, or at the same with a part of its log compacted. False, if time
    /// is over.
    fn meet_snapshots(&mut self, class: &Class, node: &Node, log: &Terms, snapshots: &[Cause]) -> bool {
        self.logs == Logs::Whole
            || self.meet_one(class, node, log, snapshots) && self.meet_all(class, node, log, snapshots)
    }

    /// The same of any messages that arrive at this server, or at each with a part of its log compacted.
    fn meet_all(&mut self, class: &Class, node: &Node, log: &Terms, causes: &[Cause]) -> bool {
        match self.logs {
            Logs::Whole => self.meet_one(class, node, log, causes),
            Logs::Compacted => class.compacted(node, log).all(|node| self.meet_one(class, &node, log, causes)),
        }
    }

    fn meet_one(&mut self, class: &Class, node: &Node, log: &Terms, causes: &[Cause]) -> bool {
        self.row.clear();
        self.row.extend(log.iter().map(u64::from));
        for cause in causes.iter().filter(|cause| class.allows(node, log, cause)) {
            if let Cause::Event(Event::Receive(letter)) = cause {
                self.meet(node, letter);
            }
        }
        !self.clock.is_over()
    }

    fn meet(&mut self, node: &Node, letter: &Envelope<Slice<Tag>>) {
        let scene = Scene { node, row: &self.row, letter };
        let parts = scene.parts();
        if parts[0].is_none() {
            return;
        }
        self.at.2 += 1;
        let stepped = self.stepper.step(node, letter);
        for part in parts.iter().flatten() {
            self.steps[part.case.kind()] += 1;
            let outcome = scene.told(part, stepped);
            if self.known.outcome(&part.case) != Some(&outcome) {
                self.met.put(part.case, self.at, outcome, &scene);
            }
        }
    }
}

impl Tables {
    pub(crate) fn outcome(&self, case: &Case) -> Option<&Outcome> {
        self.rows.get(case).map(|row| &row.first.outcome)
    }

    /// Every case, in an order that depends on nothing else.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = self.rows.keys().copied().collect();
        cases.sort_unstable();
        cases
    }

    fn put(&mut self, case: Case, at: Place, outcome: Outcome, scene: &Scene) {
        let found = |outcome| Box::new(Found { at, outcome, node: scene.node.clone(), letter: scene.letter.clone() });
        match self.rows.entry(case) {
            Entry::Vacant(row) => {
                row.insert(Row { first: found(outcome), other: None });
            }
            Entry::Occupied(row) => {
                let row = row.into_mut();
                if row.other.is_none() && row.first.outcome != outcome {
                    row.other = Some(found(outcome));
                }
            }
        }
    }
}

impl Row {
    /// What both would be, had one thread met everything in order.
    fn join(self, other: Row) -> Row {
        let mut all: Vec<Box<Found>> =
            [Some(self.first), self.other, Some(other.first), other.other].into_iter().flatten().collect();
        all.sort_by_key(|found| found.at);
        let mut all = all.into_iter();
        let first = all.next().expect("each row has a first");
        let other = all.find(|found| found.outcome != first.outcome);
        Row { first, other }
    }

    /// Where it goes wrong, if it does.
    fn clashes_at(&self) -> Option<Place> {
        let has_words = !self.first.outcome.iter().any(|sign| matches!(sign, Sign::Unnamed | Sign::Panics));
        if has_words { self.other.as_ref().map(|other| other.at) } else { Some(self.first.at) }
    }

    fn clash(&self, case: &Case) -> String {
        let told = |found: &Found| format!("{:?}\n  {:?}\n  {:?}", found.outcome, found.node, found.letter);
        match &self.other {
            Some(other) => {
                format!("{case}, has two outcomes:\n{}\nand\n{}", told(&self.first), told(other))
            }
            None => format!("{case}, has an outcome without words:\n{}", told(&self.first)),
        }
    }
}

impl Filled {
    fn add(&mut self, stage: usize, met: Vec<(Tables, [u64; KINDS])>) {
        let mut new = [0; KINDS];
        let mut first: Option<(Place, Case)> = None;
        let mut cases: Vec<Case> = Vec::new();
        for (tables, steps) in met {
            self.counts.iter_mut().zip(steps).for_each(|(counts, steps)| counts.steps += steps);
            for (case, row) in tables.rows {
                cases.push(case);
                let row = match self.tables.rows.remove(&case) {
                    Some(known) => known.join(row),
                    None => {
                        new[case.kind()] += 1;
                        row
                    }
                };
                self.tables.rows.insert(case, row);
            }
        }
        for case in cases {
            let place = self.tables.rows.get(&case).and_then(Row::clashes_at);
            first = first.into_iter().chain(place.map(|place| (place, case))).min();
        }
        for (counts, new) in self.counts.iter_mut().zip(new) {
            counts.cases += new;
            if stage == 0 { counts.small = new } else { counts.windows.push(new) }
        }
        self.clash = first.and_then(|(_, case)| self.tables.rows.get(&case).map(|row| row.clash(&case)));
    }
}

fn class_events(class: &Class, node: &Node, wanted: fn(&Cause) -> bool) -> Vec<Cause> {
    class.events(*node.members()).into_iter().filter(wanted).collect()
}

fn arriving(class: &Class, node: &Node) -> Vec<Cause> {
    class.events_of_snapshots(*node.members(), 0)
}

fn message(cause: &Cause) -> Option<&Message<Slice<Tag>>> {
    if let Cause::Event(Event::Receive(letter)) = cause { Some(&letter.message) } else { None }
}

fn is_vote_request(cause: &Cause) -> bool {
    matches!(message(cause), Some(Message::VoteRequest { .. }))
}

fn is_refusal(cause: &Cause) -> bool {
    matches!(message(cause), Some(Message::AppendRefusal { .. }))
}

fn is_reply(cause: &Cause) -> bool {
    matches!(message(cause), Some(Message::AppendReply { .. }))
}

/// Whether it leads three of whom two hold its whole log: what they hold matters to no refusal.
fn has_one_behind(node: &Node) -> bool {
    let Role::Leader { progress, transfer: None, .. } = node.role() else { return false };
    let last = node.log().last().index;
    progress.len() == 3 && progress.iter().all(|(id, it)| id == OTHER || it.matched == last)
}

fn following_third(node: &Node) -> Option<Node> {
    let Role::Follower { leader: Some(OTHER), sticky } = *node.role() else { return None };
    let role = Role::Follower { leader: Some(THIRD), sticky };
    Some(Node::assume(node.id(), *node.members(), node.durable().clone(), node.commit(), role))
}

/// Whether it leads and nobody has answered yet.
fn knows_nothing(node: &Node) -> bool {
    let Role::Leader { progress, .. } = node.role() else { return false };
    let next = node.log().last().index.next();
    progress.iter().all(|(_, it)| it.matched == Index::default() && it.next == next)
}
