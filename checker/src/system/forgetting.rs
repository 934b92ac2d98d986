//! What need not be kept, since it can no longer matter to anyone, or can be told from the rest.

use std::sync::Arc;

use rafttree_model::{Envelope, Index, Message, Role, Round, Term};

use crate::world::{History, Leadership, Letter, Server, World};

impl World {
    /// The lowest term on any disk.
    fn lowest_term(&self) -> Term {
        self.servers.iter().map(|server| server.disk.durable.term()).min().unwrap_or_default()
    }

    /// Forgets what can no longer matter to anyone.
    pub(crate) fn forget(&mut self) {
        if self.network.iter().any(|letter| is_dead(self, letter)) {
            let mut alive = (*self.network).clone();
            alive.retain(|letter| !is_dead(self, letter));
            self.network = Arc::new(alive);
        }
        if self.leaderships.iter().any(|leadership| is_over(self, leadership)) {
            let mut alive = (*self.leaderships).clone();
            alive.retain(|leadership| !is_over(self, leadership));
            self.leaderships = Arc::new(alive);
        }
        let lowest = self.lowest_term();
        if self.history.has_before(lowest) {
            Arc::make_mut(&mut self.history).forget_before(lowest);
        }
    }
}

impl History {
    fn has_before(&self, lowest: Term) -> bool {
        let elected = self.elected.iter().any(|(term, _)| *term < lowest);
        let votes = self.votes.iter().any(|(term, _, _)| *term < lowest);
        let reads = self.stale_reads.iter().any(|(term, _, _)| *term < lowest);
        elected || votes || reads || self.committed.iter().any(|(_, term)| *term < lowest && *term != Term::new(0))
    }

    fn forget_before(&mut self, lowest: Term) {
        self.elected.retain(|(term, _)| lowest <= *term);
        self.votes.retain(|(term, _, _)| lowest <= *term);
        self.stale_reads.retain(|(term, _, _)| lowest <= *term);
        // Whoever leads from now on leads in a later term, which is all that is asked.
        self.committed.iter_mut().filter(|(_, term)| *term < lowest).for_each(|(_, term)| *term = Term::new(0));
    }
}

/// Whether messages of this kind are not kept, as there are rumours of them.
pub(crate) fn is_never_kept<E>(envelope: &Envelope<E>) -> bool {
    let told_by_rumours = matches!(
        envelope.message,
        Message::Stale
            | Message::PreVoteRequest { .. }
            | Message::PreVoteReply { .. }
            | Message::VoteReply { granted: false }
            | Message::AppendReply { matched: Index::ZERO, round: Round::ZERO }
            | Message::RepairRequest { matched: Index::ZERO, round: Round::ZERO }
            | Message::AppendRefusal { .. }
    );
    told_by_rumours && envelope.from != envelope.to
}

/// Whether this message can never again change anything: terms on disks, votes within a term, and
/// the end of a candidacy or a leadership of a term are final.
pub(crate) fn is_dead(world: &World, letter: &Letter) -> bool {
    let receiver = world.server(letter.to);
    let (durable, node) = (&receiver.disk.durable, &receiver.node);
    if letter.term < durable.term() || is_never_kept(letter) {
        return true; // What is old could only be answered with the newer term.
    }
    let asks = matches!(letter.message, Message::VoteRequest { .. });
    if asks && !may_win(world.server(letter.from), letter.term) {
        return true; // Nobody counts that vote, and who has given it can do nothing that it could not do before.
    }
    if durable.term() < letter.term {
        return false;
    }
    let plays = |role: bool| role && node.term() == letter.term;
    match letter.message {
        Message::VoteReply { .. } => !plays(matches!(node.role(), Role::Candidate { .. })),
        Message::VoteRequest { .. } => durable.vote().is_some_and(|vote| vote != letter.from),
        Message::AppendReply { matched, round } | Message::RepairRequest { matched, round } => {
            let asks = matches!(letter.message, Message::RepairRequest { .. });
            let more = |other: &Letter| match other.message {
                // What is asked for again may be sent at any time.
                Message::AppendReply { matched: more, round: later } => {
                    other != letter && matched <= more && round <= later
                }
                Message::RepairRequest { matched: more, round: later } => {
                    let is_more = if asks { matched <= more } else { matched < more };
                    other != letter && is_more && round <= later
                }
                _ => false,
            };
            let same_way = |other: &Letter| (other.from, other.to, other.term) == (letter.from, letter.to, letter.term);
            !plays(matches!(node.role(), Role::Leader { .. }))
                || world.network.iter().any(|other| same_way(other) && more(other))
        }
        _ => false,
    }
}

/// Whether this server campaigns in this term, or may yet do so: a crash may take back what is not on its disk.
fn may_win(server: &Server, term: Term) -> bool {
    let campaigns = server.node.term() == term && matches!(server.node.role(), Role::Candidate { .. });
    campaigns || server.disk.durable.term() < term
}

/// Whether nobody can hear this leader in its term any more.
pub(crate) fn is_over(world: &World, leadership: &Leadership) -> bool {
    let others = world.servers.iter().filter(|server| server.node.id() != leadership.leader);
    others.map(|server| server.disk.durable.term()).all(|term| leadership.term < term)
}
