//! Shorter runs that end the same: steps are left out, as long as what is left still ends so.
//!
//! Many are left out at once, where that can be: all of one server, of one term, of one kind; half of the run, a
//! quarter, down to single steps (delta debugging, Zeller and Hildebrandt 2002); then any two. Each attempt is
//! played through the deployed step. Where a step is left out, later ones may be impossible, as their message was
//! never sent or has another term: then the message most like it arrives, or they are left out as well.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use rafttree_model::{Index, Message, Relabelled, ServerId, Slice, Term};

use crate::system::{Action, Bounds, System, network};
use crate::trace::run::{Step, step};
use crate::world::{Letter, Tag, World};

/// What is made shorter, and what must stay.
#[derive(Clone, Copy)]
pub(crate) struct Shortener<'a> {
    pub(crate) system: &'a System,
    /// Whether a run is over there: it ended so, and goes on ending so.
    pub(crate) ends: &'a dyn Fn(&World) -> bool,
    /// Hears how many steps there are still.
    pub(crate) tick: &'a dyn Fn(usize),
}

/// Of longer runs it is not tried which two steps can be left out.
const LONGEST_FOR_PAIRS: usize = 80;

impl Shortener<'_> {
    /// The run of which neither one step nor, if it is not too long for that, two can be left out.
    pub(crate) fn shortest(&self, mut run: Vec<Step>) -> Vec<Step> {
        loop {
            let before = run.len();
            run = self.without_pairs(self.without_chunks(self.without_groups(run)));
            if run.len() == before {
                return run;
            }
        }
    }

    /// The run without what one server does, or what happens in one term, or one kind of action.
    pub(crate) fn without_groups(&self, mut run: Vec<Step>) -> Vec<Step> {
        for group in groups(&run) {
            run = self.without(&run, |_, step| group.holds(step)).unwrap_or(run);
        }
        run
    }

    /// The run without so many steps in a row as can be left out, wherever that is; down to single ones.
    pub(crate) fn without_chunks(&self, mut run: Vec<Step>) -> Vec<Step> {
        let mut size = run.len().div_ceil(2);
        loop {
            let before = run.len();
            let mut from = before;
            while 0 < from {
                from = from.saturating_sub(size);
                run = self.without(&run, |at, _| (from..from + size).contains(&at)).unwrap_or(run);
                (self.tick)(run.len());
            }
            if size <= 1 && run.len() == before {
                return run;
            }
            size = size.min(run.len()).div_ceil(2);
        }
    }

    fn without_pairs(&self, mut run: Vec<Step>) -> Vec<Step> {
        if LONGEST_FOR_PAIRS < run.len() {
            return run;
        }
        let mut first = run.len();
        while 0 < first {
            first -= 1;
            let mut second = first + 1;
            while second < run.len() {
                match self.without(&run, |at, _| at == first || at == second) {
                    Some(shorter) => (run, second) = (shorter, first + 1),
                    None => second += 1,
                }
            }
            first = first.min(run.len());
        }
        run
    }

    /// The run without these steps, if it ends as it must.
    fn without(&self, run: &[Step], is_left_out: impl Fn(usize, &Step) -> bool) -> Option<Vec<Step>> {
        let first = run.iter().enumerate().position(|(at, step)| is_left_out(at, step))?;
        let rest = run.iter().enumerate().skip(first).filter(|(at, step)| !is_left_out(*at, step));
        let rest: Vec<_> = rest.map(|(_, step)| step).collect();
        let played = |likes| self.play(&run[..first], rest.iter().copied(), likes);
        played(true).or_else(|| played(false))
    }

    /// What has happened, and then of these steps those that can happen and change something, up to where the run
    /// is over; `None` if it never is. Where that is wanted what is most like a step takes its place.
    fn play<'a>(&self, past: &[Step], future: impl Iterator<Item = &'a Step>, likes: bool) -> Option<Vec<Step>> {
        let mut run = past.to_vec();
        for old in future {
            let world = run.last().map_or(&self.system.start, |step| &step.world);
            let action = if likes { fitting(world, old) } else { Some(old.action.clone()) };
            let Some(action) = action else { continue };
            let Some(next) = step(self.system, world, &action) else { continue };
            if next.world == *world || old.sent && !next.sent {
                continue;
            }
            let is_over = (self.ends)(&next.world);
            run.push(next);
            if is_over {
                return Some(run);
            }
        }
        None
    }

    /// The same in a smaller group, if it ends so there, too; for as few servers as can be.
    pub(crate) fn with_fewer_servers(&self, mut run: Vec<Step>) -> (System, Vec<Step>) {
        let mut system = self.system.clone();
        while let Some((smaller, shorter)) = (Shortener { system: &system, ..*self }).without_one_server(&run) {
            (system, run) = (smaller, shorter);
        }
        (system, run)
    }

    /// Without what concerns one server, or as if another had done it.
    fn without_one_server(&self, run: &[Step]) -> Option<(System, Vec<Step>)> {
        let last = ServerId::new(self.system.bounds.servers);
        let servers = last.number() - 1;
        if servers == 0 || self.system.ground.looks_at_names {
            return None;
        }
        let bounds = Bounds { servers, ..self.system.bounds };
        let system = System { bounds, start: World::new(servers), ..self.system.clone() };
        let smaller = Shortener { system: &system, ..*self };
        let ids = || self.system.start.ids();
        let ways = ids().map(|id| (id, id)).chain(ids().flat_map(|id| ids().map(move |other| (id, other))));
        let found = ways.into_iter().find_map(|(gone, other)| {
            let name = |id| if id == gone { other } else { id };
            let close = |id| if id == last { gone } else { id };
            let rest = run.iter().filter(|step| gone != other || !step.action.concerns(gone));
            let renamed = rest.map(|step| Step { action: step.action.renamed(&name).renamed(&close), ..step.clone() });
            let rest: Vec<_> = renamed.filter(|step| step.action.other() != Some(step.action.server())).collect();
            smaller.play(&[], rest.iter(), true)
        })?;
        Some((system, found))
    }
}

/// What steps have in common.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Group {
    Server(ServerId),
    Term(Term),
    Kind(Discriminant<Action>, Option<Discriminant<Message<Slice<Tag>>>>),
}

impl Group {
    fn all_of(step: &Step) -> [Group; 3] {
        let server = step.action.server();
        let (term, message) = match &step.action {
            Action::Deliver(letter) => (letter.term, Some(discriminant(&letter.message))),
            _ => (step.world.server(server).node.term(), None),
        };
        [Group::Server(server), Group::Term(term), Group::Kind(discriminant(&step.action), message)]
    }

    fn holds(self, step: &Step) -> bool {
        Group::all_of(step).contains(&self)
    }
}

fn groups(run: &[Step]) -> Vec<Group> {
    let mut groups = Vec::new();
    for group in run.iter().flat_map(Group::all_of) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// The action itself where it can happen; where its message was never sent, or less waits for the disk or stands
/// in the log, what is most like it.
fn fitting(world: &World, old: &Step) -> Option<Action> {
    Some(match &old.action {
        Action::Deliver(letter) if old.sent && !network::is_sent(world, letter) => {
            Action::Deliver(like(world, letter)?)
        }
        Action::Crash { server, keep } => {
            Action::Crash { server: *server, keep: (*keep).min(world.server(*server).unsynced_records()) }
        }
        Action::Snapshot { server, through } => {
            Action::Snapshot { server: *server, through: (*through).min(world.server(*server).node.log().last().index) }
        }
        other => other.clone(),
    })
}

/// The latest message of this kind between the two that was sent.
fn like(world: &World, letter: &Letter) -> Option<Arc<Letter>> {
    if let Message::AppendRequest { entries, commit, .. } = &letter.message {
        let leadership = world.leaderships.iter().rfind(|it| it.leader == letter.from)?;
        let last = leadership.entries.len().min(entries.last().index.number() as usize);
        let first = last.min(entries.previous().index.number() as usize);
        let commit = leadership.commit.min(*commit).min(Index::new(last as u64));
        return Some(Arc::new(network::part(leadership, letter.to, first..last, commit)));
    }
    let is_alike = |other: &&Arc<Letter>| {
        (other.from, other.to) == (letter.from, letter.to) && says_the_same(&other.message, &letter.message)
    };
    world.network.iter().filter(is_alike).max_by_key(|other| other.term).cloned()
}

fn says_the_same<E>(one: &Message<E>, other: &Message<E>) -> bool {
    match (one, other) {
        (Message::VoteReply { granted: one }, Message::VoteReply { granted: other })
        | (Message::PreVoteReply { granted: one }, Message::PreVoteReply { granted: other }) => one == other,
        _ => discriminant(one) == discriminant(other),
    }
}
