//! States in as few words as a search can keep many of.

use tinyvec::TinyVec;

use crate::quotient::server::{Cells, MOST_SEATS, Seat};
use crate::quotient::state::{Asked, Past, State};
use crate::world::Place;

/// A state in words, most of the time without a heap.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Packed(TinyVec<[u64; 13]>);

/// What a server has heard takes fewer bits than this: who has answered stands behind it.
const ANSWERED: u32 = 3 * MOST_SEATS as u32;

/// Servers take fewer bits than this: whose the lease is stands behind them, and whether there are any.
const HOLDER: u32 = 4;
const LEASES: u32 = 7;

/// Requests for votes in one word, and how many bits each of them takes.
const ASKED_IN_A_WORD: usize = 3;
const ASKED: u32 = 17;

impl Packed {
    pub(crate) fn new(state: &State) -> Packed {
        let mut words = TinyVec::new();
        let known = u64::from(u32::from_le_bytes(state.known_in));
        let servers = state.servers | state.holder << HOLDER | u8::from(state.leases) << LEASES;
        let counts = [servers, state.base, state.past.len() as u8, state.asked.len() as u8];
        words.push(u64::from(u32::from_le_bytes(counts)) | known << 32);
        words.push(u64::from(state.committed.bits) << 8 | u64::from(state.committed.len));
        let servers = state.servers as usize;
        words.extend(state.seats[..servers].iter().map(|seat| seat.0));
        let heard = |at: usize| match (at < servers).then(|| (state.heard[at], state.answered[at])) {
            Some((heard, answered)) => u64::from(heard) | u64::from(answered) << ANSWERED,
            None => 0,
        };
        words.extend((0..servers).step_by(2).map(|at| heard(at) | heard(at + 1) << 32));
        words.extend(state.past.iter().map(pack_past));
        for several in state.asked.chunks(ASKED_IN_A_WORD) {
            words.push(several.iter().rev().fold(0, |word, asked| word << ASKED | pack_asked(asked)));
        }
        Packed(words)
    }

    pub(crate) fn state(&self) -> State {
        let mut words = self.0.iter().copied();
        let mut next = || words.next().expect("a packed state is whole");
        let first = next();
        let [servers, base, past, asked] = (first as u32).to_le_bytes();
        let (holder, leases) = (servers >> HOLDER & ((1 << (LEASES - HOLDER)) - 1), servers >> LEASES != 0);
        let servers = servers & ((1 << HOLDER) - 1);
        let mut state =
            State { servers, leases, base, holder, known_in: ((first >> 32) as u32).to_le_bytes(), ..State::default() };
        let committed = next();
        state.committed = Cells { bits: (committed >> 8) as u32, len: committed as u8 };
        state.seats[..servers as usize].fill_with(|| Seat(next()));
        let mut word = 0;
        for at in 0..usize::from(servers) {
            word = if at.is_multiple_of(2) { next() } else { word >> 32 };
            state.heard[at] = word as u32 & ((1 << ANSWERED) - 1);
            state.answered[at] = (word as u32 >> ANSWERED) as u8;
        }
        state.past.extend((0..past).map(|_| unpack_past(next())));
        let mut word = 0;
        for at in 0..usize::from(asked) {
            word = if at.is_multiple_of(ASKED_IN_A_WORD) { next() } else { word >> ASKED };
            state.asked.push(unpack_asked(word));
        }
        state
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.0
    }

    /// The state of these words; `None` if there are too few for it.
    pub(crate) fn from_words(words: &[u64]) -> Option<Packed> {
        let [servers, _, past, asked] = (*words.first()? as u32).to_le_bytes().map(usize::from);
        let servers = servers & ((1 << HOLDER) - 1);
        let length = 2 + servers + servers.div_ceil(2) + past + asked.div_ceil(ASKED_IN_A_WORD);
        (words.len() == length).then(|| Packed(words.iter().copied().collect()))
    }
}

fn pack_past(past: &Past) -> u64 {
    let Past { term, leader, commit, cells } = *past;
    u64::from(u32::from_le_bytes([term, leader, commit, cells.len])) << 32 | u64::from(cells.bits)
}

fn unpack_past(word: u64) -> Past {
    let [term, leader, commit, len] = ((word >> 32) as u32).to_le_bytes();
    Past { term, leader, commit, cells: Cells { bits: word as u32, len } }
}

fn pack_asked(asked: &Asked) -> u64 {
    let Asked { term, candidate, last, transfer } = *asked;
    let last = u64::from(last.term) << 8 | u64::from(last.index) << 13;
    u64::from(term) | u64::from(candidate) << 5 | last | u64::from(transfer) << 16
}

fn unpack_asked(word: u64) -> Asked {
    let bits = |shift: u32, count: u32| (word >> shift) as u8 & ((1 << count) - 1);
    let last = Place { term: bits(8, 5), index: bits(13, 3) };
    Asked { term: bits(0, 5), candidate: bits(5, 3), last, transfer: bits(16, 1) != 0 }
}
