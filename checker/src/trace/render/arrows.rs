//! The messages of a run: when each was sent, and when it arrived, if it did.

use std::sync::Arc;

use rafttree_model::ServerId;
use serde::Serialize;

use crate::system::{Action, network};
use crate::trace::language::{Words, leadership_words};
use crate::trace::run::Step;
use crate::world::{Leadership, Letter, World};

/// A message from one server to another.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Arrow {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) term: u64,
    /// The message in the words of traces, without servers and term.
    pub(crate) message: String,
    /// The step that sent it; none, if no step of this run did.
    pub(crate) sent: Option<usize>,
    /// The steps in which it arrived; none, if it was lost, or is still under way at the end.
    pub(crate) received: Vec<usize>,
}

impl Arrow {
    /// Whether it arrived at no time.
    pub(crate) fn is_lost(&self) -> bool {
        self.received.is_empty()
    }

    /// Which server sent which what to whom, in the words of traces.
    pub(crate) fn words(&self) -> String {
        format!("{}->{} term {} {}", self.from, self.to, self.term, self.message)
    }
}

/// All messages of a run, as they were sent.
pub(crate) fn arrows(start: &World, steps: &[Step]) -> Vec<Arrow> {
    let mut arrows = delivered(start, steps);
    for (at, step) in steps.iter().enumerate() {
        let before = at.checked_sub(1).map_or(start, |at| &steps[at].world);
        let new = step.world.network.iter().filter(|letter| !before.network.contains(letter));
        arrows.extend(new.filter(|letter| !is_delivered(steps, letter)).map(|letter| unreceived(letter, at + 1)));
        let told = step.world.leaderships.iter().filter(|it| !before.leaderships.contains(it));
        for leadership in told {
            arrows.extend(unheard(leadership, at + 1, &arrows, &step.world));
        }
    }
    arrows.sort_by_key(|arrow| (arrow.sent.unwrap_or_else(|| arrow.received[0]), arrow.from, arrow.to));
    arrows
}

/// What arrives in some step, each message once.
fn delivered(start: &World, steps: &[Step]) -> Vec<Arrow> {
    let mut all: Vec<(Arc<Letter>, Arrow)> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let Action::Deliver(letter) = &step.action else { continue };
        match all.iter_mut().find(|(known, _)| known == letter) {
            Some((_, arrow)) => arrow.received.push(at + 1),
            None => {
                let sent = sent_in(start, &steps[..at], letter);
                let arrow = Arrow { sent, received: vec![at + 1], ..unreceived(letter, at) };
                all.push((Arc::clone(letter), arrow));
            }
        }
    }
    all.into_iter().map(|(_, arrow)| arrow).filter(|arrow| arrow.from != arrow.to).collect()
}

/// The first of these steps after which this message is on its way.
fn sent_in(start: &World, steps: &[Step], letter: &Letter) -> Option<usize> {
    if network::is_sent(start, letter) {
        return None;
    }
    steps.iter().position(|step| network::is_sent(&step.world, letter)).map(|at| at + 1)
}

fn is_delivered(steps: &[Step], letter: &Letter) -> bool {
    steps.iter().any(|step| matches!(&step.action, Action::Deliver(it) if **it == *letter))
}

fn unreceived(letter: &Letter, sent: usize) -> Arrow {
    let words = Words::<Letter>(letter).to_string();
    Arrow {
        from: letter.from.number(),
        to: letter.to.number(),
        term: letter.term.number(),
        message: words.splitn(4, ' ').nth(3).unwrap_or_default().to_owned(),
        sent: Some(sent),
        received: Vec::new(),
    }
}

/// To each follower that no part of a log reaches which the leader sends in this step.
fn unheard(leadership: &Leadership, at: usize, arrows: &[Arrow], world: &World) -> Vec<Arrow> {
    let (leader, term) = (leadership.leader.number(), leadership.term.number());
    let words = leadership_words(leadership);
    let message = words.splitn(4, ' ').nth(3).unwrap_or_default();
    let hears = |to: u32| {
        let is_part = |arrow: &&Arrow| arrow.sent == Some(at) && arrow.message.starts_with("append after");
        arrows.iter().filter(is_part).any(|arrow| (arrow.from, arrow.to) == (leader, to))
    };
    let others = world.ids().map(ServerId::number).filter(|&to| to != leader && !hears(to));
    let arrow =
        |to| Arrow { from: leader, to, term, message: message.to_owned(), sent: Some(at), received: Vec::new() };
    others.map(arrow).collect()
}
