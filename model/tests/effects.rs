//! What steps ask of the world, collected.

use rafttree_model::{Effects, Event, Output, Record, step};

use crate::support::{Command, at, command, id, leader_in_office};

fn collected(events: impl IntoIterator<Item = Event<Command>>) -> Effects<Command> {
    let mut node = leader_in_office(3, 2, &[1]);
    let mut effects = Effects::new();
    events.into_iter().for_each(|event| step(&mut node, event, &mut effects));
    effects
}

#[test]
fn several_steps_may_share_one_flush() {
    let mut effects = collected(["x", "y"].map(Event::Propose));
    assert_eq!(effects.records(), [command(3, 2, "x"), command(4, 2, "y")].map(Record::Append));
    let accepted: Vec<_> = effects.after_sync().filter(|output| matches!(output, Output::Accepted(_))).collect();
    assert_eq!(accepted, [at(3, 2), at(4, 2)].map(Output::Accepted));
}

#[test]
fn what_may_leave_early_leaves_once_and_the_rest_stays() {
    let mut effects = collected([Event::Propose("x")]);
    assert_eq!(effects.early().count(), 2);
    assert_eq!(effects.early().count(), 0);
    assert_eq!(effects.records().len(), 1);
    assert_eq!(effects.after_sync().count(), 2);
    assert!(effects.is_empty());
}

#[test]
fn effects_are_empty_when_nothing_of_any_kind_is_left() {
    assert!(collected([]).is_empty());
    assert!(!collected([Event::HeartbeatTimeout]).is_empty(), "something to do at once");
    let mut effects = collected([Event::Transfer(id(2))]);
    let _ = effects.early().count();
    assert!(!effects.is_empty(), "something to do");
}
