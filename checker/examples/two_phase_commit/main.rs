//! Two-phase commit, a `stateright::Model` that knows nothing of Raft, under this crate's search.
//!
//! `cargo run -p rafttree-checker --example two_phase_commit`
//!
//! The protocol is that of Gray and Lamport, "Consensus on Transaction Commit": resource managers
//! prepare or abort by themselves, and a coordinator that has heard from all of them commits. It is
//! searched to the end. Then a coordinator that commits when a majority is prepared is searched: the
//! shortest run is printed in which one manager commits and another aborts.

use std::collections::BTreeSet;

use rafttree_checker::search::{Ended, Found, OfModel, Search, Unsuitable};
use stateright::{Model, Property};

/// Resource managers and their coordinator.
struct TwoPhaseCommit {
    managers: usize,
    /// How many have to be prepared before the coordinator commits.
    needed: usize,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Transaction {
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
enum Message {
    Prepared(usize),
    Commit,
    Abort,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Action {
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

/// Searches until every state was visited, or a property is broken.
fn search(managers: usize, needed: usize) -> Result<(OfModel<TwoPhaseCommit>, Found<Action>), Unsuitable> {
    let space = OfModel::new(TwoPhaseCommit { managers, needed })?;
    let found = Search { threads: 2, ..Search::default() }.run(&space, &mut |_| {});
    Ok((space, found))
}

fn main() -> Result<(), Unsuitable> {
    let (space, found) = search(5, 5)?;
    println!("five managers: {:?}, {} states, {} transitions", found.ended, found.states, found.transitions);
    println!("met: {}", space.names(found.met).join(", "));
    assert_eq!((&found.ended, found.states), (&Ended::Exhausted, 8_832), "as many as Stateright's own example has");
    assert_eq!(space.names(found.met), ["all commit", "all abort"], "it does something");

    let (space, found) = search(3, 2)?;
    let Ended::Violated(broken) = found.ended else { panic!("a majority is not enough: {:?}", found.ended) };
    println!(
        "\nthree managers, two of which are enough: {} is broken after {} states",
        space.names(broken)[0],
        found.states
    );
    println!("a shortest run, {} steps:", found.path.len());
    found.path.iter().for_each(|action| println!("  {action:?}"));
    assert_eq!(space.names(broken), ["managers agree"]);
    assert_eq!(found.path.len(), 7, "two prepare and are heard, one commits, and the third aborts by itself");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_ends_as_it_says() {
        super::main().expect("the model can be searched");
    }
}
