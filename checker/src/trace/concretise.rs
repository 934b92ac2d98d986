//! Concrete runs: of a run in which messages arrive that nobody sent, one in which they were sent.
//!
//! The search delivers over-approximated messages: right for a proof, since it can only find more,
//! and wrong for a reader, who looks for the line that sent what arrives. So one such delivery after
//! the other is left out, or replaced by one of a message that was sent, or what produces the message
//! is put before it, in as few actions as will do: a request arrives, a timeout fires, a disk is
//! flushed. The deployed step produces all of them. What comes of it must end as the run did, by the
//! same judgement, and in the end it is made as short as it gets.

use std::sync::Arc;

use rafttree_model::{Index, Message, Role, ServerId};

use crate::system::network;
use crate::system::{Action, System};
use crate::trace::run::{Step, step};
use crate::trace::shorten::Shortener;
use crate::world::{Letter, World};

/// At most so many actions are put before a delivery, so that its message was sent.
const MOST_INSERTED: usize = 4;

/// A run that ends as this one does, with as few deliveries as can be of what was not sent; an error
/// says where this one cannot be followed, or that it does not end so.
pub(crate) fn concretise(
    system: &System,
    actions: &[Action],
    ends: &dyn Fn(&World) -> bool,
) -> Result<Vec<Step>, String> {
    let concretiser = Concretiser { system, ends };
    let mut run = concretiser.play(&[], actions)?;
    while let Some(better) = concretiser.with_fewer_unsent(&run) {
        run = better;
    }
    Ok(Shortener { system, ends, tick: &|_| {} }.shortest(run))
}

struct Concretiser<'a> {
    system: &'a System,
    ends: &'a dyn Fn(&World) -> bool,
}

fn unsent(run: &[Step]) -> usize {
    run.iter().filter(|step| !step.sent).count()
}

impl Concretiser<'_> {
    /// What has happened, and then these actions, up to the end; what changes nothing is left out.
    fn play<'a>(&self, past: &[Step], future: impl IntoIterator<Item = &'a Action>) -> Result<Vec<Step>, String> {
        let mut run = past.to_vec();
        for action in future {
            let world = self.end_of(&run);
            let next = step(self.system, world, action).ok_or_else(|| format!("'{action}' cannot happen there"))?;
            if next.world == *world {
                continue;
            }
            run.push(next);
            if (self.ends)(self.end_of(&run)) {
                return Ok(run);
            }
        }
        Err("the same run breaks nothing there".to_owned())
    }

    fn end_of<'b>(&'b self, run: &'b [Step]) -> &'b World {
        run.last().map_or(&self.system.start, |step| &step.world)
    }

    /// A run with fewer deliveries of what was not sent.
    fn with_fewer_unsent(&self, run: &[Step]) -> Option<Vec<Step>> {
        let all = run.iter().enumerate().filter(|(_, step)| !step.sent);
        all.map(|(at, _)| at).find_map(|at| self.with_sent(run, at))
    }

    /// The same with what arrives here sent before, or not needed.
    fn with_sent(&self, run: &[Step], at: usize) -> Option<Vec<Step>> {
        let Action::Deliver(letter) = &run[at].action else { return None };
        let repaired = |past: &[Step], meanwhile: &[Step], delivered: Option<&Action>| {
            let rest = run[at + 1..].iter().map(|step| &step.action);
            let future = meanwhile.iter().map(|step| &step.action).chain(delivered).chain(rest);
            self.play(past, future).ok().filter(|better| unsent(better) < unsent(run))
        };
        if let Some(better) = repaired(&run[..at], &[], None) {
            return Some(better);
        }
        (0..=MOST_INSERTED).find_map(|count| {
            (0..=at).rev().find_map(|from| {
                let mut past = run[..from].to_vec();
                self.inserted(&mut past, count, letter, &mut |past| {
                    let fitting = in_place_of(self.end_of(past), letter);
                    fitting.iter().find_map(|delivered| repaired(past, &run[from..at], Some(delivered)))
                })
            })
        })
    }

    /// So many actions more that may help to have this message sent, in every way.
    fn inserted(
        &self,
        past: &mut Vec<Step>,
        count: usize,
        letter: &Letter,
        done: &mut dyn FnMut(&[Step]) -> Option<Vec<Step>>,
    ) -> Option<Vec<Step>> {
        if count == 0 {
            return done(past);
        }
        for action in self.helpful(self.end_of(past), letter) {
            let next = step(self.system, self.end_of(past), &action);
            let Some(next) = next.filter(|next| next.sent && next.world != *self.end_of(past)) else { continue };
            past.push(next);
            let found = self.inserted(past, count - 1, letter, done);
            past.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// What may lead to this message, or to one that does as well.
    fn helpful(&self, world: &World, letter: &Letter) -> Vec<Action> {
        let to = letter.to;
        let asked = || world.ids().filter(move |&id| id != to);
        let mut actions: Vec<Action> =
            world.ids().filter(|&id| !world.server(id).unsynced.is_empty()).map(Action::Flush).collect();
        match letter.message {
            Message::PreVoteReply { .. } | Message::Stale => {
                actions.extend(requests(world, to));
                actions.extend(asked().filter(|&id| sticks_to_a_leader(world, id)).map(Action::MinimumTimeout));
                actions.push(Action::ElectionTimeout(to));
            }
            Message::AppendReply { matched, .. } => {
                actions.extend(parts_up_to(world, to, matched).filter(|part| part.to == letter.from).map(delivery));
            }
            Message::PreVoteRequest { .. } => actions.push(Action::ElectionTimeout(letter.from)),
            _ => {}
        }
        if letter.message == Message::Stale {
            actions.extend(asked().map(Action::ElectionTimeout));
            actions.extend(sticks_to_a_leader(world, to).then_some(Action::MinimumTimeout(to)));
            let last = world.server(to).node.log().last().index;
            actions.extend(parts_up_to(world, to, last).filter(|part| part.to == letter.from).map(delivery));
        }
        actions
    }
}

fn delivery(letter: Letter) -> Action {
    Action::Deliver(Arc::new(letter))
}

fn sticks_to_a_leader(world: &World, id: ServerId) -> bool {
    matches!(world.server(id).node.role(), Role::Follower { sticky: true, .. })
}

/// Requests that this server has sent.
fn requests(world: &World, from: ServerId) -> impl Iterator<Item = Action> + '_ {
    let is_request = |letter: &Letter| {
        matches!(letter.message, Message::PreVoteRequest { .. } | Message::VoteRequest { transfer: false, .. })
    };
    let sent = world.network.iter().filter(move |letter| letter.from == from && is_request(letter));
    sent.map(|letter| Action::Deliver(Arc::clone(letter)))
}

/// What a leader has sent that ends with this entry and commits nothing.
fn parts_up_to(world: &World, leader: ServerId, last: Index) -> impl Iterator<Item = Letter> + '_ {
    network::parts(world, false).filter(move |letter| match &letter.message {
        Message::AppendRequest { entries, commit, .. } => {
            letter.from == leader && entries.last().index == last && *commit == Index::ZERO
        }
        _ => false,
    })
}

/// Deliveries of what was sent that may do as well as this message: itself, the same from another
/// server, or of a term that is only to be learned, whatever tells it.
fn in_place_of(world: &World, letter: &Letter) -> Vec<Action> {
    let does_as_well = |other: &Letter| {
        let same = std::mem::discriminant(&other.message) == std::mem::discriminant(&letter.message);
        (other.to, other.term) == (letter.to, letter.term) && (same || letter.message == Message::Stale)
    };
    let sent = world.network.iter().filter(|other| does_as_well(other));
    let mut sent: Vec<_> = sent.map(|other| Action::Deliver(Arc::clone(other))).collect();
    let itself = Action::Deliver(Arc::new(letter.clone()));
    sent.sort_by_key(|other| *other != itself);
    sent
}
