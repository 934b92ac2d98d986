//! The lock service, whose servers are killed while its locks go from owner to owner.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rafttree::{Fence, FenceGuard};
use serde_json::Value;

use crate::cluster::number;
use crate::store::{Store, call, eventually};

/// Asks any server that answers: status and lock.
fn ask(port: u16, method: &str, query: &str) -> (u16, Value) {
    eventually("an answer", || {
        let path = format!("/locks/x{query}");
        let answer = (1..=3).find_map(|id| call(port + id, method, &path, "", Duration::from_secs(3)).ok());
        answer.filter(|(status, _)| *status != 503).map(|(status, lock)| (status, serde_json::from_str(&lock).unwrap()))
    })
}

fn running() -> Store {
    let mut store = Store::of("locks");
    (1..=3).for_each(|id| store.launch(id));
    store
}

#[test]
fn a_lock_goes_from_owner_to_owner_and_its_fence_rises() {
    let store = running();
    let (status, first) = ask(store.port, "POST", "?owner=a&ticks=600");
    assert_eq!((status, &first["owner"]), (200, &"a".into()));
    let fence = number(&first["fence"]);
    let (status, again) = ask(store.port, "POST", "?owner=a&ticks=600");
    assert_eq!((status, number(&again["fence"])), (200, fence), "who asks again has it still");
    let (status, other) = ask(store.port, "POST", "?owner=b&ticks=600");
    assert_eq!((status, &other["owner"]), (409, &"a".into()));
    assert_eq!(ask(store.port, "DELETE", &format!("?fence={fence}")), (200, Value::Null));
    assert_eq!(ask(store.port, "GET", ""), (404, Value::Null));
    let (status, second) = ask(store.port, "POST", "?owner=b&ticks=2");
    assert_eq!((status, number(&second["fence"])), (200, fence + 1));
    // Nobody renews it, and ticks go on.
    eventually("the lease is over", || (ask(store.port, "GET", "").0 == 404).then_some(()));
    let (status, third) = ask(store.port, "POST", "?owner=c&ticks=600");
    assert_eq!((status, number(&third["fence"])), (200, fence + 2));
    for query in [format!("?fence={}&ticks=9", fence + 1), format!("?fence={fence}&ticks=9")] {
        assert_eq!(ask(store.port, "PUT", &query).0, 409, "a lease that is over is not renewed");
    }
    let (status, kept) = ask(store.port, "DELETE", &format!("?fence={fence}"));
    assert_eq!((status, &kept["owner"]), (409, &"c".into()), "nobody releases another one's lock");
}

#[test]
fn a_lock_is_kept_and_its_lease_stands_still_while_there_is_no_leader() {
    let mut store = running();
    let (_, lock) = ask(store.port, "POST", "?owner=a&ticks=600");
    let leader = store.leader();
    store.kill(leader);
    let (status, other) = ask(store.port, "POST", "?owner=b&ticks=600");
    assert_eq!((status, &other["fence"]), (409, &lock["fence"]));
    store.kill_all();
    (1..=3).for_each(|id| store.launch(id));
    let (status, kept) = ask(store.port, "GET", "");
    assert_eq!((status, &kept["owner"], &kept["fence"]), (200, &"a".into(), &lock["fence"]));
    let (status, renewed) = ask(store.port, "PUT", &format!("?fence={}&ticks=900", lock["fence"]));
    assert!(status == 200 && number(&lock["until"]) < number(&renewed["until"]), "{renewed}");
}

/// Leases are short, so some end before their owners are done: the resource refuses these.
#[test]
fn a_resource_that_checks_fences_never_goes_back_whatever_is_killed() {
    let mut store = running();
    let resource = Arc::new(Mutex::new((FenceGuard::resume(Fence::new(0)), Vec::new())));
    let is_over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..3)
        .map(|worker| {
            let (resource, is_over, port) = (resource.clone(), is_over.clone(), store.port);
            thread::spawn(move || {
                for number in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    work(port, &format!("w{worker}-{number}"), &mut |fence, owner| {
                        let (guard, admitted) = &mut *resource.lock().unwrap();
                        if guard.admit(Fence::new(fence)).is_ok() {
                            admitted.push((fence, owner.to_owned()));
                        }
                    });
                }
            })
        })
        .collect();
    let wait_for = |more: usize| {
        let before = resource.lock().unwrap().1.len();
        eventually("work goes on", || (before + more <= resource.lock().unwrap().1.len()).then_some(()));
    };
    for _ in 0..2 {
        wait_for(10);
        let leader = store.leader();
        store.kill(leader);
        wait_for(10);
        store.launch(leader);
    }
    is_over.store(true, Ordering::SeqCst);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let (_, admitted) = &*resource.lock().unwrap();
    assert!(admitted.is_sorted_by(|(one, _), (next, _)| one < next), "a fence belongs to one owner: {admitted:?}");
}

/// Acquires the lock as this owner if it is free, works, and releases it.
fn work(port: u16, owner: &str, with: &mut dyn FnMut(u64, &str)) {
    let (status, lock) = ask(port, "POST", &format!("?owner={owner}&ticks=5"));
    if status == 200 {
        with(number(&lock["fence"]), owner);
        ask(port, "DELETE", &format!("?fence={}", lock["fence"]));
    } else {
        thread::sleep(Duration::from_millis(20));
    }
}
