//! Greetings: the messages of a handshake, on the wire and as values.
//!
//! The encoding of a greeting is for ever: it is how servers of all versions find out whether
//! they have a version in common.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use rafttree_model::ServerId;

use super::proof::{Nonce, Proof};
use super::refusal::Refusal;
use crate::storage::Incarnation;

/// The letters `RaftTree`. Who does not begin with them is something else.
const MAGIC: u64 = u64::from_be_bytes(*b"RaftTree");

/// One step of a handshake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Greeting {
    /// Somebody calls.
    Open(Open),
    /// The called side knows the cluster's id. Does the caller?
    Challenge(Challenge),
    /// The server that speaks.
    Hello(Sealed),
    /// The other side is welcome.
    Accepted,
    /// The other side is not welcome; as the receiver has to report it.
    Refused(Refusal),
    /// No greeting at all.
    Foreign,
}

/// A caller's first message: nothing of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Open {
    /// Versions of the protocol that it speaks.
    pub(super) protocols: RangeInclusive<u32>,
    /// Versions before 3 have none.
    pub(super) nonce: Option<Nonce>,
}

/// The called side's first message: nothing of itself either.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Challenge {
    /// Versions of the protocol that it speaks.
    pub(super) protocols: RangeInclusive<u32>,
    pub(super) nonce: Nonce,
    pub(super) proof: Proof,
}

/// A [`Hello`], with the proof that it was said by a server of the cluster, and so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sealed {
    pub(super) hello: Bytes,
    pub(super) proof: Proof,
}

/// A server's description of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Hello {
    pub(super) from: ServerId,
    pub(super) incarnation: Incarnation,
    /// The server that it believes to talk to.
    pub(super) to: ServerId,
    pub(super) minimum_timeout: Duration,
    /// The servers of its group, by rising id.
    pub(super) group: Vec<ServerId>,
    pub(super) kind: Kind,
}

/// The purpose of a connection, as its caller has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The messages of the protocol.
    Control,
    /// One snapshot.
    Bulk,
    /// One of a later version.
    Other(u32),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WireGreeting {
    #[prost(fixed64, tag = "1")]
    magic: u64,
    #[prost(message, optional, tag = "2")]
    open: Option<WireOpen>,
    #[prost(message, optional, tag = "3")]
    refused: Option<WireRefused>,
    #[prost(message, optional, tag = "4")]
    challenge: Option<WireChallenge>,
    #[prost(message, optional, tag = "5")]
    hello: Option<WireSealed>,
}

/// The hello of versions 1 and 2, of which only the versions and a nonce are left. Those versions
/// look for two ids of the right length before they tell that there is no common version.
#[derive(Clone, PartialEq, prost::Message)]
struct WireOpen {
    #[prost(message, optional, tag = "1")]
    protocols: Option<WireProtocols>,
    #[prost(bytes = "bytes", tag = "2")]
    cluster: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    incarnation: Bytes,
    #[prost(bytes = "bytes", tag = "8")]
    nonce: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireChallenge {
    #[prost(message, optional, tag = "1")]
    protocols: Option<WireProtocols>,
    #[prost(bytes = "bytes", tag = "2")]
    nonce: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    proof: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireSealed {
    #[prost(bytes = "bytes", tag = "1")]
    hello: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    proof: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireHello {
    #[prost(uint32, tag = "1")]
    from: u32,
    #[prost(bytes = "bytes", tag = "2")]
    incarnation: Bytes,
    #[prost(uint32, tag = "3")]
    to: u32,
    #[prost(uint64, tag = "4")]
    minimum_timeout_nanoseconds: u64,
    #[prost(uint32, repeated, tag = "5")]
    group: Vec<u32>,
    #[prost(uint32, tag = "6")]
    kind: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireProtocols {
    #[prost(uint32, tag = "1")]
    minimum: u32,
    #[prost(uint32, tag = "2")]
    maximum: u32,
}

/// A refusal, as the one who refuses sees it.
#[derive(Clone, PartialEq, prost::Message)]
struct WireRefused {
    #[prost(oneof = "WireReason", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13")]
    reason: Option<WireReason>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WireReason {
    #[prost(message, tag = "1")]
    NotRaftTree(()),
    #[prost(message, tag = "2")]
    Protocol(WireProtocolMismatch),
    #[prost(message, tag = "3")]
    Cluster(()),
    #[prost(message, tag = "4")]
    WrongServer(WireWrongServer),
    #[prost(uint32, tag = "5")]
    UnknownPeer(u32),
    #[prost(message, tag = "6")]
    Incarnation(WireIncarnation),
    #[prost(message, tag = "7")]
    Itself(()),
    #[prost(message, tag = "8")]
    Malformed(()),
    #[prost(message, tag = "9")]
    Group(WireGroupMismatch),
    #[prost(uint32, tag = "10")]
    LostEntries(u32),
    #[prost(message, tag = "11")]
    Implausible(()),
    #[prost(message, tag = "12")]
    NotKept(()),
    #[prost(message, tag = "13")]
    Kind(()),
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireProtocolMismatch {
    #[prost(message, optional, tag = "1")]
    theirs: Option<WireProtocols>,
    #[prost(message, optional, tag = "2")]
    ours: Option<WireProtocols>,
}

/// The incarnation that the refused side named; versions before 3 told the one that they knew, too.
#[derive(Clone, PartialEq, prost::Message)]
struct WireIncarnation {
    #[prost(bytes = "bytes", tag = "1")]
    seen: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireWrongServer {
    #[prost(uint32, tag = "1")]
    expected: u32,
    #[prost(uint32, tag = "2")]
    found: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireGroupMismatch {
    #[prost(uint32, repeated, tag = "1")]
    theirs: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    ours: Vec<u32>,
}

impl From<Greeting> for WireGreeting {
    fn from(greeting: Greeting) -> WireGreeting {
        let said = WireGreeting { magic: MAGIC, ..WireGreeting::default() };
        match greeting {
            Greeting::Open(open) => WireGreeting { open: Some(open.into()), ..said },
            Greeting::Challenge(challenge) => WireGreeting { challenge: Some(challenge.into()), ..said },
            Greeting::Hello(hello) => WireGreeting { hello: Some(hello.into()), ..said },
            Greeting::Accepted => said,
            Greeting::Refused(reason) => WireGreeting { refused: Some(WireRefused { reason: reason.into() }), ..said },
            Greeting::Foreign => WireGreeting::default(),
        }
    }
}

impl From<WireGreeting> for Greeting {
    fn from(wire: WireGreeting) -> Greeting {
        let said = match wire {
            WireGreeting { magic, .. } if magic != MAGIC => None,
            WireGreeting { refused: Some(WireRefused { reason }), .. } => {
                let reason = reason.and_then(read_reason).unwrap_or(Refusal::Other);
                Some(Greeting::Refused(reason.mirrored()))
            }
            WireGreeting { open: Some(open), .. } => open.read().map(Greeting::Open),
            WireGreeting { challenge: Some(challenge), .. } => challenge.read().map(Greeting::Challenge),
            WireGreeting { hello: Some(hello), .. } => hello.read().map(Greeting::Hello),
            _ => Some(Greeting::Accepted),
        };
        said.unwrap_or(Greeting::Foreign)
    }
}

impl From<Open> for WireOpen {
    fn from(Open { protocols, nonce }: Open) -> WireOpen {
        let nobodys = Bytes::from_static(&[0; 16]);
        let nonce = nonce.map(|Nonce(nonce)| Bytes::copy_from_slice(&nonce)).unwrap_or_default();
        WireOpen { protocols: Some(protocols.into()), cluster: nobodys.clone(), incarnation: nobodys, nonce }
    }
}

impl WireOpen {
    fn read(&self) -> Option<Open> {
        Some(Open { protocols: self.protocols.as_ref()?.read(), nonce: read_nonce(&self.nonce) })
    }
}

impl From<Challenge> for WireChallenge {
    fn from(Challenge { protocols, nonce, proof }: Challenge) -> WireChallenge {
        let [nonce, proof] = [nonce.0, proof.0].map(|bytes| Bytes::copy_from_slice(&bytes));
        WireChallenge { protocols: Some(protocols.into()), nonce, proof }
    }
}

impl WireChallenge {
    fn read(&self) -> Option<Challenge> {
        let protocols = self.protocols.as_ref()?.read();
        Some(Challenge { protocols, nonce: read_nonce(&self.nonce)?, proof: read_proof(&self.proof)? })
    }
}

impl From<Sealed> for WireSealed {
    fn from(Sealed { hello, proof }: Sealed) -> WireSealed {
        WireSealed { hello, proof: Bytes::copy_from_slice(&proof.0) }
    }
}

impl WireSealed {
    fn read(self) -> Option<Sealed> {
        Some(Sealed { proof: read_proof(&self.proof)?, hello: self.hello })
    }
}

impl Hello {
    /// The bytes that are sealed.
    pub(super) fn to_bytes(&self) -> Bytes {
        let hello = WireHello {
            from: self.from.number(),
            incarnation: Bytes::copy_from_slice(&self.incarnation.to_bytes()),
            to: self.to.number(),
            minimum_timeout_nanoseconds: self.minimum_timeout.as_nanos().try_into().unwrap_or(u64::MAX),
            group: wire_ids(&self.group),
            kind: self.kind.number(),
        };
        hello.encode_to_vec().into()
    }

    /// The hello that was sealed; `None` if it is none.
    pub(super) fn from_bytes(bytes: Bytes) -> Option<Hello> {
        let wire = WireHello::decode(bytes).ok()?;
        Some(Hello {
            from: ServerId::new(wire.from),
            incarnation: read_incarnation(&wire.incarnation)?,
            to: ServerId::new(wire.to),
            minimum_timeout: Duration::from_nanos(wire.minimum_timeout_nanoseconds),
            group: read_ids(&wire.group),
            kind: Kind::of(wire.kind),
        })
    }
}

impl Kind {
    fn of(number: u32) -> Kind {
        match number {
            0 => Kind::Control,
            1 => Kind::Bulk,
            number => Kind::Other(number),
        }
    }

    fn number(self) -> u32 {
        match self {
            Kind::Control => 0,
            Kind::Bulk => 1,
            Kind::Other(number) => number,
        }
    }
}

impl From<Refusal> for Option<WireReason> {
    fn from(refusal: Refusal) -> Option<WireReason> {
        Some(match refusal {
            Refusal::NotRaftTree => WireReason::NotRaftTree(()),
            Refusal::Protocol { theirs, ours } => {
                WireReason::Protocol(WireProtocolMismatch { theirs: Some(theirs.into()), ours: Some(ours.into()) })
            }
            Refusal::Cluster => WireReason::Cluster(()),
            Refusal::WrongServer { expected, found } => {
                WireReason::WrongServer(WireWrongServer { expected: expected.number(), found: found.number() })
            }
            Refusal::UnknownPeer(id) => WireReason::UnknownPeer(id.number()),
            Refusal::Incarnation { seen } => {
                WireReason::Incarnation(WireIncarnation { seen: Bytes::copy_from_slice(&seen.to_bytes()) })
            }
            Refusal::Itself => WireReason::Itself(()),
            Refusal::Malformed => WireReason::Malformed(()),
            Refusal::NotKept => WireReason::NotKept(()),
            Refusal::Kind => WireReason::Kind(()),
            Refusal::Implausible => WireReason::Implausible(()),
            Refusal::Group { theirs, ours } => {
                WireReason::Group(WireGroupMismatch { theirs: wire_ids(&theirs), ours: wire_ids(&ours) })
            }
            Refusal::LostEntries(id) => WireReason::LostEntries(id.number()),
            Refusal::Other => return None,
        })
    }
}

fn read_reason(wire: WireReason) -> Option<Refusal> {
    Some(match wire {
        WireReason::NotRaftTree(()) => Refusal::NotRaftTree,
        WireReason::Protocol(wire) => {
            Refusal::Protocol { theirs: wire.theirs.as_ref()?.read(), ours: wire.ours.as_ref()?.read() }
        }
        WireReason::Cluster(()) => Refusal::Cluster,
        WireReason::WrongServer(wire) => {
            Refusal::WrongServer { expected: ServerId::new(wire.expected), found: ServerId::new(wire.found) }
        }
        WireReason::UnknownPeer(id) => Refusal::UnknownPeer(ServerId::new(id)),
        WireReason::Incarnation(wire) => Refusal::Incarnation { seen: read_incarnation(&wire.seen)? },
        WireReason::Itself(()) => Refusal::Itself,
        WireReason::Malformed(()) => Refusal::Malformed,
        WireReason::LostEntries(id) => Refusal::LostEntries(ServerId::new(id)),
        WireReason::NotKept(()) => Refusal::NotKept,
        WireReason::Kind(()) => Refusal::Kind,
        WireReason::Implausible(()) => Refusal::Implausible,
        WireReason::Group(wire) => Refusal::Group { theirs: read_ids(&wire.theirs), ours: read_ids(&wire.ours) },
    })
}

impl From<RangeInclusive<u32>> for WireProtocols {
    fn from(range: RangeInclusive<u32>) -> WireProtocols {
        WireProtocols { minimum: *range.start(), maximum: *range.end() }
    }
}

impl WireProtocols {
    fn read(&self) -> RangeInclusive<u32> {
        self.minimum..=self.maximum
    }
}

fn wire_ids(servers: &[ServerId]) -> Vec<u32> {
    servers.iter().map(|id| id.number()).collect()
}

fn read_ids(servers: &[u32]) -> Vec<ServerId> {
    servers.iter().copied().map(ServerId::new).collect()
}

fn read_nonce(bytes: &[u8]) -> Option<Nonce> {
    bytes.try_into().ok().map(Nonce)
}

fn read_proof(bytes: &[u8]) -> Option<Proof> {
    bytes.try_into().ok().map(Proof)
}

fn read_incarnation(bytes: &[u8]) -> Option<Incarnation> {
    bytes.try_into().ok().map(Incarnation::from_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges() -> impl Strategy<Value = RangeInclusive<u32>> {
        (any::<u32>(), any::<u32>()).prop_map(|(minimum, maximum)| minimum..=maximum)
    }

    fn groups() -> impl Strategy<Value = Vec<ServerId>> {
        proptest::collection::vec(any::<u32>().prop_map(ServerId::new), 0..10)
    }

    fn hellos() -> impl Strategy<Value = Hello> {
        (any::<u32>(), any::<[u8; 16]>(), any::<u32>(), any::<u64>(), groups(), 0_u32..4).prop_map(
            |(from, incarnation, to, nanoseconds, group, kind)| Hello {
                from: ServerId::new(from),
                incarnation: Incarnation::from_bytes(incarnation),
                to: ServerId::new(to),
                minimum_timeout: Duration::from_nanos(nanoseconds),
                group,
                kind: Kind::of(kind),
            },
        )
    }

    fn greetings() -> impl Strategy<Value = Greeting> {
        let nonces = || any::<[u8; 32]>().prop_map(Nonce);
        let proofs = || any::<[u8; 32]>().prop_map(Proof);
        let opens = (ranges(), proptest::option::of(nonces())).prop_map(|(protocols, nonce)| Open { protocols, nonce });
        let challenges =
            (ranges(), nonces(), proofs()).prop_map(|(protocols, nonce, proof)| Challenge { protocols, nonce, proof });
        let sealed = (hellos(), proofs()).prop_map(|(hello, proof)| Sealed { hello: hello.to_bytes(), proof });
        prop_oneof![
            opens.prop_map(Greeting::Open),
            challenges.prop_map(Greeting::Challenge),
            sealed.prop_map(Greeting::Hello),
            Just(Greeting::Accepted),
        ]
    }

    fn refusals() -> impl Strategy<Value = Refusal> {
        let ids = || any::<u32>().prop_map(ServerId::new);
        let incarnations = || any::<[u8; 16]>().prop_map(Incarnation::from_bytes);
        prop_oneof![
            Just(Refusal::NotRaftTree),
            (ranges(), ranges()).prop_map(|(theirs, ours)| Refusal::Protocol { theirs, ours }),
            Just(Refusal::Cluster),
            (ids(), ids()).prop_map(|(expected, found)| Refusal::WrongServer { expected, found }),
            (groups(), groups()).prop_map(|(theirs, ours)| Refusal::Group { theirs, ours }),
            ids().prop_map(Refusal::UnknownPeer),
            ids().prop_map(Refusal::LostEntries),
            incarnations().prop_map(|seen| Refusal::Incarnation { seen }),
            Just(Refusal::Itself),
            Just(Refusal::Malformed),
            Just(Refusal::NotKept),
            Just(Refusal::Kind),
            Just(Refusal::Implausible),
            Just(Refusal::Other),
        ]
    }

    fn sent(greeting: Greeting) -> Greeting {
        WireGreeting::decode(&*WireGreeting::from(greeting).encode_to_vec()).unwrap().into()
    }

    proptest! {
        #[test]
        fn a_greeting_arrives_as_it_was_sent(greeting in greetings()) {
            prop_assert_eq!(sent(greeting.clone()), greeting);
        }

        #[test]
        fn a_hello_reads_as_it_was_sealed(hello in hellos()) {
            prop_assert_eq!(Hello::from_bytes(hello.to_bytes()), Some(hello));
        }

        #[test]
        fn a_refusal_arrives_as_the_other_side_sees_it(refusal in refusals()) {
            let arrived = sent(Greeting::Refused(refusal.clone()));
            prop_assert_eq!(&arrived, &Greeting::Refused(refusal.clone().mirrored()));
            prop_assert_eq!(refusal.clone().mirrored().mirrored(), refusal);
        }

        #[test]
        fn any_bytes_are_a_greeting_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = WireGreeting::decode(&*bytes).map(Greeting::from);
            let _ = Hello::from_bytes(bytes.into());
        }
    }

    #[test]
    fn what_lacks_the_magic_is_foreign() {
        assert_eq!(sent(Greeting::Accepted), Greeting::Accepted);
        assert_eq!(Greeting::from(WireGreeting::default()), Greeting::Foreign);
    }

    #[test]
    fn a_reason_of_a_later_version_is_still_a_refusal() {
        let refused = Some(WireRefused { reason: None });
        let wire = WireGreeting { magic: MAGIC, refused, ..WireGreeting::default() };
        assert_eq!(Greeting::from(wire), Greeting::Refused(Refusal::Other));
    }
}
