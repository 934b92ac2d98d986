//! The quotient beside the concrete system, both explored to the end within the same bounds: every
//! state of the one must be among those of the other.

use std::collections::{HashMap, HashSet};

use crate::quotient::server::Part;
use crate::quotient::sets::index_of;
use crate::quotient::settings::Quotient;
use crate::quotient::state::{Reach, State};
use crate::search::fingerprint;
use crate::system::{Bounds, System, deployed};
use crate::world::{PAPER, World};

/// What came of a comparison.
pub(crate) struct Comparison {
    pub(crate) concrete: usize,
    /// States of the quotient that some concrete state is kept as.
    pub(crate) kept: usize,
    pub(crate) quotient: usize,
    /// Concrete states whose form the quotient does not reach.
    pub(crate) missing: Vec<(State, World)>,
    /// States of the quotient that no concrete state is kept as.
    pub(crate) extra: Vec<State>,
}

/// Explores both. Where logs do not count, the quotient may do more than the concrete system can.
pub(crate) fn compare(bounds: Bounds, logs: bool) -> Comparison {
    let window = if logs { bounds.entries as u8 } else { 0 };
    let reach = Reach { spread: bounds.terms as u8, window, absolute: true, damages: bounds.damages };
    let mut quotient = Quotient::new(PAPER, bounds.servers as u8, reach);
    quotient.proposals = bounds.proposals;
    quotient.snapshots = bounds.snapshots;
    quotient.damages = bounds.damages;
    quotient.forgets_logs = !logs;
    let states: HashSet<State> = all_states(&quotient).into_iter().map(State::without_rounds).collect();
    let (concrete, kept) = kept_of_all_states(&deployed(bounds), reach, logs);
    let mut deaf: HashMap<State, Vec<State>> = HashMap::new();
    states.iter().for_each(|state| deaf.entry(state.deaf()).or_default().push(*state));
    let is_dominated = |state: &State| {
        let others = deaf.get(&state.deaf()).into_iter().flatten();
        others.into_iter().any(|other| renamings(state).iter().any(|state| other.hears_all_of(state)))
    };
    let is_missing = |state: &State| !states.contains(state) && !is_dominated(state);
    let extra = states.iter().filter(|state| !kept.contains_key(state)).copied().collect();
    let (kept_count, quotient) = (kept.len(), states.len());
    let missing = kept.into_iter().filter(|(state, _)| is_missing(state)).collect();
    Comparison { concrete, kept: kept_count, quotient, missing, extra }
}

/// Every state of the quotient, by the simplest search there is.
pub(crate) fn all_states(quotient: &Quotient) -> HashSet<State> {
    let start = quotient.start().settled(quotient.reach).expect("the start is within bounds");
    let start = if quotient.symmetric { start.canonical() } else { start };
    let mut seen = HashSet::from([start]);
    let mut stack = vec![start];
    let mut worker = quotient.new_worker();
    while let Some(state) = stack.pop() {
        quotient.moves(&mut worker, &state, &mut |step, next, broken, _| {
            assert!(broken.is_empty(), "{step:?} breaks {broken:?}");
            if seen.insert(next) {
                stack.push(next);
            }
        });
    }
    seen
}

/// What the quotient keeps of every concrete state, and how many there are.
fn kept_of_all_states(system: &System, reach: Reach, logs: bool) -> (usize, HashMap<State, World>) {
    let start = system.represented(system.start.clone());
    let mut seen = HashSet::from([fingerprint(&start, 0)]);
    let mut stack = vec![start];
    let mut kept = HashMap::new();
    while let Some(world) = stack.pop() {
        if let Some(state) = State::of_world(&world) {
            let state = if logs { state } else { state.without_logs() };
            let form = state.settled(reach).expect("the concrete system keeps the same bounds").without_rounds();
            kept.entry(form).or_insert_with(|| world.clone());
        }
        for next in system.offered(&world).iter().filter_map(|action| system.after(&world, action)) {
            if seen.insert(fingerprint(&next, 0)) {
                stack.push(next);
            }
        }
    }
    (seen.len(), kept)
}

/// The state under every order of its servers.
pub(crate) fn renamings(state: &State) -> Vec<State> {
    let mut orders: Vec<Vec<u8>> = vec![vec![]];
    for _ in state.ids() {
        let longer = |names: &Vec<u8>| {
            let free: Vec<u8> = state.ids().filter(|id| !names.contains(id)).collect();
            free.into_iter().map(|id| [&names[..], &[id]].concat()).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders.iter().map(|names| state.renamed(names)).collect()
}

impl State {
    /// The form without who has answered which round: of rounds the concrete system keeps none where nobody reads.
    fn without_rounds(self) -> State {
        State { answered: Default::default(), ..self }.canonical()
    }

    /// The same before anybody has heard or asked anything.
    fn deaf(&self) -> State {
        State { heard: Default::default(), asked: Default::default(), ..*self }.canonical()
    }

    /// Whether the other differs in nothing but in that fewer answers and requests for votes may arrive: then
    /// whatever may happen there may happen here, too. The quotient counts as said what a server could have
    /// answered as long as it was in that term, or asked for before a crash, and that may not have been.
    fn hears_all_of(&self, other: &State) -> bool {
        let more = |at: usize| {
            let (ours, theirs) = (self.heard[at], other.heard[at]);
            if !self.seats[at].is(Part::Leader) {
                return ours & theirs == theirs;
            }
            self.ids().all(|id| index_of(theirs, id) <= index_of(ours, id))
        };
        let asks = other.asked.iter().all(|asked| self.asked.contains(asked) || self.says_no_more(asked));
        let same = State { heard: other.heard, asked: other.asked, ..*self } == *other;
        same && asks && (0..self.heard.len()).all(more)
    }
}
