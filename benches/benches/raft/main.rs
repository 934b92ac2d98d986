//! Time: whole rounds, ours beside raft-rs and openraft with the feature `peers`, and single steps of ours.

mod ratios;
mod rounds;
mod steps;

use std::time::{Duration, SystemTime};

use criterion::Criterion;

fn main() {
    let start = SystemTime::now();
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .nresamples(10_000)
        .configure_from_args();
    rounds::measure(&mut criterion);
    steps::measure(&mut criterion);
    criterion.final_summary();
    ratios::print(start);
}
