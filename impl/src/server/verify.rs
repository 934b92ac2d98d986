//! ReadIndex rounds: callers that want a majority to confirm the leadership share them.
//!
//! One round is in flight at most. Who comes meanwhile was not there when it was sent, and waits for
//! the next one, which begins when this one is confirmed. If a round is lost, the next heartbeat
//! takes its place: its answers are later still.

use std::collections::VecDeque;

use rafttree_model::Round;
use tokio::sync::oneshot;

use crate::api::epoch::Lost;

/// The answer to a caller: a majority has confirmed the leadership, or it is over.
pub(super) type Reply = oneshot::Sender<Result<(), Lost>>;

/// The callers that wait for a majority, by the first round that counts for them.
#[derive(Debug, Default)]
pub(super) struct Verifications {
    waiting: VecDeque<(Round, Reply)>,
    /// The round in flight.
    round: Option<Round>,
}

impl Verifications {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// One more caller, for whom this round counts and later ones.
    pub(super) fn add(&mut self, next: Round, reply: Reply) {
        self.waiting.push_back((next, reply));
    }

    /// A majority has answered this round, and so all that came before it.
    pub(super) fn confirm(&mut self, confirmed: Round) {
        self.round = self.round.filter(|&round| confirmed < round);
        while self.waiting.front().is_some_and(|(first, _)| *first <= confirmed)
            && let Some((_, reply)) = self.waiting.pop_front()
        {
            // Whoever no longer waits for an answer needs none.
            let _ = reply.send(Ok(()));
        }
    }

    /// Whether this round begins now: somebody waits, and none is in flight.
    pub(super) fn begin_round(&mut self, next: Round) -> bool {
        let begins = !self.waiting.is_empty() && self.round.is_none();
        if begins {
            self.round = Some(next);
        }
        begins
    }

    /// The leadership is over for all who wait.
    pub(super) fn end(&mut self, lost: Lost) {
        self.round = None;
        for (_, reply) in self.waiting.drain(..) {
            // Whoever no longer waits for an answer needs none.
            let _ = reply.send(Err(lost));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = oneshot::Receiver<Result<(), Lost>>;

    fn caller(verifications: &mut Verifications, next: u64) -> Answer {
        let (reply, answer) = oneshot::channel();
        verifications.add(Round::new(next), reply);
        answer
    }

    /// Ten thousand callers, one every 10 units of time; an answer takes 1000. The first round begins
    /// with the first caller, and each of the others when the one before it is confirmed.
    #[test]
    fn thousands_of_callers_share_a_few_rounds() {
        let mut verifications = Verifications::default();
        let (mut answers, mut begun) = (Vec::new(), Vec::new());
        for now in (0..10_200).map(|step| step * 10) {
            let next = begun.len() as u64 + 1;
            if answers.len() < 10_000 {
                answers.push(caller(&mut verifications, next));
            }
            let answered = begun.iter().filter(|&&round| round + 1000 <= now).count();
            verifications.confirm(Round::new(answered as u64));
            if verifications.begin_round(Round::new(next)) {
                begun.push(now);
            }
        }
        assert!(answers.iter_mut().all(|answer| answer.try_recv() == Ok(Ok(()))));
        let every_thousand: Vec<u64> = (0..=100).map(|round| round * 1000).collect();
        assert_eq!(begun, every_thousand);
    }

    #[test]
    fn who_came_after_a_round_was_sent_waits_for_the_next() {
        let mut verifications = Verifications::default();
        let mut first = caller(&mut verifications, 7);
        assert!(verifications.begin_round(Round::new(7)));
        let mut second = caller(&mut verifications, 8);
        assert!(!verifications.begin_round(Round::new(8)));
        verifications.confirm(Round::new(6));
        assert!(first.try_recv().is_err() && !verifications.begin_round(Round::new(8)));
        verifications.confirm(Round::new(7));
        assert!(first.try_recv().is_ok() && second.try_recv().is_err());
        assert!(verifications.begin_round(Round::new(8)));
        // The round is lost; the answers to a later heartbeat serve as well.
        verifications.confirm(Round::new(9));
        assert!(second.try_recv().is_ok() && !verifications.begin_round(Round::new(10)));
    }

    #[test]
    fn the_end_of_the_leadership_is_told_to_all_and_ends_the_round() {
        let mut verifications = Verifications::default();
        let mut first = caller(&mut verifications, 7);
        assert!(verifications.begin_round(Round::new(7)));
        verifications.end(Lost::Deposed);
        assert_eq!(first.try_recv(), Ok(Err(Lost::Deposed)));
        let _second = caller(&mut verifications, 2);
        assert!(verifications.begin_round(Round::new(2)));
    }
}
