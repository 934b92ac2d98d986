//! Two-phase commit, a `stateright::Model` that knows nothing of Raft, under this crate's search.
//!
//! `cargo run -p rafttree-checker --example two_phase_commit`
//!
//! A coordinator that commits when all managers are prepared is searched to the end. Then one that
//! commits when a majority is prepared is searched: the shortest run is printed in which one manager
//! commits and another aborts.

mod model;

use rafttree_checker::search::{Ended, Found, OfModel, Search, Unsuitable};

use model::{Action, TwoPhaseCommit};

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
