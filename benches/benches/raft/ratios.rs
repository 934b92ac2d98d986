//! The end of the report: ours over theirs, from this very sitting.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rafttree_benches::{Library, Round, SIZES};
use serde_json::Value;

/// Prints the ratios of what criterion has measured since `start`; nothing if there is no other
/// library, or if nothing was measured.
pub(crate) fn print(start: SystemTime) {
    let Some(home) = criterion_home() else { return };
    let names = ["election until known"].into_iter().chain(Round::ALL.map(Round::name));
    let rows: Vec<String> =
        names.flat_map(|name| SIZES.map(|servers| row(&home, start, name, servers))).flatten().collect();
    if rows.is_empty() {
        return;
    }
    println!("\nTime of a round in microseconds, of this sitting; ratios are ours / theirs.");
    println!("{:<22}{:>4}{:>10}{:>21}{:>21}{:>21}", "round", "n", "rafttree", "raft-rs", "raft-rs default", "openraft");
    rows.iter().for_each(|row| println!("{row}"));
}

fn row(home: &Path, start: SystemTime, name: &str, servers: usize) -> Option<String> {
    let group = home.join(format!("{name}_{servers}"));
    let measured = |library: &str| median(&group.join(library), start);
    let (ours, theirs) = Library::ALL.split_first()?;
    let ours = measured(ours.name())?;
    let mut theirs = theirs.iter().map(|library| measured(library.name())).collect::<Option<Vec<f64>>>()?;
    if theirs.is_empty() {
        return None;
    }
    // Of openraft only one round is measured.
    theirs.extend(measured("openraft"));
    let theirs: String = theirs.iter().map(|time| format!("{:>14.2} ({:.2})", time / 1e3, ours / time)).collect();
    Some(format!("{name:<22}{servers:>4}{:>10.2}{theirs}", ours / 1e3))
}

/// The median in nanoseconds; `None` if it is not of this sitting.
fn median(directory: &Path, start: SystemTime) -> Option<f64> {
    let path = directory.join("new/estimates.json");
    if fs::metadata(&path).and_then(|metadata| metadata.modified()).ok()? < start {
        return None;
    }
    let estimates: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

/// Where criterion has put its estimates: by default beside the programs that cargo has built.
fn criterion_home() -> Option<PathBuf> {
    if let Some(home) = env::var_os("CRITERION_HOME") {
        return Some(home.into());
    }
    let program = env::current_exe().ok()?;
    program.ancestors().map(|directory| directory.join("criterion")).find(|home| home.is_dir())
}
