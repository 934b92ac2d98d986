//! What compaction may take out of a log, and what a snapshot that arrives may replace (§7).

use rafttree_model::{Event, Position, Record};

use crate::checks::faulty::can_read;
use crate::checks::seen::Seen;
use crate::properties::{Property, PropertySet};

/// What a step breaks that has to do with snapshots.
pub(super) fn broken_by_step(step: &Seen) -> PropertySet {
    let mut broken = PropertySet::default();
    broken.insert_unless(compacts_what_it_may(step), Property::CompactCommitted);
    broken.insert_unless(takes_what_it_lacks(step), Property::InstallMonotone);
    broken
}

/// A log is compacted when a snapshot of what is committed is durable, up to there; and at no other time.
fn compacts_what_it_may(step: &Seen) -> bool {
    let Seen { old, event, new, stepped } = *step;
    let (before, after) = (old.node.log().base(), new.node.log().base());
    let compacted = stepped.records.iter().any(|record| matches!(record, Record::Compact { .. }));
    let Event::Snapshotted(through) = event else { return compacted == takes_over(step) };
    let may = before.index < *through && *through <= old.node.commit();
    let rest = (old.node.role(), old.node.commit()) == (new.node.role(), new.node.commit());
    rest && compacted == may && after.index == if may { *through } else { before.index }
}

/// A snapshot stands for what it includes of a log that cannot be read (FAST'18), and the rest stays.
fn takes_over(step: &Seen) -> bool {
    let holds = |last: &Position| step.old.position(last.index.number()) == Some(*last);
    step.snapshot().is_some_and(|last| holds(&last) && !can_read(step.old, last.index))
}

/// A snapshot that arrives replaces the log if that does not hold its last entry, and nothing else does;
/// it takes back nothing.
fn takes_what_it_lacks(step: &Seen) -> bool {
    let Seen { old, new, stepped, .. } = *step;
    let restored = stepped.records.iter().any(|record| matches!(record, Record::Restore { .. }));
    let Some(last) = step.snapshot() else { return !restored };
    let holds = old.position(last.index.number()) == Some(last);
    let base = if takes_over(step) { last } else { old.node.log().base() };
    let kept = *new.entries == *old.entries && new.node.log().base() == base;
    let replaced = (new.node.log().base(), new.last()) == (last, last);
    let commit = old.node.commit().max(last.index);
    restored != holds && new.node.commit() == commit && if holds { kept } else { replaced }
}
