//! What is left to do when every state was visited.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::with_threads;
use crate::search::Search;
use crate::search::tasks::{Failure, Results, Tasks};

/// Tasks that count the numbers up to theirs; some fail, and some say that they have not done all of it.
struct Sums {
    tasks: usize,
    fail: &'static [usize],
    lose: &'static [usize],
}

impl Tasks for Sums {
    fn sizes(&self) -> Vec<u64> {
        (0..self.tasks).map(|task| task as u64).collect()
    }

    fn worker(&self) -> Box<dyn FnMut(usize) -> Results + '_> {
        Box::new(|task| {
            let failure =
                self.fail.contains(&task).then(|| (task, Failure { broken: 1, story: vec![task.to_string()] }));
            let done = task as u64 - u64::from(self.lose.contains(&task));
            Results { done, counts: vec![1, task as u64], failure, cut: None }
        })
    }
}

const SUMS: Sums = Sums { tasks: 100, fail: &[], lose: &[] };

fn results(sums: &Sums, threads: usize) -> Results {
    with_threads(threads).do_all(sums, Instant::now(), &mut |_, _| {})
}

#[test]
fn all_tasks_are_done_once_by_any_number_of_threads() {
    for threads in [1, 2, 7] {
        let Results { done, counts, failure, cut } = results(&SUMS, threads);
        assert_eq!((done, counts), (4_950, vec![100, 4_950]));
        assert!(failure.is_none() && cut.is_none());
    }
}

#[test]
fn the_first_task_that_fails_is_told_and_all_before_it_were_done() {
    for threads in [1, 2, 7] {
        let results = results(&Sums { fail: &[41, 40, 99], ..SUMS }, threads);
        let (task, failure) = results.failure.expect("it fails");
        assert_eq!((task, failure.story), (40, vec!["40".to_owned()]));
        assert!(40 * 41 / 2 <= results.done, "{} were done", results.done);
    }
}

/// Whatever was left out, and whyever, is not all.
#[test]
fn what_was_left_out_is_told() {
    assert_eq!(results(&Sums { lose: &[7], ..SUMS }, 2).cut.as_deref(), Some("4949 of 4950 were tried"));
    let search = Search::default();
    search.stop.store(true, Ordering::Relaxed);
    let Results { done, cut, .. } = search.do_all(&SUMS, Instant::now(), &mut |_, _| {});
    assert_eq!((done, cut.as_deref()), (0, Some("it was told to stop")));
}
