//! What it costs to keep a trace: pairs of runs, one with and one without.

use std::fs;
use std::path::Path;

use rafttree_benches::load::{Answered, Failed, VALUE_BYTES, bear};

use super::client::Asks;
use super::group::{Callers, Group, SERVERS};

/// The table, a row for each pair, and the mean of the ratios; which of a pair comes first alternates.
pub(super) async fn measure(pairs: usize, clients: usize, folder: Option<&str>) -> Result<(), Failed> {
    println!("Puts of {VALUE_BYTES} bytes by {clients} clients to three servers on this machine.");
    println!("           puts/s          servers' CPU a put, us");
    println!("     without      with       without       with");
    let (mut speed, mut cost) = (0.0, 0.0);
    for pair in 0..pairs {
        let (with, without) = if pair % 2 == 0 {
            (run(true, clients, folder).await?, run(false, clients, folder).await?)
        } else {
            let without = run(false, clients, folder).await?;
            (run(true, clients, folder).await?, without)
        };
        println!(
            "{:>12.0} {:>9.0} {:>13.1} {:>10.1}",
            without.per_second, with.per_second, without.processor, with.processor
        );
        speed += with.per_second / without.per_second / pairs as f64;
        cost += with.processor / without.processor / pairs as f64;
    }
    println!("With traces to without, mean of the pairs: {speed:.3} of the puts, {cost:.3} of the CPU.");
    Ok(())
}

async fn run(is_traced: bool, clients: usize, folder: Option<&str>) -> Result<Answered, Failed> {
    let mut group = Group::start_with(is_traced)?;
    let at = group.leader().await?;
    let answered = bear(&Callers { group: &group, at, asks: Asks::Put }, clients).await?;
    for id in 1..=SERVERS {
        group.kill(id)?;
        if is_traced {
            keep(&group.trace(id), folder)?;
        }
    }
    Ok(answered)
}

fn keep(trace: &Path, folder: Option<&str>) -> Result<(), Failed> {
    let (Some(folder), Some(name)) = (folder, trace.file_name()) else { return Ok(()) };
    fs::create_dir_all(folder)?;
    fs::copy(trace, Path::new(folder).join(name))?;
    Ok(())
}
