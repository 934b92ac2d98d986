//! Real processes that are killed, stopped and restarted. Whatever was observed must show one
//! leader a term, and fences that rise.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod cluster;
mod curl;
mod disk;
mod endings;
mod faults;
mod histories;
mod linearizable;
mod links;
mod local;
mod locks;
mod logs;
mod refusals;
mod store;
mod traces;

use std::time::{Duration, Instant};

use rustix::process::Signal;

use cluster::{Cluster, STEADY, TIMEOUT, leaderships, number, run};

#[test]
fn a_leader_that_is_killed_is_replaced_in_a_higher_term() {
    let mut cluster = Cluster::start_traced(3);
    let mut former = cluster.wait_for_leader_after(0);
    for _ in 0..3 {
        cluster.kill(former.server);
        let next = cluster.wait_for_leader_after(former.fence);
        assert_ne!(next.server, former.server);
        cluster.launch(former.server);
        cluster.wait_for_follower(former.server, next.fence);
        former = next;
    }
    cluster.signal(former.server, Signal::TERM);
    assert!(cluster.wait_for_end(former.server).success());
    cluster.kill_all();
    traces::of_servers_that_were_killed(&cluster, former.server);
}

#[test]
fn a_directory_that_was_put_back_leaves_traces_of_what_that_breaks() {
    traces::of_a_directory_that_was_put_back();
}

#[test]
fn a_leader_that_was_stopped_follows_when_it_goes_on() {
    let cluster = Cluster::start(3);
    let stopped = cluster.wait_for_leader_after(0);
    cluster.signal(stopped.server, Signal::STOP);
    let next = cluster.wait_for_leader_after(stopped.fence);
    assert_ne!(next.server, stopped.server);
    cluster.signal(stopped.server, Signal::CONT);
    let lost = |news: &serde_json::Value| news["event"] == "lost" && number(&news["fence"]) == stopped.fence;
    cluster.wait_for_line(stopped.server, "the former leader's work ends", lost);
    cluster.wait_for_follower(stopped.server, next.fence);
}

#[test]
fn servers_that_were_all_killed_forget_nothing() {
    let mut cluster = Cluster::start(3);
    let former = cluster.wait_for_leader_after(0);
    let followers = (1..=3).filter(|server| *server != former.server);
    followers.for_each(|server| drop(cluster.wait_for_follower(server, former.fence)));
    let before: Vec<_> = (1..=3).map(|server| cluster.status(server)).collect();
    cluster.kill_all();
    (1..=3).for_each(|server| cluster.launch(server));
    let next = cluster.wait_for_leader_after(former.fence);
    for (server, before) in (1..=3).zip(before) {
        let first = cluster.wait_for_line(server, "a status", |news| news["event"] == "changed");
        let (first, before) = (&first["status"], &before["server"]);
        assert!(number(&before["term"]) <= number(&first["term"]), "{server}: {before} became {first}");
        let last = |status: &serde_json::Value| (number(&status["last"]["term"]), number(&status["last"]["index"]));
        assert!(last(before) <= last(first), "{server}: {before} became {first}");
    }
    assert!(former.fence < next.fence);
}

#[test]
fn a_minority_alone_never_leads() {
    let mut cluster = Cluster::new(3);
    cluster.launch(1);
    let lone = cluster.wait_for_line(1, "a pre-candidate", |news| news["status"]["role"] == "pre_candidate");
    assert_eq!(nobody_leads(&cluster), []);
    assert_eq!(cluster.status(1)["server"]["term"], lone["status"]["term"], "it asks before it raises the term");

    cluster.launch(2);
    cluster.launch(3);
    let former = cluster.wait_for_leader_after(0);
    (1..=3).filter(|server| *server != former.server).for_each(|server| cluster.kill(server));
    let lost = |news: &serde_json::Value| news["event"] == "lost" && number(&news["fence"]) == former.fence;
    cluster.wait_for_line(former.server, "its leadership ends", lost);
    assert_eq!(nobody_leads(&cluster), [former]);
}

/// Observes for several timeouts that no leadership begins, and gives those that began before.
fn nobody_leads(cluster: &Cluster) -> Vec<cluster::Leading> {
    let before = leaderships(&cluster.observed.all());
    let more = |lines: &[cluster::Line]| (before.len() < leaderships(lines).len()).then_some(());
    assert_eq!(cluster.observed.wait_within(10 * TIMEOUT, more), None, "a minority leads");
    before
}

#[test]
fn a_group_of_one_leads_itself() {
    let mut cluster = Cluster::start(1);
    let former = cluster.wait_for_leader_after(0);
    cluster.kill(1);
    cluster.launch(1);
    assert_eq!(cluster.wait_for_leader_after(former.fence).server, 1);
}

#[test]
fn a_leader_that_is_told_to_end_transfers_its_leadership_first() {
    let mut cluster = Cluster::start_with(3, STEADY);
    let former = cluster.wait_for_leader_after(0);
    (1..=3).filter(|server| *server != former.server).for_each(|server| {
        cluster.wait_for_follower(server, former.fence);
    });
    let stopped = |news: &serde_json::Value| news["event"] == "stopped";
    cluster.signal(former.server, Signal::TERM);
    cluster.wait_for_line(former.server, "it says that it ends", stopped);
    assert_eq!(cluster.wait_for_end(former.server).code(), Some(0));
    assert_ne!(cluster.wait_for_leader_after(former.fence).server, former.server);
}

#[test]
fn leadership_goes_where_it_is_sent() {
    let cluster = Cluster::start_with(3, STEADY);
    let former = cluster.wait_for_leader_after(0);
    let target = former.server % 3 + 1;
    cluster.wait_for_answer(former.server, target);
    let not_leading = run(&["transfer", &cluster.directory(target), "--to", &former.server.to_string()]);
    assert_eq!(not_leading.status.code(), Some(1), "{not_leading:?}");
    let sent = run(&["transfer", &cluster.directory(former.server), "--to", &target.to_string(), "-o", "json"]);
    assert!(sent.status.success(), "{sent:?}");
    let next = cluster.wait_for_leader_after(former.fence);
    assert_eq!(next.server, target);
    let stepped_down = run(&["step-down", &cluster.directory(target)]);
    assert!(stepped_down.status.success(), "{stepped_down:?}");
    cluster.wait_for_leader_after(next.fence);
}

#[test]
fn the_end_of_the_leaders_process_counts_as_a_timeout() {
    let timeout = Duration::from_secs(2);
    let mut cluster = Cluster::start_with(3, timeout);
    let mut last = 0;
    // On a busy machine a follower may notice it so late that it takes a timeout; hardly ever
    // several times in a row.
    let was_early = (0..5).any(|_| {
        let former = cluster.wait_for_leader_after(last);
        (1..=3).filter(|server| *server != former.server).for_each(|server| {
            cluster.wait_for_follower(server, former.fence);
        });
        last = former.fence;
        let killed = Instant::now();
        cluster.kill(former.server);
        cluster.wait_for_leader_after(former.fence);
        cluster.launch(former.server);
        killed.elapsed() < timeout / 2
    });
    assert!(was_early, "it takes an election timeout to replace a leader whose process has ended");
}
