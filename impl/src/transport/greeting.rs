//! What two servers say before they talk, on the wire and as values.
//!
//! The encoding of a greeting is for ever: it is how servers of all versions find out whether
//! they have a version in common.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use rafttree_model::ServerId;

use super::refusal::Refusal;
use crate::storage::{ClusterId, Incarnation};

/// The letters `RaftTree`. Who does not begin with them is something else.
const MAGIC: u64 = u64::from_be_bytes(*b"RaftTree");

/// One step of a handshake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Greeting {
    /// Who speaks.
    Hello(Hello),
    /// The other side is welcome.
    Accepted,
    /// The other side is not welcome; as the receiver has to report it.
    Refused(Refusal),
    /// No greeting at all.
    Foreign,
}

/// What a server says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Hello {
    /// Versions of the protocol that it speaks.
    pub(super) protocols: RangeInclusive<u32>,
    pub(super) cluster: ClusterId,
    pub(super) from: ServerId,
    pub(super) incarnation: Incarnation,
    /// Whom it believes to talk to.
    pub(super) to: ServerId,
    pub(super) minimum_timeout: Duration,
    /// The servers of its group, by rising id.
    pub(super) group: Vec<ServerId>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WireGreeting {
    #[prost(fixed64, tag = "1")]
    magic: u64,
    #[prost(message, optional, tag = "2")]
    hello: Option<WireHello>,
    #[prost(message, optional, tag = "3")]
    refused: Option<WireRefused>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireHello {
    #[prost(message, optional, tag = "1")]
    protocols: Option<WireProtocols>,
    #[prost(bytes = "bytes", tag = "2")]
    cluster: Bytes,
    #[prost(uint32, tag = "3")]
    from: u32,
    #[prost(bytes = "bytes", tag = "4")]
    incarnation: Bytes,
    #[prost(uint32, tag = "5")]
    to: u32,
    #[prost(uint64, tag = "6")]
    minimum_timeout_nanoseconds: u64,
    #[prost(uint32, repeated, tag = "7")]
    group: Vec<u32>,
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
    #[prost(oneof = "WireReason", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    reason: Option<WireReason>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WireReason {
    #[prost(message, tag = "1")]
    NotRaftTree(()),
    #[prost(message, tag = "2")]
    Protocol(WireProtocolMismatch),
    #[prost(message, tag = "3")]
    Cluster(WireIdMismatch),
    #[prost(message, tag = "4")]
    WrongServer(WireWrongServer),
    #[prost(uint32, tag = "5")]
    UnknownPeer(u32),
    #[prost(message, tag = "6")]
    Incarnation(WireIdMismatch),
    #[prost(message, tag = "7")]
    Itself(()),
    #[prost(message, tag = "8")]
    Malformed(()),
    #[prost(message, tag = "9")]
    Group(WireGroupMismatch),
    #[prost(uint32, tag = "10")]
    LostEntries(u32),
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireProtocolMismatch {
    #[prost(message, optional, tag = "1")]
    theirs: Option<WireProtocols>,
    #[prost(message, optional, tag = "2")]
    ours: Option<WireProtocols>,
}

/// Two ids that should be one: `theirs` and `ours` of a cluster, `seen` and `known` of an
/// incarnation.
#[derive(Clone, PartialEq, prost::Message)]
struct WireIdMismatch {
    #[prost(bytes = "bytes", tag = "1")]
    theirs: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    ours: Bytes,
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
        let said = WireGreeting { magic: MAGIC, hello: None, refused: None };
        match greeting {
            Greeting::Hello(hello) => WireGreeting { hello: Some(hello.into()), ..said },
            Greeting::Accepted => said,
            Greeting::Refused(reason) => WireGreeting { refused: Some(WireRefused { reason: reason.into() }), ..said },
            Greeting::Foreign => WireGreeting::default(),
        }
    }
}

impl From<WireGreeting> for Greeting {
    fn from(wire: WireGreeting) -> Greeting {
        if wire.magic != MAGIC {
            return Greeting::Foreign;
        }
        match (wire.refused, wire.hello) {
            (Some(WireRefused { reason }), _) => {
                let reason = reason.and_then(read_reason).unwrap_or(Refusal::Other);
                Greeting::Refused(reason.mirrored())
            }
            (None, Some(hello)) => read_hello(&hello).map_or(Greeting::Foreign, Greeting::Hello),
            (None, None) => Greeting::Accepted,
        }
    }
}

impl From<Hello> for WireHello {
    fn from(hello: Hello) -> WireHello {
        WireHello {
            protocols: Some(hello.protocols.into()),
            cluster: Bytes::copy_from_slice(&hello.cluster.to_bytes()),
            from: hello.from.number(),
            incarnation: Bytes::copy_from_slice(&hello.incarnation.to_bytes()),
            to: hello.to.number(),
            minimum_timeout_nanoseconds: hello.minimum_timeout.as_nanos().try_into().unwrap_or(u64::MAX),
            group: wire_ids(&hello.group),
        }
    }
}

fn read_hello(wire: &WireHello) -> Option<Hello> {
    Some(Hello {
        protocols: wire.protocols.as_ref()?.read(),
        cluster: read_cluster(&wire.cluster)?,
        from: ServerId::new(wire.from),
        incarnation: read_incarnation(&wire.incarnation)?,
        to: ServerId::new(wire.to),
        minimum_timeout: Duration::from_nanos(wire.minimum_timeout_nanoseconds),
        group: read_ids(&wire.group),
    })
}

impl From<Refusal> for Option<WireReason> {
    fn from(refusal: Refusal) -> Option<WireReason> {
        let mismatch = |theirs: [u8; 16], ours: [u8; 16]| WireIdMismatch {
            theirs: Bytes::copy_from_slice(&theirs),
            ours: Bytes::copy_from_slice(&ours),
        };
        Some(match refusal {
            Refusal::NotRaftTree => WireReason::NotRaftTree(()),
            Refusal::Protocol { theirs, ours } => {
                WireReason::Protocol(WireProtocolMismatch { theirs: Some(theirs.into()), ours: Some(ours.into()) })
            }
            Refusal::Cluster { theirs, ours } => WireReason::Cluster(mismatch(theirs.to_bytes(), ours.to_bytes())),
            Refusal::WrongServer { expected, found } => {
                WireReason::WrongServer(WireWrongServer { expected: expected.number(), found: found.number() })
            }
            Refusal::UnknownPeer(id) => WireReason::UnknownPeer(id.number()),
            Refusal::Incarnation { known, seen } => {
                WireReason::Incarnation(mismatch(seen.to_bytes(), known.to_bytes()))
            }
            Refusal::Itself => WireReason::Itself(()),
            Refusal::Malformed => WireReason::Malformed(()),
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
        WireReason::Cluster(wire) => {
            Refusal::Cluster { theirs: read_cluster(&wire.theirs)?, ours: read_cluster(&wire.ours)? }
        }
        WireReason::WrongServer(wire) => {
            Refusal::WrongServer { expected: ServerId::new(wire.expected), found: ServerId::new(wire.found) }
        }
        WireReason::UnknownPeer(id) => Refusal::UnknownPeer(ServerId::new(id)),
        WireReason::Incarnation(wire) => {
            Refusal::Incarnation { known: read_incarnation(&wire.ours)?, seen: read_incarnation(&wire.theirs)? }
        }
        WireReason::Itself(()) => Refusal::Itself,
        WireReason::Malformed(()) => Refusal::Malformed,
        WireReason::LostEntries(id) => Refusal::LostEntries(ServerId::new(id)),
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

fn read_cluster(bytes: &[u8]) -> Option<ClusterId> {
    bytes.try_into().ok().map(ClusterId::from_bytes)
}

fn read_incarnation(bytes: &[u8]) -> Option<Incarnation> {
    bytes.try_into().ok().map(Incarnation::from_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn ranges() -> impl Strategy<Value = RangeInclusive<u32>> {
        (any::<u32>(), any::<u32>()).prop_map(|(minimum, maximum)| minimum..=maximum)
    }

    fn groups() -> impl Strategy<Value = Vec<ServerId>> {
        proptest::collection::vec(any::<u32>().prop_map(ServerId::new), 0..10)
    }

    fn hellos() -> impl Strategy<Value = Greeting> {
        (ranges(), any::<[u8; 16]>(), any::<u32>(), any::<[u8; 16]>(), any::<u32>(), any::<u64>(), groups()).prop_map(
            |(protocols, cluster, from, incarnation, to, nanoseconds, group)| {
                Greeting::Hello(Hello {
                    protocols,
                    cluster: ClusterId::from_bytes(cluster),
                    from: ServerId::new(from),
                    incarnation: Incarnation::from_bytes(incarnation),
                    to: ServerId::new(to),
                    minimum_timeout: Duration::from_nanos(nanoseconds),
                    group,
                })
            },
        )
    }

    fn refusals() -> impl Strategy<Value = Refusal> {
        let ids = || any::<u32>().prop_map(ServerId::new);
        let clusters = || any::<[u8; 16]>().prop_map(ClusterId::from_bytes);
        let incarnations = || any::<[u8; 16]>().prop_map(Incarnation::from_bytes);
        prop_oneof![
            Just(Refusal::NotRaftTree),
            (ranges(), ranges()).prop_map(|(theirs, ours)| Refusal::Protocol { theirs, ours }),
            (clusters(), clusters()).prop_map(|(theirs, ours)| Refusal::Cluster { theirs, ours }),
            (ids(), ids()).prop_map(|(expected, found)| Refusal::WrongServer { expected, found }),
            (groups(), groups()).prop_map(|(theirs, ours)| Refusal::Group { theirs, ours }),
            ids().prop_map(Refusal::UnknownPeer),
            ids().prop_map(Refusal::LostEntries),
            (incarnations(), incarnations()).prop_map(|(known, seen)| Refusal::Incarnation { known, seen }),
            Just(Refusal::Itself),
            Just(Refusal::Malformed),
            Just(Refusal::Other),
        ]
    }

    fn sent(greeting: Greeting) -> Greeting {
        WireGreeting::decode(&*WireGreeting::from(greeting).encode_to_vec()).unwrap().into()
    }

    proptest! {
        #[test]
        fn a_hello_arrives_as_it_was_sent(hello in hellos()) {
            prop_assert_eq!(sent(hello.clone()), hello);
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
        let wire = WireGreeting { magic: MAGIC, hello: None, refused };
        assert_eq!(Greeting::from(wire), Greeting::Refused(Refusal::Other));
    }
}
