//! How a process shows that it knows the secret without saying it.
//!
//! Both sides draw a number that is used once. A proof is HMAC-SHA-256 under the secret over both numbers and
//! all that is said with it, so it is worth nothing on another connection, for the other side, or beside other
//! words. What is sent after the handshake is neither encrypted nor proven.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Keeps proofs apart from whatever else is ever computed from the same secret.
const PURPOSE: &[u8] = b"rafttree checker hosts";

pub(super) const PROOF_BYTES: usize = 32;

/// A number that is used once.
pub(super) type Nonce = [u8; 32];

/// Who says something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Caller = 1,
    Called = 2,
}

/// The proofs of one connection.
pub(super) struct Proofs(Hmac<Sha256>);

impl Proofs {
    pub(super) fn new(secret: &[u8], caller: &Nonce, called: &Nonce) -> Proofs {
        let mac: Hmac<Sha256> = Hmac::new_from_slice(secret).expect("a key may have any length");
        Proofs(mac.chain_update(PURPOSE).chain_update(caller).chain_update(called))
    }

    /// What was said, with the proof behind it.
    pub(super) fn seal(&self, side: Side, said: &[u8]) -> Vec<u8> {
        let proof: [u8; PROOF_BYTES] = self.over(side, said).finalize().into_bytes().into();
        [said, &proof].concat()
    }

    /// What was said, if the proof behind it is right. The time that it takes does not tell how much of a wrong
    /// one is.
    pub(super) fn open<'a>(&self, side: Side, sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (said, proof) = sealed.split_at_checked(sealed.len().checked_sub(PROOF_BYTES)?)?;
        self.over(side, said).verify_slice(proof).is_ok().then_some(said)
    }

    fn over(&self, side: Side, said: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update([side as u8]).chain_update(said)
    }
}
