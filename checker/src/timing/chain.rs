//! The distribution of an election, exact for time in steps: a Markov chain over the deployed steps.
//!
//! A state is what the live servers know, what travels between them, and for how long each timer has
//! run. When an election timer fires is not drawn when it is restarted, but decided step by step as
//! time passes, with the odds that are left: that is the same distribution, and a state need not know
//! the future. All else is fixed by the deployed steps, so the chain branches only there. Nothing
//! is started afresh between terms: the phases of the timers are part of the state.
//!
//! States that differ in the names of servers, or in where terms begin to count, are one: the
//! transitions do not tell them apart (`rafttree_model::relabelling`).
//!
//! **Time.** A timeout is drawn from `cells` intervals of equal length, the step, and fires in the
//! middle of its interval. All spans are multiples of half a step. The step is such that a message and
//! a flush together take an odd number of halves: then two timers of one age lie clearly before or after
//! a message of one to the other, never at the same moment.
//!
//! Spans that are no whole numbers of halves (of the flush, the minimum timeout, the heartbeat) are
//! rounded up in some chains and down in others, and the latency makes up for what the flush gains or
//! loses. The chains are weighed so that all spans are right on average. What a chain says changes
//! evenly with its spans, so the error of this falls with the square of the step, as that of the steps
//! themselves does.

use std::collections::VecDeque;
use std::hash::Hash;

use rafttree_model::{Labels, MOST_SERVERS, Node, Output, Record, Relabelled, Replica, Role, ServerId, Term};
use rustc_hash::FxHashMap;

use crate::timing::ground;
use crate::timing::group::{ElectionTimer, FIRST_TERM, Group, Letter, Luck, Pace, Seat, Tick, entries};
use crate::timing::setting::{Nanos, Setting};
use crate::world::Tag;

/// Moments of a state count from here on: what began before has smaller ones.
const NOW: Tick = 1 << 40;

/// States that are less probable than this are not followed, and their probability is added up as lost.
const LEAST: f64 = 1e-10;

/// The same for states of which it is known already where they lead.
const LEAST_KNOWN: f64 = 1e-11;

/// The same for one way.
const LEAST_WAY: f64 = 1e-13;

/// The lengths of time as multiples of half a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// Half a step in nanoseconds.
    pub(crate) half: f64,
    /// Steps in the range from which timeouts are drawn; the last one may be a part of one.
    pub(crate) cells: f64,
    /// What a message and a flush take together, in halves.
    hop: Tick,
    /// Spans in halves; not always whole numbers.
    flush: f64,
    minimum: f64,
    heartbeat: f64,
}

/// Whole numbers for the spans of a grid.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rounding {
    /// How much it counts.
    weight: f64,
    latency: Tick,
    pace: Pace,
}

impl Grid {
    /// One rounding where all spans are whole numbers, else a few: as if one number were drawn between
    /// 0 and 1, and those spans rounded up whose fraction is larger. So each is right on average.
    fn roundings(&self) -> Vec<Rounding> {
        let spans = [self.flush, self.minimum, self.heartbeat];
        let [first, second, third] = spans.map(f64::fract);
        let mut bounds = [0.0, first, second, third, 1.0];
        bounds.sort_by(f64::total_cmp);
        let rounding = |drawn: &[f64]| {
            let whole = |span: f64| span.floor() as Tick + Tick::from(drawn[0] < span.fract());
            let [flush, minimum, heartbeat] = spans.map(whole);
            let pace = Pace { minimum, heartbeat: heartbeat.max(1), flush };
            Rounding { weight: drawn[1] - drawn[0], latency: self.hop - flush, pace }
        };
        bounds.windows(2).filter(|drawn| drawn[0] < drawn[1]).map(rounding).collect()
    }

    /// Whether a message takes no time on it, though it does in truth: then two timers that fire in one
    /// step would not be counted as the split that they are.
    fn lacks_latency(&self, setting: &Setting) -> bool {
        setting.latency.fixed() != Some(0) && self.roundings().iter().any(|it| it.latency == 0)
    }
}

/// A span that differs from a whole number of halves by less than this is that number.
const WHOLE: f64 = 1e-6;

/// The grids of a setting, from the coarsest on: the steps become ever smaller. `None` if latency is
/// random, for then there is no such chain.
pub(crate) fn grids(setting: &Setting) -> Option<impl Iterator<Item = Grid> + use<'_>> {
    let hop = (setting.latency.fixed()? + setting.flush) as f64;
    let spread = setting.spread() as f64;
    let grid = move |fineness: u32| {
        let halves = 2 * fineness + 1;
        // Without latency nothing but the range has a length.
        let half = if 0.0 < hop { hop / f64::from(halves) } else { spread / f64::from(10 * halves) };
        let span = |time: Nanos| {
            let span = time as f64 / half;
            if (span - span.round()).abs() < WHOLE { span.round() } else { span }
        };
        Grid {
            half,
            cells: spread / half / 2.0,
            hop: (hop / half).round() as Tick,
            flush: span(setting.flush),
            minimum: span(setting.timeout.least),
            heartbeat: span(setting.heartbeat),
        }
    };
    Some((0..).map(grid).skip_while(|grid| grid.lacks_latency(setting)))
}

/// The distribution of an election in time that goes in steps.
#[derive(Clone, Debug)]
pub(crate) struct Exact {
    pub(crate) grid: Grid,
    /// When elections end and with which probability: after the last restart of the timers of
    /// all, in nanoseconds, rising.
    pub(crate) atoms: Vec<(f64, f64)>,
    /// The probability of so many terms, from one on.
    pub(crate) terms: Vec<f64>,
    /// What was left out: nothing is known of it.
    pub(crate) lost: f64,
    /// States of the chain, and ways from one to another.
    pub(crate) states: usize,
    pub(crate) ways: usize,
}

/// The chain was larger than allowed.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// Follows the chains of a grid until the election has ended, but for what is hardly probable. `most`
/// bounds the ways from states to states that are found.
pub(crate) fn exact(setting: &Setting, grid: Grid, most: usize) -> Result<Exact, TooLarge> {
    let mut exact = Exact::nothing(grid);
    for rounding in grid.roundings() {
        let one = follow(setting, grid, rounding, most - exact.ways)?;
        exact.add(one, rounding.weight);
    }
    exact.atoms.sort_by(|one, other| one.0.total_cmp(&other.0));
    Ok(exact)
}

impl Exact {
    /// What is known before anything was followed.
    fn nothing(grid: Grid) -> Exact {
        Exact { grid, atoms: Vec::new(), terms: Vec::new(), lost: 0.0, states: 0, ways: 0 }
    }

    /// Adds what another chain of the same grid says, with this weight.
    fn add(&mut self, other: Exact, weight: f64) {
        self.atoms.extend(other.atoms.into_iter().map(|(moment, odds)| (moment, weight * odds)));
        self.terms.resize(self.terms.len().max(other.terms.len()), 0.0);
        self.terms.iter_mut().zip(other.terms).for_each(|(sum, odds)| *sum += weight * odds);
        self.lost += weight * other.lost;
        self.states += other.states;
        self.ways += other.ways;
    }
}

/// Follows one chain.
fn follow(setting: &Setting, grid: Grid, rounding: Rounding, most: usize) -> Result<Exact, TooLarge> {
    // What the first minimum timeout lost when it was rounded.
    let shortened = grid.minimum - rounding.pace.minimum as f64;
    let mut chain = Chain::new(setting, grid, rounding, most);
    let mut exact = Exact::nothing(grid);
    let mut masses = Masses::default();
    let (start, after) = chain.start(setting);
    masses.add(after, start, 1.0, 0);
    let mut here = Vec::new();
    while let Some(moment) = masses.take_first(chain.states.len(), &mut here) {
        let mut ended = 0.0;
        for &(place, terms, mass) in &here {
            match place {
                Whither::Ended => {
                    ended += mass;
                    let at = usize::from(terms) - 1;
                    exact.terms.resize(exact.terms.len().max(at + 1), 0.0);
                    exact.terms[at] += mass;
                }
                Whither::State(state) if mass < chain.least(state) => exact.lost += mass,
                Whither::State(state) => {
                    exact.lost += mass * chain.expand(state)?;
                    for way in &chain.ways[state as usize] {
                        let mass = mass * way.odds;
                        if mass < LEAST_WAY {
                            exact.lost += mass;
                        } else {
                            masses.add(moment + Tick::from(way.after), *way, mass, terms);
                        }
                    }
                }
            }
        }
        if 0.0 < ended {
            exact.atoms.push((grid.half * (moment as f64 + shortened), ended));
        }
    }
    (exact.states, exact.ways) = (chain.states.len(), chain.found);
    Ok(exact)
}

/// Terms that are told apart; more count as so many.
const MOST_TERMS: u8 = 31;

/// The probability of being at a place at a moment, after so many terms.
#[derive(Default)]
struct Masses {
    /// What was added, moment by moment.
    coming: VecDeque<Vec<(Whither, u8, f64)>>,
    /// The moment that comes first.
    first: Tick,
    /// Sums of one moment, by place and terms; zero between moments.
    sums: Vec<f64>,
}

impl Masses {
    fn add(&mut self, moment: Tick, way: Way, mass: f64, terms: u8) {
        let terms = MOST_TERMS.min(terms.saturating_add(way.terms));
        let ahead = (moment - self.first) as usize;
        if self.coming.len() <= ahead {
            self.coming.resize_with(ahead + 1, Vec::new);
        }
        self.coming[ahead].push((way.to, terms, mass));
    }

    /// The earliest moment, and what there is of each place, each once.
    fn take_first(&mut self, states: usize, here: &mut Vec<(Whither, u8, f64)>) -> Option<Tick> {
        let empty = self.coming.iter().take_while(|added| added.is_empty()).count();
        self.coming.drain(..empty);
        let added = self.coming.pop_front()?;
        let moment = self.first + empty as Tick;
        // Ways take time, but for those of timers that fire at one moment.
        self.first = moment;
        self.coming.push_front(Vec::new());
        let width = usize::from(MOST_TERMS) + 1;
        self.sums.resize((states + 1) * width, 0.0);
        let slot = |place: Whither, terms: u8| {
            let row = if let Whither::State(state) = place { state as usize + 1 } else { 0 };
            row * width + usize::from(terms)
        };
        here.clear();
        for (place, terms, mass) in added {
            let sum = &mut self.sums[slot(place, terms)];
            if *sum == 0.0 {
                here.push((place, terms, 0.0));
            }
            *sum += mass;
        }
        for (place, terms, mass) in here {
            *mass = std::mem::take(&mut self.sums[slot(*place, *terms)]);
        }
        Some(moment)
    }
}

/// Where a way leads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Whither {
    /// There is a leader.
    Ended,
    State(u32),
}

/// A way from one state to another.
#[derive(Clone, Copy, Debug)]
struct Way {
    to: Whither,
    after: u32,
    terms: u8,
    odds: f64,
}

/// A server of a state, by the numbers that its parts were given; moments count from now.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct SeatKey {
    node: u32,
    /// How long the election timer has run, and how much of its range.
    election: Option<(u32, u32)>,
    minimum: Option<u32>,
    heartbeat: Option<u32>,
    flight: Option<u32>,
    open: (u32, bool),
    waiting: u32,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    seats: Box<[SeatKey]>,
    mail: Box<[(u32, u32)]>,
}

/// Values, each with a number.
struct Numbered<T> {
    values: Vec<T>,
    numbers: FxHashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn new() -> Numbered<T> {
        Numbered { values: Vec::new(), numbers: FxHashMap::default() }
    }

    fn number(&mut self, value: T) -> u32 {
        if let Some(&number) = self.numbers.get(&value) {
            return number;
        }
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    fn value(&self, number: u32) -> T {
        self.values[number as usize].clone()
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}

struct Chain {
    grid: Grid,
    rounding: Rounding,
    most: usize,
    /// A group to be filled with what a state says.
    blank: Group,
    states: Numbered<Key>,
    nodes: Numbered<Node>,
    /// The number of a node by its number under other labels, and by those labels.
    renamed: FxHashMap<(u32, Names), u32>,
    letters: Numbered<Letter>,
    outputs: Numbered<Vec<Output>>,
    /// The ways from each state that was reached, and what was left out there; empty until it is.
    ways: Vec<Box<[Way]>>,
    left_out: Vec<f64>,
    found: usize,
}

/// When an election timer fires is left open; a message takes its time.
struct Open {
    latency: Tick,
}

impl Luck for Open {
    fn election_timeout(&mut self) -> Option<Tick> {
        None
    }

    fn arrival(&mut self, _: ServerId, _: ServerId, now: Tick) -> Tick {
        now + self.latency
    }
}

impl Chain {
    fn new(setting: &Setting, grid: Grid, rounding: Rounding, most: usize) -> Chain {
        Chain {
            grid,
            rounding,
            most,
            blank: Group::new(setting, ground(setting.pre_vote), rounding.pace),
            states: Numbered::new(),
            nodes: Numbered::new(),
            renamed: FxHashMap::default(),
            letters: Numbered::new(),
            outputs: Numbered::new(),
            ways: Vec::new(),
            left_out: Vec::new(),
            found: 0,
        }
    }

    fn open(&self) -> Open {
        Open { latency: self.rounding.latency }
    }

    /// All timers are restarted at moment 0.
    fn start(&mut self, setting: &Setting) -> (Way, Tick) {
        let mut group = self.blank.clone();
        group.now = NOW;
        (0..usize::from(setting.alive)).for_each(|at| group.follow(at, NOW, &mut self.open()));
        let way = self.way(group, NOW, 1.0);
        (way, Tick::from(way.after))
    }

    /// How probable a state must be to be followed.
    fn least(&self, state: u32) -> f64 {
        if self.ways.get(state as usize).is_some_and(|ways| !ways.is_empty()) { LEAST_KNOWN } else { LEAST }
    }

    /// Finds the ways from a state, if they are not known; what of its probability is left out.
    fn expand(&mut self, state: u32) -> Result<f64, TooLarge> {
        let at = state as usize;
        if self.ways.len() <= at {
            self.ways.resize_with(self.states.len(), Box::default);
            self.left_out.resize(self.states.len(), 0.0);
        }
        if self.ways[at].is_empty() && self.left_out[at] == 0.0 {
            let (ways, left_out) = self.branches(state);
            self.found += ways.len();
            self.ways[at] = ways;
            self.left_out[at] = left_out;
        }
        if self.most < self.found { Err(TooLarge) } else { Ok(self.left_out[at]) }
    }

    /// Each election timer that may fire next, and the end that comes if none does.
    fn branches(&mut self, state: u32) -> (Box<[Way]>, f64) {
        let mut group = self.group(state);
        let (mut ways, mut left) = (Vec::new(), 1.0);
        while LEAST < left {
            let chance = self.next_chance(&group);
            if is_first(group.next_at(), chance) {
                group.advance(&mut self.open());
                if group.leader_term().is_some() {
                    ways.push(self.way(group, NOW, left));
                    return (ways.into(), 0.0);
                }
                continue;
            }
            let Some(chance) = chance else { break };
            let timer = group.seats[chance.at].election.as_mut().expect("this timer runs");
            let odds = chance.odds(self.grid.cells);
            timer.passed += chance.part;
            let mut fired = group.clone();
            fired.fire_election(chance.at, chance.moment, &mut self.open());
            ways.push(self.way(fired, NOW, left * odds));
            left *= 1.0 - odds;
        }
        (ways.into(), left)
    }

    /// When an election timer may fire next, and whose. Of several at one moment now the first and now
    /// the last comes first, as steps pass: who is ahead in truth is as likely the one as the other.
    fn next_chance(&self, group: &Group) -> Option<Chance> {
        let flushes = 0 < self.rounding.pace.flush;
        let chance = |(at, seat): (usize, &Seat)| {
            let timer = seat.election?;
            let step = timer.passed / PARTS;
            let moment = timer.since + self.rounding.pace.minimum + 2 * Tick::from(step) + 1;
            let (whole, even) = (timer.passed.is_multiple_of(PARTS), step.is_multiple_of(2));
            let part = if whole && !(flushes && group.is_busy(at, moment)) { PARTS } else { 1 };
            let order = if even { at } else { MOST_SERVERS - at };
            let waits = if flushes { !whole } else { even };
            Some(((moment, !whole, order), Chance { moment, at, passed: timer.passed, part, waits }))
        };
        let chances = group.seats.iter().enumerate().filter_map(chance);
        chances.min_by_key(|(order, _)| *order).map(|(_, chance)| chance)
    }

    /// The way to where chance is needed next.
    fn way(&mut self, mut group: Group, since: Tick, odds: f64) -> Way {
        loop {
            let after = (group.now - since) as u32;
            if let Some(term) = group.leader_term() {
                return Way {
                    to: Whither::Ended,
                    after,
                    terms: (term.number() - FIRST_TERM.number()).min(MOST_TERMS.into()) as u8,
                    odds,
                };
            }
            let chance = self.next_chance(&group);
            if !is_first(group.next_at(), chance) {
                let (to, terms) = self.number(&group);
                return Way { to: Whither::State(to), after, terms, odds };
            }
            group.advance(&mut self.open());
        }
    }

    /// The number of a state, and by how much its terms were lowered.
    fn number(&mut self, group: &Group) -> (u32, u8) {
        let mut order: Vec<usize> = (0..group.seats.len()).collect();
        order.sort_by_cached_key(|&at| looks(&group.seats[at]));
        let lowered = lowest_term(group).number().saturating_sub(FIRST_TERM.number() + 1);
        let mut ids = std::array::from_fn(|id| id as u8);
        order.iter().enumerate().for_each(|(new, &old)| ids[old + 1] = new as u8 + 1);
        let names = Names { ids, lowered };
        let now = group.now;
        let seats = order.iter().map(|&at| self.seat_key(&group.seats[at], now, &names)).collect();
        let mut mail: Vec<(u32, u32, u32)> = group
            .mail
            .iter()
            .map(|(arrival, letter)| {
                let letter = letter.relabelled(&names);
                ((arrival - now) as u32, letter.to.number(), self.letters.number(letter))
            })
            .collect();
        // Of what reaches one server at one moment, what was sent first comes first.
        mail.sort_by_key(|&(ahead, to, _)| (ahead, to));
        let mail = mail.into_iter().map(|(ahead, _, letter)| (ahead, letter)).collect();
        (self.states.number(Key { seats, mail }), lowered.min(MOST_TERMS.into()) as u8)
    }

    fn seat_key(&mut self, seat: &Seat, now: Tick, names: &Names) -> SeatKey {
        let ahead = |moment: Option<Tick>| moment.map(|moment| (moment - now) as u32);
        let node = self.node_number(seat, names);
        let mut outputs =
            |outputs: &[Output]| self.outputs.number(outputs.iter().map(|output| output.relabelled(names)).collect());
        SeatKey {
            open: (outputs(seat.replica.open().after_sync()), !seat.replica.open().records().is_empty()),
            waiting: outputs(seat.replica.waiting().unwrap_or_default()),
            node,
            election: seat.election.map(|timer| ((now - timer.since) as u32, timer.passed)),
            minimum: ahead(seat.minimum),
            heartbeat: ahead(seat.heartbeat),
            flight: ahead(seat.flight),
        }
    }

    fn node_number(&mut self, seat: &Seat, names: &Names) -> u32 {
        let Some(known) = seat.known_as else { return self.nodes.number(seat.node().relabelled(names)) };
        *self.renamed.entry((known, *names)).or_insert_with(|| self.nodes.number(seat.node().relabelled(names)))
    }

    /// Of what is not written yet, it counts only whether there is anything.
    fn replica(&self, key: &SeatKey) -> Replica<Tag> {
        let node = self.nodes.value(key.node);
        let (entries, records) = (entries(node.log()), key.open.1.then(|| Record::Term(node.term())));
        let waiting = key.flight.map(|_| self.outputs.value(key.waiting));
        Replica::assume(node, entries, records.into_iter().collect(), self.outputs.value(key.open.0), waiting)
    }

    /// The group of a state, at the moment from which states count.
    fn group(&self, state: u32) -> Group {
        let Key { seats, mail } = &self.states.values[state as usize];
        let ahead = |moment: Option<u32>| moment.map(|moment| NOW + Tick::from(moment));
        let mut group = self.blank.clone();
        group.now = NOW;
        for (seat, key) in group.seats.iter_mut().zip(seats) {
            let election =
                key.election.map(|(age, passed)| ElectionTimer { since: NOW - Tick::from(age), due: None, passed });
            *seat = Seat {
                replica: self.replica(key),
                known_as: Some(key.node),
                election,
                minimum: ahead(key.minimum),
                heartbeat: ahead(key.heartbeat),
                flight: ahead(key.flight),
            };
        }
        group.mail =
            mail.iter().map(|&(ahead, letter)| (NOW + Tick::from(ahead), self.letters.value(letter))).collect();
        group
    }
}

/// What a server has asked for that is not done yet.
fn asked(replica: &Replica<Tag>) -> impl Iterator<Item = &Output> {
    replica.open().after_sync().iter().chain(replica.waiting().unwrap_or_default())
}

/// The lowest term that anyone is in or that anything says.
fn lowest_term(group: &Group) -> Term {
    let said = |output: &Output| if let Output::Send(envelope) = output { Some(envelope.term) } else { None };
    let seats = group.seats.iter();
    let said = seats.clone().flat_map(|seat| asked(&seat.replica)).filter_map(said);
    let mail = group.mail.iter().map(|(_, letter)| letter.term);
    seats.map(|seat| seat.node().term()).chain(said).chain(mail).min().unwrap_or_default()
}

/// A timer's step goes in two parts where something happens to its server without chance at its very
/// moment: the timer fires with one half of its odds before that, and with the other half after it. In
/// truth it is as likely ahead as behind. Without flushes what decides never meets a timer, since messages
/// take an odd number of halves; there the one and the other come first in turn, and chains stay smaller.
const PARTS: u32 = 2;

/// An election timer that may fire.
#[derive(Clone, Copy, Debug)]
struct Chance {
    moment: Tick,
    /// Whose it is.
    at: usize,
    /// How many parts of steps have passed without it.
    passed: u32,
    /// In how many parts of its step it may fire now.
    part: u32,
    /// Whether it comes after what happens at its moment without chance.
    waits: bool,
}

impl Chance {
    /// How probable it is that the timer fires now, if it has not before: in a last step that is but a part
    /// of one it fires for sure.
    fn odds(&self, cells: f64) -> f64 {
        let rest_of_step = PARTS - self.passed % PARTS;
        let left = f64::from(PARTS) * cells - f64::from(self.passed);
        f64::from(self.part) / left.max(rest_of_step.into())
    }
}

/// Whether what happens without chance comes before the next timer that may fire.
fn is_first(next: Option<Tick>, chance: Option<Chance>) -> bool {
    let before = |next| chance.is_none_or(|it| next < it.moment || (next == it.moment && it.waits));
    next.is_some_and(before)
}

/// What tells servers apart without their names. Two that look alike stay as they are: then states
/// that are one may count as two, which costs time and changes nothing.
fn looks(seat: &Seat) -> impl Ord + use<> {
    let node = seat.node();
    let votes = match node.role() {
        Role::PreCandidate { votes } | Role::Candidate { votes, .. } => votes.len(),
        _ => 0,
    };
    let own_vote = node.vote() == Some(node.id());
    let election = seat.election.map(|timer| (timer.since, timer.passed));
    (
        node.log().last(),
        node.role().name(),
        node.term(),
        election,
        seat.minimum,
        votes,
        own_vote,
        seat.replica.open().after_sync().len(),
    )
}

/// Other names, and terms that count from a later one.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Names {
    ids: [u8; MOST_SERVERS + 1],
    lowered: u64,
}

impl Labels for Names {
    fn id(&self, id: ServerId) -> ServerId {
        ServerId::new(self.ids[id.number() as usize].into())
    }

    /// The term of the logs and of the dead leader stays: every other is later, before and after.
    fn term(&self, term: Term) -> Term {
        if term <= FIRST_TERM { term } else { Term::new(term.number() - self.lowered) }
    }
}
