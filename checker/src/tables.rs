//! Lists and tables: what can be named, what breaks which rule, what was exhausted.

use serde_json::{Value, json};

use crate::engine::{Expected, Limits, Outcome};
use crate::presets::PRESETS;
use crate::properties::{Property, PropertySet};
use crate::report::{Subject, grouped, seconds};
use crate::stats::KINDS;
use crate::zoo::{Exhibit, exhibits, find};

/// Where the rules are stated; read for their sections.
const RULES: &str = include_str!("../../model/src/rules.rs");

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
    let rows =
        PRESETS.map(|preset| json!({"name": preset.name, "about": preset.about, "bounds": preset.bounds.words()}));
    print(json, &rows, |row| {
        format!("{:<12}{}\n{:12}{}\n", text(row, "name"), text(row, "about"), "", text(row, "bounds"))
    });
}

pub(crate) fn actions(json: bool) {
    let rows = KINDS.map(|kind| json!({"name": kind}));
    print(json, &rows, |row| text(row, "name").to_owned());
}

pub(crate) fn zoo(json: bool) {
    let rows: Vec<_> = exhibits()
        .iter()
        .map(|it| {
            let property = it.caught_by.name();
            json!({"name": it.name, "row": it.row, "rule": it.rule, "about": it.about, "source": it.source, "caught_by": property})
        })
        .collect();
    print(json, &rows, |row| {
        let number = row["row"].as_u64().map_or(String::new(), |row| row.to_string());
        let about = format!("{} ({}; {})", text(row, "about"), text(row, "rule"), text(row, "source"));
        format!("{number:>3}  {:<26}{:<24}{about}", text(row, "name"), text(row, "caught_by"))
    });
}

/// The exhibits that these words name; all, if there are none.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Exhibit>, String> {
    if names.is_empty() {
        return Ok(exhibits());
    }
    let unknown = |name: &String| format!("nothing in the zoo is called '{name}'; 'list zoo' shows them all");
    names.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}

/// Searches for one mistake, from where its hunt starts.
pub(crate) fn hunt(exhibit: &Exhibit, limits: Limits) -> Outcome {
    let expected = Expected { witnesses: &[], never: &KINDS };
    exhibit.placed(exhibit.bounds).search(limits, expected, &mut |_, _, _, _, _| {})
}

pub(crate) fn exhibit_value(exhibit: &Exhibit, outcome: &Outcome) -> Value {
    json!({
        "name": exhibit.name,
        "row": exhibit.row,
        "rule": exhibit.rule,
        "about": exhibit.about,
        "source": exhibit.source,
        "expected": exhibit.caught_by.name(),
        "caught": outcome.broken.contains(exhibit.caught_by),
        "caught_by": crate::engine::names(outcome.broken),
        "bounds": exhibit.bounds,
        "starts_from": exhibit.start,
        "states": outcome.states,
        "steps": outcome.counterexample.len(),
        "seconds": outcome.time.as_secs_f64(),
        "counterexample": outcome.counterexample.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// What became of a mistake that its property did not catch.
pub(crate) fn escape(outcome: &Outcome) -> String {
    let others = crate::engine::names(outcome.broken).join(", ");
    if others.is_empty() {
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

/// The README's rule table.
pub(crate) fn rules(limits: Limits) -> u8 {
    say!("| rule | section | broken as | caught by | steps |\n| --- | --- | --- | --- | --- |");
    let mut all_caught = true;
    for (rule, section) in stated_rules() {
        for exhibit in exhibits().iter().filter(|exhibit| exhibit.rule == rule) {
            let outcome = hunt(exhibit, limits);
            let caught = outcome.broken.contains(exhibit.caught_by);
            all_caught &= caught;
            let by = if caught { exhibit.caught_by.name() } else { "NOT CAUGHT" };
            let steps = outcome.counterexample.len();
            let from = exhibit.start.map_or(String::new(), |_| " after a scripted start".to_owned());
            say!("| `{rule}` | {section} | {} | {by} | {steps}{from} |", exhibit.about);
        }
    }
    u8::from(!all_caught)
}

/// The README's proof box.
pub(crate) fn proof(limits: Limits) -> u8 {
    say!("| preset | verdict | states | transitions | bounds |\n| --- | --- | --- | --- | --- |");
    let mut worst = 0;
    for preset in &PRESETS {
        let system = crate::zoo::paper(preset.bounds);
        let mut ticker = crate::report::Ticker::new();
        let outcome = system.search(limits, preset.expected, &mut |s, t, d, m, e| ticker.tick(s, t, d, m, e));
        drop(ticker);
        worst = worst.max(outcome.verdict.exit_code());
        let (states, transitions) = (grouped(outcome.states), grouped(outcome.transitions));
        let verdict = outcome.verdict.word();
        say!("| `{}` | {verdict} | {states} | {transitions} | {} |", preset.name, preset.bounds.words());
        eprintln!("{}: {}", preset.name, seconds(outcome.time));
    }
    say!("\nIn all of them {}.", crate::presets::ALWAYS);
    if worst == 0 {
        let names = crate::engine::names(PropertySet::all());
        say!("\nThe {} properties that held in every state and every step: {}.", names.len(), names.join(", "));
    }
    worst
}

/// A counterexample as a scenario file, which `replay` and `explore --from` take.
pub(crate) fn trace(subject: &Subject, outcome: &Outcome, start: Option<&str>, story: &str) -> String {
    let start = start.map_or(String::new(), |name| format!("{}\n", crate::zoo::start_text(name)));
    let broken: PropertySet = outcome.broken;
    let title = format!("# breaks {}", crate::engine::names(broken).join(", "));
    let ablation = subject.ablation.map_or(String::new(), |name| format!("ablate {name}\n"));
    let verbs: String = outcome.counterexample.iter().map(|action| format!("{action}\n")).collect();
    format!(
        "{title}\n# bounds: {}\nservers {}\n{ablation}{start}{verbs}---\n{story}",
        subject.bounds.words(),
        subject.bounds.servers
    )
}
