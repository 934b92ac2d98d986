//! Where runs leave what is assumed: who counts indices from what every server holds has to see
//! to these states.

use rafttree_model::{Envelope, Event, Index, Message, Node, Output, Progress, Role, Slice};

use super::twin::Twin;
use crate::support::{Done, FIRST, append, at, disk, group, heartbeat, id, leader_in_office, on, range, receive, send};

/// How far the leader knows server 3 to be.
fn progress_of_3(leader: &Node) -> Progress {
    let Role::Leader { progress, .. } = leader.role() else { panic!("still leads") };
    *progress.get(id(3)).expect("a member")
}

/// Server 3 lacked everything and said so. It then stored all of it and learnt that it is
/// committed, as 1 and 2 know; but its answers are lost.
fn leader_without_answers() -> (Node, Node) {
    let (mut leader, mut other) = (leader_in_office(3, 2, &[1, 1]), Node::recover(id(3), group(3), disk(1, &[])));
    let (missing, hint) = (Index::new(2), at(0, 0));
    let done = on(&mut leader, receive(3, 2, Message::AppendRefusal { missing, hint, round: FIRST }));
    assert!(done.early.contains(&send(3, 2, range(at(0, 0), at(3, 2), 3))), "{done:?}");
    let _: Done = on(&mut other, to_3(append(at(0, 0), &[1, 1, 2], 3)));
    assert_eq!((leader.commit(), other.commit(), other.log().last()), (Index::new(3), Index::new(3), at(3, 2)));
    (leader, other)
}

fn to_3(message: Message<Slice<&'static str>>) -> Event<&'static str> {
    Event::Receive(Envelope { from: id(1), to: id(3), term: at(0, 2).term, message })
}

#[test]
fn a_leader_may_send_again_what_every_server_knows_to_be_committed() {
    let (leader, _) = leader_without_answers();
    assert_eq!(progress_of_3(&leader), Progress { matched: Index::ZERO, next: Index::new(1), answered: FIRST });
}

/// So from 0 on there is one transfer more: to a server that holds all, of which the leader does
/// not know it.
#[test]
fn a_leader_may_have_no_entry_after_what_every_server_knows_to_be_committed() {
    let (mut leader, _) = leader_without_answers();
    let _ = on(&mut leader, Event::HeartbeatTimeout);
    assert_eq!(progress_of_3(&leader), Progress { matched: Index::ZERO, next: Index::new(4), answered: FIRST });
    let transfers = |new: u64| {
        let twin = Twin { compacted: Some(Index::new(3)), floor: (3, new), ..Twin::default() };
        let done = on(&mut twin.node(&leader), Event::Transfer(id(3)));
        done.outputs.contains(&Output::Send(Envelope {
            from: id(1),
            to: id(3),
            term: leader.term(),
            message: Message::TimeoutNow,
        }))
    };
    assert_eq!([0, 1, 3].map(transfers), [true, false, false]);
}

/// The refusal from when it lacked them arrives a second time.
#[test]
fn a_late_refusal_may_name_what_every_server_knows_to_be_committed() {
    let (mut leader, mut other) = leader_without_answers();
    let _ = on(&mut leader, Event::HeartbeatTimeout);
    let _ = on(&mut other, to_3(heartbeat(at(3, 2), 3)));
    let before = leader.clone();
    let _ =
        on(&mut leader, receive(3, 2, Message::AppendRefusal { missing: Index::new(2), hint: at(0, 0), round: FIRST }));
    assert_ne!(leader, before, "it is not recognised as late until an answer arrives");
}
