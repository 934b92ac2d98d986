//! What the search promises, each claim on a small space whose answer is known otherwise.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;

mod checkpoints;
mod counterexamples;
mod counts;
mod cuts;
mod fingerprints;
mod frontiers;
mod tables;
mod tasks;
mod toys;

#[path = "../../examples/two_phase_commit/model.rs"]
mod two_phase_commit;

fn with_threads(threads: usize) -> Search {
    Search { threads, ..Search::default() }
}

fn search<S: Space>(search: &Search, space: &S) -> Found<S::Action> {
    search.run(space, &mut |_| {})
}

/// All that must not depend on threads, seeds and interruptions.
fn counts<A>(found: &Found<A>) -> ([u64; 3], [&[u64]; 3], [Bits; 2]) {
    let Found { states, transitions, depth, layers, offered, fired, met, broken, .. } = found;
    ([*states, *transitions, *depth], [layers, offered, fired], [*met, *broken])
}

fn flag() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}
