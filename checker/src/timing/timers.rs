//! The timers of a simulated server, with the meaning that the deployed server gives them.
//!
//! The deployed timers (`impl/src/core/timers.rs`) belong to another crate, which the checker does not
//! depend on, and they draw a timeout when it is needed; the Markov chain leaves it open for longer. So
//! this is a second version of the rules that both have: which timers run after a restart, which fires
//! first, and which runs again. `checker/tests/timers` drives both with the same restarts and the same
//! random numbers, and they must fire the same at the same moments.
//!
//! What the deployed timers do beyond that is not here, so it is not in the answers either: the alarm of a
//! closed connection, for here leaders die silently; giving way to a server that is about to ask for votes,
//! which makes split votes rarer than is computed here; backing off where a disk, and listening where a
//! machine, is too slow for its timeouts; and minimum timeouts that are not equal.
//!
//! It names nothing of this crate, so that a test can compare it alone.

use rafttree_model::{Event, Timers as Running};

/// A moment, in a unit that whoever drives the timers chooses.
pub(crate) type Moment = u64;

/// The spans of time that are not random.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Spans {
    /// T.
    pub(crate) minimum: Moment,
    pub(crate) heartbeat: Moment,
}

/// An election timer that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ElectionTimer {
    pub(crate) since: Moment,
    /// `None` if it is open when it fires.
    pub(crate) due: Option<Moment>,
    /// How much of its range has passed without it; used by whoever leaves open when it fires.
    pub(crate) passed: u32,
}

/// The timers of one server; those that are `None` do not run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SimulatedTimers {
    pub(crate) election: Option<ElectionTimer>,
    pub(crate) minimum: Option<Moment>,
    pub(crate) heartbeat: Option<Moment>,
}

impl SimulatedTimers {
    /// Starts these timers anew, and stops the others. `draw` says after how long the election timer
    /// fires; `None` leaves it open.
    pub(crate) fn restart(
        &mut self,
        running: Running,
        now: Moment,
        spans: Spans,
        draw: impl FnOnce() -> Option<Moment>,
    ) {
        let drawn = || ElectionTimer { since: now, due: draw().map(|timeout| now + timeout), passed: 0 };
        self.election = running.election().then(drawn);
        self.minimum = running.minimum().then_some(now + spans.minimum);
        self.heartbeat = running.heartbeat().then_some(now + spans.heartbeat);
    }

    /// When the next timer fires that is not left open.
    pub(crate) fn next(&self) -> Option<Moment> {
        [self.election.and_then(|timer| timer.due), self.minimum, self.heartbeat].into_iter().flatten().min()
    }

    /// Fires the timer of this moment: the minimum timeout comes before an election timeout.
    pub(crate) fn fire<P>(&mut self, now: Moment, spans: Spans) -> Event<P> {
        if self.minimum == Some(now) {
            // Of those whose minimum timeout runs only leaders have heartbeats, and theirs runs again.
            self.minimum = self.heartbeat.map(|_| now + spans.minimum);
            return Event::MinimumTimeout;
        }
        if self.heartbeat == Some(now) {
            self.heartbeat = Some(now + spans.heartbeat);
            return Event::HeartbeatTimeout;
        }
        self.election = None;
        Event::ElectionTimeout
    }
}
