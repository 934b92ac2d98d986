//! `catalogue`: runs the mutation catalogue, and every mutant must be caught.

use std::path::Path;

use crate::cli::{show, tables};
use crate::console::{Usage, grouped, seconds};
use crate::mutants::catalogue::Mutant;
use crate::progress::Ticker;
use crate::trace::counterexample::Counterexample;
use crate::trace::render::Picture;
use crate::verdict::{Limits, Outcome};

/// What is kept of counterexamples.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    /// Where they are kept, if they are.
    pub(crate) folder: Option<&'a Path>,
    /// As what else they are written: into that folder, or where the command runs.
    pub(crate) picture: Option<Picture>,
}

impl Kept<'_> {
    fn keep(self, mutant: &Mutant, outcome: &Outcome, found: &Counterexample) -> Result<(), Usage> {
        if let Some(folder) = self.folder {
            found.save(&folder.join(mutant.name).with_extension("txt"), Some(mutant), mutant.part, outcome.broken)?;
        }
        if let Some(picture) = self.picture {
            let chart =
                show::charted(&mutant.name.replace('_', " "), &found.file(Some(mutant), mutant.part, outcome.broken))?;
            let path = self.folder.unwrap_or(Path::new(".")).join(mutant.name).with_extension(picture.extension());
            show::write(&path, &picture.of(&chart))?;
        }
        Ok(())
    }
}

/// Hunts for the mutants of these rows, to an exit code.
pub(crate) fn run_catalogue(rows: &[String], kept: Kept, limits: &Limits, json: bool) -> Result<u8, Usage> {
    let mutants = tables::chosen(rows).map_err(Usage)?;
    let mut escaped = Vec::new();
    let mut results = Vec::new();
    let ticker = Ticker::new();
    for (done, mutant) in mutants.iter().enumerate() {
        ticker.count(&format!("mutants, now {}", mutant.name), done as u64, mutants.len() as u64);
        let mut outcome = mutant.hunt(mutant.part, limits).map_err(|why| Usage(why.to_string()))?;
        let found = Counterexample::of(Some(mutant), mutant.part, &mut outcome);
        let caught = outcome.broken.contains(mutant.caught_by) && found.is_some();
        if let Some(found) = found {
            kept.keep(mutant, &outcome, &found)?;
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
