//! Rounds of heartbeats: when a majority has answered one, nobody led in a later term as it began.
//! Linearizable reads come of that (section 8, dissertation 6.4).
//!
//! Only their order is here. Whoever remembers when a round began knows, by its own clock alone,
//! how long the followers that have answered it stay with this leader (dissertation 6.4.1).

use crate::effects::Output;
use crate::node::{Node, Progress, Role};
use crate::rules::Rules;
use crate::step::Step;
use crate::types::{Round, ServerId};

impl Node {
    /// The latest round that this server has begun; `None` if it does not lead.
    pub fn round(&self) -> Option<Round> {
        if let Role::Leader { round, .. } = self.role { Some(round) } else { None }
    }

    /// The latest round that a majority has answered; `None` if this server does not lead.
    pub fn confirmed(&self) -> Option<Round> {
        if let Role::Leader { confirmed, .. } = self.role { Some(confirmed) } else { None }
    }

    /// The same server with other numbers for its rounds, which keep their order: for who explores
    /// states. Nothing but what is told of rounds depends on them.
    pub fn renumber_rounds(&mut self, number: impl Fn(Round) -> Round) {
        let Role::Leader { progress, round, confirmed, .. } = &mut self.role else { return };
        (*round, *confirmed) = (number(*round), number(*confirmed));
        *progress = progress.iter().map(|(id, it)| (id, Progress { answered: number(it.answered), ..it })).collect();
    }
}

impl<R: Rules, P> Step<'_, R, P> {
    /// Dissertation 6.4: what is sent from now on is of a new round.
    pub(crate) fn begin_round(&mut self) {
        let read = R::read_index(self.node.commit, self.has_committed_in_term());
        let Role::Leader { round, .. } = &mut self.node.role else { return };
        *round = round.next();
        let round = *round;
        self.effects.early.push(Output::Round { round, read });
        // Of all members the leader alone has answered it so far.
        if R::is_confirmed(&self.node.members, 1) {
            self.confirm(round);
        }
    }

    /// A follower has answered what was sent in this round. Whether this server leads, and has begun
    /// it: who claims more is wrong.
    #[inline(always)]
    pub(crate) fn take_answer(&mut self, follower: ServerId, answered: Round) -> bool {
        let Role::Leader { progress, heard, round, confirmed, .. } = &mut self.node.role else { return false };
        if *round < answered {
            return false;
        }
        let Some(progress) = progress.get_mut(follower) else { return false };
        heard.insert(follower, ());
        // Whoever answers what is confirmed already adds nothing to any majority that is needed.
        let is_news = progress.answered.max(*confirmed) < answered;
        progress.answered = progress.answered.max(answered);
        self.effects.early.push(Output::Heard { follower, round: answered });
        if is_news {
            self.confirm(answered);
        }
        true
    }

    /// Dissertation 6.4: of the rounds that somebody has answered, this one and earlier ones, the latest
    /// that a majority has answered is confirmed. Nearly always it is this one or none.
    fn confirm(&mut self, answered: Round) {
        let Role::Leader { progress, confirmed, .. } = &mut self.node.role else { return };
        let (id, members, before) = (self.node.id, &self.node.members, *confirmed);
        let is_confirmed = |round: Round| {
            let have_answered = |(member, it): &(ServerId, Progress)| *member == id || round <= it.answered;
            R::is_confirmed(members, progress.iter().filter(have_answered).count())
        };
        let earlier = || progress.iter().map(|(_, it)| it.answered).filter(|&round| before < round && round < answered);
        let reached = Some(answered).filter(|&round| is_confirmed(round));
        if let Some(reached) = reached.or_else(|| earlier().filter(|&round| is_confirmed(round)).max()) {
            *confirmed = reached;
            self.effects.early.push(Output::Confirmed(reached));
        }
    }
}
