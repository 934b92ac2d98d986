//! The one language for scenarios, counterexamples and starting points: lab notebooks.
//!
//! A file is a list of verbs, one a line; below each, indented, stands what came of it, written by
//! the checker and read by people. A verb is an action of the world in the words in which it is
//! printed, one of the macros `elect` and `replicate`, or one of `partition`, `heal` and `status`.
//! `deliver` may leave words out as long as one message fits. What cannot happen is refused. What
//! nobody has sent may be delivered if it is one of the over-approximated messages, and is marked.
//!
//! What stands below a line `---` is not read: there older files have what came of all verbs.

use rafttree_model::ServerId;

use crate::mutants::catalogue;
use crate::properties::{Property, PropertySet};
use crate::system::System;
use crate::trace::language::{self, NOT_SENT};
use crate::trace::run::{Step, concrete};
use crate::trace::stage::{self, Stage};
use crate::world::{PAPER, World};

/// A scenario, read but not played.
pub(crate) struct Scenario {
    pub(crate) servers: u32,
    pub(crate) mutant: Option<String>,
    /// What is judged, if not all.
    watched: Option<PropertySet>,
    lines: Vec<Line>,
}

/// A line of a scenario that is not output.
struct Line {
    at: usize,
    text: String,
    /// What is to be played, if it is not a comment or a heading.
    verb: Option<String>,
}

/// A scenario, played.
pub(crate) struct Played {
    /// Every action with the state that it led to.
    pub(crate) steps: Vec<Step>,
    pub(crate) start: World,
    /// Each line that is more than one action, with the number of steps before it.
    pub(crate) macros: Vec<(usize, String)>,
    /// Each partition, and with no groups each `heal`, with the number of steps before it.
    pub(crate) divisions: Vec<(usize, Vec<Vec<ServerId>>)>,
    lines: Vec<Told>,
}

/// A line, and what stands below it.
struct Told {
    text: String,
    output: Vec<String>,
}

impl Scenario {
    /// Reads a scenario; an error names the line, what is wrong with it, and what to do.
    pub(crate) fn parse(text: &str) -> Result<Scenario, String> {
        let mut scenario = Scenario { servers: 3, mutant: None, watched: None, lines: Vec::new() };
        for (at, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
            let line = text.split('#').next().unwrap_or_default().replace(NOT_SENT, "").trim().to_owned();
            let mut verb = None;
            match line.split_once(' ') {
                _ if line == "---" => break,
                _ if is_output(text) => continue,
                _ if line.is_empty() => {}
                Some(("servers", count)) => scenario.servers = parse_servers(at, count)?,
                Some(("mutant" | "ablate", name)) => scenario.mutant = Some(known(at, name)?),
                Some(("property", names)) => scenario.watched = Some(parse_properties(at, names)?),
                _ if stage::is_verb(&line) => verb = Some(line),
                _ => return Err(no_verb(at, &line)),
            }
            scenario.lines.push(Line { at, text: text.trim_end().to_owned(), verb });
        }
        Ok(scenario)
    }

    /// What the file says of itself, in comments that stand alone on their lines.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let remarks = self.lines.iter().filter_map(|line| line.text.trim_start().strip_prefix('#'));
        remarks.map(|remark| remark.trim().to_owned()).collect()
    }

    /// The concrete system in which it plays.
    pub(crate) fn system(&self) -> System {
        let bounds = concrete(self.servers);
        let mutant = self.mutant.as_deref().and_then(catalogue::find);
        let ground = mutant.map_or(PAPER, |mutant| mutant.ground);
        let system = System::with(ground, bounds);
        System { symmetric: false, watched: self.watched.unwrap_or(system.watched), ..system }
    }

    /// Plays it; an error names the line whose action the world does not offer.
    pub(crate) fn play(&self, system: &System) -> Result<Played, String> {
        let mut stage = Stage::new(system);
        let (mut lines, mut macros) = (Vec::new(), Vec::new());
        for Line { at, text, verb } in &self.lines {
            let begins = stage.steps.len();
            let output = verb.as_ref().map_or(Ok(Vec::new()), |verb| stage.perform(verb));
            let output = output.map_err(|why| format!("line {at}: {text}: {why}"))?;
            macros.extend(verb.iter().filter(|verb| stage::is_macro(verb)).map(|verb| (begins, verb.clone())));
            let is_sent = stage.steps[begins..].iter().all(|step| step.sent);
            let text = if is_sent { text.replace(NOT_SENT, "") } else { marked(text) };
            lines.push(Told { text, output });
        }
        let Stage { steps, divisions, .. } = stage;
        Ok(Played { steps, start: system.start.clone(), macros, divisions, lines })
    }
}

fn marked(text: &str) -> String {
    if text.contains(NOT_SENT) { text.to_owned() } else { format!("{text}{NOT_SENT}") }
}

/// Whether the checker wrote this line below another: it is indented, and begins as no verb does.
fn is_output(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    let of_a_server = first.strip_suffix(':').is_some_and(|id| id.parse::<u32>().is_ok());
    line.starts_with("    ") && (of_a_server || ["..", "sends", "tells", "changes", "BROKEN:"].contains(&first))
}

fn no_verb(at: usize, line: &str) -> String {
    let verbs = stage::VERBS.join(", ");
    format!(
        "line {at}: '{line}' is no verb and no output of one; a line begins with servers, mutant, property, {verbs} or #"
    )
}

fn parse_servers(at: usize, count: &str) -> Result<u32, String> {
    let count = count.trim().parse::<u32>().ok().filter(|count| (1..=9).contains(count));
    count.ok_or_else(|| format!("line {at}: 'servers' takes a number from 1 to 9, as in 'servers 3'"))
}

fn parse_properties(at: usize, names: &str) -> Result<PropertySet, String> {
    let unknown = |name: &str| format!("line {at}: no property is called '{name}'; 'list properties' shows them all");
    names.split_whitespace().map(|name| Property::named(name).ok_or_else(|| unknown(name))).collect()
}

fn known(at: usize, name: &str) -> Result<String, String> {
    let mutant = catalogue::find(name.trim());
    mutant
        .map(|it| it.name.to_owned())
        .ok_or_else(|| format!("line {at}: no mutant is called '{name}'; 'list catalogue' shows them all"))
}

impl Played {
    pub(crate) fn last(&self) -> &World {
        self.steps.last().map_or(&self.start, |step| &step.world)
    }

    /// The file, with below each verb what came of it.
    pub(crate) fn notebook(&self) -> String {
        let lines = self.lines.iter();
        lines.map(|Told { text, output }| format!("{text}\n{}", language::indented(output))).collect()
    }

    /// The same with each action of each macro.
    #[cfg(test)]
    pub(crate) fn story(&self) -> String {
        language::story(&self.start, &self.steps)
    }
}
