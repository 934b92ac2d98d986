//! Linearizable reads: when whoever asked for one may read the state machine, without a word in the
//! log (section 8, dissertation 6.4).
//!
//! At a leader a read waits for a round of heartbeats that begins after it was asked for
//! ([`ReadIndices`]). Once a majority has answered the round nobody led in a later term as it began,
//! so all that was committed when the read was asked for is within the round's read index. Then, at
//! whichever server is to serve it, the read waits until the state machine has applied so much
//! ([`AppliedReads`]).
//!
//! These are what a server keeps in memory. Its crash forgets them with whoever waits.

use alloc::collections::VecDeque;

use crate::effects::Output;
use crate::types::{Index, Round};

/// The readers that wait at a leader for a read index. They share rounds: while some wait for a round
/// to be confirmed, those who come wait for the next one, or for the next heartbeat.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ReadIndices<R> {
    /// In the order in which they have asked: first those whose leadership has ended, then those for
    /// whom a round has begun, then the others.
    waiting: VecDeque<(R, Stage)>,
    /// How many have to be told that the leadership has ended.
    ended: usize,
    /// The latest round that is known to have begun.
    latest: Round,
    /// The latest round that is known to be confirmed.
    confirmed: Round,
    /// Whether the latest round had no read index, so that another one would be of no use yet.
    is_blind: bool,
}

/// What a reader waits for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Stage {
    /// A round with a read index that begins after this one, the latest when the reader asked.
    Asked(Round),
    /// The confirmation of this round, which has this read index.
    Begun(Round, Index),
}

impl<R> Default for ReadIndices<R> {
    fn default() -> Self {
        let (waiting, latest, confirmed) = (VecDeque::new(), Round::ZERO, Round::ZERO);
        ReadIndices { waiting, ended: 0, latest, confirmed, is_blind: false }
    }
}

impl<R> ReadIndices<R> {
    /// Adds a reader, for whom rounds after the latest count ([`Node::round`](crate::Node::round)).
    /// Where there is none this server does not lead, and whoever asks has to ask elsewhere.
    pub fn ask(&mut self, latest: Option<Round>, reader: R) {
        self.waiting.push_back((reader, Stage::Asked(latest.unwrap_or_default())));
        if latest.is_none() {
            self.end();
        }
    }

    /// Whether a round should begin now: a reader waits for one, and none is under way for another. To
    /// lose it does no harm, as the next heartbeat begins a later one.
    pub fn wants_round(&self) -> bool {
        let first = self.waiting.get(self.ended);
        !self.is_blind && matches!(first, Some((_, Stage::Asked(_))))
    }

    /// Takes in what a step asks for, where that tells of rounds, or of the leadership. A leadership that has
    /// served nobody ends without a word: whoever hears of it otherwise says [`end`](ReadIndices::end).
    pub fn hear(&mut self, output: Output) {
        match output {
            Output::Round { round, read } => self.begun(round, read),
            Output::Confirmed(round) => self.confirmed(round),
            Output::Leading(_) => self.leading(),
            Output::Yielded(_) => self.end(),
            Output::Send(_)
            | Output::Restart(_)
            | Output::Accepted(_)
            | Output::Refused
            | Output::Committed(_)
            | Output::Restored(_)
            | Output::Heard { .. } => {}
        }
    }

    /// Begins a round, as [`Output::Round`] says. It counts for those who asked
    /// before it, if it has a read index.
    pub fn begun(&mut self, round: Round, read: Option<Index>) {
        if round < self.latest {
            // Rounds are counted from the first of each leadership: this one is of another.
            self.end();
        }
        self.latest = round;
        self.is_blind = read.is_none();
        let Some(read) = read else { return };
        for (_, stage) in self.waiting.iter_mut().skip(self.ended).rev() {
            match *stage {
                Stage::Asked(latest) if latest < round => *stage = Stage::Begun(round, read),
                Stage::Asked(_) => {}
                Stage::Begun(..) => return,
            }
        }
    }

    /// Notes that the leader has committed an entry of its term, as [`Output::Leading`]
    /// says: from now on each round has a read index.
    pub fn leading(&mut self) {
        self.is_blind = false;
    }

    /// Confirms this round and earlier ones, as [`Output::Confirmed`] says. Those
    /// who have waited for it are the next.
    pub fn confirmed(&mut self, round: Round) {
        self.confirmed = round;
    }

    /// The next reader whose round is confirmed, with the read index: it may read where so much is
    /// applied. They come in the order in which they asked.
    pub fn next_confirmed(&mut self) -> Option<(R, Index)> {
        let Some(&(_, Stage::Begun(round, read))) = self.waiting.front() else { return None };
        if self.ended != 0 || self.confirmed < round {
            return None;
        }
        self.waiting.pop_front().map(|(reader, _)| (reader, read))
    }

    /// Ends the leadership for all who wait: [`Output::Yielded`] says so, and so
    /// does a server that leads no more, since one that has served nobody ends without a word.
    pub fn end(&mut self) {
        self.ended = self.waiting.len();
        (self.latest, self.confirmed, self.is_blind) = (Round::ZERO, Round::ZERO, false);
    }

    /// The next reader that has to ask elsewhere, as the leadership has ended.
    pub fn next_ended(&mut self) -> Option<R> {
        self.ended = self.ended.checked_sub(1)?;
        self.waiting.pop_front().map(|(reader, _)| reader)
    }

    /// The first round under way of which somebody waits to hear that it is confirmed.
    pub fn under_way(&self) -> Option<Round> {
        let Some(&(_, Stage::Begun(round, _))) = self.waiting.get(self.ended) else { return None };
        Some(round)
    }

    /// The same readers with other numbers for rounds, which keep their order: for who explores states.
    pub fn renumber_rounds(&mut self, number: impl Fn(Round) -> Round) {
        (self.latest, self.confirmed) = (number(self.latest), number(self.confirmed));
        for (_, Stage::Asked(round) | Stage::Begun(round, _)) in &mut self.waiting {
            *round = number(*round);
        }
    }

    /// Those who wait, in the order in which they asked.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &R> {
        self.waiting.iter().map(|(reader, _)| reader)
    }
}

/// The readers that have a read index, and wait until the state machine has applied so much.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct AppliedReads<R> {
    /// Invariant: indices never fall.
    waiting: VecDeque<(Index, R)>,
}

impl<R> Default for AppliedReads<R> {
    fn default() -> Self {
        AppliedReads { waiting: VecDeque::new() }
    }
}

impl<R> AppliedReads<R> {
    /// Adds a reader with its read index. Those of one leader rise; those that come from elsewhere need
    /// not.
    pub fn wait(&mut self, read: Index, reader: R) {
        let behind = self.waiting.iter().rev().take_while(|(later, _)| read < *later).count();
        self.waiting.insert(self.waiting.len() - behind, (read, reader));
    }

    /// The next reader that may read, as everything up to `applied` is in the state machine.
    pub fn next_applied(&mut self, applied: Index) -> Option<R> {
        let (read, _) = self.waiting.front()?;
        if applied < *read {
            return None;
        }
        self.waiting.pop_front().map(|(_, reader)| reader)
    }

    /// Those who wait, by rising read index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Index, R)> {
        self.waiting.iter()
    }
}
