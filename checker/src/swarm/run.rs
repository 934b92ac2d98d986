//! One run: what is drawn happens, one action after the other, until something breaks or the run is long
//! enough.

use crate::concrete::{met_by, met_on_arrival};
use crate::properties::PropertySet;
use crate::search::{Space, fingerprint};
use crate::swarm::coverage::Coverage;
use crate::swarm::dice::Dice;
use crate::swarm::draw::Draw;
use crate::swarm::habits::{Habits, Kind};
use crate::swarm::post::Post;
use crate::swarm::rules;
use crate::system::{Action, System};
use crate::world::World;

/// What came of a run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) coverage: Coverage,
    /// Of where it ended; the same on every machine of 64 bits.
    pub(super) digest: u64,
    /// What its last step broke.
    pub(crate) broken: PropertySet,
    /// Its steps; kept only if something broke.
    pub(crate) path: Vec<Action>,
}

/// A run does not end before it has as many steps as it may have, unless nothing can be drawn this often.
const MOST_VAIN: u32 = 10_000;

/// The run with this number: at most so many actions, each judged.
pub(super) fn run(system: &System, seed: u64, number: u64, most: u64) -> Run {
    let mut dice = Dice::of_run(seed, number);
    let habits = Habits::drawn(&mut dice);
    let (mut world, mut post) = (system.start.clone(), Post::default());
    let mut run =
        Run { number, coverage: Coverage::default(), digest: 0, broken: PropertySet::default(), path: Vec::new() };
    let _ = rules::taken();
    let (mut choices, mut in_vain) = (0, 0);
    while choices < most && in_vain < MOST_VAIN && world.broken.is_empty() {
        let mut draw = Draw { system, world: &world, dice: &mut dice, post: &mut post, habits: &habits };
        if habits.division != 0 && draw.dice.once_in(habits.division) {
            draw.divide();
        }
        let may_read = habits.reads_after * most <= choices * 100;
        let drawn = habits
            .next(draw.dice)
            .filter(|kind| may_read || *kind != Kind::Read)
            .and_then(|kind| draw.action(kind).map(|action| (kind, action)));
        let Some((kind, action)) = drawn else {
            in_vain += 1;
            continue;
        };
        (choices, in_vain) = (choices + 1, 0);
        if let Some(next) = run.take(system, kind, &world, &action) {
            post.collect(&world, &next);
            run.path.push(action);
            world = next;
        }
    }
    run.end(&world)
}

impl Run {
    /// Takes an action; `None` if it changes nothing.
    fn take(&mut self, system: &System, kind: Kind, world: &World, action: &Action) -> Option<World> {
        self.coverage.offered[kind as usize] += 1;
        self.coverage.met |= met_on_arrival(world, action);
        let next = system.after(world, action)?;
        self.coverage.changed[kind as usize] += 1;
        self.coverage.met |= met_by(system, world, action, &next) | system.judge(&mut system.worker(), &next).met;
        Some(next)
    }

    fn end(mut self, world: &World) -> Run {
        self.coverage.take_counts();
        let terms = world.servers.iter().map(|server| server.node.term().number());
        self.coverage.terms = terms.max().unwrap_or_default();
        self.coverage.entries =
            world.servers.iter().map(|server| server.entries.len() as u64).max().unwrap_or_default();
        self.coverage.committed = world.history.committed.len() as u64;
        self.broken = world.broken;
        self.digest = fingerprint(&(self.number, self.path.len() as u64, world), 0) as u64;
        if self.broken.is_empty() {
            self.path = Vec::new();
        }
        self
    }
}
