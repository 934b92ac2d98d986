//! `catalogue`: runs the mutation catalogue, and every mutant must be caught.

use std::path::Path;

use crate::cli::tables;
use crate::console::{Usage, grouped, seconds};
use crate::progress::Ticker;
use crate::trace::counterexample::Counterexample;
use crate::verdict::Limits;

/// Hunts for the mutants of these rows, to an exit code.
pub(crate) fn run_catalogue(rows: &[String], save: Option<&Path>, limits: &Limits, json: bool) -> Result<u8, Usage> {
    let mutants = tables::chosen(rows).map_err(Usage)?;
    let mut escaped = Vec::new();
    let mut results = Vec::new();
    let ticker = Ticker::new();
    for (done, mutant) in mutants.iter().enumerate() {
        ticker.count(&format!("mutants, now {}", mutant.name), done as u64, mutants.len() as u64);
        let mut outcome = mutant.hunt(mutant.part, limits).map_err(|why| Usage(why.to_string()))?;
        let found = Counterexample::of(Some(mutant), mutant.part, &mut outcome);
        let caught = outcome.broken.contains(mutant.caught_by) && found.is_some();
        if let (Some(folder), Some(found)) = (save, found) {
            found.save(&folder.join(mutant.name).with_extension("txt"), Some(mutant), mutant.part, &outcome)?;
        }
        if !caught {
            escaped.push(mutant.name);
        }
        if !json {
            let row = mutant.row.map_or(String::new(), |row| row.to_string());
            let by = if caught { mutant.caught_by.name().to_owned() } else { tables::escape(&outcome) };
            let (steps, states) = (outcome.steps, grouped(outcome.states));
            let within = mutant.part.short();
            let time = seconds(outcome.time);
            ticker.aside(|| {
                say!("{row:>3}  {:<26}{by:<24}{within:<14}{steps:>3} steps {states:>10} states {time:>8}", mutant.name);
            });
        }
        results.push(tables::mutant_value(mutant, &outcome));
    }
    drop(ticker);
    if json {
        say!("{:#}", serde_json::Value::from(results));
    } else if escaped.is_empty() {
        let rows: std::collections::BTreeSet<_> = mutants.iter().filter_map(|mutant| mutant.row).collect();
        say!("\nall {} caught, of {} rows", mutants.len(), rows.len());
    } else {
        say!("\nnot caught: {}", escaped.join(", "));
    }
    Ok(u8::from(!escaped.is_empty()))
}
