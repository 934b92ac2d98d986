//! Logs: every server of three beside every history, upon every event.

use rafttree_model::Members;

use crate::inductive::class::{Assumption, Class, ITSELF, OTHER, THIRD};
use crate::inductive::history::History;
use crate::inductive::work::Hand;

/// All beside one history.
pub(crate) fn judge(history: &History, terms: u8, entries: u8, dropped: Option<Assumption>, hand: &mut Hand) -> bool {
    let class = Class::new(history, terms, entries);
    let class = if let Some(dropped) = dropped { class.without(dropped) } else { class };
    let members = Members::new([ITSELF, OTHER, THIRD]).expect("three servers make a group");
    hand.new_history();
    let events = class.events(members);
    class.servers(members).iter().all(|(node, log)| hand.judge_all(&class, node, log, &events))
}
