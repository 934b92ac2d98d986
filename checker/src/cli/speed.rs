//! What a search costs, ours and Stateright's on the same model in the same sitting.

use std::time::{Duration, Instant};

use stateright::{Checker, Model};

use crate::console::grouped;
use crate::presets;
use crate::quotient;
use crate::scope::Part;
use crate::search::{OfModel, Search, resident_bytes};
use crate::system::{self, PAIR, System};
use crate::verdict::{Limits, NOTHING, explore};
use crate::world::PAPER;

/// One row: who searched what, and what it took.
struct Row {
    search: &'static str,
    model: &'static str,
    states: u64,
    transitions: u64,
    time: Duration,
    /// Resident memory at its highest, less what there was before.
    memory: u64,
}

/// The table of `docs/search.md`: what searches cost.
pub(crate) fn report(limits: &Limits) -> u8 {
    say!("| search | model | states | transitions | seconds | transitions a second and core | bytes a state |");
    say!("| --- | --- | --- | --- | --- | --- | --- |");
    let cores = limits.threads as f64;
    for measure in [deployed, ours, theirs] {
        let row = measure(limits);
        let (states, transitions) = (grouped(row.states), grouped(row.transitions));
        let seconds = row.time.as_secs_f64();
        let rate = grouped((row.transitions as f64 / seconds / cores) as u64);
        let bytes = row.memory / row.states.max(1);
        say!("| {} | {} | {states} | {transitions} | {seconds:.1} | {rate} | {bytes} |", row.search, row.model);
    }
    0
}

/// The deployed transitions in the quotient.
fn deployed(limits: &Limits) -> Row {
    let Some((Part::Quotient(scope), _)) = presets::named("log-3").and_then(|preset| preset.parts.first()) else {
        unreachable!("log-3 is one system of runs of any length")
    };
    let before = resident_bytes();
    let outcome = explore(&scope.quotient(PAPER), limits, NOTHING, &mut |_| {}).expect("nothing is resumed");
    let memory = outcome.peak_memory.saturating_sub(before);
    let (states, transitions, time) = (outcome.states, outcome.transitions, outcome.time);
    Row { search: "ours", model: "log-3", states, transitions, time, memory }
}

fn pair() -> System {
    system::deployed(PAIR)
}

/// The concrete system, through Stateright's interface.
fn ours(limits: &Limits) -> Row {
    let before = resident_bytes();
    let model = OfModel::new(pair()).expect("its properties are of states");
    let found = Search { threads: limits.threads, ..Search::default() }.run(&model, &mut |_| {});
    let memory = found.peak_resident.saturating_sub(before);
    let (states, transitions, time) = (found.states, found.transitions, found.elapsed);
    Row { search: "ours", model: "plain-pair", states, transitions, time, memory }
}

/// The same model in Stateright's breadth-first search.
fn theirs(limits: &Limits) -> Row {
    let (before, started, mut peak) = (resident_bytes(), Instant::now(), 0);
    let checker = pair().checker().threads(limits.threads).spawn_bfs();
    while !checker.is_done() {
        peak = peak.max(resident_bytes());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let time = started.elapsed();
    let checker = checker.join();
    // It counts the states that it starts from as well.
    let transitions = (checker.state_count() - checker.model().init_states().len()) as u64;
    let states = checker.unique_state_count() as u64;
    let memory = peak.max(resident_bytes()).saturating_sub(before);
    Row { search: "Stateright 0.31, breadth first", model: "plain-pair", states, transitions, time, memory }
}

/// The table of `docs/soundness.md`: the quotient and the concrete system, both explored to the end.
pub(crate) fn cross_check() -> u8 {
    say!("| concrete system | states | forms of them | states of the quotient | missing | made up |");
    say!("| --- | --- | --- | --- | --- | --- |");
    let mut worst = 0;
    for bounds in presets::COMPARED {
        let it = quotient::cross_check::compare(bounds, true);
        let (missing, extra) = (it.missing.len(), it.extra.len());
        let [concrete, kept, quotient] = [it.concrete, it.kept, it.quotient].map(|count| grouped(count as u64));
        say!("| {} | {concrete} | {kept} | {quotient} | {missing} | {extra} |", bounds.words());
        worst = worst.max(u8::from(missing + extra != 0));
    }
    worst
}
