//! How two servers find out that they may talk: each tells who it is, and judges the other.
//!
//! The calling side greets, the called side greets back or refuses, the calling side accepts or
//! refuses. A refusal is always told before the connection is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rafttree_model::ServerId;

use super::frame::{Connection, End};
use super::greeting::{Greeting, Hello, WireGreeting};
use super::refusal::Refusal;
use crate::storage::{ClusterId, Incarnation};

/// Versions of the protocol that this program speaks. Two servers use the highest that both do.
/// Version 1 did not tell the group, so who speaks it alone is refused.
pub(super) const PROTOCOLS: RangeInclusive<u32> = 2..=2;

/// What this server tells of itself, and what it knows of its peers.
pub(super) struct Local {
    pub(super) protocols: RangeInclusive<u32>,
    pub(super) cluster: ClusterId,
    pub(super) id: ServerId,
    pub(super) incarnation: Incarnation,
    pub(super) minimum_timeout: Duration,
    /// The incarnation in which each peer was first seen, for as long as this process lives.
    pub(super) peers: Mutex<BTreeMap<ServerId, Option<Incarnation>>>,
    /// Peers that have lost entries: they are not heard.
    pub(super) kept_out: Mutex<BTreeSet<ServerId>>,
}

/// Why a handshake failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection broke.
    Lost(std::io::Error),
    /// One side refused the other. Who said nothing that could be read has no name.
    Refused { peer: Option<ServerId>, reason: Refusal },
}

/// The calling side: whoever is there must be the server that the address is given for.
pub(super) async fn call(connection: &mut Connection, local: &Local, to: ServerId) -> Result<Hello, Failure> {
    let refused = |reason| Failure::Refused { peer: Some(to), reason };
    say(connection, Greeting::Hello(local.hello(to))).await?;
    let judged = match hear(connection).await? {
        Greeting::Hello(hello) => local.judge(&hello, Some(to)).map(|()| hello),
        Greeting::Refused(reason) => return Err(refused(reason)),
        Greeting::Accepted | Greeting::Foreign => Err(Refusal::NotRaftTree),
    };
    match judged {
        Ok(hello) => say(connection, Greeting::Accepted).await.map(|()| hello),
        Err(reason) => Err(refused(refuse(connection, reason).await?)),
    }
}

/// The called side: any peer may be there.
pub(super) async fn answer(connection: &mut Connection, local: &Local) -> Result<Hello, Failure> {
    let Greeting::Hello(hello) = hear(connection).await? else {
        let reason = refuse(connection, Refusal::NotRaftTree).await?;
        return Err(Failure::Refused { peer: None, reason });
    };
    let refused = |reason| Failure::Refused { peer: Some(hello.from), reason };
    if let Err(reason) = local.judge(&hello, None).and_then(|()| local.admit(hello.from)) {
        return Err(refused(refuse(connection, reason).await?));
    }
    say(connection, Greeting::Hello(local.hello(hello.from))).await?;
    match hear(connection).await? {
        Greeting::Accepted => Ok(hello),
        Greeting::Refused(reason) => Err(refused(reason)),
        Greeting::Hello(_) | Greeting::Foreign => Err(refused(refuse(connection, Refusal::NotRaftTree).await?)),
    }
}

/// Tells the other side why it is not welcome.
pub(super) async fn refuse(connection: &mut Connection, reason: Refusal) -> Result<Refusal, Failure> {
    say(connection, Greeting::Refused(reason.clone())).await.map(|()| reason)
}

async fn say(connection: &mut Connection, greeting: Greeting) -> Result<(), Failure> {
    connection.write([WireGreeting::from(greeting)]).await.map_err(Failure::Lost)
}

async fn hear(connection: &mut Connection) -> Result<Greeting, Failure> {
    match connection.read::<WireGreeting>().await {
        Ok(greeting) => Ok(greeting.into()),
        Err(End::Malformed(_)) => Ok(Greeting::Foreign),
        Err(End::Lost(error)) => Err(Failure::Lost(error)),
    }
}

impl Local {
    fn hello(&self, to: ServerId) -> Hello {
        Hello {
            protocols: self.protocols.clone(),
            cluster: self.cluster,
            from: self.id,
            incarnation: self.incarnation,
            to,
            minimum_timeout: self.minimum_timeout,
            group: self.group(),
        }
    }

    /// This server and its peers, by rising id.
    fn group(&self) -> Vec<ServerId> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut group: Vec<_> = peers.keys().copied().chain([self.id]).collect();
        group.sort_unstable();
        group
    }

    /// Whether the other side is one to talk to; `expected` is whom this side has called.
    fn judge(&self, hello: &Hello, expected: Option<ServerId>) -> Result<(), Refusal> {
        let (theirs, ours) = (hello.protocols.clone(), self.protocols.clone());
        if highest_common(&theirs, &ours).is_none() {
            return Err(Refusal::Protocol { theirs, ours });
        }
        if hello.cluster != self.cluster {
            return Err(Refusal::Cluster { theirs: hello.cluster, ours: self.cluster });
        }
        if hello.from == self.id {
            return Err(Refusal::Itself);
        }
        if hello.to != self.id {
            return Err(Refusal::WrongServer { expected: hello.to, found: self.id });
        }
        if let Some(expected) = expected.filter(|&expected| expected != hello.from) {
            return Err(Refusal::WrongServer { expected, found: hello.from });
        }
        let (theirs, ours) = (hello.group.clone(), self.group());
        if theirs != ours {
            return Err(Refusal::Group { theirs, ours });
        }
        self.recognise(hello.from, hello.incarnation)
    }

    /// Whether the peer is heard.
    pub(super) fn admit(&self, peer: ServerId) -> Result<(), Refusal> {
        let kept_out = self.kept_out.lock().unwrap_or_else(PoisonError::into_inner);
        if kept_out.contains(&peer) { Err(Refusal::LostEntries(peer)) } else { Ok(()) }
    }

    /// A peer whose disk is another one than before has forgotten what it promised.
    fn recognise(&self, peer: ServerId, seen: Incarnation) -> Result<(), Refusal> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *peers.get_mut(&peer).ok_or(Refusal::UnknownPeer(peer))?.get_or_insert(seen);
        if known == seen { Ok(()) } else { Err(Refusal::Incarnation { known, seen }) }
    }
}

/// The version that two servers use with each other.
fn highest_common(theirs: &RangeInclusive<u32>, ours: &RangeInclusive<u32>) -> Option<u32> {
    let highest = *theirs.end().min(ours.end());
    (theirs.contains(&highest) && ours.contains(&highest)).then_some(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [ServerId; 3] = [ServerId::new(1), ServerId::new(2), ServerId::new(3)];

    fn local(id: ServerId) -> Local {
        let peers = IDS.into_iter().filter(|peer| *peer != id).map(|peer| (peer, None)).collect();
        Local {
            protocols: PROTOCOLS,
            cluster: ClusterId::from_bytes([7; 16]),
            id,
            incarnation: Incarnation::from_bytes([id.number() as u8; 16]),
            minimum_timeout: Duration::from_millis(100),
            peers: Mutex::new(peers),
            kept_out: Mutex::default(),
        }
    }

    #[test]
    fn only_who_has_the_same_group_is_recognised() {
        let [one, two] = [ServerId::new(1), ServerId::new(2)].map(local);
        let hello = two.hello(one.id);
        assert_eq!(hello.group, IDS);
        for theirs in [vec![], vec![two.id], IDS[..2].to_vec(), [&IDS[..], &[ServerId::new(4)]].concat()] {
            let other =
                Hello { group: theirs.clone(), incarnation: Incarnation::from_bytes([99; 16]), ..hello.clone() };
            let refused = one.judge(&other, None).unwrap_err();
            assert_eq!(refused, Refusal::Group { theirs, ours: IDS.to_vec() });
            assert!(refused.to_string().contains("this server in one of servers 1, 2, 3: give all"), "{refused}");
        }
        assert_eq!(one.judge(&hello, None), Ok(()), "a refused incarnation was not remembered");
    }

    #[test]
    fn who_is_not_in_its_own_group_is_refused() {
        let one = local(ServerId::new(1));
        let stranger = Hello { from: ServerId::new(4), ..local(ServerId::new(2)).hello(one.id) };
        assert_eq!(one.judge(&stranger, None), Err(Refusal::UnknownPeer(ServerId::new(4))));
    }

    #[test]
    fn who_does_not_tell_its_group_is_refused_by_its_version() {
        let one = local(ServerId::new(1));
        let older = Hello { protocols: 1..=1, group: Vec::new(), ..local(ServerId::new(2)).hello(one.id) };
        assert_eq!(one.judge(&older, None), Err(Refusal::Protocol { theirs: 1..=1, ours: PROTOCOLS }));
    }

    #[test]
    fn the_highest_common_version_is_used() {
        let all = || (0..4).flat_map(|minimum| (0..4).map(move |maximum| minimum..=maximum));
        for theirs in all() {
            for ours in all() {
                let highest = (0..4).rev().find(|version| theirs.contains(version) && ours.contains(version));
                assert_eq!(highest_common(&theirs, &ours), highest, "{theirs:?} and {ours:?}");
            }
        }
    }
}
