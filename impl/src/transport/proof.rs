//! How a server shows that it knows the cluster's id without saying it.
//!
//! Both sides draw a number that is used once. A proof is HMAC-SHA-256 under the cluster's id over
//! everything that was said before it, so it is worth nothing on another connection, for another
//! step, or beside other words. Whoever carries all messages between two servers can still speak
//! for them after the handshake: only encryption keeps such a one out.

use std::ops::RangeInclusive;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::storage::ClusterId;

/// Keeps proofs apart from whatever else may ever be computed from a cluster's id.
const PURPOSE: &[u8] = b"rafttree handshake";

/// A number that is used once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Nonce(pub(super) [u8; 32]);

/// A proof that its sender knows the cluster's id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Proof(pub(super) [u8; 32]);

/// Which of the three things that are proven.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// The called side knows the cluster's id.
    Challenge = 1,
    /// The calling side does, and says who it is.
    CallersHello = 2,
    /// The called side says who it is.
    CalledHello = 3,
}

/// The proofs of one connection.
pub(super) struct Proofs(Hmac<Sha256>);

impl Nonce {
    pub(super) fn random() -> Nonce {
        Nonce(rand::random())
    }
}

impl Proofs {
    /// For two sides that have begun so, the caller first: its versions and its nonce.
    pub(super) fn new(cluster: ClusterId, begun: [(&RangeInclusive<u32>, Nonce); 2]) -> Proofs {
        let mut mac = Hmac::new_from_slice(&cluster.to_bytes()).expect("a key may have any length");
        mac.update(PURPOSE);
        for (protocols, Nonce(nonce)) in begun {
            mac.update(&protocols.start().to_be_bytes());
            mac.update(&protocols.end().to_be_bytes());
            mac.update(&nonce);
        }
        Proofs(mac)
    }

    /// Shows that whoever says this in this step knows the cluster's id.
    pub(super) fn prove(&self, step: Step, said: &[u8]) -> Proof {
        Proof(self.over(step, said).finalize().into_bytes().into())
    }

    /// Whether this was said by somebody who knows the cluster's id. The time that it takes does not
    /// tell how much of a wrong proof is right.
    pub(super) fn verify(&self, step: Step, said: &[u8], Proof(proof): &Proof) -> bool {
        self.over(step, said).verify_slice(proof).is_ok()
    }

    fn over(&self, step: Step, said: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update([step as u8]).chain_update(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 3] = [Step::Challenge, Step::CallersHello, Step::CalledHello];

    fn proofs(cluster: u8, versions: u32, caller: u8, called: u8) -> Proofs {
        let begun = [(&(versions..=3), Nonce([caller; 32])), (&(3..=3), Nonce([called; 32]))];
        Proofs::new(ClusterId::from_bytes([cluster; 16]), begun)
    }

    #[test]
    fn a_proof_holds_for_one_cluster_one_connection_one_step_and_what_was_said() {
        let ours = proofs(7, 3, 1, 2);
        for step in STEPS {
            let proof = ours.prove(step, b"hello");
            for other in STEPS {
                assert_eq!(ours.verify(other, b"hello", &proof), other == step);
            }
            assert!(!ours.verify(step, b"hellp", &proof) && !ours.verify(step, b"hello1", &proof));
            for theirs in [proofs(8, 3, 1, 2), proofs(7, 2, 1, 2), proofs(7, 3, 3, 2), proofs(7, 3, 1, 3)] {
                assert!(!theirs.verify(step, b"hello", &proof));
            }
            assert!(!proofs(7, 3, 2, 1).verify(step, b"hello", &proof), "and for one direction");
        }
    }

    #[test]
    fn no_bit_of_a_proof_may_be_another() {
        let ours = proofs(7, 3, 1, 2);
        let proof = ours.prove(Step::CallersHello, b"hello");
        for bit in 0..256 {
            let mut other = proof;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!ours.verify(Step::CallersHello, b"hello", &other), "bit {bit}");
        }
    }

    /// HMAC-SHA-256 over the same bytes by another program (Python's `hmac`): servers of all
    /// later versions must agree with it.
    #[test]
    fn the_proof_stays_as_it_is() {
        let Proof(proof) = proofs(7, 3, 1, 2).prove(Step::CallersHello, b"hello");
        let written: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, "102e44ce41899705022a1f80087ad4150c62b445f327cacc9475ba4bc5d64954");
    }
}
