//! To which worker a state belongs, and what is on its way there.

use crate::search::fingerprint::Print;
use crate::search::space::Space;

/// States are dealt out in this many shares, so that a share is the same whatever there are of workers.
const SHARE_BITS: u32 = 16;

/// The worker that a state belongs to. By the bits of its fingerprint that have no say in where in a table
/// it is: or a worker's table would be full in one part and empty in the rest.
#[inline]
pub(super) fn owner<P: Print>(print: P, workers: usize) -> usize {
    let share = print.place() & ((1 << SHARE_BITS) - 1);
    (share as usize * workers) >> SHARE_BITS
}

/// A letter is sent when it has so many bytes.
const FULL: usize = 64 << 10;

/// Before each state, in a letter.
const LENGTH_BYTES: usize = 2;

/// How many states a worker remembers to have sent.
const REMEMBERED_BITS: u32 = 18;

/// What a worker has found that belongs to others.
pub(super) struct Outbox<P> {
    me: usize,
    /// By worker.
    filling: Vec<Vec<u8>>,
    full: Vec<(usize, Vec<u8>)>,
    /// What was sent lately need not be sent again.
    sent: Vec<P>,
    /// States in all.
    pub(super) count: u64,
}

impl<P: Print> Outbox<P> {
    pub(super) fn new(me: usize, workers: usize) -> Outbox<P> {
        let filling = (0..workers).map(|_| Vec::new()).collect();
        Outbox { me, filling, full: Vec::new(), sent: vec![P::EMPTY; 1 << REMEMBERED_BITS], count: 0 }
    }

    /// Gives a state back that belongs here, and writes down any other, unless that was done lately.
    #[inline]
    pub(super) fn keep_or_put<S: Space>(&mut self, space: &S, print: P, state: S::State) -> Option<S::State> {
        let to = owner(print, self.filling.len());
        if to == self.me {
            return Some(state);
        }
        let place = &mut self.sent[(print.place() >> SHARE_BITS) as usize & ((1 << REMEMBERED_BITS) - 1)];
        if *place != print {
            *place = print;
            self.put(space, to, &[print], &state);
        }
        None
    }

    /// Gives a state back that belongs here, and writes down any other, with its parent.
    pub(super) fn keep_or_put_child<S: Space>(
        &mut self,
        space: &S,
        [print, parent]: [P; 2],
        state: S::State,
    ) -> Option<S::State> {
        let to = owner(print, self.filling.len());
        if to == self.me {
            return Some(state);
        }
        self.put(space, to, &[print, parent], &state);
        None
    }

    fn put<S: Space>(&mut self, space: &S, to: usize, prints: &[P], state: &S::State) {
        let letter = &mut self.filling[to];
        let begin = letter.len();
        letter.extend_from_slice(&[0; LENGTH_BYTES]);
        prints.iter().for_each(|print| print.write(letter));
        space.encode(state, letter);
        let written = u16::try_from(letter.len() - begin - LENGTH_BYTES).expect("a state has few bytes");
        letter[begin..begin + LENGTH_BYTES].copy_from_slice(&written.to_le_bytes());
        self.count += 1;
        if FULL <= letter.len() {
            self.full.push((to, std::mem::replace(letter, Vec::with_capacity(FULL + FULL / 8))));
        }
    }

    /// The letters that are full.
    pub(super) fn take_full(&mut self) -> Vec<(usize, Vec<u8>)> {
        std::mem::take(&mut self.full)
    }

    /// All of them.
    pub(super) fn take_all(&mut self) -> Vec<(usize, Vec<u8>)> {
        let rest = self.filling.iter_mut().enumerate().filter(|(_, letter)| !letter.is_empty());
        self.full.extend(rest.map(|(to, letter)| (to, std::mem::take(letter))));
        self.take_full()
    }
}

/// What a letter says of each of its states: fingerprints, and the bytes that it is read from.
pub(super) fn records(letter: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = letter;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (length, behind) = rest.split_first_chunk().expect("a letter is whole");
        let (record, behind) = behind.split_at_checked(u16::from_le_bytes(*length).into()).expect("a letter is whole");
        rest = behind;
        Some(record)
    })
}

/// Takes one fingerprint off the front.
#[inline]
pub(super) fn take_print<P: Print>(record: &mut &[u8]) -> P {
    let (print, rest) = record.split_at_checked(P::BYTES).expect("a record is whole");
    *record = rest;
    P::read(print).expect("it has its bytes")
}
