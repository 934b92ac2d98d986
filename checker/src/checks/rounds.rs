//! Rounds: what a leader counts as answered, and what it tells of it.

use rafttree_model::{Event, Index, Output, Role, Round, ServerId};

use crate::checks::seen::Seen;
use crate::world::{Server, answer_to};

/// What a leader knows of rounds.
#[derive(Debug, Eq, PartialEq)]
struct Known {
    begun: Round,
    answered: Vec<(ServerId, Round)>,
    confirmed: Round,
}

/// Whether a round begins with a leadership and with each heartbeat, is answered by what answers it and by
/// nothing else, is confirmed by a majority, and is told with what may be read.
pub(super) fn rounds_are_counted(step: &Seen) -> bool {
    let Seen { old, event, new, stepped } = *step;
    let is_told = |told: &&Output| matches!(told, Output::Round { .. } | Output::Heard { .. } | Output::Confirmed(_));
    let told: Vec<_> = stepped.told().filter(is_told).copied().collect();
    let Some(now) = Known::of(new) else { return told.is_empty() };
    let mut due = Vec::new();
    let mut known = Known::of(old).unwrap_or_else(|| Known::at_first(new));
    let before = known.confirmed;
    if !old.leads() || *event == Event::HeartbeatTimeout {
        known.begun = known.begun.next();
        due.push(Output::Round { round: known.begun, read: may_read(old, new) });
        known.confirm(new);
    }
    if let Some((follower, round)) = answer_to(&old.node, event) {
        let answered = known.answered.iter_mut().filter(|(id, _)| *id == follower);
        answered.for_each(|(_, latest)| *latest = round.max(*latest));
        due.push(Output::Heard { follower, round });
        known.confirm(new);
    }
    if before < known.confirmed {
        due.push(Output::Confirmed(known.confirmed));
    }
    known == now && told == due
}

impl Known {
    fn of(server: &Server) -> Option<Known> {
        let Role::Leader { progress, round, confirmed, .. } = server.node.role() else { return None };
        let answered = progress.iter().map(|(id, it)| (id, it.answered)).collect();
        Some(Known { begun: *round, answered, confirmed: *confirmed })
    }

    /// Nobody has answered a leadership that begins.
    fn at_first(leader: &Server) -> Known {
        let answered = leader.node.members().ids().map(|id| (id, Round::ZERO)).collect();
        Known { begun: Round::ZERO, answered, confirmed: Round::ZERO }
    }

    /// The leader counts itself, and what was confirmed stays so.
    fn confirm(&mut self, leader: &Server) {
        let of_members = || self.answered.iter().filter(|(id, _)| leader.node.members().contains(*id));
        let latest = |&(id, round): &(ServerId, Round)| if id == leader.node.id() { self.begun } else { round };
        let have_answered = |round: Round| of_members().filter(|member| round <= latest(member)).count();
        let count = leader.node.members().ids().len();
        let reached = of_members().map(latest).filter(|&round| count < 2 * have_answered(round)).max();
        self.confirmed = self.confirmed.max(reached.unwrap_or_default());
    }
}

/// Section 8: what is committed, once that is of the leader's own term.
fn may_read(old: &Server, new: &Server) -> Option<Index> {
    let commit = old.node.commit();
    let is_own = |committed| committed == new.node.term();
    old.position(commit.number()).map(|entry| entry.term).filter(|&term| is_own(term)).map(|_| commit)
}
