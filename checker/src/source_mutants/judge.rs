//! What the checker makes of one mutant: its checks in turn, until one kills it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::source_mutants::catalogue::Expected;
use crate::source_mutants::switch::VARIABLE;

/// How long a search may take to end after its own limit has struck.
const GRACE: Duration = Duration::from_secs(10);

/// How often it is looked at whether a search has ended.
const LOOK: Duration = Duration::from_millis(5);

/// How to judge.
pub(super) struct Judge {
    pub(super) checker: PathBuf,
    /// Presets, cheapest first.
    pub(super) checks: Vec<String>,
    /// For one check.
    pub(super) limit: Duration,
    /// What else is tried, for so long, if a mutant survives that must not.
    pub(super) last: Option<(String, Duration)>,
    /// Whether a checker that fails is a verdict: the model works with this checker, and the mutant
    /// does not even let it begin.
    pub(super) failures_kill: bool,
    /// The numbers of mutants that do not compile, and are not in the checker.
    pub(super) unbuilt: BTreeSet<u32>,
}

/// What came of a mutant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Properties do not hold, or what makes a check worth something is never reached.
    Killed { by: String, check: String, steps: u64, time: Duration },
    /// Every check is COMPLETE.
    Survived,
    /// The compiler does not take it.
    Unbuilt,
    /// A check did not come to an end.
    Cut { check: String, why: String },
    /// The checker itself failed.
    Failed { check: String, why: String },
}

impl Judge {
    /// Lets the checks run until one is not COMPLETE.
    pub(super) fn verdict_on(&self, number: u32, expected: Expected) -> Result<Verdict, String> {
        if self.unbuilt.contains(&number) {
            return Ok(Verdict::Unbuilt);
        }
        let checks = self.checks.iter().map(|check| (check, self.limit));
        let last = self.last.iter().filter(|_| expected == Expected::Harmful).map(|(check, limit)| (check, *limit));
        for (check, limit) in checks.chain(last) {
            let verdict = self
                .verdict_in(check, limit, number)
                .map_err(|why| format!("cannot run {}: {why}", self.checker.display()))?;
            if verdict != Verdict::Survived {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Survived)
    }

    /// What every check says.
    pub(super) fn verdicts_on(&self, number: u32) -> Result<Vec<Verdict>, String> {
        if self.unbuilt.contains(&number) {
            return Ok(vec![Verdict::Unbuilt; self.checks.len()]);
        }
        let verdict = |check: &String| self.verdict_in(check, self.limit, number);
        let cannot = |why| format!("cannot run {}: {why}", self.checker.display());
        self.checks.iter().map(verdict).collect::<io::Result<_>>().map_err(cannot)
    }

    fn verdict_in(&self, check: &str, limit: Duration, number: u32) -> io::Result<Verdict> {
        let check = check.to_owned();
        let begun = Instant::now();
        // Files, since a pipe that nobody reads meanwhile would fill. Others may be judging as well.
        let name = format!("mutant-{number}-{}", std::process::id());
        let said = |kind: &str| self.checker.with_file_name(&name).with_extension(kind);
        let mut command = Command::new(&self.checker);
        command.args(["check", &check, "--format", "json", "--threads", "1", "--memory", "4G"]);
        command.arg("--time").arg(format!("{}s", limit.as_secs().max(1)));
        command.env(VARIABLE, number.to_string()).stdin(Stdio::null());
        command.stdout(File::create(said("json"))?).stderr(File::create(said("log"))?);
        let ended = wait(command, limit + GRACE)?;
        let time = begun.elapsed();
        let (json, log) = (read_and_remove(&said("json"))?, read_and_remove(&said("log"))?);
        let Some(status) = ended else { return Ok(Verdict::Cut { check, why: "it does not end".into() }) };
        let report: Value = serde_json::from_str(&json).unwrap_or_default();
        let is_worst = |part: &&Value| part["verdict"] == report["verdict"];
        let part = report["parts"].as_array().into_iter().flatten().find(is_worst).unwrap_or(&Value::Null);
        let reasons = first(&texts(&part["reasons"]));
        Ok(match status.code() {
            Some(0) => Verdict::Survived,
            Some(1) => {
                let steps = part["steps"].as_u64().unwrap_or_default();
                Verdict::Killed { by: texts(&part["broken"]).join(", "), check, steps, time }
            }
            Some(3) => Verdict::Cut { check, why: reasons },
            Some(4) => Verdict::Killed { by: format!("VACUOUS ({reasons})"), check, steps: 0, time },
            _ => {
                let why = log.lines().last().unwrap_or("no more is known").to_owned();
                if self.failures_kill {
                    Verdict::Killed { by: format!("INTERNAL ERROR ({why})"), check, steps: 0, time }
                } else {
                    Verdict::Failed { check, why }
                }
            }
        })
    }
}

/// The first reason, and how many there are besides.
fn first(reasons: &[&str]) -> String {
    match reasons {
        [] => "no more is known".to_owned(),
        [only] => (*only).to_owned(),
        [first, others @ ..] => format!("{first}, and {} more", others.len()),
    }
}

/// Waits for a process to end, or ends it after so long.
fn wait(mut command: Command, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    let mut process = command.spawn()?;
    while begun.elapsed() < limit {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(LOOK);
    }
    process.kill()?;
    process.wait()?;
    Ok(None)
}

fn read_and_remove(path: &Path) -> io::Result<String> {
    let text = fs::read(path)?;
    fs::remove_file(path)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
