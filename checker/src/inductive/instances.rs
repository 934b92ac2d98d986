//! Instances: under each case of the tables, servers and messages with random numbers. Terms lie far apart,
//! logs are longer and of more terms, groups are of any size and any names; the outcome must be the table's.

use crate::inductive::cases::Tables;
use crate::inductive::dice::{Dice, Instance};
use crate::inductive::symbols::{Case, Stepper};
use crate::inductive::work::{Clock, Found, to_first_finding};
use crate::world::StepBy;

/// How much is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    pub(crate) seed: u64,
    /// Instances of each case.
    pub(crate) each: u64,
    /// Instances of whatever case they come to, in thousands.
    pub(crate) any: u64,
}

/// What was drawn.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Drawn {
    pub(crate) cases: u64,
    /// Instances drawn for their case.
    pub(crate) instances: u64,
    /// Instances drawn for none; each is of a case in the tables.
    pub(crate) any: u64,
    /// Those of them all whose log has more runs than it keeps in place.
    pub(crate) spilled: u64,
    pub(crate) most_runs: u64,
    pub(crate) longest_log: u64,
    pub(crate) largest_group: u64,
    pub(crate) highest_term: u64,
    /// Whether all was drawn.
    pub(crate) is_whole: bool,
}

/// What is drawn at once.
enum Task {
    Of(Case),
    /// Instances of whatever case they come to.
    Any,
}

/// Instances of any case that are drawn at once.
const AT_ONCE: u64 = 1000;

/// Runs that a log keeps in place.
const IN_PLACE: u64 = 3;

/// Draws instances; what is wrong with one, if something is. The same seed draws the same.
pub(crate) fn draw(
    step_by: StepBy,
    tables: &Tables,
    draws: Draws,
    clock: Clock,
    tick: &mut dyn FnMut(usize, usize),
) -> (Drawn, Option<String>) {
    let cases = tables.cases().into_iter().map(Task::Of);
    let tasks: Vec<Task> = cases.chain((0..draws.any).map(|_| Task::Any)).collect();
    let start = || Drawer { stepper: Stepper::new(step_by), tables, drawn: Drawn::default() };
    let work = |drawer: &mut Drawer, at: usize, task: &Task| {
        let seed = draws.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at as u64);
        let wrong = drawer.work(task, draws.each, &mut Dice::new(seed)).err();
        (std::mem::take(&mut drawer.drawn), wrong)
    };
    let Found { counts, finding, all_done } = to_first_finding(&tasks, clock, start, work, tick);
    let mut all = Drawn { is_whole: all_done && !clock.is_over(), ..Drawn::default() };
    counts.iter().for_each(|drawn| all.add(drawn));
    (all, finding)
}

/// One thread.
struct Drawer<'a> {
    stepper: Stepper,
    tables: &'a Tables,
    /// What the task under way has drawn.
    drawn: Drawn,
}

impl Drawer<'_> {
    fn work(&mut self, task: &Task, each: u64, dice: &mut Dice) -> Result<(), String> {
        match task {
            Task::Of(case) => {
                self.drawn.cases += 1;
                for _ in 0..each {
                    let instance = dice.instance_of(case).ok_or_else(|| format!("no instance of {case} was drawn"))?;
                    self.drawn.instances += 1;
                    self.meet(&instance, false)?;
                }
            }
            Task::Any => {
                for _ in 0..AT_ONCE {
                    let instance = dice.instance();
                    self.drawn.any += u64::from(instance.scene().parts()[0].is_some());
                    self.meet(&instance, true)?;
                }
            }
        }
        Ok(())
    }

    /// Every part of the outcome is the one that the table of its case tells; where an instance was drawn
    /// for the case of one part, the other may be of a case that tables not yet full do not know.
    fn meet(&mut self, instance: &Instance, must_be_known: bool) -> Result<(), String> {
        let scene = instance.scene();
        let parts = scene.parts();
        if parts[0].is_none() {
            return Ok(());
        }
        self.drawn.note(instance);
        let stepped = self.stepper.step(&instance.node, &instance.letter);
        for part in parts.iter().flatten() {
            let Some(known) = self.tables.outcome(&part.case) else {
                if !must_be_known {
                    continue;
                }
                return Err(format!("{}, is in no table:\n  {instance:?}", part.case));
            };
            let outcome = scene.told(part, stepped);
            if outcome != *known {
                return Err(format!("{}, has not {known:?}\nbut {outcome:?}:\n  {instance:?}", part.case));
            }
        }
        Ok(())
    }
}

impl Drawn {
    fn note(&mut self, instance: &Instance) {
        let changes = instance.row.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64;
        let runs = changes + u64::from(!instance.row.is_empty());
        self.spilled += u64::from(IN_PLACE < runs);
        self.most_runs = self.most_runs.max(runs);
        self.longest_log = self.longest_log.max(instance.row.len() as u64);
        self.largest_group = self.largest_group.max(instance.node.members().ids().len() as u64);
        self.highest_term = self.highest_term.max(instance.letter.term.max(instance.node.term()).number());
    }

    fn add(&mut self, other: &Drawn) {
        self.cases += other.cases;
        self.instances += other.instances;
        self.any += other.any;
        self.spilled += other.spilled;
        self.most_runs = self.most_runs.max(other.most_runs);
        self.longest_log = self.longest_log.max(other.longest_log);
        self.largest_group = self.largest_group.max(other.largest_group);
        self.highest_term = self.highest_term.max(other.highest_term);
    }
}
