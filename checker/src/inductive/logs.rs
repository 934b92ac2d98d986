//! Logs: every server of three beside every history, upon every event.

use rafttree_model::Members;

use crate::inductive::class::{Assumption, Class, ITSELF, OTHER, THIRD};
use crate::inductive::history::History;
use crate::inductive::work::Hand;

/// How far terms and logs go, and what of the class is not assumed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) terms: u8,
    pub(crate) entries: u8,
    pub(crate) dropped: Option<Assumption>,
}

impl Bounds {
    pub(crate) fn new(terms: u8, entries: u8) -> Bounds {
        Bounds { terms, entries, dropped: None }
    }

    fn class(self, history: &History) -> Class<'_> {
        let class = Class::new(history, self.terms, self.entries);
        if let Some(dropped) = self.dropped { class.without(dropped) } else { class }
    }
}

/// All beside one history, as long as nothing is compacted.
pub(crate) fn judge(history: &History, bounds: Bounds, hand: &mut Hand) -> bool {
    let class = bounds.class(history);
    let members = three();
    hand.new_history();
    let events = class.events(members);
    class.servers(members).iter().all(|(node, log)| hand.judge_all(&class, node, log, &events))
}

/// The same servers with every part of their logs compacted, upon the same events; and all of them upon
/// those that have to do with snapshots.
pub(crate) fn judge_snapshots(history: &History, bounds: Bounds, hand: &mut Hand) -> bool {
    let class = bounds.class(history);
    let members = three();
    hand.new_history();
    let of_snapshots = class.events_of_snapshots(members, bounds.entries);
    let all = [class.events(members), of_snapshots.clone()].concat();
    class.servers(members).iter().all(|(node, log)| {
        hand.judge_all(&class, node, log, &of_snapshots)
            && class.compacted(node, log).all(|node| hand.judge_all(&class, &node, log, &all))
    })
}

/// The one, then the other.
pub(crate) fn judge_both(history: &History, bounds: Bounds, hand: &mut Hand) -> bool {
    judge(history, bounds, hand) && judge_snapshots(history, bounds, hand)
}

pub(crate) fn three() -> Members {
    Members::new([ITSELF, OTHER, THIRD]).expect("three servers make a group")
}
