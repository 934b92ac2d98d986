//! `rafttree campaign`: what keeps a data directory, and what reads bytes from outside, attacked by machine.

mod options;

use std::fmt::Write as _;
use std::panic;
use std::time::Duration;

use rafttree::campaigns::{Counts, Run};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::options::Format;
use crate::report::say;
use crate::seeds::{Found, Ran};
pub(crate) use options::{CAMPAIGN_EXAMPLES, CampaignOptions};

pub(crate) fn run(options: &CampaignOptions, output: Format) -> Result<(), Failure> {
    // A panic of the code under test is found and told as anything else.
    panic::set_hook(Box::new(|_| {}));
    let run = |seed| options.campaign.run(seed, options.scale());
    let found = options.seeds().run(|seed| {
        let Run { counts, violation, digest, .. } = run(seed);
        Ran { digest, failed: violation.is_some(), counts }
    });
    let Found { failed, counts, digest, time } = found;
    match output {
        Format::Text => say(as_text(&counts, digest, time))?,
        Format::Json => say(as_json(&counts, digest, time))?,
    }
    let Some(seed) = failed else {
        return conclude(options, output, &counts);
    };
    let again = repeat(options, seed);
    let violation = run(seed).violation;
    let words = violation.as_ref().map_or("it does not fail again", |violation| violation.words.as_str());
    match (output, &violation) {
        (Format::Json, violation) => {
            let (faults, history) = violation.as_ref().map(|it| (&it.faults, &it.history)).unzip();
            say(json!({ "seed": seed, "violation": words, "faults": faults, "history": history, "repeat": again }))?;
        }
        (Format::Text, Some(violation)) => say(format!("{violation}\nrepeat it: {again}"))?,
        (Format::Text, None) => {}
    }
    Err(Failure::Operation(format!("seed {seed}: {words}")))
}

/// Nothing was found: whether that says anything.
fn conclude(options: &CampaignOptions, output: Format, counts: &Counts) -> Result<(), Failure> {
    let untested = options.campaign.untested(counts);
    if !untested.is_empty() {
        let names = untested.join(", ");
        let words = format!("these accepted or refused nothing, so they were not tested: {names}: raise --runs");
        return Err(Failure::Operation(words));
    }
    let unit = options.campaign.unit();
    match output {
        Format::Text => say(format!("0 violations in {} {unit}", counts.of(unit))),
        Format::Json => Ok(()),
    }
}

/// The line that repeats one run.
fn repeat(options: &CampaignOptions, seed: u64) -> String {
    let quick = if options.quick { " --quick" } else { "" };
    format!("rafttree campaign {} --seed {seed} --runs 1{quick}", options.campaign.name())
}

fn as_text(counts: &Counts, digest: u64, time: Duration) -> String {
    let mut out = String::new();
    for (name, count) in counts.all() {
        let _ = writeln!(out, "{name:<52} {count:>12}");
    }
    let _ = write!(out, "digest {digest:016x}, {:.1} s", time.as_secs_f64());
    out
}

fn as_json(counts: &Counts, digest: u64, time: Duration) -> Value {
    let counts: Map<String, Value> = counts.all().map(|(name, count)| (name.to_owned(), count.into())).collect();
    json!({ "counts": counts, "digest": format!("{digest:016x}"), "seconds": time.as_secs_f64() })
}
