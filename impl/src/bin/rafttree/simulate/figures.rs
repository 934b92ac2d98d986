//! The figures of a campaign, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use rafttree::simulate::Figures;
use serde_json::{Map, Value, json};

/// The figures with their names, in the order in which they are shown.
fn named(figures: &Figures) -> [(&'static str, u64); 18] {
    [
        ("runs", figures.runs),
        ("steps", figures.steps),
        ("elections", figures.elections),
        ("commits", figures.commits),
        ("answered", figures.answered),
        ("not committed", figures.not_committed),
        ("unknown", figures.unknown),
        ("reads", figures.reads),
        ("retries", figures.retries),
        ("snapshots", figures.snapshots),
        ("snapshots sent", figures.arrivals),
        ("restores", figures.restores),
        ("stops", figures.stops),
        ("refused starts", figures.refusals),
        ("starts with faulty entries", figures.faulty_starts),
        ("kept out", figures.kept_out),
        ("runs with forgetful disks", figures.forgetful),
        ("of these harmed", figures.harmed),
    ]
}

pub(super) fn as_text(figures: &Figures, digest: u64, time: Duration) -> String {
    let mut out = String::new();
    for (name, count) in named(figures) {
        let _ = writeln!(out, "{name:<28} {count:>12}");
    }
    let recovery = figures.longest_recovery as f64 / 1e6;
    let _ = writeln!(out, "{:<28} {recovery:>9.0} ms", "longest recovery");
    for (kind, count) in &figures.faults {
        let _ = writeln!(out, "  {kind:<30} {count:>8}");
    }
    let _ = write!(out, "digest {digest:016x}, {:.1} s", time.as_secs_f64());
    out
}

pub(super) fn as_json(figures: &Figures, digest: u64, time: Duration) -> Value {
    let counts: Map<String, Value> =
        named(figures).into_iter().map(|(name, count)| (name.replace(' ', "_"), count.into())).collect();
    json!({
        "figures": counts,
        "longest_recovery_ms": figures.longest_recovery as f64 / 1e6,
        "faults": figures.faults,
        "digest": format!("{digest:016x}"),
        "seconds": time.as_secs_f64(),
    })
}
