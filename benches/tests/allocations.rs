//! A step allocates nothing, but for the memory of the log's shape, which doubles now and then.
//!
//! Counted is what happens inside the transition function, over three thousand rounds of each kind
//! after a thousand of them. What the world around it allocates (messages, entries on their way,
//! its store) is not counted.

use std::cell::Cell;

use bytes::Bytes;
use rafttree_benches::{Group, Rafttree, Round, SIZES, Stepper};
use rafttree_model::{Effects, Event, Node};

const WARMING: usize = 1000;
const COUNTED: usize = 3000;

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
        let allocations = allocations(Round::Election, servers);
        assert!(allocations <= 2 * servers as u64, "{servers} servers: {allocations} allocations");
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

fn allocations(round: Round, servers: usize) -> u64 {
    let mut group = Rafttree::<Counted>::new(servers);
    let mut leader = Round::prepare(&mut group);
    for _ in 0..WARMING {
        round.play(&mut group, &mut leader);
    }
    COUNT.set(Count::default());
    for _ in 0..COUNTED {
        round.play(&mut group, &mut leader);
    }
    let Count { steps, allocations } = COUNT.get();
    assert!(COUNTED * servers <= steps, "steps are counted");
    assert!(group.is_known_to_all(leader));
    allocations
}

/// Steps as they are deployed, with their allocations counted.
struct Counted;

#[derive(Clone, Copy, Default)]
struct Count {
    steps: usize,
    allocations: u64,
}

thread_local! {
    static COUNT: Cell<Count> = Cell::default();
}

impl Stepper for Counted {
    fn step(node: &mut Node, event: Event<Bytes>, effects: &mut Effects<Bytes>) {
        let mut arguments = Some((node, event, effects));
        let measured = allocation_counter::measure(|| {
            let (node, event, effects) = arguments.take().expect("called once");
            rafttree_model::step(node, event, effects);
        });
        let Count { steps, allocations } = COUNT.get();
        COUNT.set(Count { steps: steps + 1, allocations: allocations + measured.count_total });
    }
}
