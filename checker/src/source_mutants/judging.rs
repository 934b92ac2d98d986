//! How mutants come out, and what is said of that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::console::{Usage, seconds};
use crate::progress::Ticker;
use crate::source_mutants::catalogue::{Expected, Mutant};
use crate::source_mutants::judge::Verdict;

/// A mutant with its number in the catalogue.
pub(super) type Numbered = (u32, Mutant);

/// What is said of a mutant that was judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Judged {
    Killed,
    Equivalent,
    Survived,
    Broken,
    NoBuild,
    NoVerdict,
}

pub(super) fn described(mutant: &Mutant) -> serde_json::Map<String, Value> {
    let (expected, reason) = match mutant.expected {
        Expected::Harmful => ("harmful", None),
        Expected::Equivalent(reason) => ("equivalent", Some(reason)),
    };
    let pairs = [
        ("name", json!(mutant.name)),
        ("about", json!(mutant.about)),
        ("file", json!(mutant.file)),
        ("find", json!(mutant.find)),
        ("replace", json!(mutant.replace)),
        ("expected", json!(expected)),
        ("reason", json!(reason)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Judges the mutants with so many at a time; tells of each in their order.
pub(super) fn judge_all<T: Send>(
    judge: impl Fn(u32, Expected) -> Result<T, String> + Sync,
    chosen: &[Numbered],
    jobs: usize,
    tell: &mut dyn FnMut(&Mutant, T),
) -> Result<(), Usage> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (next, judge, sender) = (&next, &judge, sender.clone());
            scope.spawn(move || {
                while let Some((number, mutant)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Nobody listens any more when a verdict could not be had.
                    if sender.send((*number, judge(*number, mutant.expected))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = std::collections::BTreeMap::new();
        let mut left = chosen.iter();
        let (ticker, mut judged) = (Ticker::new(), 0);
        for (number, verdict) in receiver {
            waiting.insert(number, verdict.map_err(Usage)?);
            judged += 1;
            ticker.count("judged", judged, chosen.len() as u64);
            while let Some((number, mutant)) = left.clone().next()
                && let Some(verdict) = waiting.remove(number)
            {
                left.next();
                ticker.aside(|| tell(mutant, verdict));
            }
        }
        Ok(())
    })
}

pub(super) fn judged(mutant: &Mutant, verdict: &Verdict) -> Judged {
    match (verdict, mutant.expected) {
        (Verdict::Killed { .. }, Expected::Harmful) => Judged::Killed,
        (Verdict::Killed { .. }, Expected::Equivalent(_)) => Judged::Broken,
        (Verdict::Survived, Expected::Harmful) => Judged::Survived,
        (Verdict::Survived, Expected::Equivalent(_)) => Judged::Equivalent,
        (Verdict::Unbuilt, Expected::Harmful) => Judged::NoBuild,
        (Verdict::Unbuilt, Expected::Equivalent(_)) => Judged::Broken,
        (Verdict::Cut { .. } | Verdict::Failed { .. }, _) => Judged::NoVerdict,
    }
}

/// What is said of a mutant behind its name.
pub(super) fn line(mutant: &Mutant, verdict: &Verdict) -> String {
    match (judged(mutant, verdict), mutant.expected) {
        (Judged::Broken, _) => format!("BROKEN: listed as equivalent but {}", words(verdict)),
        (Judged::Equivalent, Expected::Equivalent(reason)) => format!("equivalent: {reason}"),
        _ => words(verdict),
    }
}

pub(super) fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Killed { by, check, steps: 0, time } => format!("killed by {by} in {check} ({})", seconds(*time)),
        Verdict::Killed { by, check, steps, time } => {
            let steps = if *steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
            format!("killed by {by} in {check} ({steps}, {})", seconds(*time))
        }
        Verdict::Survived => "SURVIVED".to_owned(),
        Verdict::Unbuilt => "no build".to_owned(),
        Verdict::Cut { check, why } => format!("TIMEOUT in {check}: {why}"),
        Verdict::Failed { check, why } => format!("INTERNAL ERROR in {check}: {why}"),
    }
}
