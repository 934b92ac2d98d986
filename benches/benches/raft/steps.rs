//! Single steps of the deployed transition function.

use std::time::Duration;

use criterion::{BatchSize, Criterion};
use rafttree_benches::situation::{self, Situation};
use rafttree_model::Effects;

/// A step of each kind, with its effects taken out. The server and the event are copied for each
/// step while the clock stands.
pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    group.measurement_time(Duration::from_millis(300));
    for Situation { name, node, event } in situation::all() {
        let mut effects = Effects::new();
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || (node.clone(), Some(event.clone())),
                |(node, event)| {
                    rafttree_model::step(node, event.take().expect("each step has its own event"), &mut effects);
                    effects.done();
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}
