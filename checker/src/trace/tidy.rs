//! Runs that are easier to follow: the same steps in an order in which what belongs together stands together, and
//! servers that are named in the order in which they first do something.
//!
//! Terms need no other names: a term is the one before and one more, so the first of a run is 1, and the next 2.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rafttree_model::{Relabelled, ServerId};

use crate::system::{Action, System, network};
use crate::trace::run::{Step, play};
use crate::trace::shorten::Shortener;
use crate::world::World;

impl Shortener<'_> {
    /// A run made as short as it gets, and then easier to follow.
    pub(crate) fn eased(&self, run: Vec<Step>) -> Vec<Step> {
        let mut run = self.shortest(run);
        loop {
            let tidy = self.named(self.ordered(run));
            let before = tidy.len();
            run = self.shortest(tidy.clone());
            if run.len() == before {
                return tidy;
            }
        }
    }

    /// The same with each step right before the first that needs it, as far as can be. What happens to one server
    /// stays in order, a message arrives after it was sent, and the last step stays the last.
    pub(crate) fn ordered(&self, run: Vec<Step>) -> Vec<Step> {
        let order = needed_last(&needs(self.system, &run));
        self.played(order.into_iter().map(|at| run[at].action.clone())).unwrap_or(run)
    }

    /// A run of these actions, if each changes something, no message arrives that was not sent and only the last ends it.
    pub(super) fn played(&self, actions: impl Iterator<Item = Action>) -> Option<Vec<Step>> {
        let run = play(self.system, &actions.collect::<Vec<_>>()).ok()?;
        let worlds = || std::iter::once(&self.system.start).chain(run.iter().map(|step| &step.world));
        let is_moving = worlds().zip(worlds().skip(1)).all(|(before, after)| before != after);
        let ends = worlds().position(self.ends) == Some(run.len());
        (is_moving && ends && run.iter().all(|step| step.sent)).then_some(run)
    }

    /// The same with the servers called 1, 2, and so on in the order in which they first do something; as it is,
    /// where it does not begin with servers that are all alike.
    pub(crate) fn named(&self, run: Vec<Step>) -> Vec<Step> {
        let are_alike = self.system.start == World::new(self.system.bounds.servers);
        if !are_alike || self.system.ground.looks_at_names {
            return run;
        }
        let order = appearance(self.system, &run);
        let place = |id| order.iter().position(|&other| other == id).unwrap_or_default() as u32;
        let name = |id: ServerId| ServerId::new(place(id) + 1);
        // The rules do not look at names, so this is the same run; it is played, and not taken for granted.
        self.played(run.iter().map(|step| step.action.renamed(&name))).unwrap_or(run)
    }
}

/// For each step those before it that it needs: the one before at the same server, and the one that sent what
/// arrives. What is said of a read depends on all that was done before.
fn needs(system: &System, run: &[Step]) -> Vec<Vec<usize>> {
    let of_step = |at: usize| {
        let action = &run[at].action;
        let before = |is_one: &dyn Fn(&Action) -> bool| run[..at].iter().rposition(|step| is_one(&step.action));
        let is_read = |action: &Action| matches!(action, Action::Read(_) | Action::Apply(_));
        let of_server = before(&|other| other.server() == action.server());
        let sends = match action {
            Action::Deliver(letter) if !network::is_sent(&system.start, letter) => {
                run[..at].iter().position(|step| network::is_sent(&step.world, letter))
            }
            _ => None,
        };
        let all = if is_read(action) { (0..at).collect() } else { Vec::new() };
        of_server.into_iter().chain(sends).chain(before(&is_read)).chain(all).collect()
    };
    (0..run.len()).map(of_step).collect()
}

/// The last step last, and before it, again and again, what the latest placed one needs that needs others still:
/// first what took the fewest steps, so that a detail stands beside its use, and not before a long story.
fn needed_last(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut past: Vec<BTreeSet<usize>> = Vec::with_capacity(needs.len());
    for needed in needs {
        past.push(needed.iter().flat_map(|&at| past[at].iter().copied().chain([at])).collect());
    }
    let mut placed: Vec<usize> = Vec::with_capacity(needs.len());
    while placed.len() < needs.len() {
        let is_free = |&at: &usize| {
            !placed.contains(&at) && (0..needs.len()).all(|user| placed.contains(&user) || !needs[user].contains(&at))
        };
        let nearest = |&at: &usize| (past[at].len(), Reverse(at));
        let needed =
            placed.iter().rev().find_map(|&user| needs[user].iter().copied().filter(is_free).min_by_key(nearest));
        let next = if placed.is_empty() { Some(needs.len() - 1) } else { needed };
        placed.extend(next.or_else(|| (0..needs.len()).rev().find(is_free)));
    }
    placed.reverse();
    placed
}

/// All servers in the order in which they first do something; those that never do come last. When a minimum timeout
/// is over, nothing is done yet.
fn appearance(system: &System, run: &[Step]) -> Vec<ServerId> {
    let mut order = Vec::new();
    let acts = run.iter().filter(|step| !matches!(step.action, Action::MinimumTimeout(_)));
    let all = acts.map(|step| step.action.server()).chain(system.start.ids());
    all.for_each(|id| {
        if !order.contains(&id) {
            order.push(id);
        }
    });
    order
}
