//! What should be the same but for its labels, and whether it is.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{Event, Index, Labels, Node, Output, Record, Relabelled, ServerId, Term};

use super::arbitrary::{Case, Choices, SERVERS};
use crate::support::{Command, Done, id};

/// Other labels, and perhaps a shorter log.
#[derive(Clone, Debug, Default)]
pub(super) struct Twin {
    /// The new names of the servers 1, 2, ..; if there are none, names stay.
    pub(super) names: Vec<ServerId>,
    /// The new numbers of terms before `first.0`.
    pub(super) old_terms: BTreeMap<u64, u64>,
    /// A term and its new number; later ones follow it.
    pub(super) first: (u64, u64),
    /// An index and its new number; later ones follow it, all that are earlier become 0.
    pub(super) floor: (u64, u64),
    /// Everything up to here is compacted.
    pub(super) compacted: Option<Index>,
}

impl Labels for Twin {
    fn id(&self, id: ServerId) -> ServerId {
        if self.names.is_empty() { id } else { self.names[id.number() as usize - 1] }
    }

    fn term(&self, term: Term) -> Term {
        let (first, new) = self.first;
        Term::new(self.old_terms.get(&term.number()).copied().unwrap_or_else(|| new + term.number() - first))
    }

    fn index(&self, index: Index) -> Index {
        let (floor, new) = self.floor;
        Index::new(index.number().checked_sub(floor).map_or(0, |beyond| new + beyond))
    }

    fn matched(&self, matched: Index) -> Index {
        self.index(matched)
    }
}

impl Twin {
    /// Other names: any numbers, in any order.
    pub(super) fn rename(&mut self, choices: &mut Choices) {
        let names = (1..=SERVERS).map(|number| id(number * 1_000 + choices.up_to(999) as u32)).collect();
        self.names = choices.shuffled(names);
    }

    /// Terms from the lowest that is named on get other numbers, which follow each other as before.
    pub(super) fn shift_terms(&mut self, case: &Case, choices: &mut Choices) {
        let lowest = terms_of(case).first().map_or(0, |term| term.number());
        self.first = (lowest, choices.of(&[0, 1, 2, 1_000_000_007]));
    }

    /// The terms before each server's keep their order and nothing else; other servers may be in
    /// lower terms than this one.
    pub(super) fn rank_old_terms(&mut self, case: &Case, choices: &mut Choices) {
        let first = case.node.term().number().saturating_sub(choices.up_to(1));
        let gap = choices.of(&[0, 0, 1, 5]);
        let old = terms_of(case).into_iter().map(|term| term.number()).filter(|&term| term < first);
        self.old_terms = old.zip((0..).map(|rank| gap + rank * (1 + gap))).collect();
        let free = self.old_terms.values().last().map_or(0, |last| last + 1);
        self.first = (first, choices.of(&[free, free, free + 1, free.max(first)]));
    }

    /// The state with other labels.
    pub(super) fn node(&self, node: &Node) -> Node {
        let mut durable = node.durable().clone();
        if let Some(through) = self.compacted.filter(|&through| durable.log().base().index <= through) {
            durable.apply(&Record::<Command>::Compact { through });
        }
        let node = Node::assume(node.id(), *node.members(), durable, node.commit(), node.role().clone());
        node.relabelled(self)
    }

    /// Whether the deployed step, or another, makes of the twin the twin of what it makes.
    pub(super) fn is_kept_by(&self, act: Act, case: &Case) -> bool {
        let twin = outcome(act, &self.node(&case.node), &case.event.relabelled(self));
        let expected =
            outcome(act, &case.node, &case.event).map(|(node, done)| (self.node(&node), done.relabelled(self)));
        // Who is sent to in a row is sent to by rising id, which is another order with other names.
        if self.names.is_empty() { twin == expected } else { in_any_order(twin) == in_any_order(expected) }
    }
}

/// What makes a step.
pub(super) type Act = fn(&mut Node, Event<Command>) -> Done;

/// The state after a step and its effects; nothing if it fails an assertion.
pub(super) fn outcome(act: Act, node: &Node, event: &Event<Command>) -> Option<(Node, Done)> {
    let (mut node, event) = (node.clone(), event.clone());
    catch_unwind(AssertUnwindSafe(move || {
        let done = act(&mut node, event);
        (node, done)
    }))
    .ok()
}

/// The same with messages that leave in a row in some fixed order.
fn in_any_order(outcome: Option<(Node, Done)>) -> Option<(Node, Done)> {
    let is_sent = |output: &Output| matches!(output, Output::Send(_));
    outcome.map(|(node, mut done)| {
        for outputs in [&mut done.early, &mut done.outputs] {
            for row in outputs.chunk_by_mut(|one, other| is_sent(one) && is_sent(other)) {
                row.sort();
            }
        }
        (node, done)
    })
}

/// Labels that stay as they are, and are noted.
#[derive(Default)]
struct Noted(RefCell<BTreeSet<Term>>);

impl Labels for Noted {
    fn term(&self, term: Term) -> Term {
        self.0.borrow_mut().insert(term);
        term
    }
}

/// Every term that is named.
fn terms_of(case: &Case) -> BTreeSet<Term> {
    let noted = Noted::default();
    let _ = (case.node.relabelled(&noted), case.event.relabelled(&noted));
    noted.0.into_inner()
}

impl Relabelled for Done {
    fn relabelled(&self, labels: &impl Labels) -> Done {
        let all = |outputs: &[Output]| outputs.iter().map(|output| output.relabelled(labels)).collect();
        Done {
            records: self.records.iter().map(|record| record.relabelled(labels)).collect(),
            early: all(&self.early),
            outputs: all(&self.outputs),
        }
    }
}
