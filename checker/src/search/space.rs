//! What a search explores.

use crate::search::identity::Identity;
use crate::search::panics;

/// A set of up to 64 properties or witnesses.
pub type Bits = u64;

/// What a state, or a step, by itself says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Judgement {
    /// Properties that do not hold in it.
    pub broken: Bits,
    /// Witnesses that are met in it.
    pub met: Bits,
}

/// A state space: where it starts and what follows what.
///
/// Everything here is a function of its arguments. A space that answers one question in two ways
/// has no number of states, and no path through it can be walked again.
pub trait Space: Sync {
    /// One state; whatever is not in it does not tell states apart.
    type State: Clone + Send + Sync;
    /// What leads from one state to another.
    type Action: Clone + Send + Sync;
    /// What a thread keeps between expansions (caches, buffers); as good after a panic as before it.
    type Worker: Send;

    /// A new one, for a thread that begins.
    fn worker(&self) -> Self::Worker;

    /// The states that a search begins with.
    fn starts(&self) -> Vec<Self::State>;

    /// Calls `visit` for every transition of this state: the action, where it leads, and what the
    /// step by itself breaks and meets.
    fn expand(
        &self,
        worker: &mut Self::Worker,
        state: &Self::State,
        visit: &mut dyn FnMut(Self::Action, Self::State, Judgement),
    );

    /// Called once for each distinct state.
    fn judge(&self, worker: &mut Self::Worker, state: &Self::State) -> Judgement;

    /// Fingerprint of a state under a seed; the search uses 64 or 128 bits of it.
    fn fingerprint(&self, state: &Self::State, seed: u64) -> u128;

    /// What is broken by a panic over a state of it; if nothing is, a panic is the end of the search.
    fn broken_by_panic(&self) -> Bits {
        0
    }

    /// How many kinds of action there are, for statistics.
    fn kinds(&self) -> usize;

    /// Less than `kinds()`.
    fn kind(&self, action: &Self::Action) -> usize;

    /// Adds, by kind, the actions that this worker's expansions have tried since this was last asked,
    /// whether they changed anything or not; a space may not count them.
    fn count_offers(&self, _worker: &mut Self::Worker, _offered: &mut [u64]) {}

    /// What a search of it rests on, if its states can be written down and read again: all that tells
    /// it from any other space of the same code.
    fn identity(&self) -> Option<Identity> {
        None
    }

    /// Appends the state; only asked of a space that can checkpoint.
    fn encode(&self, _state: &Self::State, _out: &mut Vec<u8>) {
        unimplemented!("a space that can checkpoint says how states are written");
    }

    /// Takes one state off the front; only asked of a space that can checkpoint.
    fn decode(&self, _bytes: &mut &[u8]) -> Option<Self::State> {
        unimplemented!("a space that can checkpoint says how states are read");
    }

    /// Appends what was gathered from the states that were judged, if anything is done with that when
    /// the search ends.
    fn encode_gathered(&self, _out: &mut Vec<u8>) {}

    /// Takes over what another search has gathered; `None` if the bytes make no sense.
    fn decode_gathered(&self, bytes: &[u8]) -> Option<()> {
        bytes.is_empty().then_some(())
    }
}

/// What comes of judging or expanding a state: a panic breaks what it breaks.
pub(super) fn attempt<S: Space, T>(space: &S, run: impl FnOnce() -> T) -> Result<T, Panicked> {
    panics::caught(run).map_err(|why| match space.broken_by_panic() {
        0 => panic!("{why}"),
        broken => Panicked { broken, why },
    })
}

/// A panic over a state.
pub(super) struct Panicked {
    pub(super) broken: Bits,
    /// What it said, and where.
    pub(super) why: String,
}

/// The first transition of a state that is wanted: its action, where it leads, what it breaks. If
/// there is a panic on the way, what came before it counts.
pub(super) fn first_step<S: Space>(
    space: &S,
    worker: &mut S::Worker,
    state: &S::State,
    mut is_wanted: impl FnMut(&S::State, Bits) -> bool,
) -> Option<(S::Action, S::State, Bits)> {
    let mut first = None;
    let _ = attempt(space, || {
        space.expand(worker, state, &mut |action, target, Judgement { broken, .. }| {
            if first.is_none() && is_wanted(&target, broken) {
                first = Some((action, target, broken));
            }
        });
    });
    first
}
