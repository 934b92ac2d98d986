//! What is said of a campaign, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::console::{grouped, seconds, wrap};
use crate::properties::witness::Witness;
use crate::properties::{Property, PropertySet};
use crate::swarm::campaign::{Campaign, Plan};
use crate::swarm::coverage::is_followed;
use crate::system::System;
use crate::verdict::CODE;

/// What came of it, in one word or two. That nothing was found is not that there is nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    NothingFound,
    Violated,
    /// No run had a leader, or there was no run: nothing worth judging was met.
    Vacuous,
}

impl Verdict {
    pub(crate) fn of(campaign: &Campaign) -> Verdict {
        match campaign.found {
            Some(_) => Verdict::Violated,
            None if !campaign.coverage.has_met(Witness::Leader) => Verdict::Vacuous,
            None => Verdict::NothingFound,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Verdict::NothingFound => "NOTHING FOUND",
            Verdict::Violated => "VIOLATED",
            Verdict::Vacuous => "VACUOUS",
        }
    }

    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Verdict::NothingFound => 0,
            Verdict::Violated => 1,
            Verdict::Vacuous => 4,
        }
    }

    fn line(self, runs: u64) -> String {
        let runs = grouped(runs);
        match self {
            Verdict::NothingFound => {
                format!(
                    "NOTHING FOUND in {runs} runs\n  these were drawn and are not all; that nothing was found proves nothing"
                )
            }
            Verdict::Violated => "VIOLATED".to_owned(),
            Verdict::Vacuous => {
                format!("VACUOUS\n  a leader was never reached in {runs} runs; more steps (--steps) help")
            }
        }
    }
}

/// A campaign, and what it was of.
pub(crate) struct Report<'a> {
    pub(crate) system: &'a System,
    pub(crate) plan: &'a Plan,
    pub(crate) campaign: &'a Campaign,
    pub(crate) mutant: Option<&'static str>,
    /// The command that makes the run again that broke something.
    pub(crate) again: Option<String>,
    /// What that run was made into, or why it cannot be told.
    pub(crate) told: Option<Result<Told, String>>,
}

/// A run that was made shorter.
pub(crate) struct Told {
    pub(crate) property: Property,
    pub(crate) steps: usize,
    /// In how large a group it breaks the same.
    pub(crate) servers: u32,
    pub(crate) story: String,
    /// The same as a scenario.
    pub(crate) file: String,
}

impl Report<'_> {
    /// The final block.
    pub(crate) fn text(&self) -> String {
        let Report { plan, campaign, .. } = self;
        let (coverage, verdict) = (&campaign.coverage, Verdict::of(campaign));
        let mutant = self.mutant.map_or(String::new(), |name| format!(", with the mutant '{name}'"));
        let shard = match plan.shard.of {
            1 => String::new(),
            of => format!(", shard {} of {of}", plan.shard.at + 1),
        };
        let bounds = self.system.bounds;
        let (choices, steps) = (grouped(coverage.choices()), grouped(coverage.steps()));
        let rate = coverage.choices() as f64 / campaign.elapsed.as_secs_f64().max(0.001);
        let lines = [
            format!("{}\n", verdict.line(campaign.runs)),
            format!("system      the concrete system, {} servers{mutant}", bounds.servers),
            format!("bounds      {}", wrap(&bounds.words(), 12)),
            format!("code        {CODE}"),
            format!(
                "runs        {} of at most {} actions each; seed {}{shard}",
                grouped(campaign.runs),
                plan.steps,
                plan.seed
            ),
            format!("actions     {choices}, each judged; {steps} of them changed something"),
            format!("reached     {}", self.reached()),
            format!(
                "resources   {}, {} threads, {} actions a second",
                seconds(campaign.elapsed),
                plan.threads,
                grouped(rate as u64)
            ),
            format!("digest      {:016x}, the same wherever the same runs are made", campaign.digest),
        ];
        let mut text = lines.join("\n") + "\n\n";
        self.write_judged(&mut text);
        self.write_coverage(&mut text);
        self.write_found(&mut text);
        text
    }

    fn reached(&self) -> String {
        let it = &self.campaign.coverage;
        format!("terms up to {}, logs up to {} entries, {} of them committed", it.terms, it.entries, it.committed)
    }

    fn write_judged(&self, text: &mut String) {
        let broken = self.broken();
        for property in self.system.watched.iter() {
            let word = if broken.contains(property) { "BROKEN" } else { "not broken" };
            let _ = writeln!(text, "{word:<12}  {}", property.name());
        }
    }

    fn broken(&self) -> PropertySet {
        self.campaign.found.as_ref().map_or(PropertySet::default(), |run| run.broken)
    }

    fn write_coverage(&self, text: &mut String) {
        let coverage = &self.campaign.coverage;
        for witness in Witness::ALL.into_iter().filter(|&witness| is_followed(witness)) {
            let word = if coverage.has_met(witness) { "reached" } else { "not met" };
            let _ = writeln!(text, "{word:<12}  {}", witness.words());
        }
        let _ = writeln!(text, "\n{:>14}{:>14}", "offered", "changed");
        for (name, offered, changed) in coverage.actions() {
            let _ = writeln!(text, "{:>14}{:>14}  {name}", grouped(offered), grouped(changed));
        }
        let _ = writeln!(text, "\n{:>14}", "arrived");
        coverage.messages().for_each(|(name, count)| _ = writeln!(text, "{:>14}  {name}", grouped(count)));
        let rules = coverage.rules();
        if !rules.is_empty() {
            let _ = writeln!(text, "\nrules, and how often each gave each answer");
        }
        for (rule, answers) in rules {
            let answers = answers.iter().map(|(answer, count)| format!("{answer}: {}", grouped(*count)));
            let _ = writeln!(text, "  {rule:<26}{}", answers.collect::<Vec<_>>().join(", "));
        }
        let never = coverage.never();
        let _ = match never.is_empty() {
            true => writeln!(text, "\nnever met: nothing of this"),
            false => writeln!(text, "\nnever met:\n  {}", never.join("\n  ")),
        };
    }

    fn write_found(&self, text: &mut String) {
        let Some(run) = &self.campaign.found else { return };
        let (number, before) = (run.number, run.path.len());
        let _ = match &self.told {
            Some(Ok(Told { property, steps, servers, story, .. })) => writeln!(
                text,
                "\ncounterexample, {steps} steps of {servers} servers, of {before} that run {number} of seed {} took; it breaks {}\n\n{story}",
                self.plan.seed,
                property.name()
            ),
            Some(Err(why)) => {
                writeln!(text, "\nrun {number} breaks something after {before} steps, and cannot be told: {why}")
            }
            None => Ok(()),
        };
    }

    /// The same for programs; `docs/swarm.md` describes it.
    pub(crate) fn value(&self) -> Value {
        let Report { plan, campaign, system, .. } = self;
        let coverage = &campaign.coverage;
        let actions = coverage
            .actions()
            .map(|(name, offered, changed)| (name.to_owned(), json!({"offered": offered, "changed": changed})));
        let answers = |answers: Vec<(&str, u64)>| {
            answers
                .into_iter()
                .map(|(answer, count)| (answer.to_owned(), json!(count)))
                .collect::<serde_json::Map<_, _>>()
        };
        let rules = coverage.rules().into_iter().map(|(rule, counts)| (rule.to_owned(), answers(counts).into()));
        let witnesses = Witness::ALL.into_iter().filter(|&it| is_followed(it));
        let witness = |it: Witness| json!({"name": it.words(), "reached": coverage.has_met(it)});
        json!({
            "schema": SCHEMA,
            "verdict": Verdict::of(campaign).word(),
            "code": CODE,
            "servers": system.bounds.servers,
            "mutant": self.mutant,
            "bounds_in_words": system.bounds.words(),
            "seed": plan.seed,
            "shard": [plan.shard.at + 1, plan.shard.of],
            "max_actions": plan.steps,
            "runs": campaign.runs,
            "actions_tried": coverage.choices(),
            "steps": coverage.steps(),
            "terms": coverage.terms,
            "entries": coverage.entries,
            "committed": coverage.committed,
            "seconds": campaign.elapsed.as_secs_f64(),
            "threads": plan.threads,
            "digest": format!("{:016x}", campaign.digest),
            "judged": system.watched.iter().map(Property::id).collect::<Vec<_>>(),
            "broken": self.broken().iter().map(Property::name).collect::<Vec<_>>(),
            "actions": actions.collect::<serde_json::Map<_, _>>(),
            "messages": answers(coverage.messages().collect()),
            "rules": rules.collect::<serde_json::Map<String, Value>>(),
            "witnesses": witnesses.map(witness).collect::<Vec<_>>(),
            "never": coverage.never(),
            "found": self.found_value(),
        })
    }

    fn found_value(&self) -> Option<Value> {
        let run = self.campaign.found.as_ref()?;
        let told = self.told.as_ref().and_then(|told| told.as_ref().ok());
        Some(json!({
            "run": run.number,
            "steps": run.path.len(),
            "again": self.again,
            "property": told.map(|told| told.property.name()),
            "shortened_steps": told.map(|told| told.steps),
            "shortened_servers": told.map(|told| told.servers),
            "scenario": told.map(|told| told.file.clone()),
        }))
    }
}

/// The version of what is printed for programs.
const SCHEMA: &str = "rafttree-swarm/1";
