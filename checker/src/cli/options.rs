//! What the command line takes to say what is searched and how.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;

use crate::console::{Usage, parse_time};
use crate::inductive;
use crate::mutants::catalogue::{self, Mutant};
use crate::presets::{self, Preset};
use crate::quotient::{LONGEST, MOST_SEATS};
use crate::scope::{Part, Scope};
use crate::search::allowed_bytes;
use crate::system::Bounds;
use crate::verdict::Limits;

#[derive(Args)]
pub(crate) struct SystemArgs {
    /// A named system; see 'list presets'. Without one: 'quick', or with --mutant the bounds at
    /// which the catalogue catches the mutant.
    pub(crate) preset: Option<String>,
    /// Check a mutant: a name of the mutation catalogue, a rule, or a row; see 'list catalogue'.
    #[arg(long, alias = "ablate")]
    pub(crate) mutant: Option<String>,
    /// Servers in the group, 1 to 9; up to 7 where runs have any length.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
    servers: Option<u8>,
    /// How far apart terms may be: the highest less the lowest.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9), help_heading = "Runs of any length")]
    spread: Option<u8>,
    /// How long logs may be beyond what every server knows to be committed.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=4), help_heading = "Runs of any length")]
    window: Option<u8>,
    /// The highest term; also of the invariant (presets inductive*), there at most 6.
    #[arg(long, help_heading = "The concrete system (presets plain-*, concrete-*)")]
    terms: Option<u64>,
    /// The longest log, the leaders' own first entries included; also of the invariant (presets
    /// inductive*), there at most 6.
    #[arg(long, help_heading = "The concrete system (presets plain-*, concrete-*)")]
    entries: Option<u64>,
    /// Election timeouts of all servers together.
    #[arg(long, help_heading = "The concrete system (presets plain-*, concrete-*)")]
    timeouts: Option<u32>,
    /// Minimum timeouts of all servers together.
    #[arg(long, help_heading = "The concrete system (presets plain-*, concrete-*)")]
    minimums: Option<u32>,
    /// Commands, transfers and step-downs that are asked for.
    #[arg(long, help_heading = "The concrete system (presets plain-*, concrete-*)")]
    requests: Option<u32>,
    /// Crashes of all servers together.
    #[arg(long, help_heading = "The concrete system (presets plain-*, concrete-*)")]
    crashes: Option<u32>,
    /// Steps of one server that may wait for the disk at the same time.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), help_heading = "The concrete system (presets plain-*, concrete-*)")]
    unsynced: Option<u32>,
    /// Whether a server goes on while an unseen step of it waits for the disk.
    #[arg(long, help_heading = "The concrete system (presets plain-*, concrete-*)")]
    interleaved: Option<bool>,
    /// Whether clients propose commands.
    #[arg(long, help_heading = "The concrete system (presets plain-*, concrete-*)")]
    proposals: Option<bool>,
    /// Whether leaders are told to transfer leadership and to step down.
    #[arg(long = "transfers", alias = "handovers", help_heading = "The concrete system (presets plain-*, concrete-*)")]
    transfers: Option<bool>,
}

#[derive(Args)]
pub(crate) struct LimitArgs {
    /// Threads; all cores, if none are named.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,
    /// End the search after this time, as in 30s or 10m; the verdict is INCOMPLETE then.
    #[arg(long, value_parser = parse_time)]
    time: Option<Duration>,
    /// End the search before more memory than this is in use, as in 8G; the verdict is INCOMPLETE then.
    /// Without it: four fifths of what the container (its control groups) or the machine allows,
    /// whichever is least.
    #[arg(long, value_parser = parse_memory)]
    memory: Option<u64>,
    /// End the search after so many states; the verdict is INCOMPLETE then.
    #[arg(long)]
    states: Option<u64>,
    /// Tell states apart by other fingerprints: what one seed misses by a collision, another finds. Of the
    /// invariant: draw other instances.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Fingerprints of 128 bits instead of 64: twice the memory, and no collision to fear.
    #[arg(long)]
    wide_fingerprints: bool,
}

/// What a search may use if nothing is said: the rest is for what the system counts besides.
fn most_memory() -> u64 {
    allowed_bytes().map_or(WHERE_NOTHING_IS_TOLD, |allowed| allowed / 5 * 4)
}

/// The part of the memory that states may wait in, if nothing is said: the rest is for those that were visited.
const FRONTIER_PART: u64 = 4;

const WHERE_NOTHING_IS_TOLD: u64 = 16 << 30;

fn parse_memory(text: &str) -> Result<u64, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let count: u64 = digits.parse().map_err(|_| format!("'{text}' is no amount of memory; write it as 8G or 500M"))?;
    let shift = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(format!("'{text}' has no unit of memory; use K, M or G")),
    };
    Ok(count << shift)
}

impl LimitArgs {
    pub(crate) fn limits(&self) -> Limits {
        let memory = self.memory.unwrap_or_else(most_memory);
        Limits {
            threads: self.threads.map_or_else(cores, |threads| threads as usize),
            time: self.time,
            memory,
            states: self.states,
            frontier_memory: memory / FRONTIER_PART,
            frontier_directory: None,
            seed: self.seed,
            wide: self.wide_fingerprints,
            checkpoint: None,
            resume: None,
            stop: stop_at_signals(),
            #[cfg(feature = "hosts")]
            hosts: None,
        }
    }
}

/// As many threads as there are cores.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The first Ctrl-C or SIGTERM ends the search, and it says so; a second one ends the process.
pub(super) fn stop_at_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // Without a handler a signal ends the process, without a verdict: no harm is done.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 3, Arc::clone(&stop));
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    stop
}

/// The mutant of this name, rule or row.
pub(super) fn mutant_named(name: &str) -> Result<Mutant, Usage> {
    let unknown = || Usage(format!("no mutant is called '{name}'; 'list catalogue' shows them all"));
    catalogue::find(name).ok_or_else(unknown)
}

/// What is to be checked: systems with their bounds, perhaps with a mutant.
pub(crate) struct Chosen {
    pub(crate) preset: &'static Preset,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) parts: Vec<Part>,
    /// Whether the bounds are others than those of the preset or of the catalogue.
    pub(crate) changed: bool,
}

fn is_of_any_length(part: &Part) -> bool {
    !matches!(part, Part::Concrete(_))
}

impl SystemArgs {
    pub(crate) fn chosen(&self) -> Result<Chosen, Usage> {
        let (preset, mutant) = (self.preset()?, self.mutant()?);
        let mut named: Vec<Part> = match &mutant {
            Some(mutant) if self.preset.is_none() => vec![mutant.part],
            _ => preset.parts.iter().map(|(part, _)| *part).collect(),
        };
        let whole = named.len();
        if self.gives_bounds() && named.iter().any(is_of_any_length) {
            // Bounds are of the one kind of system or of the other: of 'quick' they mean most of it.
            named.retain(is_of_any_length);
        }
        self.refuse_misplaced(&named)?;
        let keeps =
            mutant.as_ref().is_some_and(|mutant| matches!(mutant.part, Part::Concrete(Bounds { forgets: false, .. })));
        let parts: Vec<Part> = named.iter().map(|part| self.changed(*part, keeps)).collect::<Result<_, _>>()?;
        let changed = parts != named || named.len() < whole;
        Ok(Chosen { preset, mutant, parts, changed })
    }

    /// What is chosen, if it is the invariant.
    pub(crate) fn inductive(&self) -> Option<Result<inductive::Chosen, Usage>> {
        let preset = inductive::named(self.preset.as_deref()?)?;
        Some(self.chosen_inductive(preset))
    }

    fn chosen_inductive(&self, preset: &'static inductive::Preset) -> Result<inductive::Chosen, Usage> {
        let within = |name: &str, given: Option<u64>, usual: u8| match given {
            None => Ok(usual),
            Some(given) if 0 < given && given <= inductive::Scope::MOST.into() => Ok(given as u8),
            Some(given) => {
                Err(Usage(format!("--{name} {given}: the invariant is judged for 1 to {}", inductive::Scope::MOST)))
            }
        };
        let others =
            [self.spread.is_some(), self.window.is_some(), self.interleaved.is_some(), self.proposals.is_some()];
        let counts = [self.timeouts, self.minimums, self.requests, self.crashes, self.unsynced];
        if others.contains(&true) || self.transfers.is_some() || counts.iter().any(Option::is_some) {
            let why = "the invariant has no bounds but --terms, --entries and --servers: it speaks of single steps";
            return Err(Usage(why.to_owned()));
        }
        let usual = preset.scope;
        let is_changed = self.terms.is_some() || self.entries.is_some();
        let scope = inductive::Scope {
            further: usual.further.filter(|_| !is_changed),
            servers: self.servers.unwrap_or(usual.servers),
            terms: within("terms", self.terms, usual.terms)?,
            entries: within("entries", self.entries, usual.entries)?,
            ..usual
        };
        if scope.is_endless() {
            let why = "so many terms and entries have more histories than anybody has the time for; try 4 and 3";
            return Err(Usage(why.to_owned()));
        }
        let unknown = |name: &String| {
            Usage(format!(
                "no mutant of a step is called '{name}'; 'list catalogue' shows those that the invariant may catch"
            ))
        };
        let wrong = self.mutant.as_ref().map(|name| inductive::find(name).ok_or_else(|| unknown(name))).transpose()?;
        Ok(inductive::Chosen { preset: preset.name, scope, wrong })
    }

    fn preset(&self) -> Result<&'static Preset, Usage> {
        let name = self.preset.as_deref().unwrap_or(presets::DEFAULT);
        let names = || {
            let of_search = presets::PRESETS.iter().map(|preset| preset.name);
            of_search.chain(inductive::PRESETS.iter().map(|preset| preset.name)).collect::<Vec<_>>().join(", ")
        };
        presets::named(name).ok_or_else(|| Usage(format!("no preset is called '{name}'; there are {}", names())))
    }

    fn mutant(&self) -> Result<Option<Mutant>, Usage> {
        self.mutant.as_deref().map(mutant_named).transpose()
    }

    /// Whether any bounds are given.
    fn gives_bounds(&self) -> bool {
        let of_quotient = [self.servers.is_some(), self.spread.is_some(), self.window.is_some()];
        of_quotient.contains(&true) || self.of_concrete().iter().any(|(_, given)| *given)
    }

    /// The bounds of the concrete system, and whether each is given.
    fn of_concrete(&self) -> [(&'static str, bool); 10] {
        [
            ("terms", self.terms.is_some()),
            ("entries", self.entries.is_some()),
            ("timeouts", self.timeouts.is_some()),
            ("minimums", self.minimums.is_some()),
            ("requests", self.requests.is_some()),
            ("crashes", self.crashes.is_some()),
            ("unsynced", self.unsynced.is_some()),
            ("interleaved", self.interleaved.is_some()),
            ("proposals", self.proposals.is_some()),
            ("transfers", self.transfers.is_some()),
        ]
    }

    fn refuse_misplaced(&self, parts: &[Part]) -> Result<(), Usage> {
        let of_quotient = [("spread", self.spread.is_some()), ("window", self.window.is_some())];
        let named =
            |options: &[(&str, bool)]| options.iter().find(|(_, given)| *given).map(|(name, _)| format!("--{name}"));
        if let Some(option) = named(&of_quotient).filter(|_| !parts.iter().any(is_of_any_length)) {
            return Err(Usage(format!(
                "{option} is for runs of any length; the concrete system has --terms and --entries"
            )));
        }
        if let Some(option) = named(&self.of_concrete()).filter(|_| parts.iter().all(is_of_any_length)) {
            return Err(Usage(format!(
                "{option} is for the concrete system (presets plain-*, concrete-*); here there are --spread and --window"
            )));
        }
        Ok(())
    }

    fn changed(&self, part: Part, keeps: bool) -> Result<Part, Usage> {
        Ok(match part {
            Part::Quotient(scope) | Part::Recovery(scope) | Part::Lease(scope) => {
                let servers = self.servers.unwrap_or(scope.servers);
                if MOST_SEATS < servers.into() {
                    return Err(Usage(format!("runs of any length are searched with up to {MOST_SEATS} servers")));
                }
                let window = scope.window.map(|window| self.window.unwrap_or(window));
                debug_assert!(window.is_none_or(|window| usize::from(window) <= LONGEST));
                let changed = Scope { servers, spread: self.spread.unwrap_or(scope.spread), window, ..scope };
                match part {
                    Part::Recovery(_) => Part::Recovery(changed),
                    Part::Lease(_) => Part::Lease(changed),
                    Part::Quotient(_) | Part::Concrete(_) => Part::Quotient(changed),
                }
            }
            Part::Concrete(bounds) => {
                if let (Some(start), true) =
                    (bounds.start, self.servers.is_some_and(|it| u32::from(it) != bounds.servers))
                {
                    let (name, count) = (start, bounds.servers);
                    return Err(Usage(format!("the scenario '{name}', where this begins, is of {count} servers")));
                }
                Part::Concrete(self.changed_bounds(Bounds { forgets: bounds.forgets && !keeps, ..bounds }))
            }
        })
    }

    fn changed_bounds(&self, base: Bounds) -> Bounds {
        Bounds {
            servers: self.servers.map_or(base.servers, u32::from),
            start: base.start,
            timeouts: self.timeouts.or(base.timeouts),
            minimums: self.minimums.or(base.minimums),
            requests: self.requests.or(base.requests),
            crashes: self.crashes.or(base.crashes),
            terms: self.terms.unwrap_or(base.terms),
            entries: self.entries.unwrap_or(base.entries),
            unsynced: self.unsynced.map_or(base.unsynced, |steps| steps as usize),
            interleaved: self.interleaved.unwrap_or(base.interleaved),
            forgets: base.forgets,
            rumours: base.rumours,
            proposals: self.proposals.unwrap_or(base.proposals),
            follows_proposals: base.follows_proposals,
            reads: base.reads,
            transfers: self.transfers.unwrap_or(base.transfers),
            snapshots: base.snapshots,
            damages: base.damages,
        }
    }
}

/// Where to write down a search, and where to go on from.
#[derive(Args)]
pub(crate) struct CheckpointArgs {
    /// Write what was searched to this file every ten minutes and when a limit or a signal ends the
    /// search, so that --resume can go on. With several processes (--hosts) it is a directory that all reach.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Go on from such a file. It must be of the same search: system, bounds, mutant, properties,
    /// fingerprints, and code.
    #[arg(long)]
    resume: Option<PathBuf>,
}

impl CheckpointArgs {
    pub(crate) fn are_given(&self) -> bool {
        self.checkpoint.is_some() || self.resume.is_some()
    }

    pub(crate) fn put_into(&self, limits: Limits, parts: &[Part]) -> Result<Limits, Usage> {
        if self.checkpoint.is_none() && self.resume.is_none() {
            return Ok(limits);
        }
        if !matches!(parts, [Part::Quotient(_) | Part::Lease(_)]) {
            return Err(Usage("checkpoints are for presets of one system of runs of any length, such as log-3".into()));
        }
        let checkpoint = self.checkpoint.clone().or(self.resume.clone());
        Ok(Limits { checkpoint, resume: self.resume.clone(), ..limits })
    }
}

/// How much of the frontier stays in memory, and where the rest goes.
#[derive(Args)]
pub(crate) struct FrontierArgs {
    /// Let states that wait to be expanded take so much memory, as in 2G, and the rest of them wait in a file.
    /// Without it: a quarter of what --memory is.
    #[arg(long, value_parser = parse_memory, value_name = "SIZE")]
    frontier_memory: Option<u64>,
    /// Where that file is; it has no name, and is gone with the process. Without it: where the checkpoint is, or else
    /// where the system has temporary files.
    #[arg(long, value_name = "DIR")]
    frontier_dir: Option<PathBuf>,
}

impl FrontierArgs {
    pub(crate) fn are_given(&self) -> bool {
        self.frontier_memory.is_some() || self.frontier_dir.is_some()
    }

    pub(crate) fn put_into(&self, limits: Limits, parts: &[Part]) -> Result<Limits, Usage> {
        if self.are_given() && !parts.iter().all(|part| matches!(part, Part::Quotient(_) | Part::Lease(_))) {
            let why = "--frontier-memory and --frontier-dir are for presets of runs of any length, such as log-3";
            return Err(Usage(why.into()));
        }
        let frontier_memory = self.frontier_memory.unwrap_or(limits.frontier_memory);
        Ok(Limits { frontier_memory, frontier_directory: self.frontier_dir.clone(), ..limits })
    }
}
