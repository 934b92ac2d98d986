//! The transitions of a chain: which election timer fires next, and what follows without chance.

use rafttree_model::{MOST_SERVERS, ServerId};

use crate::timing::chain::grid::{Grid, Rounding};
use crate::timing::chain::masses::{MAX_TERMS, Place, Transition};
use crate::timing::chain::states::{NOW, States};
use crate::timing::group::{Draws, FIRST_TERM, Group, TimedServer};
use crate::timing::setting::Setting;
use crate::timing::timers::Moment;

/// States that are less probable than this are not followed, and their probability is added up as lost.
const MIN_PROBABILITY: f64 = 1e-10;

/// The same for states of which it is known already where they lead.
const MIN_PROBABILITY_KNOWN: f64 = 1e-11;

/// The chain was larger than allowed.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// A chain as far as it was followed.
pub(super) struct Chain {
    grid: Grid,
    rounding: Rounding,
    /// So many transitions may be found.
    limit: usize,
    pub(super) states: States,
    /// The transitions from each state that was reached, and what was left out there; empty until it is.
    transitions: Vec<Box<[Transition]>>,
    left_out: Vec<f64>,
    pub(super) found: usize,
}

/// When an election timer fires is left open; a message takes its time.
struct LeftOpen {
    latency: Moment,
}

impl Draws for LeftOpen {
    fn election_timeout(&mut self) -> Option<Moment> {
        None
    }

    fn arrival(&mut self, _: ServerId, _: ServerId, now: Moment) -> Moment {
        now + self.latency
    }
}

impl Chain {
    pub(super) fn new(setting: &Setting, grid: Grid, rounding: Rounding, limit: usize) -> Chain {
        let states = States::new(Group::new(setting, rounding.spans, rounding.flush));
        Chain { grid, rounding, limit, states, transitions: Vec::new(), left_out: Vec::new(), found: 0 }
    }

    fn open(&self) -> LeftOpen {
        LeftOpen { latency: self.rounding.latency }
    }

    /// All timers are restarted at moment 0.
    pub(super) fn start(&mut self) -> Transition {
        let mut group = self.states.blank();
        group.now = NOW;
        (0..group.servers.len()).for_each(|at| group.follow(at, NOW, &mut self.open()));
        self.transition(group, NOW, 1.0)
    }

    /// How probable a state must be to be followed.
    pub(super) fn min_probability(&self, state: u32) -> f64 {
        let is_known = self.transitions.get(state as usize).is_some_and(|known| !known.is_empty());
        if is_known { MIN_PROBABILITY_KNOWN } else { MIN_PROBABILITY }
    }

    /// The transitions from a state that was expanded.
    pub(super) fn transitions(&self, state: u32) -> &[Transition] {
        &self.transitions[state as usize]
    }

    /// Finds the transitions from a state, if they are not known; what of its probability is left out.
    pub(super) fn expand(&mut self, state: u32) -> Result<f64, TooLarge> {
        let at = state as usize;
        if self.transitions.len() <= at {
            self.transitions.resize_with(self.states.len(), Box::default);
            self.left_out.resize(self.states.len(), 0.0);
        }
        if self.transitions[at].is_empty() && self.left_out[at] == 0.0 {
            let (transitions, left_out) = self.branches(state);
            self.found += transitions.len();
            self.transitions[at] = transitions;
            self.left_out[at] = left_out;
        }
        if self.limit < self.found { Err(TooLarge) } else { Ok(self.left_out[at]) }
    }

    /// Each election timer that may fire next, and the end that comes if none does.
    fn branches(&mut self, state: u32) -> (Box<[Transition]>, f64) {
        let mut group = self.states.group(state);
        let (mut transitions, mut left) = (Vec::new(), 1.0);
        while MIN_PROBABILITY < left {
            let chance = self.next_chance(&group);
            if is_first(group.next_at(), chance) {
                group.advance(&mut self.open());
                if group.leader_term().is_some() {
                    transitions.push(self.transition(group, NOW, left));
                    return (transitions.into(), 0.0);
                }
                continue;
            }
            let Some(chance) = chance else { break };
            let timer = group.servers[chance.at].timers.election.as_mut().expect("this timer runs");
            let probability = chance.probability(self.grid.cells);
            timer.passed += chance.part;
            let mut fired = group.clone();
            fired.fire_election(chance.at, chance.moment, &mut self.open());
            transitions.push(self.transition(fired, NOW, left * probability));
            left *= 1.0 - probability;
        }
        (transitions.into(), left)
    }

    /// When an election timer may fire next, and whose. Of several at one moment now the first and now
    /// the last comes first, as steps pass: who is ahead in truth is as likely the one as the other.
    fn next_chance(&self, group: &Group) -> Option<Chance> {
        let flushes = 0 < self.rounding.flush;
        let chance = |(at, server): (usize, &TimedServer)| {
            let timer = server.timers.election?;
            let step = timer.passed / STEP_PARTS;
            let moment = timer.since + self.rounding.spans.minimum + 2 * Moment::from(step) + 1;
            let (whole, even) = (timer.passed.is_multiple_of(STEP_PARTS), step.is_multiple_of(2));
            let part = if whole && !(flushes && group.is_busy(at, moment)) { STEP_PARTS } else { 1 };
            let order = if even { at } else { MOST_SERVERS - at };
            let waits = if flushes { !whole } else { even };
            Some(((moment, !whole, order), Chance { moment, at, passed: timer.passed, part, waits }))
        };
        let chances = group.servers.iter().enumerate().filter_map(chance);
        chances.min_by_key(|(order, _)| *order).map(|(_, chance)| chance)
    }

    /// The transition to where chance is needed next.
    fn transition(&mut self, mut group: Group, since: Moment, probability: f64) -> Transition {
        loop {
            let after = (group.now - since) as u32;
            if let Some(term) = group.leader_term() {
                let terms = (term.number() - FIRST_TERM.number()).min(MAX_TERMS.into()) as u8;
                return Transition { to: Place::Ended, after, terms, probability };
            }
            let chance = self.next_chance(&group);
            if !is_first(group.next_at(), chance) {
                let (to, terms) = self.states.number(&group);
                return Transition { to: Place::State(to), after, terms, probability };
            }
            group.advance(&mut self.open());
        }
    }
}

/// A timer's step goes in two parts where something happens to its server without chance at its very
/// moment: the timer fires with one half of its odds before that, and with the other half after it. In
/// truth it is as likely ahead as behind. Without flushes what decides never meets a timer, since messages
/// take an odd number of halves; there the one and the other come first in turn, and chains stay smaller.
const STEP_PARTS: u32 = 2;

/// An election timer that may fire.
#[derive(Clone, Copy, Debug)]
struct Chance {
    moment: Moment,
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
    fn probability(&self, cells: f64) -> f64 {
        let rest_of_step = STEP_PARTS - self.passed % STEP_PARTS;
        let left = f64::from(STEP_PARTS) * cells - f64::from(self.passed);
        f64::from(self.part) / left.max(rest_of_step.into())
    }
}

/// Whether what happens without chance comes before the next timer that may fire.
fn is_first(next: Option<Moment>, chance: Option<Chance>) -> bool {
    let before = |next| chance.is_none_or(|it| next < it.moment || (next == it.moment && it.waits));
    next.is_some_and(before)
}
