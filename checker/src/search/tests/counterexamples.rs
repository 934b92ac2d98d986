//! What is found is the shortest, is the same for everyone, and can be walked.

use std::sync::atomic::{AtomicU64, Ordering};

use stateright::{Checker, Model};

use super::toys::{Arrows, Counters, Puzzle, SOLVED, Turn, Unsolvable, counters, naive_layers, sum};
use super::{counts, flag, search, with_threads};
use crate::search::{Bits, Ended, Judgement, OfModel, Search, Space};

/// The end of a path, every action of which can happen.
fn walked<S: Space<Action: PartialEq>>(space: &S, start: usize, path: &[S::Action]) -> S::State {
    let mut state = space.starts().swap_remove(start);
    for action in path {
        let mut after = None;
        space.expand(&mut space.worker(), &state, &mut |offered, target, _| {
            after = after.take().or_else(|| (offered == *action).then_some(target));
        });
        state = after.expect("an action of the path can happen");
    }
    state
}

#[test]
fn the_shortest_counterexample_is_found_when_a_longer_one_is_met_too() {
    const CHAIN: &[(u8, u8)] = &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 9)];
    let model = Arrows { arrows: CHAIN, bad: &[3, 9], bound: u8::MAX };
    let theirs = model.clone().checker().spawn_bfs().join().discovery("good").unwrap();
    assert_eq!(theirs.into_actions().len(), 9, "Stateright keeps the last that it met");
    for threads in [1, 2, 3] {
        let found = search(&with_threads(threads), &OfModel::new(model.clone()).unwrap());
        assert_eq!((found.ended, found.path, found.partial), (Ended::Violated(1), vec![1, 2, 3], None));
    }
}

#[test]
fn what_is_reached_by_a_longer_way_first_is_not_cut_off() {
    // From 0 one gets to 4 in six steps, or by 7 in two; behind it is the bad 5.
    const DETOUR: &[(u8, u8)] = &[(0, 7), (0, 1), (1, 2), (2, 3), (3, 8), (8, 9), (9, 4), (7, 4), (4, 5)];
    let model = Arrows { arrows: DETOUR, bad: &[5], bound: u8::MAX };
    let theirs = |depth| model.clone().checker().target_max_depth(depth).spawn_dfs().join().discovery("good");
    assert!(theirs(5).is_some() && theirs(7).is_none(), "Stateright misses it with the larger bound");
    let found = search(&with_threads(2), &OfModel::new(model).unwrap());
    assert_eq!((found.ended, found.path), (Ended::Violated(1), vec![7, 4, 5]));
}

#[test]
fn a_bound_on_the_states_themselves_loses_nothing_within_it() {
    const DETOUR: &[(u8, u8)] = &[(0, 4), (0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 7), (2, 7), (7, 6)];
    for (bound, states, ended) in [(8, 8, Ended::Violated(1)), (7, 6, Ended::Exhausted), (4, 4, Ended::Exhausted)] {
        let space = OfModel::new(Arrows { arrows: DETOUR, bad: &[6], bound }).unwrap();
        let found = search(&with_threads(2), &space);
        assert_eq!((found.states, found.ended), (states, ended));
    }
}

#[test]
fn a_puzzle_is_solved_in_as_few_steps_as_can_be() {
    let layers = naive_layers(&OfModel::new(Puzzle { start: SOLVED }).unwrap());
    // Slides can be undone, so the way back is as long.
    let farthest = layers[21][0];
    let space = OfModel::new(Unsolvable(Puzzle { start: farthest })).unwrap();
    for threads in [1, 2, 3] {
        for wide_fingerprints in [false, true] {
            let found = search(&Search { wide_fingerprints, ..with_threads(threads) }, &space);
            assert_eq!((found.path.len(), found.depth, found.ended), (21, 21, Ended::Violated(1)));
            assert_eq!(walked(&space, found.start, &found.path), SOLVED);
            assert_eq!(space.names(found.broken), ["unsolved"]);
        }
    }
}

/// Large enough that threads really share its layers.
fn with_many_violations() -> Counters<'static> {
    let breaks = |state: &[u8]| u64::from(sum(state) == 15 && state[0] < 3) | u64::from(sum(state) == 17) << 1;
    Counters { breaks, ..counters(5, 8) }
}

#[test]
fn of_many_counterexamples_everyone_finds_the_same() {
    let space = with_many_violations();
    for seed in [0, 1, 2] {
        let alone = search(&Search { seed, ..with_threads(1) }, &space);
        assert_eq!((&alone.ended, alone.path.len()), (&Ended::Violated(1), 15));
        let end = walked(&space, 0, &alone.path);
        assert!(sum(&end) == 15 && end[0] < 3);
        for threads in [2, 3, 2, 3] {
            let found = search(&Search { seed, ..with_threads(threads) }, &space);
            assert_eq!((found.path, found.ended), (alone.path.clone(), alone.ended.clone()));
        }
    }
}

#[test]
fn a_step_that_breaks_something_is_found_although_it_leads_back() {
    let step_breaks = |state: &[u8], turn| u64::from(state == [2, 2, 2] && turn == Turn::Down(1)) << 7;
    let space = Counters { step_breaks, ..counters(3, 5) };
    for threads in [1, 2] {
        let found = search(&with_threads(threads), &space);
        assert_eq!((found.ended, found.broken), (Ended::Violated(1 << 7), 1 << 7));
        // It counts as deep as where it leads from there.
        assert_eq!((found.depth, found.path.len()), (7, 7));
        assert_eq!(found.path[6], Turn::Down(1));
        assert_eq!(walked(&space, 0, &found.path), [2, 1, 2]);
    }
}

#[test]
fn a_broken_step_is_told_among_others_to_the_same_state() {
    // Turning 2 back to 1 is fine; turning 0 up to 1 is not: both lead to the same state.
    let step_breaks = |_: &[u8], turn| u64::from(turn == Turn::Up(1));
    let found = search(&with_threads(2), &Counters { step_breaks, ..counters(3, 5) });
    assert_eq!((found.ended, found.path), (Ended::Violated(1), vec![Turn::Up(1)]));
}

#[test]
fn a_last_step_and_its_end_tell_together_what_they_break() {
    let breaks = |state: &[u8]| u64::from(sum(state) == 4 && state[0] == 4);
    let step_breaks = |state: &[u8], _| u64::from(state[0] == 3 && sum(state) == 3) << 1;
    let found = search(&with_threads(2), &Counters { breaks, step_breaks, ..counters(2, 5) });
    assert_eq!((found.broken, found.path.len()), (0b11, 4));
    assert!(matches!(found.ended, Ended::Violated(0b11) | Ended::Violated(0b10)));
}

#[test]
fn a_start_may_be_broken() {
    let found = search(&with_threads(2), &Counters { breaks: |_| 4, ..counters(3, 5) });
    assert_eq!((found.ended, found.depth, found.states), (Ended::Violated(4), 0, 1));
    assert_eq!((found.path, found.partial), (Vec::new(), None));
}

#[test]
fn a_path_through_alike_states_has_the_names_of_its_start() {
    let breaks = |state: &[u8]| u64::from(state.contains(&5) && state.contains(&3));
    let space = Counters { alike: true, breaks, ..counters(3, 6) };
    let alone = search(&with_threads(1), &space);
    assert_eq!(alone.path.len(), 8);
    let mut end = walked(&space, 0, &alone.path);
    end.sort_unstable();
    assert_eq!(end, [0, 3, 5]);
    assert_eq!(search(&with_threads(3), &space).path, alone.path);
}

#[test]
fn a_violation_stands_when_the_search_for_the_path_is_cut() {
    let space = with_many_violations();
    let search = Search { stop: flag(), ..with_threads(2) };
    let found = search.run(&space, &mut |progress| search.stop.store(progress.retracing.is_some(), Ordering::Relaxed));
    assert_eq!(counts(&found), counts(&with_threads(1).run(&space, &mut |_| {})));
    assert_eq!((found.ended, found.path.len()), (Ended::Violated(1), 1));
    assert_eq!(found.partial.unwrap(), "only the last step of the path is known: it was told to stop");
}

#[test]
fn a_violation_stands_when_its_layer_is_cut() {
    let stop = flag();
    // Told to stop in the layer of the violation, some blocks before its end.
    let hook = |state: &[u8]| stop.store(20 <= sum(state), Ordering::Relaxed);
    let space = Counters { breaks: |state| u64::from(sum(state) == 21), hook: &hook, ..counters(5, 9) };
    let whole = search(&with_threads(1), &Counters { hook: &|_| {}, ..space });
    for threads in [1, 2] {
        stop.store(false, Ordering::Relaxed);
        let found = search(&Search { stop: stop.clone(), ..with_threads(threads) }, &space);
        assert!(found.states < whole.states, "it was cut");
        assert_eq!((found.ended, found.depth, found.path.len()), (Ended::Violated(1), 21, 1));
        assert!(found.partial.is_some());
    }
}

/// A space of which nothing is left after a hundred expansions.
struct Fickle(Counters<'static>, AtomicU64);

impl Space for Fickle {
    type State = Vec<u8>;
    type Action = Turn;
    type Worker = [u64; 2];

    fn worker(&self) -> [u64; 2] {
        self.0.worker()
    }

    fn starts(&self) -> Vec<Vec<u8>> {
        self.0.starts()
    }

    fn expand(&self, worker: &mut [u64; 2], state: &Vec<u8>, visit: &mut dyn FnMut(Turn, Vec<u8>, Judgement)) {
        if self.1.fetch_add(1, Ordering::Relaxed) < 100 {
            self.0.expand(worker, state, visit);
        }
    }

    fn judge(&self, worker: &mut [u64; 2], state: &Vec<u8>) -> Judgement {
        self.0.judge(worker, state)
    }

    fn fingerprint(&self, state: &Vec<u8>, seed: u64) -> u128 {
        self.0.fingerprint(state, seed)
    }

    fn kinds(&self) -> usize {
        self.0.kinds()
    }

    fn kind(&self, turn: &Turn) -> usize {
        self.0.kind(turn)
    }
}

#[test]
fn a_space_that_does_not_answer_the_same_twice_gets_no_wrong_path() {
    let broken = Counters { breaks: |state| u64::from(sum(state) == 6), ..counters(3, 6) };
    let found = search(&with_threads(1), &Fickle(broken, AtomicU64::new(0)));
    assert_eq!((found.ended, found.path.len()), (Ended::Violated(1), 1));
    assert!(found.partial.unwrap().contains("does not answer the same twice"));
}

/// Counters over some of which expanding or judging panics.
struct Panicky {
    counters: Counters<'static>,
    expanding: fn(&[u8]) -> bool,
    judging: fn(&[u8]) -> bool,
}

impl Space for Panicky {
    type State = Vec<u8>;
    type Action = Turn;
    type Worker = [u64; 2];

    fn worker(&self) -> [u64; 2] {
        self.counters.worker()
    }

    fn starts(&self) -> Vec<Vec<u8>> {
        self.counters.starts()
    }

    fn expand(&self, worker: &mut [u64; 2], state: &Vec<u8>, visit: &mut dyn FnMut(Turn, Vec<u8>, Judgement)) {
        self.counters.expand(worker, state, visit);
        assert!(!(self.expanding)(state), "cannot expand {state:?}");
    }

    fn judge(&self, worker: &mut [u64; 2], state: &Vec<u8>) -> Judgement {
        assert!(!(self.judging)(state), "cannot judge {state:?}");
        self.counters.judge(worker, state)
    }

    fn fingerprint(&self, state: &Vec<u8>, seed: u64) -> u128 {
        self.counters.fingerprint(state, seed)
    }

    fn broken_by_panic(&self) -> Bits {
        1 << 40
    }

    fn kinds(&self) -> usize {
        self.counters.kinds()
    }

    fn kind(&self, turn: &Turn) -> usize {
        self.counters.kind(turn)
    }

    fn count_offers(&self, worker: &mut [u64; 2], offered: &mut [u64]) {
        self.counters.count_offers(worker, offered);
    }
}

/// A panic over one of many states of a large layer, found by every number of threads with the way
/// to it, and with what the rest of the layer comes to.
#[test]
fn a_panic_over_a_state_is_a_violation_with_the_way_there() {
    let none = |_: &[u8]| false;
    let twelve = |state: &[u8]| sum(state) == 12 && state[0] < 3;
    let space = |expanding, judging| Panicky { counters: counters(5, 8), expanding, judging };
    let start = |state: &[u8]| sum(state) == 0;
    for (space, what, steps) in [
        (space(twelve, none), "expand", 12),
        (space(none, twelve), "judge", 12),
        (space(start, none), "expand", 0),
        (space(none, start), "judge", 0),
    ] {
        let expected = search(&with_threads(1), &space);
        assert_eq!((&expected.ended, expected.path.len()), (&Ended::Violated(1 << 40), steps));
        let end = walked(&Panicky { expanding: none, ..space }, expected.start, &expected.path);
        assert_eq!(expected.panic, Some(format!("cannot {what} {end:?}")));
        for threads in [2, 3] {
            let found = search(&with_threads(threads), &space);
            assert_eq!(counts(&found), counts(&expected));
            assert_eq!(
                (found.ended, found.path, found.panic),
                (expected.ended.clone(), expected.path.clone(), expected.panic.clone())
            );
        }
    }
}
