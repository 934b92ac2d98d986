//! The check, stage by stage: what each judges, how much of it there was, and whether it held.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::console::grouped;
use crate::inductive::class::Assumption;
use crate::inductive::conjuncts::{Conjunct, Conjuncts};
use crate::inductive::history::History;
use crate::inductive::judge::Tally;
use crate::inductive::logs::Bounds;
use crate::inductive::mutants::{self, Code};
use crate::inductive::work::{self, Clock, Finding, Worked};
use crate::inductive::{branches, cases, elections, instances, lemmas, logs, quorums, rounds, shape};
use crate::verdict::Limits;

/// How far each stage goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Scope {
    /// The largest group.
    pub(crate) servers: u8,
    /// The highest term, and the longest log, of every server and every history.
    pub(crate) terms: u8,
    pub(crate) entries: u8,
    /// Another such pair, judged after the first.
    pub(crate) further: Option<(u8, u8)>,
    /// Entries of the longest log of two branches.
    pub(crate) window: u8,
    /// Random instances of each case; without any, the steps alone are judged: no tables, and nothing
    /// of the check itself.
    pub(crate) instances: u32,
}

impl Scope {
    /// The highest term and the longest log that there is room for.
    pub(crate) const MOST: u8 = 6;

    /// Whether there are more histories than anybody has the time for.
    pub(crate) fn is_endless(&self) -> bool {
        let pairs = [(self.terms, self.entries)].into_iter().chain(self.further);
        pairs.into_iter().any(|(terms, entries)| History::some(terms, entries, 20_000).is_none())
    }
}

/// One stage that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    /// How much was judged, in words and as numbers.
    pub(crate) size: String,
    pub(crate) counts: Value,
    pub(crate) time: Duration,
    pub(crate) ended: Ended,
}

/// How a stage ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    Held,
    /// A step breaks the invariant.
    Broken(Box<Finding>),
    /// What is said here does not hold; in words.
    Wrong(String),
    /// It was cut short.
    Cut,
    /// It shows nothing: what had to be met was not.
    Empty(String),
}

/// Something that shows a conjunct at work, or an assumption needed.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: &'static str,
    pub(crate) by: &'static str,
    /// What it breaks.
    pub(crate) breaks: Conjuncts,
}

/// Everything that came of the check.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked {
    pub(crate) stages: Vec<Stage>,
    pub(crate) conjuncts: Vec<Shown>,
    pub(crate) assumptions: Vec<Shown>,
}

/// A check in progress.
pub(crate) struct Check<'a> {
    pub(crate) scope: Scope,
    pub(crate) code: Code,
    pub(crate) limits: &'a Limits,
    pub(crate) started: Instant,
    /// Called with the stage, and how many of its parts are done.
    pub(crate) tick: &'a mut dyn FnMut(&str, usize, usize),
    pub(crate) checked: Checked,
}

/// Instances of any case, in thousands, for each one of a case.
const ANY: u64 = 10;

/// Terms and entries of the histories for which the lemmas are shown, or more.
const OF_LEMMAS: u8 = 4;

/// Bounds at which a mutant or a dropped assumption shows.
const SMALL: [(u8, u8); 2] = [(2, 2), (3, 2)];

impl Check<'_> {
    /// Runs the stages until one does not hold.
    pub(crate) fn run(mut self) -> Checked {
        let steps: [fn(&mut Self) -> bool; 9] = [
            Check::quorums,
            Check::lemmas,
            Check::elections,
            Check::branches,
            Check::acknowledgements,
            Check::logs,
            Check::snapshots,
            Check::long_snapshots,
            Check::shape,
        ];
        let further: [fn(&mut Self) -> bool; 4] = [Check::rounds, Check::cases, Check::conjuncts, Check::assumptions];
        let further = further.iter().filter(|_| 0 < self.scope.instances).collect::<Vec<_>>();
        let _ = steps.iter().chain(further).all(|stage| stage(&mut self));
        self.checked
    }

    fn clock(&self) -> Clock<'_> {
        Clock { limits: self.limits, started: self.started }
    }

    /// Adds a stage. False, if the check ends with it.
    fn end(&mut self, stage: Stage) -> bool {
        let held = matches!(stage.ended, Ended::Held);
        self.checked.stages.push(stage);
        held
    }

    fn quorums(&mut self) -> bool {
        let started = Instant::now();
        let (asked, wrong) = quorums::ask(self.scope.servers);
        self.end(Stage {
            name: "quorums",
            about: format!(
                "groups of 1 to {}: any two majorities meet; what a majority has reached",
                self.scope.servers
            ),
            size: format!(
                "{} sets of servers, {} orders of what they hold",
                grouped(asked.sets),
                grouped(asked.orders)
            ),
            counts: json!(asked),
            time: started.elapsed(),
            ended: wrong.map_or(Ended::Held, Ended::Wrong),
        })
    }

    fn shape(&mut self) -> bool {
        let started = Instant::now();
        let (compared, wrong) = shape::compare(shape::LONGEST);
        let shape::Compared { logs, truncated, compacted, pushed, places, most_runs, .. } = compared;
        let others = truncated + compacted + pushed;
        self.end(Stage {
            name: "shape",
            about: format!("logs of up to {} entries, {most_runs} runs, against plain lists of terms", shape::LONGEST),
            size: format!("{} logs, {} reached otherwise, {} places", grouped(logs), grouped(others), grouped(places)),
            counts: json!(compared),
            time: started.elapsed(),
            ended: wrong.map_or(Ended::Held, Ended::Wrong),
        })
    }

    fn lemmas(&mut self) -> bool {
        let started = Instant::now();
        let (terms, entries) = (self.scope.terms.max(OF_LEMMAS), self.scope.entries.max(OF_LEMMAS));
        let (shown, wrong) = lemmas::show(terms, entries);
        self.end(Stage {
            name: "lemmas",
            about: format!("histories up to term {terms}, {entries} entries: log matching, completeness, what lasts"),
            size: format!("{} histories, {} instances", grouped(shown.histories), grouped(shown.total())),
            counts: json!(shown),
            time: started.elapsed(),
            ended: wrong.map_or(Ended::Held, Ended::Wrong),
        })
    }

    fn elections(&mut self) -> bool {
        let started = Instant::now();
        let tasks = elections::tasks(self.scope.servers);
        let worked = self.work("elections", &tasks, elections::judge);
        let about = format!("groups of 1 to {}: every set of votes, every message", self.scope.servers);
        let missing = |tally: &Tally| missing(&[("votes", tally.votes), ("leaders", tally.leaders)]);
        self.end_judged("elections", about, started, worked, missing)
    }

    fn branches(&mut self) -> bool {
        let started = Instant::now();
        let tasks = branches::branches(self.scope.window);
        let worked = self.work("branches", &tasks, branches::Branches::judge);
        let about = format!("two branches of up to {} entries: every part of the leader's log", self.scope.window);
        let missing =
            |it: &Tally| missing(&[("conflicts", it.truncated), ("commits of followers", it.follower_commits)]);
        self.end_judged("branches", about, started, worked, missing)
    }

    fn acknowledgements(&mut self) -> bool {
        let started = Instant::now();
        let tasks = branches::acknowledged(self.scope.window);
        let worked = self.work("acknowledged", &tasks, branches::Acknowledged::judge);
        let about = format!(
            "leaders of up to {} entries, groups of 1, 2, 3, 5 and 9: every acknowledgement",
            self.scope.window
        );
        let missing = |tally: &Tally| missing(&[("commits of leaders", tally.leader_commits)]);
        self.end_judged("acknowledged", about, started, worked, missing)
    }

    fn logs(&mut self) -> bool {
        let Scope { terms, entries, further, .. } = self.scope;
        [(terms, entries)].into_iter().chain(further).all(|(terms, entries)| self.logs_within(terms, entries))
    }

    fn logs_within(&mut self, terms: u8, entries: u8) -> bool {
        let started = Instant::now();
        let histories = History::all(terms, entries);
        let bounds = Bounds::new(terms, entries);
        let worked = self.work("logs", &histories, |history, hand| logs::judge(history, bounds, hand));
        let about = format!("three servers, terms up to {terms}, {entries} entries: every server, every event");
        let missing = |it: &Tally| {
            missing(&[
                ("conflicts", it.truncated),
                ("leaders", it.leaders),
                ("commits of leaders", it.leader_commits),
                ("commits of followers", it.follower_commits),
            ])
        };
        self.end_judged("logs", about, started, worked, missing)
    }

    fn snapshots(&mut self) -> bool {
        let Scope { terms, entries, further, .. } = self.scope;
        [(terms, entries)].into_iter().chain(further).all(|(terms, entries)| self.snapshots_within(terms, entries))
    }

    fn snapshots_within(&mut self, terms: u8, entries: u8) -> bool {
        let started = Instant::now();
        let (histories, bounds) = (History::all(terms, entries), Bounds::new(terms, entries));
        let worked = self.work("snapshots", &histories, |history, hand| logs::judge_snapshots(history, bounds, hand));
        let about = "the same with every part compacted that may be, and every snapshot".to_owned();
        self.end_judged("snapshots", about, started, worked, missing_of_snapshots)
    }

    fn rounds(&mut self) -> bool {
        let started = Instant::now();
        let clock = Clock { limits: self.limits, started: self.started };
        let tick = &mut self.tick;
        let (compared, differs, is_whole) =
            rounds::compare(self.code.step_by, &rounds::BOUNDS, clock, &mut |done, all| tick("rounds", done, all));
        let rounds::Compared { histories, servers, steps, .. } = compared;
        self.end(Stage {
            name: "rounds",
            about: "every server in every round, every event: as if there were no rounds".to_owned(),
            size: format!("{} histories, {} servers, {} steps", grouped(histories), grouped(servers), grouped(steps)),
            counts: json!(compared),
            time: started.elapsed(),
            ended: match differs {
                Some(why) => Ended::Wrong(why),
                None if !is_whole => Ended::Cut,
                None => {
                    missing(&[("answers to what has not begun", compared.not_begun)]).map_or(Ended::Held, Ended::Empty)
                }
            },
        })
    }

    fn long_snapshots(&mut self) -> bool {
        let started = Instant::now();
        let branches = branches::branches(self.scope.window).into_iter().map(Long::Branches);
        let acknowledged = branches::acknowledged(self.scope.window).into_iter().map(Long::Acknowledged);
        let tasks: Vec<Long> = branches.chain(acknowledged).collect();
        let worked = self.work("long snapshots", &tasks, Long::judge_snapshots);
        let about = "the same of two branches, and of acknowledgements".to_owned();
        self.end_judged("long snapshots", about, started, worked, missing_of_snapshots)
    }

    fn work<T: Sync>(&mut self, name: &str, tasks: &[T], task: impl Fn(&T, &mut work::Hand) -> bool + Sync) -> Worked {
        let clock = Clock { limits: self.limits, started: self.started };
        let tick = &mut self.tick;
        work::all(tasks, self.code, Conjuncts::ALL, clock, task, &mut |done, all| tick(name, done, all))
    }

    fn end_judged(
        &mut self,
        name: &'static str,
        about: String,
        started: Instant,
        worked: Worked,
        missing: impl Fn(&Tally) -> Option<String>,
    ) -> bool {
        let Worked { tally, finding, is_whole } = worked;
        let ended = match finding {
            Some(finding) => Ended::Broken(Box::new(finding)),
            None if !is_whole => Ended::Cut,
            None => missing(&tally).map_or(Ended::Held, Ended::Empty),
        };
        let (histories, servers, steps) = (grouped(tally.histories), grouped(tally.servers), grouped(tally.steps));
        let size = format!("{histories} histories, {servers} servers, {steps} steps");
        self.end(Stage { name, about, size, counts: json!(tally), time: started.elapsed(), ended })
    }

    /// The tables of cases, and random numbers under each case.
    fn cases(&mut self) -> bool {
        let started = Instant::now();
        let clock = Clock { limits: self.limits, started: self.started };
        let (scope, tick) = (cases::Scope::FULL, &mut self.tick);
        let filled = cases::fill(self.code.step_by, scope, clock, &mut |done, all| tick("cases", done, all));
        let window = scope.window;
        let about =
            format!("orders of what decides, to windows of {window}: one outcome each, none new in the last two");
        let held = self.end_cases("cases", about, started, &filled);
        held && self.compacted_cases(filled.tables)
    }

    /// The same tables with servers that have compacted a part of their logs.
    fn compacted_cases(&mut self, tables: cases::Tables) -> bool {
        let started = Instant::now();
        let clock = Clock { limits: self.limits, started: self.started };
        let (scope, tick) = (cases::Scope::FULL, &mut self.tick);
        let tick = &mut |done, all| tick("compacted cases", done, all);
        let filled = cases::fill_compacted(tables, self.code.step_by, scope, clock, tick);
        let about = "the same of compacted logs: the outcome of the whole log's case, or a case of its own";
        let held = self.end_cases("compacted cases", about.to_owned(), started, &filled);
        held && self.instances(&filled.tables)
    }

    fn end_cases(&mut self, name: &'static str, about: String, started: Instant, filled: &cases::Filled) -> bool {
        let count = |of: fn(&cases::Counts) -> u64| grouped(filled.counts.iter().map(of).sum());
        let (cases, steps) = (count(|it| it.cases), count(|it| it.steps));
        let ended = match &filled.clash {
            Some(why) => Ended::Wrong(why.clone()),
            None if !filled.is_whole => Ended::Cut,
            None if !filled.saturated => Ended::Empty("longer logs still bring new cases".to_owned()),
            None => Ended::Held,
        };
        self.end(Stage {
            name,
            about,
            size: format!("{cases} cases in {steps} steps"),
            counts: json!(filled.counts),
            time: started.elapsed(),
            ended,
        })
    }

    fn instances(&mut self, tables: &cases::Tables) -> bool {
        let started = Instant::now();
        let clock = Clock { limits: self.limits, started: self.started };
        let Scope { instances: each, .. } = self.scope;
        let draws = instances::Draws { seed: self.limits.seed, each: each.into(), any: u64::from(each) * ANY };
        let tick = &mut self.tick;
        let (drawn, wrong) =
            instances::draw(self.code.step_by, tables, draws, clock, &mut |done, all| tick("instances", done, all));
        let instances::Drawn { instances, any, spilled, longest_log, most_runs, .. } = drawn;
        self.end(Stage {
            name: "instances",
            about: format!(
                "random numbers under each case: logs to {longest_log} entries, {most_runs} runs, terms to 2^40"
            ),
            size: format!(
                "{} for their case, {} for any; {} with more runs than are kept in place",
                grouped(instances),
                grouped(any),
                grouped(spilled)
            ),
            counts: json!(drawn),
            time: started.elapsed(),
            ended: match wrong {
                Some(why) => Ended::Wrong(why),
                None if !drawn.is_whole => Ended::Cut,
                None => Ended::Held,
            },
        })
    }

    /// Each conjunct with a mutant that breaks it.
    pub(crate) fn conjuncts(&mut self) -> bool {
        let started = Instant::now();
        let mut ended = Ended::Held;
        for (done, conjunct) in Conjunct::ALL.into_iter().enumerate() {
            (self.tick)("conjuncts", done, Conjunct::ALL.len());
            match self.broken(conjunct) {
                Some(breaks) => {
                    self.checked.conjuncts.push(Shown { id: conjunct.id(), by: conjunct.broken_by(), breaks });
                }
                None if self.clock().is_over() => {
                    ended = Ended::Cut;
                    break;
                }
                None => {
                    ended = Ended::Empty(format!("nothing shows conjunct {} at work", conjunct.id()));
                    break;
                }
            }
        }
        let count = self.checked.conjuncts.len();
        self.end(Stage {
            name: "conjuncts",
            about: "each is broken by a mutant".to_owned(),
            size: format!("{count} of {} seen at work", Conjunct::ALL.len()),
            counts: json!({"shown": count}),
            time: started.elapsed(),
            ended,
        })
    }

    /// What the conjunct's mutant breaks, that conjunct among it.
    fn broken(&self, conjunct: Conjunct) -> Option<Conjuncts> {
        let code = mutants::find(conjunct.broken_by())?.code;
        let wanted = Conjuncts::from_iter([conjunct]);
        let groups = work::all(&elections::tasks(3), code, wanted, self.clock(), elections::judge, &mut |_, _| {});
        let found = groups.finding.or_else(|| hunt_logs(code, wanted, None, &SMALL, self.clock()));
        found.map(|finding| finding.broken)
    }

    /// Each assumption of the class, with what the steps of a wider class would break.
    pub(crate) fn assumptions(&mut self) -> bool {
        let started = Instant::now();
        let (mut is_cut, mut unneeded) = (false, None);
        for (done, assumption) in Assumption::ALL.into_iter().enumerate() {
            (self.tick)("assumptions", done, Assumption::ALL.len());
            let bounds = if assumption.is_for_argument() { &SMALL[..1] } else { &SMALL[..] };
            let found = hunt_logs(self.code, Conjuncts::ALL, Some(assumption), bounds, self.clock());
            is_cut |= found.is_none() && self.clock().is_over();
            if found.is_none() && !assumption.is_for_argument() && !is_cut {
                unneeded.get_or_insert(assumption.id());
            }
            let breaks = found.map_or(Conjuncts::default(), |finding| finding.broken);
            self.checked.assumptions.push(Shown { id: assumption.id(), by: "without it", breaks });
        }
        let needed = self.checked.assumptions.iter().filter(|shown| !shown.breaks.is_empty()).count();
        self.end(Stage {
            name: "assumptions",
            about: "the class without one of them: what steps then break".to_owned(),
            size: format!("{needed} of {} needed by a step, the rest by the argument", Assumption::ALL.len()),
            counts: json!({"needed": needed}),
            time: started.elapsed(),
            ended: match unneeded {
                _ if is_cut => Ended::Cut,
                Some(id) => Ended::Empty(format!("no step needs the assumption {id}")),
                None => Ended::Held,
            },
        })
    }
}

fn hunt_logs(
    code: Code,
    wanted: Conjuncts,
    dropped: Option<Assumption>,
    bounds: &[(u8, u8)],
    clock: Clock,
) -> Option<Finding> {
    bounds.iter().find_map(|&(terms, entries)| {
        let bounds = Bounds { terms, entries, dropped };
        let judge = |history: &History, hand: &mut work::Hand| logs::judge_both(history, bounds, hand);
        work::all(&History::all(terms, entries), code, wanted, clock, judge, &mut |_, _| {}).finding
    })
}

/// Long logs, one way or the other.
enum Long {
    Branches(branches::Branches),
    Acknowledged(branches::Acknowledged),
}

impl Long {
    fn judge_snapshots(&self, hand: &mut work::Hand) -> bool {
        match self {
            Long::Branches(branches) => branches.judge_snapshots(hand),
            Long::Acknowledged(acknowledged) => acknowledged.judge_snapshots(hand),
        }
    }
}

fn missing_of_snapshots(tally: &Tally) -> Option<String> {
    missing(&[
        ("compactions", tally.compacted),
        ("snapshots sent", tally.snapshots_sent),
        ("snapshots in place of logs", tally.restored),
    ])
}

/// What was never met, if something was not.
fn missing(met: &[(&str, u64)]) -> Option<String> {
    let never: Vec<&str> = met.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name).collect();
    (!never.is_empty()).then(|| format!("no step had {}", never.join(", ")))
}
