//! The protocol of Gray and Lamport, "Consensus on Transaction Commit": resource managers prepare or abort
//! by themselves, and a coordinator that has heard from enough of them commits. It knows nothing of Raft.

use std::collections::BTreeSet;

use stateright::{Model, Property};

/// Resource managers and their coordinator.
#[derive(Clone)]
pub(crate) struct TwoPhaseCommit {
    pub(crate) managers: usize,
    /// How many have to be prepared before the coordinator commits.
    pub(crate) needed: usize,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Transaction {
    managers: Vec<Phase>,
    coordinator: Phase,
    /// Whose preparation the coordinator has heard of.
    heard: BTreeSet<usize>,
    /// Messages are never lost: they stay, and are received at any time, or never.
    sent: BTreeSet<Message>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Phase {
    Working,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Message {
    Prepared(usize),
    Commit,
    Abort,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    CoordinatorDecides(Message),
    CoordinatorHears(usize),
    ManagerPrepares(usize),
    ManagerAborts(usize),
    ManagerObeys(usize, Message),
}

impl Model for TwoPhaseCommit {
    type State = Transaction;
    type Action = Action;

    fn init_states(&self) -> Vec<Transaction> {
        let (managers, coordinator) = (vec![Phase::Working; self.managers], Phase::Working);
        vec![Transaction { managers, coordinator, heard: BTreeSet::new(), sent: BTreeSet::new() }]
    }

    fn actions(&self, state: &Transaction, actions: &mut Vec<Action>) {
        if state.coordinator == Phase::Working {
            let commits = self.needed <= state.heard.len();
            actions.extend(commits.then_some(Action::CoordinatorDecides(Message::Commit)));
            actions.push(Action::CoordinatorDecides(Message::Abort));
            let prepared = |id: &usize| state.sent.contains(&Message::Prepared(*id));
            actions.extend((0..self.managers).filter(prepared).map(Action::CoordinatorHears));
        }
        for id in 0..self.managers {
            if state.managers[id] == Phase::Working {
                actions.extend([Action::ManagerPrepares(id), Action::ManagerAborts(id)]);
            }
            let orders = [Message::Commit, Message::Abort].into_iter().filter(|order| state.sent.contains(order));
            actions.extend(orders.map(|order| Action::ManagerObeys(id, order)));
        }
    }

    fn next_state(&self, state: &Transaction, action: Action) -> Option<Transaction> {
        let ordered = |order| if order == Message::Commit { Phase::Committed } else { Phase::Aborted };
        let mut next = state.clone();
        match action {
            Action::CoordinatorDecides(order) => {
                next.coordinator = ordered(order);
                next.sent.insert(order);
            }
            Action::CoordinatorHears(id) => {
                next.heard.insert(id);
            }
            Action::ManagerPrepares(id) => {
                next.managers[id] = Phase::Prepared;
                next.sent.insert(Message::Prepared(id));
            }
            Action::ManagerAborts(id) => next.managers[id] = Phase::Aborted,
            Action::ManagerObeys(id, order) => next.managers[id] = ordered(order),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<TwoPhaseCommit>> {
        vec![
            Property::always("managers agree", |_, state: &Transaction| {
                !(state.managers.contains(&Phase::Committed) && state.managers.contains(&Phase::Aborted))
            }),
            Property::sometimes("all commit", |_, state: &Transaction| {
                state.managers.iter().all(|&manager| manager == Phase::Committed)
            }),
            Property::sometimes("all abort", |_, state: &Transaction| {
                state.managers.iter().all(|&manager| manager == Phase::Aborted)
            }),
        ]
    }
}
