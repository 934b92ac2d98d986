//! The visited set: which fingerprints were seen.
//!
//! Open addressing in shards, each behind its own lock. A shard grows by a quarter when it is
//! seven eighths full, so about four fifths of the memory is in use, and only one small part of it
//! is ever held twice. The shards start at different sizes: with one size they would all grow at
//! the same moment, because fingerprints fill them evenly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::search::fingerprint::Print;

const SHARD_BITS: u32 = 10;
const SHARDS: usize = 1 << SHARD_BITS;
/// Places of the smallest shard to begin with; the largest has a quarter more.
const FIRST_PLACES: usize = 64;

pub(super) struct Table<P> {
    shards: Vec<Locked<P>>,
    /// Of all shards.
    bytes: AtomicU64,
}

/// A shard on a cache line of its own, or threads would wait for those at its neighbours.
#[repr(align(64))]
struct Locked<P>(Mutex<Shard<P>>);

struct Shard<P> {
    /// Sorted but for collisions: a print's place is in proportion to its value.
    places: Vec<P>,
    used: usize,
}

impl<P: Print> Table<P> {
    pub(super) fn new() -> Table<P> {
        let places = |shard| FIRST_PLACES + FIRST_PLACES * shard / (4 * SHARDS);
        Table::from((0..SHARDS).map(|shard| Shard::of(places(shard), std::iter::empty())).collect())
    }

    fn from(shards: Vec<Shard<P>>) -> Table<P> {
        let bytes = AtomicU64::new(shards.iter().map(Shard::bytes).sum());
        Table { shards: shards.into_iter().map(|shard| Locked(Mutex::new(shard))).collect(), bytes }
    }

    /// Whether this print was not there before.
    #[inline]
    pub(super) fn insert(&self, print: P) -> bool {
        let mut shard = self.shards[shard_of(print)].hold();
        let is_new = shard.insert(print);
        if is_new && shard.is_crowded() {
            let before = shard.bytes();
            shard.grow();
            self.bytes.fetch_add(shard.bytes() - before, Ordering::Relaxed);
        }
        is_new
    }

    pub(super) fn contains(&self, print: P) -> bool {
        let shard = self.shards[shard_of(print)].hold();
        shard.places[shard.find(print)] == print
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Of each shard how many places it has, and its prints.
    pub(super) fn shards(&self) -> impl Iterator<Item = (usize, Vec<P>)> {
        self.shards.iter().map(|shard| {
            let places = &shard.hold().places;
            (places.len(), places.iter().copied().filter(|&print| print != P::EMPTY).collect())
        })
    }

    /// A table of such shards. Prints come sorted, and would crowd the front of a shard that is
    /// made for fewer of them: so it gets its places first.
    pub(super) fn of_shards<E>(mut shard: impl FnMut() -> Result<(usize, Vec<P>), E>) -> Result<Table<P>, E> {
        let shards = (0..SHARDS).map(|_| {
            let (places, prints) = shard()?;
            // More places than prints, or looking for one would not end.
            Ok(Shard::of(places.max(prints.len() + 1), prints.into_iter()))
        });
        Ok(Table::from(shards.collect::<Result<_, E>>()?))
    }
}

fn shard_of<P: Print>(print: P) -> usize {
    (print.place() >> (u64::BITS - SHARD_BITS)) as usize
}

impl<P> Locked<P> {
    fn hold(&self) -> MutexGuard<'_, Shard<P>> {
        self.0.lock().expect("nothing panics while it holds a shard")
    }
}

impl<P: Print> Shard<P> {
    fn of(places: usize, prints: impl Iterator<Item = P>) -> Shard<P> {
        let mut shard = Shard { places: vec![P::EMPTY; places], used: 0 };
        for print in prints {
            shard.insert(print);
        }
        shard
    }

    #[inline]
    fn insert(&mut self, print: P) -> bool {
        let place = self.find(print);
        if self.places[place] == print {
            return false;
        }
        self.places[place] = print;
        self.used += 1;
        true
    }

    #[inline]
    fn is_crowded(&self) -> bool {
        self.places.len() * 7 < self.used * 8
    }

    fn bytes(&self) -> u64 {
        (self.places.len() * size_of::<P>()) as u64
    }

    /// Where this print is, or else the empty place where it would be.
    #[inline]
    fn find(&self, print: P) -> usize {
        let within_shard = u128::from(print.place() << SHARD_BITS);
        let mut place = ((within_shard * self.places.len() as u128) >> u64::BITS) as usize;
        loop {
            let held = self.places[place];
            if held == print || held == P::EMPTY {
                return place;
            }
            place += 1;
            if place == self.places.len() {
                place = 0;
            }
        }
    }

    fn grow(&mut self) {
        // Sorted into sorted: this walks through both in step, which is quick.
        let places = self.places.len() + self.places.len() / 4;
        let prints = std::mem::take(&mut self.places).into_iter().filter(|&print| print != P::EMPTY);
        *self = Shard::of(places, prints);
    }
}
