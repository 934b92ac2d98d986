//! A step allocates nothing, but for the memory of the log's shape, which doubles now and then.

use super::*;

#[test]
fn heartbeats_and_commits_allocate_nothing() {
    for servers in SIZES {
        for round in [Round::Heartbeat, Round::Commit, Round::CommitEverywhere, Round::CommitBatch] {
            assert_eq!(allocations(round, servers), 0, "{servers} servers, {round:?}");
        }
    }
}

/// Each election adds a term to every log. A log names its terms in a list that doubles: from
/// under 2,000 names to over 4,000 it does so at most twice at each server.
#[test]
fn elections_allocate_only_when_the_list_of_terms_doubles() {
    for servers in SIZES {
        for round in [Round::Election, Round::ElectionAfterSplit, Round::ElectionUnequalLogs] {
            let allocations = allocations(round, servers);
            assert!(allocations <= 2 * servers as u64, "{servers} servers, {round:?}: {allocations} allocations");
        }
    }
}

/// A log of three terms or fewer lies in the server's state itself.
#[test]
fn a_server_of_few_terms_is_small_and_owns_no_memory() {
    let copied = allocation_counter::measure(|| {
        let group = Rafttree::<Counted>::new(1);
        let copy = allocation_counter::measure(|| drop(std::hint::black_box(group.node(0).clone())));
        assert_eq!(copy.count_total, 0);
    });
    assert!(0 < copied.count_total, "the counter counts");
    assert!(size_of::<Node>() <= 1024, "{} bytes", size_of::<Node>());
}
