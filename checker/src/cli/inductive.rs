//! `check inductive`: the check as a command, with its verdict.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{reached, report};
use crate::console::{Usage, seconds, worse, wrap};
use crate::inductive::conjuncts::Conjunct;
use crate::inductive::mutants::Code;
use crate::inductive::stages::{Check, Checked, Ended, Shown, Stage};
use crate::inductive::{Chosen, PRESETS, Preset, told};
use crate::progress::Ticker;
use crate::verdict::{CODE, Limits, Verdict};

/// What the table of `docs/inductive.md` leaves out, since it takes a while.
const LONGEST: &str = "inductive-wide";

/// What every such check covers, and what it does not.
pub(crate) const ALWAYS: &str = "every server and every event that the invariant allows, whether a run leads there or \
    not; each step is judged record by record, so a crash may come anywhere; not judged: liveness, PreVote, leader stickiness, \
    transfer, effects gathered over several steps, which the search covers; that a step depends on the case alone is \
    tested and not proved";

/// The table of `docs/inductive.md`: what each stage judges, and how long it takes.
pub(crate) fn report(limits: &Limits) -> u8 {
    say!("| preset | stage | what is judged | how much | time |");
    say!("| --- | --- | --- | --- | --- |");
    let mut worst = 0;
    for Preset { name, scope, .. } in
        PRESETS.iter().filter(|preset| preset.name != LONGEST && 0 < preset.scope.instances)
    {
        let (started, checked) = (Instant::now(), Checked::default());
        let check = Check { scope: *scope, code: Code::DEPLOYED, limits, started, tick: &mut |_, _, _| {}, checked };
        let checked = check.run();
        let verdict = verdict(&checked);
        worst = worse(worst, verdict.exit_code());
        for Stage { name: stage, about, size, time, .. } in &checked.stages {
            say!("| `{name}` | {stage} | {about} | {size} | {} |", seconds(*time));
        }
        say!("| `{name}` | {} | | | {} |", verdict.word(), seconds(started.elapsed()));
    }
    worst
}

/// Runs the check and prints what came of it: the exit code.
pub(crate) fn check(chosen: &Chosen, limits: &Limits, json: bool) -> Result<u8, Usage> {
    let started = Instant::now();
    let code = chosen.wrong.map_or(Code::DEPLOYED, |wrong| wrong.code);
    let ticker = Ticker::new();
    let mut tick = |stage: &str, done: usize, all: usize| ticker.reach(stage, done as u64, all as u64);
    let check = Check { scope: chosen.scope, code, limits, started, tick: &mut tick, checked: Checked::default() };
    let checked = check.run();
    drop(ticker);
    let verdict = verdict(&checked);
    let time = started.elapsed();
    let mut story = checked.stages.last().map(|stage| stage_story(stage, code)).unwrap_or_default();
    // A program is told the finding alone; a run is sought for people.
    if verdict == Verdict::Violated && !json {
        story.extend(reached::told(chosen.wrong, limits));
    }
    let whole = Whole { chosen, limits, checked: &checked, verdict: &verdict, time, story: &story };
    if json {
        say!("{:#}", report::all(chosen.preset, verdict.exit_code(), vec![whole.value()]))
    } else {
        say!("{}", whole.text())
    }
    Ok(verdict.exit_code())
}

fn verdict(checked: &Checked) -> Verdict {
    match checked.stages.last().map(|stage| &stage.ended) {
        Some(Ended::Held) => Verdict::Complete,
        Some(Ended::Broken(_) | Ended::Wrong(_)) => Verdict::Violated,
        Some(Ended::Empty(why)) => Verdict::Vacuous(vec![why.clone()]),
        Some(Ended::Cut) | None => Verdict::Incomplete("a limit or a signal ended it".to_owned()),
    }
}

fn stage_story(stage: &Stage, code: Code) -> Vec<String> {
    match &stage.ended {
        Ended::Broken(finding) => {
            let broken: Vec<&str> = finding.broken.iter().map(Conjunct::id).collect();
            let title =
                format!("counterexample to induction, not necessarily reachable; it breaks {}", broken.join(", "));
            [vec![title, String::new()], told::story(finding, code)].concat()
        }
        Ended::Wrong(why) => vec![format!("in '{}': {why}", stage.name)],
        _ => Vec::new(),
    }
}

/// All that there is to report.
struct Whole<'a> {
    chosen: &'a Chosen,
    limits: &'a Limits,
    checked: &'a Checked,
    verdict: &'a Verdict,
    time: Duration,
    story: &'a [String],
}

impl Whole<'_> {
    fn reasons(&self) -> Vec<String> {
        match self.verdict {
            Verdict::Complete => {
                vec!["every server and every event within the bounds was judged, and every conjunct held".to_owned()]
            }
            Verdict::Violated => vec!["a step breaks the invariant; it is told below".to_owned()],
            Verdict::Incomplete(why) => vec![format!("{why}; nothing is known of what was not judged")],
            Verdict::Vacuous(missing) => missing.clone(),
        }
    }

    fn text(&self) -> String {
        let Whole { chosen, limits, checked, verdict, time, story } = self;
        let mutant = chosen.wrong.map_or(String::new(), |wrong| format!(", with the mutant '{}'", wrong.name));
        let mut lines = vec![verdict.word().to_owned()];
        lines.extend(self.reasons().into_iter().map(|why| format!("  {why}")));
        lines.extend([
            String::new(),
            format!("invariant   {}{mutant}", chosen.preset),
            format!("bounds      {}", wrap(&chosen.scope.words(), 12)),
            format!("always      {}", wrap(ALWAYS, 12)),
            format!("code        {CODE}"),
            format!("resources   {}, {} threads", seconds(*time), limits.threads),
            String::new(),
        ]);
        for stage in &checked.stages {
            lines.push(format!(
                "{:<12}  {:<14}{:>8}  {}",
                word(&stage.ended),
                stage.name,
                seconds(stage.time),
                stage.about
            ));
            lines.push(format!("{:38}{}", "", stage.size));
        }
        lines.push(String::new());
        let broken = |conjunct: &Conjunct| match checked.stages.last().map(|stage| &stage.ended) {
            Some(Ended::Broken(finding)) if finding.broken.contains(*conjunct) => "BROKEN",
            _ if **verdict == Verdict::Complete => "holds",
            _ => "unknown",
        };
        for conjunct in Conjunct::ALL {
            let by = checked.conjuncts.iter().find(|shown| shown.id == conjunct.id());
            let by = by.map_or(String::new(), |shown| format!(" (broken by {})", shown.by));
            lines.push(format!("{:<12}  {:<4}{}{by}", broken(&conjunct), conjunct.id(), conjunct.says()));
        }
        lines.extend(checked.assumptions.iter().map(|shown| format!("{:<12}  {}", "assumed", needed(shown))));
        if !story.is_empty() {
            lines.push(String::new());
            lines.extend(story.iter().cloned());
        }
        lines.join("\n")
    }

    fn value(&self) -> Value {
        let Whole { chosen, limits, checked, verdict, time, story } = self;
        let stage = |stage: &Stage| {
            json!({"name": stage.name, "about": stage.about, "state": word(&stage.ended), "counts": stage.counts,
                "seconds": stage.time.as_secs_f64()})
        };
        let shown = |shown: &Shown| {
            let breaks: Vec<_> = shown.breaks.iter().map(Conjunct::id).collect();
            json!({"id": shown.id, "by": shown.by, "breaks": breaks})
        };
        json!({
            "verdict": verdict.word(),
            "reasons": self.reasons(),
            "preset": chosen.preset,
            "mutant": chosen.wrong.map(|wrong| wrong.name),
            "bounds": chosen.scope,
            "bounds_in_words": chosen.scope.words(),
            "always": ALWAYS,
            "code": CODE,
            "seconds": time.as_secs_f64(),
            "threads": limits.threads,
            "stages": checked.stages.iter().map(stage).collect::<Vec<_>>(),
            "broken": self.broken(),
            "steps": u8::from(!self.broken().is_empty()),
            "conjuncts": Conjunct::ALL.map(|it| json!({"id": it.id(), "says": it.says()})),
            "shown": checked.conjuncts.iter().map(shown).collect::<Vec<_>>(),
            "assumptions": checked.assumptions.iter().map(shown).collect::<Vec<_>>(),
            "counterexample_to_induction": (!story.is_empty()).then_some(story),
        })
    }

    fn broken(&self) -> Vec<&'static str> {
        match self.checked.stages.last().map(|stage| &stage.ended) {
            Some(Ended::Broken(finding)) => finding.broken.iter().map(Conjunct::id).collect(),
            Some(Ended::Wrong(_)) => self.checked.stages.last().map(|stage| stage.name).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

fn word(ended: &Ended) -> &'static str {
    match ended {
        Ended::Held => "holds",
        Ended::Broken(_) | Ended::Wrong(_) => "BROKEN",
        Ended::Cut => "cut short",
        Ended::Empty(_) => "empty",
    }
}

fn needed(shown: &Shown) -> String {
    let breaks: Vec<&str> = shown.breaks.iter().map(Conjunct::id).collect();
    if breaks.is_empty() {
        format!("{:<4}no step needs it; the argument does", shown.id)
    } else {
        format!("{:<4}without it a step breaks {}", shown.id, breaks.join(", "))
    }
}
