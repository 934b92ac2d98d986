//! The last steps of a group that ran as a run of the checker's world, for pictures.
//!
//! Servers are numbered from 1, entries from the oldest one that is shown, and commands as they appear; terms are as they
//! were.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rafttree_model::digest::Digest;
use rafttree_model::trace::Call;
use rafttree_model::{
    Entries, Entry, Envelope, Event, Index, Labels, Message, Output, Payload, Position, Relabelled, ServerId, Slice,
};

use crate::production::judge::Judge;
use crate::production::line::{Happened, Line};
use crate::production::window::Window;
use crate::production::words;
use crate::properties::PropertySet;
use crate::system::Action;
use crate::trace::run::Step;
use crate::world::{Letter, Tag, World};

/// Rows of a picture at most.
const MAX_ROWS: usize = 40;

/// Entries of which all servers know that they are committed, and which are shown all the same.
const SPARE_ENTRIES: u64 = 2;

/// A server that lacks more than this is shown as if it had what comes before.
const MAX_LACKING_ENTRIES: u64 = 12;

/// The last steps, as they are seen.
pub(crate) struct Film {
    /// Steps before the first one that is looked at.
    skip: u64,
    /// What is shown, once something is.
    scene: Option<Scene>,
}

/// What is shown.
struct Scene {
    /// Entries up to here are not.
    base: u64,
    start: World,
    rows: VecDeque<Step>,
    /// What was sent since then.
    network: Vec<Arc<Letter>>,
    commands: Commands,
}

/// The numbers of commands.
#[derive(Default)]
struct Commands(BTreeMap<Tag, u32>);

/// A run of the world: where it begins, its steps, and how many entries there are before those that it shows.
pub(crate) struct Run {
    pub(crate) start: World,
    pub(crate) steps: Vec<Step>,
    pub(crate) base: u64,
}

/// What has happened, and how it is judged.
pub(crate) struct Shot<'a> {
    pub(crate) judge: &'a Judge,
    pub(crate) line: &'a Line,
    pub(crate) happened: &'a Happened,
    /// Whether what arrived was sent by somebody.
    pub(crate) is_sent: bool,
    pub(crate) broken: PropertySet,
}

impl Film {
    /// Of the steps after so many.
    pub(crate) fn after(skip: u64) -> Film {
        Film { skip, scene: None }
    }

    /// Something has happened.
    pub(crate) fn take(&mut self, shot: &Shot<'_>) {
        if 0 < self.skip {
            self.skip -= 1;
            return;
        }
        let is_of_the_past = |scene: &Scene| scene.base < shot.judge.base();
        if self.scene.as_ref().is_none_or(is_of_the_past) {
            self.scene = Some(Scene::begin(shot.judge));
        }
        if let Some(scene) = &mut self.scene {
            scene.take(shot);
        }
    }

    /// What was seen; nothing, where there was no step.
    pub(crate) fn run(self) -> Option<Run> {
        let Scene { base, start, rows, .. } = self.scene?;
        Some(Run { start, steps: rows.into(), base })
    }
}

impl Scene {
    /// What comes after this.
    fn begin(judge: &Judge) -> Scene {
        let known = judge.known();
        let highest = known.iter().max().copied().unwrap_or(0).saturating_sub(MAX_LACKING_ENTRIES);
        let base =
            known.iter().min().copied().unwrap_or(0).saturating_sub(SPARE_ENTRIES).max(highest).max(judge.base());
        let mut commands = Commands::default();
        let start = commands.renamed(judge.based_on(base).0);
        Scene { base, start, rows: VecDeque::new(), network: Vec::new(), commands }
    }

    fn take(&mut self, shot: &Shot<'_>) {
        let Shot { judge, line, happened, is_sent, broken } = *shot;
        let (world, window) = judge.based_on(self.base);
        let mut world = self.commands.renamed(world);
        self.send(line, &window);
        world.network = Arc::new(self.network.clone());
        world.broken = broken;
        let id = window.id(line.id());
        match (self.action(happened, line, &window), self.rows.back_mut()) {
            (Some(action), _) => self.rows.push_back(Step { action, world, sent: is_sent }),
            (None, None) => self.start = world,
            // It belongs to what happened to the server before, or there is nothing to be seen of it.
            (None, Some(last)) if last.action.server() == id || last.world == world => last.world = world,
            (None, Some(_)) => self.rows.push_back(Step { action: Action::Flush(id), world, sent: true }),
        }
        if MAX_ROWS < self.rows.len()
            && let Some(first) = self.rows.pop_front()
        {
            self.start = first.world;
        }
    }

    fn send(&mut self, line: &Line, window: &Window) {
        let sent = line.outcome.outputs.iter().filter_map(|output| match output {
            Output::Send(envelope) => envelope.with_entries(|range| line.server.entries().fill(range)),
            _ => None,
        });
        for letter in sent.map(|envelope| self.commands.letter(&envelope, window)) {
            if let Err(place) = self.network.binary_search_by(|other| (**other).cmp(&letter)) {
                self.network.insert(place, Arc::new(letter));
            }
        }
    }

    /// What has happened, as an action; nothing, where it only goes on with what happened before.
    fn action(&mut self, happened: &Happened, line: &Line, window: &Window) -> Option<Action> {
        let id = window.id(line.id());
        match happened {
            Happened::Started if 1 < line.parts => Some(Action::Crash { server: id, keep: 0 }),
            Happened::Called(Call::Step(event)) => Some(match event {
                Event::ElectionTimeout => Action::ElectionTimeout(id),
                Event::HeartbeatTimeout => Action::HeartbeatTimeout(id),
                Event::MinimumTimeout => Action::MinimumTimeout(id),
                Event::Receive(envelope) => Action::Deliver(Arc::new(self.commands.letter(envelope, window))),
                Event::Propose(_) => Action::Propose(id),
                Event::Snapshotted(through) => Action::Snapshot { server: id, through: window.index(*through) },
                Event::Transfer(to) => Action::Transfer { from: id, to: window.id(*to) },
                Event::StepDown => Action::StepDown(id),
            }),
            Happened::Called(Call::Propose(_)) => Some(Action::Propose(id)),
            Happened::Called(Call::Own | Call::Write | Call::Flushed) | Happened::Started | Happened::Ended(_) => None,
        }
    }
}

impl Commands {
    /// The message, without entries that are not shown.
    fn letter(&mut self, envelope: &Envelope<Slice<Digest>>, window: &Window) -> Letter {
        let mut shown = envelope.clone();
        if let Message::AppendRequest { entries, .. } = &mut shown.message {
            *entries = shown_part(entries, Index::new(window.base()));
        }
        let letter = words::letter(&shown).relabelled(window);
        let filled = letter.clone().with_entries(|slice| {
            let entries = slice.entries().iter().map(|entry| self.entry(entry)).collect();
            Slice::new(slice.previous(), entries)
        });
        filled.unwrap_or(letter)
    }

    fn renamed(&mut self, mut world: World) -> World {
        for server in &mut world.servers {
            let server = Arc::make_mut(server);
            server.entries = self.entries(&server.entries);
            server.disk.entries = self.entries(&server.disk.entries);
        }
        world
    }

    fn entries(&mut self, entries: &Entries<Tag>) -> Entries<Tag> {
        let held = entries.iter().map(|entry| self.entry(entry)).collect();
        Entries::after(entries.base(), held).damaged(entries.faulty())
    }

    fn entry(&mut self, entry: &Entry<Tag>) -> Entry<Tag> {
        let Payload::Command(tag) = entry.payload else { return *entry };
        let next = self.0.len() as u32 + 1;
        let number = *self.0.entry(tag).or_insert(next);
        Entry { payload: Payload::Command(Tag(ServerId::new(number))), ..*entry }
    }
}

fn shown_part(slice: &Slice<Digest>, base: Index) -> Slice<Digest> {
    let hidden = slice.entries().iter().filter(|entry| entry.position.index <= base).count();
    let previous = hidden.checked_sub(1).map_or(slice.previous(), |last| slice.entries()[last].position);
    let previous = Position { index: previous.index.max(base), ..previous };
    Slice::new(previous, slice.entries()[hidden..].to_vec()).unwrap_or_else(|| slice.clone())
}
