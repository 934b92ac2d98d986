//! What really happened, written down as it happens, and what must not happen once more in another way.

use std::sync::Arc;

use rafttree_model::{Index, Role, ServerId};

use crate::checks::state::has_votes_of_majority;
use crate::properties::Property;
use crate::world::World;

/// Writes down what can no longer be undone once a server has taken a step: who led, what was committed. Up to
/// `committed` that is known.
pub(crate) fn remember(world: &mut World, id: ServerId, committed: Index) {
    let server = Arc::clone(&world.servers[id.number() as usize - 1]);
    let (node, term) = (&server.node, server.node.term());
    if let Role::Leader { .. } = node.role()
        && !world.history.elected.contains(&(term, id))
    {
        world.broken.insert_unless(has_votes_of_majority(world, &server), Property::OwnVotes);
        let elected = &mut Arc::make_mut(&mut world.history).elected;
        elected.push((term, id));
        elected.sort_unstable();
    }
    for index in committed.number()..node.commit().number() {
        // A commit index beyond the log is found by `Bounds`.
        let Some(&entry) = server.entries.get(index as usize) else { break };
        match world.history.committed.get(index as usize) {
            None => {
                let committed = &mut Arc::make_mut(&mut world.history).committed;
                committed.push((entry, term));
            }
            Some((first, _)) if *first != entry => world.broken.insert(Property::StateMachineSafety),
            Some(_) => {}
        }
    }
}
