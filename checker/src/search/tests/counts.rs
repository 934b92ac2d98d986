//! The counts are right, and the same however they were come by.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, Model, Property};

use super::toys::{Naive, Puzzle, SOLVED, counters, naive, two_phase_kind};
use super::two_phase_commit::TwoPhaseCommit;
use super::{counts, search, with_threads};
use crate::search::model::Unsuitable;
use crate::search::{Ended, Found, OfModel, Search, Space};

fn as_naive<A>(found: Found<A>) -> Naive {
    let Found { states, transitions, layers, offered, fired, met, .. } = found;
    Naive { states, transitions, layers, offered, fired, met }
}

fn two_phase(managers: usize) -> TwoPhaseCommit {
    TwoPhaseCommit { managers, needed: managers }
}

fn two_phase_space(managers: usize) -> OfModel<TwoPhaseCommit> {
    OfModel::new(two_phase(managers)).unwrap().with_kinds(5, two_phase_kind)
}

#[test]
fn known_spaces_have_their_known_sizes() {
    let found = search(&with_threads(2), &two_phase_space(3));
    assert_eq!((found.ended, found.states, found.met), (Ended::Exhausted, 288, 0b110));
    let found = search(&with_threads(2), &two_phase_space(5));
    assert_eq!((found.ended, found.states), (Ended::Exhausted, 8_832));
    let found = search(&with_threads(2), &OfModel::new(Puzzle { start: SOLVED }).unwrap());
    assert_eq!((found.ended, found.states, found.depth), (Ended::Exhausted, 360, 21));
    let found = search(&with_threads(2), &counters(3, 9));
    assert_eq!((found.ended, found.states, found.depth, found.met), (Ended::Exhausted, 1_000, 27, 0b011));
    assert_eq!(found.layers[..5], [1, 3, 6, 10, 15]);
    // Each of three counters in each of its states has nine steps up and nine down.
    assert_eq!((found.transitions, found.fired), (5_400, vec![2_700, 2_700]));
    assert_eq!(found.offered, [3_000, 3_000], "those that a counter at its end does not take, too");
}

fn same_as_naive<S: Space<State: Eq + Hash>>(space: &S) {
    let expected = naive(space);
    for threads in [0, 1, 2, 3] {
        for seed in [0, 1, u64::MAX] {
            for wide_fingerprints in [false, true] {
                let found = search(&Search { seed, wide_fingerprints, ..with_threads(threads) }, space);
                assert_eq!(found.ended, Ended::Exhausted);
                assert_eq!(found.depth + 1, found.layers.len() as u64);
                assert_eq!(as_naive(found), expected, "{threads} threads, seed {seed}");
            }
        }
    }
}

#[test]
fn counts_are_those_of_a_naive_search_at_any_number_of_threads_and_under_any_seed() {
    same_as_naive(&two_phase_space(4));
    same_as_naive(&OfModel::new(Puzzle { start: SOLVED }).unwrap());
    same_as_naive(&counters(4, 7));
}

fn same_as_stateright<M>(model: M)
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
    let starts = model.init_states().len();
    let found = search(&with_threads(2), &OfModel::new(model.clone()).unwrap());
    let breadth_first = model.clone().checker().spawn_bfs().join();
    let depth_first = model.checker().spawn_dfs().join();
    assert_eq!(found.states, breadth_first.unique_state_count() as u64);
    assert_eq!(found.states, depth_first.unique_state_count() as u64);
    // It counts the start states as if something had led there.
    assert_eq!(found.transitions, (breadth_first.state_count() - starts) as u64);
    assert_eq!(found.transitions, (depth_first.state_count() - starts) as u64);
}

#[test]
fn counts_are_those_of_stateright_where_it_is_right() {
    same_as_stateright(two_phase(3));
    same_as_stateright(two_phase(4));
    same_as_stateright(Puzzle { start: SOLVED });
}

#[test]
fn counts_of_a_violated_space_are_the_same_at_any_number_of_threads_and_under_any_seed() {
    let mut space = counters(4, 9);
    space.breaks = |state| u64::from(state[0] == 5) | u64::from(state[..2] == [4, 3]) << 1;
    space.step_breaks = |state, _| u64::from(state[2] == 6) << 2;
    let expected = search(&with_threads(1), &space);
    // All of the layer, and nothing of the one after it.
    assert_eq!(expected.layers, naive(&counters(4, 9)).layers[..6]);
    assert_eq!((expected.depth, expected.broken), (5, 0b001));
    for threads in [1, 2, 3] {
        for seed in [0, 1, 2] {
            assert_eq!(counts(&search(&Search { seed, ..with_threads(threads) }, &space)), counts(&expected));
        }
    }
}

#[test]
fn layers_larger_than_a_batch_lose_nothing() {
    // A batch has 16,384 states.
    let space = counters(5, 15);
    for threads in [1, 3] {
        let found = search(&with_threads(threads), &space);
        assert_eq!((found.ended, found.states, found.depth), (Ended::Exhausted, 1 << 20, 75));
        assert_eq!(found.transitions, 5 * 2 * 15 * (1 << 16));
        assert_eq!(found.layers.iter().max(), Some(&39_280));
    }
}

#[test]
fn states_that_have_one_fingerprint_are_one_state() {
    // Stateright's breadth-first search does not look at its `symmetry`.
    let mut space = counters(4, 6);
    space.alike = true;
    let found = search(&with_threads(2), &space);
    // Four alike counters of seven values each: (4 + 6)! / (4! 6!).
    assert_eq!((found.ended, found.states), (Ended::Exhausted, 210));
}

#[test]
fn progress_is_told_and_ends_at_the_counts() {
    let mut told = Vec::new();
    let found = with_threads(1).run(&counters(3, 9), &mut |progress| told.push(*progress));
    assert!(told.is_sorted_by_key(|progress| progress.states));
    let last = told.last().unwrap();
    assert_eq!((last.states, last.transitions, last.waiting), (found.states, found.transitions, 0));
    assert_eq!((last.depth, last.table_bytes), (found.depth, found.table_bytes));
    assert!(last.retracing.is_none() && 0 < last.resident && last.resident <= found.peak_resident);
}

#[test]
fn the_odds_of_a_collision_are_told() {
    let narrow = search(&with_threads(1), &counters(3, 9));
    assert_eq!(narrow.collision_probability, 1e6 / 2_f64.powi(65));
    let wide = search(&Search { wide_fingerprints: true, ..with_threads(1) }, &counters(3, 9));
    assert_eq!(wide.collision_probability, 1e6 / 2_f64.powi(129));
    assert!(0 < narrow.peak_resident && 0 < narrow.table_bytes);
}

/// A model without states that has these properties.
struct Bare(Vec<Property<Bare>>);

impl Model for Bare {
    type State = u8;
    type Action = u8;

    fn init_states(&self) -> Vec<u8> {
        Vec::new()
    }

    fn actions(&self, _: &u8, _: &mut Vec<u8>) {}

    fn next_state(&self, _: &u8, _: u8) -> Option<u8> {
        None
    }

    fn properties(&self) -> Vec<Property<Bare>> {
        self.0.clone()
    }
}

#[test]
fn properties_of_paths_are_refused() {
    // Stateright takes them, and misses what breaks them on cycles and joins.
    let model = Bare(vec![Property::eventually("there will be a leader", |_, _| true)]);
    let refused = OfModel::new(model).err().unwrap();
    assert_eq!(refused, Unsuitable::SpeaksOfPaths("there will be a leader"));
    assert!(refused.to_string().contains("'there will be a leader' is an 'eventually' property"));
}

#[test]
fn more_properties_than_bits_are_refused() {
    let properties = |count| Bare(vec![Property::always("fine", |_, _| true); count]);
    assert_eq!(OfModel::new(properties(65)).err(), Some(Unsuitable::TooManyProperties(65)));
    let space = OfModel::new(properties(64)).unwrap();
    assert_eq!(space.names(1 << 63), ["fine"]);
    assert_eq!(search(&with_threads(2), &space).states, 0);
}
