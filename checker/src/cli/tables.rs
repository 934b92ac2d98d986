//! Lists and tables: what can be named, what breaks which rule, what was exhausted.

use serde_json::{Value, json};

use crate::cli::report::told;
use crate::concrete;
use crate::console::{grouped, seconds, worse};
use crate::inductive;
use crate::liveness::Recovery;
use crate::liveness::lasso::{self, Lasso};
use crate::mutants::catalogue::{Mutant, find, mutants};
use crate::presets::{LONGEST, PRESETS};
use crate::properties::{Property, PropertySet};
use crate::quotient;
use crate::scope::Part;
use crate::trace::start::placed;
use crate::verdict::{Limits, Outcome, Tally, Verdict, explore};
use crate::world::PAPER;

/// Where the rules are stated; read for their sections.
const RULES: &str = rafttree_model::rules::TEXT;

fn print(json: bool, rows: &[Value], line: impl Fn(&Value) -> String) {
    if json {
        say!("{:#}", Value::from(rows.to_vec()));
    } else {
        rows.iter().for_each(|row| say!("{}", line(row)));
    }
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

pub(crate) fn properties(json: bool) {
    let rows = Property::ALL.map(|property| {
        json!({"id": property.id(), "name": property.name(), "statement": property.statement(), "source": property.source()})
    });
    print(json, &rows, |row| format!("{:<24}{} ({})", text(row, "name"), text(row, "statement"), text(row, "source")));
}

pub(crate) fn presets(json: bool) {
    let rows: Vec<Value> = PRESETS
        .iter()
        .map(|preset| {
            let bounds: Vec<_> = preset.parts.iter().map(|(part, _)| part.words()).collect();
            json!({"name": preset.name, "about": preset.about, "bounds": bounds})
        })
        .chain(
            inductive::PRESETS
                .iter()
                .map(|preset| json!({"name": preset.name, "about": preset.about, "bounds": [preset.scope.words()]})),
        )
        .collect();
    print(json, &rows, |row| {
        let bounds = row["bounds"].as_array().into_iter().flatten();
        let bounds: String = bounds.map(|it| format!("{:18}{}\n", "", it.as_str().unwrap_or_default())).collect();
        format!("{:<18}{}\n{bounds}", text(row, "name"), text(row, "about"))
    });
}

pub(crate) fn actions(json: bool) {
    let of_quotient = quotient::KINDS.into_iter().chain([quotient::CUT_OFF]).map(|kind| (kind, "runs of any length"));
    let of_concrete = concrete::KINDS.into_iter().map(|kind| (kind, "the concrete system"));
    let row = |(kind, system)| json!({"name": kind, "system": system});
    let rows: Vec<Value> = of_quotient.chain(of_concrete).map(row).collect();
    print(json, &rows, |row| format!("{:<24}{}", text(row, "name"), text(row, "system")));
}

pub(crate) fn catalogue(json: bool) {
    let rows: Vec<_> = mutants()
        .iter()
        .map(|it| {
            let property = it.caught_by.name();
            json!({"name": it.name, "row": it.row, "rule": it.rule, "about": it.about, "source": it.source, "caught_by": property})
        })
        .chain(inductive::MUTANTS.iter().map(|it| {
            json!({"name": it.name, "row": null, "rule": "the step", "about": it.about, "source": "for 'check inductive' alone",
                "caught_by": "the invariant"})
        }))
        .collect();
    print(json, &rows, |row| {
        let number = row["row"].as_u64().map_or(String::new(), |row| row.to_string());
        let about = format!("{} ({}; {})", text(row, "about"), text(row, "rule"), text(row, "source"));
        format!("{number:>3}  {:<26}{:<24}{about}", text(row, "name"), text(row, "caught_by"))
    });
}

/// The mutants that these words name; all, if there are none.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Mutant>, String> {
    if names.is_empty() {
        return Ok(mutants());
    }
    let unknown = |name: &String| format!("no mutant is called '{name}'; 'list catalogue' shows them all");
    names.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}

pub(crate) fn mutant_value(mutant: &Mutant, outcome: &Outcome) -> Value {
    json!({
        "name": mutant.name,
        "row": mutant.row,
        "rule": mutant.rule,
        "about": mutant.about,
        "source": mutant.source,
        "expected": mutant.caught_by.name(),
        "caught": outcome.broken.contains(mutant.caught_by),
        "caught_by": crate::verdict::names(outcome.broken),
        "bounds": mutant.part,
        "bounds_in_words": mutant.part.words(),
        "starts_from": mutant.part.start(),
        "states": outcome.states,
        "steps": outcome.steps,
        "seconds": outcome.time.as_secs_f64(),
        "counterexample": told(outcome),
    })
}

/// What became of a mutant that its property did not catch.
pub(crate) fn escape(outcome: &Outcome) -> String {
    let others = crate::verdict::names(outcome.broken).join(", ");
    if let (Verdict::Violated, Err(why)) = (&outcome.verdict, &outcome.counterexample) {
        format!("{others}, NOT TOLD: {why}")
    } else if others.is_empty() {
        format!("NOT CAUGHT: {}", outcome.verdict.word())
    } else {
        format!("NOT AS EXPECTED: {others}")
    }
}

/// The rules in the order in which they are stated, each with its section.
pub(crate) fn stated_rules() -> Vec<(String, String)> {
    let mut section = String::new();
    let mut rules = Vec::new();
    for line in RULES.lines().map(str::trim).take_while(|line| !line.starts_with("pub struct Paper")) {
        if let Some((first, _)) = line.strip_prefix("/// ").and_then(|doc| doc.split_once(':')) {
            section = first.replace("Dissertation", "diss.");
        } else if let Some(signature) = line.strip_prefix("fn ") {
            rules.push((signature.split('(').next().unwrap_or_default().to_owned(), section.clone()));
        }
    }
    rules
}

/// The table of `docs/rules.md`.
pub(crate) fn rules(limits: &Limits) -> u8 {
    say!("| rule | section | broken as | caught by | within | steps |\n| --- | --- | --- | --- | --- | --- |");
    let mut all_caught = true;
    let around = ["the step", "the proposals", "the reads", "the disk", "the clock"]
        .map(|rule| (rule.to_owned(), "-".to_owned()));
    for (rule, section) in stated_rules().into_iter().chain(around) {
        for mutant in mutants().iter().filter(|mutant| mutant.rule == rule) {
            let outcome = mutant.hunt(mutant.part, limits).expect("nothing is resumed");
            let caught = outcome.broken.contains(mutant.caught_by) && outcome.counterexample.is_ok();
            all_caught &= caught;
            let by = if caught { mutant.caught_by.name() } else { "NOT CAUGHT" };
            let (within, steps) = (mutant.part.short(), outcome.steps);
            let row = mutant.row.map_or(String::new(), |row| format!(" (row {row})"));
            say!("| `{rule}` | {section} | {}{row} | {by} | {within} | {steps} |", mutant.about);
        }
    }
    u8::from(!all_caught)
}

/// The table of `docs/proof.md`.
pub(crate) fn proof(limits: &Limits) -> u8 {
    say!("| preset | verdict | states | transitions | servers tried further | their steps | bounds |");
    say!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut worst = 0;
    for preset in PRESETS.iter().filter(|preset| !LONGEST.contains(&preset.name)) {
        for (part, expected) in preset.parts {
            let ticker = crate::progress::Ticker::new();
            let mut tick = |progress: &crate::search::Progress| ticker.tick(progress);
            let words = part.words();
            let outcome = match part {
                Part::Quotient(_) | Part::Lease(_) => {
                    explore(&part.quotient(PAPER).expect("it is one"), limits, *expected, &mut tick)
                }
                Part::Recovery(scope) => explore(&Recovery::new(*scope, PAPER), limits, *expected, &mut tick),
                Part::Concrete(bounds) => explore(&placed(PAPER, *bounds), limits, *expected, &mut tick),
            };
            drop(ticker);
            let outcome = outcome.expect("nothing is resumed");
            worst = worse(worst, outcome.verdict.exit_code());
            let (states, transitions) = (grouped(outcome.states), grouped(outcome.transitions));
            let tried =
                |count: fn(&Tally) -> u64| outcome.simulated.as_ref().map_or("-".into(), |it| grouped(count(it)));
            let (concrete, steps) = (tried(|tally| tally.concrete), tried(|tally| tally.steps));
            let (name, word) = (preset.name, outcome.verdict.word());
            say!("| `{name}` | {word} | {states} | {transitions} | {concrete} | {steps} | {words} |");
            eprintln!("{}: {}, {} MiB", preset.name, seconds(outcome.time), outcome.peak_memory >> 20);
        }
    }
    let parts = || PRESETS.iter().flat_map(|preset| preset.parts).map(|(part, _)| part);
    let told = [
        ("Where runs have any length", parts().find(|part| matches!(part, Part::Quotient(_)))),
        ("With leases", parts().find(|part| matches!(part, Part::Lease(_)))),
        ("From every state of these", parts().find(|part| matches!(part, Part::Recovery(_)))),
        ("In the concrete system", parts().find(|part| matches!(part, Part::Concrete(_)))),
    ];
    for (title, part) in told {
        let always = part.map(Part::always).unwrap_or_default();
        say!("\n{title}: {always}.");
    }
    if worst == 0 {
        let names = crate::verdict::names(PropertySet::of_logs());
        say!("\nThe {} properties that held in every state and every step: {}.", names.len(), names.join(", "));
        let names = crate::verdict::names(PropertySet::of_liveness());
        say!("From every state of the presets recovery-*: {}.", names.join(", "));
    }
    worst
}

/// The run that never elects.
pub(crate) fn lasso(servers: u8, json: bool) -> u8 {
    let Some(Lasso { steps, lead_in, terms }) = lasso::find(servers) else {
        if json {
            say!("{:#}", json!({"servers": servers, "found": false}));
        } else {
            say!("no lasso: {servers} servers in lock-step elect a leader");
        }
        return 1;
    };
    if json {
        let value = json!({"servers": servers, "found": true, "steps": steps, "repeats_from": lead_in + 1, "terms_a_lap": terms});
        say!("{value:#}");
        return 0;
    }
    say!("LASSO\n  {servers} servers in lock-step never elect a leader: no timeout is random here\n");
    for (at, step) in (1..).zip(&steps) {
        if at == lead_in + 1 {
            say!("     from here on the same again and again:");
        }
        say!("{at:>3}. {}", step.trim());
    }
    let later = if terms == 1 { "one term later".to_owned() } else { format!("{terms} terms later") };
    say!("\nand so on from step {}: every server is as it was before that step, {later},", lead_in + 1);
    say!("every server has timed out in between, and every message has arrived.");
    say!(
        "With timeouts drawn anew it ends with probability one, as a leader is reached from every state: V1 Recovery."
    );
    0
}
