//! Digests: what a trace keeps of a value in its stead.
//!
//! They tell values apart that differ by accident. Whoever wants to can find other values with the same
//! digest, and can find out what was digested if it is one of few.

use core::hash::{Hash, Hasher};

use crate::durable::Durable;
use crate::effects::Output;
use crate::members::Members;
use crate::node::Node;
use crate::types::ServerId;

/// Digest of a payload, which stands in its place in a trace.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(pub u64);

/// Something with a digest: bytes, or the digest itself.
pub trait Digested {
    /// The digest under this key: all servers of a group have the same key, and other groups have others.
    fn digest(&self, key: u64) -> Digest;
}

impl Digested for Digest {
    fn digest(&self, _: u64) -> Digest {
        *self
    }
}

impl<T: AsRef<[u8]>> Digested for T {
    fn digest(&self, key: u64) -> Digest {
        Digest(of_bytes(key, self.as_ref()))
    }
}

/// A digest under way. Each word that it is given changes it, and so does their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digester(u64);

/// An odd number without a pattern.
const FACTOR: u64 = 0x9fb2_1c65_1e98_df25;

/// What a digest begins with where there is no key.
const SEED: u64 = 0x243f_6a88_85a3_08d3;

impl Default for Digester {
    fn default() -> Digester {
        Digester(SEED)
    }
}

impl Digester {
    /// A digest that begins with this.
    pub(crate) fn of_key(key: u64) -> Digester {
        Digester(key ^ SEED)
    }

    /// Both halves of a product depend on all bits of the factors.
    #[inline(always)]
    fn add(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(FACTOR);
        self.0 = (product as u64 ^ (product >> 64) as u64).wrapping_add(SEED);
    }
}

impl Hasher for Digester {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last));
        self.add(bytes.len() as u64);
    }

    fn write_u8(&mut self, value: u8) {
        self.add(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.add(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.add(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }
}

/// The digest of bytes.
pub(crate) fn of_bytes(key: u64, bytes: &[u8]) -> u64 {
    let mut digester = Digester::of_key(key);
    digester.write(bytes);
    digester.finish()
}

/// The digest of a value.
pub(crate) fn of_value(value: &impl Hash) -> u64 {
    let mut digester = Digester::default();
    value.hash(&mut digester);
    digester.finish()
}

/// The text of the protocol: all modules of which a step is made, and the order of what it asks for.
pub(crate) const PROTOCOL: [(&str, &str); 17] = [
    ("types", include_str!("types.rs")),
    ("members", include_str!("members.rs")),
    ("log", include_str!("log.rs")),
    ("faulty", include_str!("faulty.rs")),
    ("durable", include_str!("durable.rs")),
    ("message", include_str!("message.rs")),
    ("entries", include_str!("entries.rs")),
    ("effects", include_str!("effects.rs")),
    ("node", include_str!("node.rs")),
    ("plausibility", include_str!("plausibility.rs")),
    ("rules", include_str!("rules.rs")),
    ("step", include_str!("step.rs")),
    ("rounds", include_str!("rounds.rs")),
    ("election", include_str!("election.rs")),
    ("replication", include_str!("replication.rs")),
    ("compaction", include_str!("compaction.rs")),
    ("replica", include_str!("replica.rs")),
];

/// Digest of the code that records a trace, or replays one: of the protocol's text, and of what this build
/// makes of a value.
pub fn code() -> u64 {
    let mut digester = Digester::default();
    PROTOCOL.iter().for_each(|(name, text)| (name, text).hash(&mut digester));
    let id = ServerId::default();
    if let Ok(members) = Members::new([id]) {
        (Node::recover(id, members, Durable::default()), Output::Refused).hash(&mut digester);
    }
    digester.finish()
}
