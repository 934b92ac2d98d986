//! What the quotient leaves out, and what it must not.

use std::collections::{HashMap, HashSet};

use crate::presets::{PAPER, plain};
use crate::quotient::local::index_of;
use crate::quotient::seat::Part;
use crate::quotient::{Quotient, Reach, State};
use crate::system::{Bounds, System};
use crate::world::World;

/// Every state of the quotient, by the simplest search there is.
fn all_states(quotient: &Quotient) -> HashSet<State> {
    let start = quotient.start().settled(quotient.reach).expect("the start is within bounds").canonical();
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

/// What the quotient keeps of every state of the plain system in which nothing waits unseen.
fn kept_of_all_states(
    system: &System,
    reach: Reach,
    forgets_logs: bool,
) -> (HashMap<State, World>, HashMap<World, (World, String)>) {
    let start = system.represented(system.start.clone());
    let mut seen = HashSet::from([start.clone()]);
    let mut stack = std::collections::VecDeque::from([start]);
    let mut parents: HashMap<World, (World, String)> = HashMap::new();
    let mut kept = HashMap::new();
    while let Some(world) = stack.pop_front() {
        if let Some(state) = State::of_world(&world) {
            let state = if forgets_logs { state.without_logs() } else { state };
            kept.entry(state.settled(reach).expect("within bounds").canonical()).or_insert_with(|| world.clone());
        }
        for action in system.offered(&world) {
            if let Some(next) = system.after(&world, &action)
                && seen.insert(next.clone())
            {
                parents.insert(next.clone(), (world.clone(), action.to_string()));
                stack.push_back(next);
            }
        }
    }
    println!("{} plain states, {} kept", seen.len(), kept.len());
    (kept, parents)
}

fn renamings(state: &State) -> Vec<State> {
    let mut all = vec![vec![]];
    for _ in state.ids() {
        all = all
            .iter()
            .flat_map(|names: &Vec<u8>| {
                state.ids().filter(|id| !names.contains(id)).map(|id| [&names[..], &[id]].concat()).collect::<Vec<_>>()
            })
            .collect();
    }
    all.iter().map(|names| state.renamed(names)).collect()
}

impl State {
    /// The same before anybody has heard anything.
    fn deaf(&self) -> State {
        State { heard: Default::default(), ..*self }.canonical()
    }

    /// Whether the other differs in nothing but in that fewer answers may arrive.
    fn hears_all_of(&self, other: &State) -> bool {
        let pairs = || self.heard.iter().zip(other.heard);
        let leads = |at: usize| self.seats[at].is(Part::Leader);
        State { heard: other.heard, ..*self } == *other
            && pairs().enumerate().all(|(at, (more, less))| {
                if !leads(at) {
                    more & less == less
                } else {
                    self.ids().all(|id| index_of(less, id) <= index_of(*more, id))
                }
            })
    }
}

fn compare(bounds: Bounds, forgets_logs: bool) {
    let window = if forgets_logs { 0 } else { bounds.entries as u8 };
    let reach = Reach { spread: bounds.terms as u8, window, absolute: true };
    let mut quotient = Quotient::new(PAPER, bounds.servers as u8, reach);
    quotient.proposals = bounds.proposals;
    quotient.forgets_logs = forgets_logs;
    let states = all_states(&quotient);
    println!("{} quotient states", states.len());
    let (kept, parents) = kept_of_all_states(&plain(bounds), reach, forgets_logs);
    let mut deaf: HashMap<State, Vec<State>> = HashMap::new();
    states.iter().for_each(|state| deaf.entry(state.deaf()).or_default().push(*state));
    let is_dominated = |state: &State| {
        let candidates = deaf.get(&state.deaf()).into_iter().flatten();
        candidates.into_iter().any(|other| renamings(state).iter().any(|state| other.hears_all_of(state)))
    };
    let missing: Vec<_> = kept.iter().filter(|(state, _)| !states.contains(*state) && !is_dominated(state)).collect();
    let length = |world: &World| {
        let (mut n, mut w) = (0, world);
        while let Some((p, _)) = parents.get(w) {
            w = p;
            n += 1;
        }
        n
    };
    if let Some((state, world)) = missing.iter().min_by_key(|(_, world)| length(world)) {
        let mut w = *world;
        let mut steps = vec![];
        while let Some((p, a)) = parents.get(w) {
            steps.push(format!(
                "{a}\n{w:?}{:?}",
                State::of_world(w).map(|s| {
                    let s = s.settled(reach).expect("in").canonical();
                    (states.contains(&s), is_dominated(&s), s)
                })
            ));
            w = p;
        }
        steps.iter().rev().for_each(|s| println!("{s}"));
        panic!("{} are missing, among them\n{state:?}\n{world:?}", missing.len());
    }
    let extra: Vec<_> = states.iter().filter(|state| !kept.contains_key(*state)).collect();
    if let Some(state) = extra.iter().min_by_key(|state| state.seats().map(|(_, seat)| seat.term() as u32).sum::<u32>())
    {
        panic!("{} are new, among them\n{state:?}\n{:?}", extra.len(), state.world(quotient.members));
    }
}

const TWO: Bounds = Bounds {
    servers: 2,
    timeouts: None,
    crashes: None,
    terms: 2,
    entries: 2,
    unsynced: 2,
    interleaved: true,
    forgets: true,
    proposals: true,
    handovers: true,
};

#[test]
fn two_servers_with_everything_at_once() {
    compare(TWO, false);
}

#[test]
fn three_servers_in_one_term() {
    compare(Bounds { servers: 3, terms: 1, entries: 1, handovers: false, ..TWO }, false);
}

#[test]
fn zz_big() {
    compare(
        Bounds {
            servers: 3,
            terms: 2,
            entries: 1,
            handovers: false,
            proposals: false,
            interleaved: false,
            unsynced: 1,
            ..TWO
        },
        false,
    );
}

#[test]
fn zz_tell() {
    use crate::search::{Search, Space};
    let name = std::env::var("EXHIBIT").expect("a name");
    let exhibit = crate::zoo::find(&name).expect("there");
    let crate::presets::Part::Quotient(scope) = exhibit.part else { panic!() };
    let mut q = scope.quotient(exhibit.ground);
    q.watched.keep(exhibit.counted());
    let found = Search { threads: 2, ..Search::default() }.run(&q, &mut |_| {});
    let mut state = q.start();
    println!("{:?}", state.world(q.members));
    for step in &found.path {
        let mut next = None;
        q.moves(&mut q.worker(), &state, &mut |m, s, b, _| if m == *step { next = Some((s, b)); });
        let (s, b) = next.expect("a move");
        println!("{step:?} breaks {:?}\n{:?}", crate::engine::names(b), s.world(q.members));
        state = s;
    }
    println!("{:?}", q.in_the_plain_system(&found.path));
}
