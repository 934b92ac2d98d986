//! One chart of a run: its servers, steps and messages, with the state of every server after each step.
//!
//! It is made by playing the trace through the deployed step, so that a picture shows what happens and
//! not what a file says. `docs/pictures.md` describes it as JSON.

use serde::Serialize;

use crate::properties::PropertySet;
use crate::trace::language;
use crate::trace::render::arrows::{Arrow, arrows};
use crate::trace::render::state::ServerState;
use crate::trace::run::Step;
use crate::trace::scenario::{Played, Scenario};
use crate::verdict;
use crate::world::World;

/// The version of what `show -o json` prints.
const SCHEMA: &str = "rafttree-chart/1";

/// A run as pictures show it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Chart {
    pub(crate) schema: &'static str,
    pub(crate) title: String,
    /// What the file says of itself.
    pub(crate) remarks: Vec<String>,
    pub(crate) mutant: Option<String>,
    pub(crate) servers: usize,
    /// The servers before the first step.
    pub(crate) start: Vec<ServerState>,
    pub(crate) steps: Vec<ChartStep>,
    pub(crate) messages: Vec<Arrow>,
    /// The properties that the run breaks, by their names.
    pub(crate) broken: Vec<String>,
    /// What follows the run and is not played: of a liveness counterexample, how it goes on for ever.
    pub(crate) afterwards: Vec<String>,
}

/// One step of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChartStep {
    /// From 1.
    pub(crate) step: usize,
    /// In the words of the scenario language.
    pub(crate) action: String,
    /// Which verb of it.
    pub(crate) verb: String,
    /// The server that it happens to.
    pub(crate) server: u32,
    /// Whether what arrives was sent before; true of all that is no message.
    pub(crate) sent: bool,
    /// The line of a scenario that begins with this step, if it is more than its action.
    pub(crate) line: Option<String>,
    /// Servers that do not hear each other from here on; null where nothing is said of that, and empty
    /// where all hear each other again.
    pub(crate) partition: Option<Vec<Vec<u32>>>,
    /// What it changed, as traces tell it.
    pub(crate) changes: Vec<String>,
    /// The properties that it broke.
    pub(crate) broken: Vec<String>,
    pub(crate) states: Vec<ServerState>,
}

impl Chart {
    /// The chart of a file of this name and text; an error is in words, as `replay` has it.
    pub(crate) fn parse(title: &str, text: &str) -> Result<Chart, String> {
        let scenario = Scenario::parse(text)?;
        let played = scenario.play(&scenario.system())?;
        let mut chart = Chart::of(title, &played.start, &played.steps);
        chart.remarks = scenario.remarks();
        chart.mutant.clone_from(&scenario.mutant);
        chart.afterwards = text.split_once("\n---\n").map_or(Vec::new(), |(_, rest)| lines(rest));
        chart.note_lines(&played);
        Ok(chart)
    }

    /// The chart of these steps.
    pub(crate) fn of(title: &str, start: &World, steps: &[Step]) -> Chart {
        let told = steps.iter().map(|step| {
            let Step { action, world, sent } = step;
            Told { action: action.to_string(), server: action.server().number(), world, sent: *sent }
        });
        Chart { messages: arrows(start, steps), ..Chart::in_words(title, start, told) }
    }

    /// The chart of steps that are no actions of the concrete system: it has no messages.
    pub(crate) fn in_words<'a>(title: &str, start: &'a World, steps: impl Iterator<Item = Told<'a>>) -> Chart {
        let (mut before, mut charted) = (start, Vec::new());
        for told in steps {
            charted.push(ChartStep::of(charted.len() + 1, before, &told));
            before = told.world;
        }
        Chart {
            schema: SCHEMA,
            title: title.to_owned(),
            remarks: Vec::new(),
            mutant: None,
            servers: start.servers.len(),
            start: states(start),
            steps: charted,
            messages: Vec::new(),
            broken: names(before.broken),
            afterwards: Vec::new(),
        }
    }

    /// Which macros and partitions the file has, each at the step that follows.
    fn note_lines(&mut self, played: &Played) {
        for (at, line) in &played.macros {
            if let Some(step) = self.steps.get_mut(*at) {
                step.line = Some(line.clone());
            }
        }
        for (at, groups) in &played.divisions {
            if let Some(step) = self.steps.get_mut(*at) {
                let numbers = |group: &Vec<rafttree_model::ServerId>| group.iter().map(|id| id.number()).collect();
                step.partition = Some(groups.iter().map(numbers).collect());
            }
        }
    }
}

/// A step in words.
pub(crate) struct Told<'a> {
    pub(crate) action: String,
    /// The server that it happens to.
    pub(crate) server: u32,
    /// Where it leads.
    pub(crate) world: &'a World,
    /// Whether what arrives was sent before.
    pub(crate) sent: bool,
}

impl ChartStep {
    fn of(number: usize, before: &World, step: &Told<'_>) -> ChartStep {
        let new = step.world.broken.without(before.broken);
        ChartStep {
            step: number,
            verb: step.action.split_whitespace().next().unwrap_or_default().to_owned(),
            action: step.action.clone(),
            server: step.server,
            sent: step.sent,
            line: None,
            partition: None,
            changes: language::came_of(before, step.world),
            broken: names(new),
            states: states(step.world),
        }
    }

    /// The server that it happens to, after it.
    pub(crate) fn actor(&self) -> &ServerState {
        &self.states[self.server as usize - 1]
    }
}

fn states(world: &World) -> Vec<ServerState> {
    world.servers.iter().map(|server| ServerState::of(server)).collect()
}

fn names(broken: PropertySet) -> Vec<String> {
    verdict::names(broken).into_iter().map(str::to_owned).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
