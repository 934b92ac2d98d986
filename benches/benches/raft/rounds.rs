//! Rounds of whole groups.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
#[cfg(feature = "peers")]
use rafttree_benches::Openraft;
use rafttree_benches::{Library, Round, SIZES, settle};

/// Every round at every size, the libraries one after the other.
pub(crate) fn measure(criterion: &mut Criterion) {
    for servers in SIZES {
        let mut group = criterion.benchmark_group(format!("election until known/{servers}"));
        Library::ALL.iter().for_each(|&library| election_until_known(&mut group, library, servers));
        #[cfg(feature = "peers")]
        openraft_until_known(&mut group, servers);
        group.finish();
        for round in Round::ALL {
            let mut group = criterion.benchmark_group(format!("{}/{servers}", round.name()));
            group.throughput(Throughput::Elements(round.commands().max(1)));
            Library::ALL.iter().for_each(|&library| whole_round(&mut group, library, servers, round));
            group.finish();
        }
    }
}

/// What is still on its way when everyone knows the leader is delivered while the clock stands.
fn election_until_known(criterion: &mut BenchmarkGroup<'_, WallTime>, library: Library, servers: usize) {
    criterion.bench_function(library.name(), |bencher| {
        let mut group = library.group(servers);
        let mut leader = Round::prepare(&mut *group);
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let start = Instant::now();
                Round::elect(&mut *group, &mut leader);
                spent += start.elapsed();
                settle(&mut *group);
            }
            spent
        });
    });
}

/// The same of openraft, whose election is triggered.
#[cfg(feature = "peers")]
fn openraft_until_known(criterion: &mut BenchmarkGroup<'_, WallTime>, servers: usize) {
    criterion.bench_function(Openraft::NAME, |bencher| {
        let mut group = Openraft::new(servers);
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let start = Instant::now();
                group.elect();
                spent += start.elapsed();
                group.settle();
            }
            spent
        });
    });
}

fn whole_round(criterion: &mut BenchmarkGroup<'_, WallTime>, library: Library, servers: usize, round: Round) {
    criterion.bench_function(library.name(), |bencher| {
        let mut group = library.group(servers);
        let mut leader = Round::prepare(&mut *group);
        bencher.iter(|| round.play(&mut *group, &mut leader));
    });
}
