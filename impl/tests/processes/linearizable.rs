//! A replicated store whose servers are killed, stopped and cut short. What its clients saw must be
//! linearizable, so nothing that was acknowledged is lost.

use std::fs;

use rustix::process::Signal;

use crate::disk::{begin_with, limited};
use crate::store::{Clients, Store, eventually};
use crate::traces;

/// Operations that must be answered in each phase, or it measured nothing.
const ANSWERS: usize = 100;

/// Clients of three servers, which three times get into trouble and out of it: what they saw is judged.
fn judge_through(name: &'static str, trouble: impl Fn(&mut Store, &Clients)) {
    let mut store = Store::start();
    judge_store_through(name, &mut store, trouble);
}

fn judge_store_through(name: &'static str, store: &mut Store, trouble: impl Fn(&mut Store, &Clients)) {
    let clients = Clients::start(name, store, 5);
    clients.wait_for_answers("before", ANSWERS);
    for _ in 0..3 {
        trouble(store, &clients);
        clients.wait_for_answers("after it", ANSWERS);
    }
    clients.judge(&[1, 2, 3]);
}

#[test]
fn leaders_that_are_killed_take_nothing_with_them() {
    let mut store = Store::start_traced();
    judge_store_through("leaders-killed", &mut store, |store, clients| {
        let leader = store.leader();
        store.kill(leader);
        clients.wait_for_answers("while it is down", ANSWERS);
        store.launch(leader);
    });
    store.kill_all();
    traces::of_a_store(&store);
}

#[test]
fn servers_that_are_killed_together_forget_nothing() {
    judge_through("all-killed", |store, _| {
        store.kill_all();
        (1..=3).for_each(|id| store.launch(id));
    });
}

#[test]
fn a_leader_that_stood_still_answers_nothing_that_is_old() {
    judge_through("leaders-stopped", |store, clients| {
        let leader = store.leader();
        store.signal(leader, Signal::STOP);
        store.leader_but(&[leader]);
        clients.wait_for_answers("while it stands still", ANSWERS);
        store.signal(leader, Signal::CONT);
    });
}

#[test]
fn leadership_that_moves_moves_everything() {
    judge_through("leaderships-moved", |store, _| {
        // Whoever is told to end transfers its leadership first.
        let leader = store.leader();
        store.signal(leader, Signal::INT);
        assert!(store.wait_for_end(leader).success());
        assert_ne!(store.leader(), leader);
        store.launch(leader);
    });
}

#[test]
fn a_follower_whose_disk_is_full_ends_alone() {
    let mut store = Store::new();
    let room = begin_with(&store.directory(3), 100);
    store.launch(1);
    store.launch(2);
    let leader = store.leader();
    store.launch_as(3, limited(&store.serve(3), room));
    let clients = Clients::start("disk-full", &store, 5);
    assert!(!store.wait_for_end(3).success(), "a write lacked room");
    assert_eq!(store.leader(), leader, "the others go on");
    clients.wait_for_answers("without it", ANSWERS);
    store.launch(3);
    clients.wait_for_answers("with it", ANSWERS);
    clients.judge(&[1, 2, 3]);
}

/// It has forgotten what it acknowledged, so it must not count for a majority.
#[test]
fn a_follower_that_was_wiped_counts_for_nothing() {
    let mut store = Store::start();
    let clients = Clients::start("wiped", &store, 5);
    clients.wait_for_answers("before", ANSWERS);
    let leader = store.leader();
    let (wiped, third) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    store.kill(wiped);
    fs::remove_dir_all(store.directory(wiped)).unwrap();
    store.init(wiped);
    store.launch(wiped);
    clients.wait_for_answers("without it", ANSWERS);
    assert_eq!(store.call(leader, "PUT", "/kv/seen", "yes").unwrap().0, 200);
    let (status, _) = store.call(wiped, "GET", "/kv/seen?stale", "").unwrap();
    assert_eq!(status, 404, "nothing is replicated to it");
    store.kill(third);
    let (status, why) = store.call(leader, "PUT", "/kv/seen", "alone").unwrap();
    assert_eq!(status, 503, "the leader and who forgot are no majority: {why}");
    store.launch(third);
    eventually("two who remember are one", || {
        (store.call(leader, "PUT", "/kv/seen", "again").ok()?.0 == 200).then_some(())
    });
    clients.wait_for_answers("after", ANSWERS);
    clients.judge(&[leader, third]);
}

/// The control: what servers lose that have all lost their disks is noticed.
#[test]
fn what_is_lost_is_noticed() {
    let mut store = Store::start();
    let mut clients = Clients::start("lost", &store, 5);
    clients.wait_for_answers("before", ANSWERS);
    clients.end();
    clients.write("lost");
    store.kill_all();
    for id in 1..=3 {
        fs::remove_dir_all(store.directory(id)).unwrap();
        store.init(id);
        store.launch(id);
    }
    let violation = clients.verdict(&[1, 2, 3]).unwrap_err();
    assert_eq!(violation.values, [Some("lost".to_owned())], "{violation}");
}
