//! What is measured of openraft are elections.
#![cfg(feature = "peers")]

use rafttree_benches::{Openraft, SIZES, View};

#[test]
fn a_triggered_election_makes_the_next_server_the_leader_of_the_next_term_for_all() {
    for servers in SIZES {
        let mut group = Openraft::new(servers);
        for round in 1..=2 * servers {
            let View { leader, term, last } = group.views()[0];
            let next = View {
                leader: leader.map(|leader| (leader + 1) % servers),
                term: term + 1,
                last: last.map(|last| last + 1),
            };
            group.elect();
            for view in group.views() {
                assert!(next.leader.is_some(), "round {round}");
                assert_eq!((view.leader, view.term), (next.leader, next.term), "{servers} servers, round {round}");
            }
            group.settle();
            assert_eq!(group.views(), vec![next; servers], "{servers} servers, round {round}: one entry more, for all");
        }
    }
}

#[test]
#[should_panic(expected = "every election has a winner here")]
fn nobody_is_elected_before_the_leases_have_passed() {
    let mut group = Openraft::new(3);
    group.elect();
    group.elect();
}
