//! Mutants of what proposers are told.

use rafttree_model::{End, Node, Output, Position, Proposals, Role};

use crate::world::{Tag, tell};

type Ended = Vec<(Position, Tag, End)>;

/// Those that are open and meet this, with one end, in the place of what is kept.
fn end_those(proposals: &mut Proposals<Tag>, end: impl Fn(Position) -> Option<End>) -> Ended {
    let mut kept = Proposals::default();
    let mut ended = Vec::new();
    while let Some((position, proposer)) = proposals.next_unknown() {
        match end(position) {
            Some(end) => ended.push((position, proposer, end)),
            None => kept.accept(position, proposer),
        }
    }
    *proposals = kept;
    ended
}

/// Whoever proposed what is cut from the log of its server is told that it is not committed.
pub(crate) fn cut_is_not_committed(proposals: &mut Proposals<Tag>, node: &Node, told: &[Output]) -> Ended {
    let mut ended = tell(proposals, node, told);
    ended.extend(end_those(proposals, |position| (!node.log().holds(position)).then_some(End::NotCommitted)));
    ended
}

/// Whoever waits when its leader is deposed is told that its command is not committed.
pub(crate) fn deposed_is_not_committed(proposals: &mut Proposals<Tag>, node: &Node, told: &[Output]) -> Ended {
    let leads = matches!(node.role(), Role::Leader { .. });
    let mut ended = tell(proposals, node, told);
    ended.extend(end_those(proposals, |_| (!leads).then_some(End::NotCommitted)));
    ended
}

/// Whoever waits at an index is told that its command is committed with whatever is committed there.
pub(crate) fn committed_by_index(proposals: &mut Proposals<Tag>, node: &Node, told: &[Output]) -> Ended {
    let reached = |position: Position| (position.index <= node.commit()).then_some(End::Committed);
    let mut ended = end_those(proposals, reached);
    ended.extend(tell(proposals, node, told));
    ended
}

/// Who is told of a commitment stays in the queue.
pub(crate) fn told_twice(proposals: &mut Proposals<Tag>, node: &Node, told: &[Output]) -> Ended {
    let mut after = proposals.clone();
    let ended = tell(&mut after, node, told);
    let known: Vec<Position> = proposals.iter().map(|(position, _)| *position).collect();
    after.iter().filter(|(position, _)| !known.contains(position)).for_each(|&(position, tag)| {
        proposals.accept(position, tag);
    });
    ended
}

/// A command counts as committed as soon as a leader has accepted it.
pub(crate) fn accepted_is_committed(proposals: &mut Proposals<Tag>, node: &Node, told: &[Output]) -> Ended {
    let mut ended = tell(proposals, node, told);
    ended.extend(end_those(proposals, |_| Some(End::Committed)));
    ended
}

/// Whoever waits when its leader is deposed hears no more.
pub(crate) fn deposed_tells_nothing(proposals: &mut Proposals<Tag>, node: &Node, told: &[Output]) -> Ended {
    let ended = tell(proposals, node, told);
    if !matches!(node.role(), Role::Leader { .. }) {
        *proposals = Proposals::default();
    }
    ended
}
