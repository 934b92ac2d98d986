//! Allocations in a step and in a round, and the bytes of an idle replica.
//!
//! `cargo run --release -p rafttree-benches --features peers --bin memory`
//!
//! Allocations in steps are those inside our transition function. Those of a round are all of
//! them, with what the world around it takes: messages, entries on their way, the store. This
//! program's allocator counts, which takes time: `instructions` is another program, without it.

use std::cell::Cell;
use std::process::ExitCode;

use bytes::Bytes;
use rafttree_benches::{Group, Library, Rafttree, Round, SIZES, Stepper};
use rafttree_model::{Effects, Event, Node};

#[cfg(test)]
mod tests;

/// Rounds before those that are counted.
const WARMING: usize = 1000;
const COUNTED: usize = 3000;

fn main() -> ExitCode {
    if let Some(word) = std::env::args().nth(1) {
        eprintln!("memory: `{word}` is not understood: call without arguments, to get the tables");
        return ExitCode::FAILURE;
    }
    print_allocations();
    print_bytes();
    ExitCode::SUCCESS
}

fn print_allocations() {
    println!("Allocations in {COUNTED} rounds: inside our steps; then a round, with the world around the protocol.");
    print!("{:<23}{:>3}{:>10}", "round", "n", "in steps");
    Library::ALL.iter().for_each(|library| print!("{:>18}", library.name()));
    println!();
    for round in Round::ALL {
        for servers in SIZES {
            print!("{:<23}{servers:>3}{:>10}", round.name(), allocations(round, servers));
            Library::ALL.iter().for_each(|&library| print!("{:>18.1}", allocations_a_round(library, round, servers)));
            println!();
        }
    }
}

fn print_bytes() {
    println!("\nBytes of an idle replica's protocol state, with its heap and without its store.");
    for servers in SIZES {
        print!("{:<23}{servers:>3}{:>28}", "replica", our_bytes(servers));
        #[cfg(feature = "peers")]
        print!("{:>18}", their_bytes(servers));
        println!();
    }
}

/// Allocations inside the steps of the rounds that are counted.
fn allocations(round: Round, servers: usize) -> u64 {
    let mut group = Rafttree::<Counted>::new(servers);
    let mut leader = warmed(&mut group, round);
    COUNT.set(Count::default());
    for _ in 0..COUNTED {
        round.play(&mut group, &mut leader);
    }
    let Count { steps, allocations } = COUNT.get();
    assert!(COUNTED * servers <= steps, "steps are counted");
    assert!(group.is_known_to_all(leader));
    allocations
}

/// All allocations of a round, on average.
fn allocations_a_round(library: Library, round: Round, servers: usize) -> f64 {
    let mut group = library.group(servers);
    let mut leader = warmed(&mut *group, round);
    let counted = allocation_counter::measure(|| (0..COUNTED).for_each(|_| round.play(&mut *group, &mut leader)));
    counted.count_total as f64 / COUNTED as f64
}

fn warmed(group: &mut dyn Group, round: Round) -> usize {
    let mut leader = Round::prepare(group);
    for _ in 0..WARMING {
        round.play(group, &mut leader);
    }
    leader
}

/// The leader of a group that has elected once and committed a command.
fn our_bytes(servers: usize) -> usize {
    let mut group = Rafttree::<Counted>::new(servers);
    let mut leader = servers - 1;
    Round::Election.play(&mut group, &mut leader);
    Round::Commit.play(&mut group, &mut leader);
    let mut copy = None;
    let heap = allocation_counter::measure(|| copy = Some(group.node(leader).clone()));
    size_of::<Node>() + heap.bytes_current as usize
}

/// A server that has just started.
#[cfg(feature = "peers")]
fn their_bytes(servers: usize) -> usize {
    use rafttree_benches::{RaftRs, Settings};
    let (mut replica, mut store) = (None, None);
    let with_store = allocation_counter::measure(|| replica = Some(RaftRs::replica(servers, Settings::Equal)));
    let only_store = allocation_counter::measure(|| store = Some(RaftRs::store(servers)));
    let place = replica.as_ref().map_or(0, size_of_val);
    place + (with_store.bytes_current - only_store.bytes_current) as usize
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
