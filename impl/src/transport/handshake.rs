//! How two servers find out that they may talk: each shows that it knows the cluster's id, tells who
//! it is, and judges the other.
//!
//! The caller opens, the called side challenges, each says its hello, the caller accepts. Whoever has
//! shown nothing hears nothing but versions and random numbers. A refusal is always told before the
//! connection is closed.

use std::collections::BTreeSet;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rafttree_model::ServerId;
use tokio::task::spawn_blocking;

use super::connection::{Connection, ConnectionEnd};
use super::greeting::{Challenge, Greeting, Hello, Kind, Open, Sealed, WireGreeting};
use super::proof::{Nonce, Proofs, Step};
use super::refusal::Refusal;
use super::strangers::Visit;
use crate::storage::{ClusterId, Incarnation, Pins};

/// Versions of the protocol that this program speaks. Two servers use the highest that both do.
/// Versions 1 and 2 told the cluster's id to whoever listened, so who speaks them alone is refused.
/// Versions before 5 know no snapshots, and would take a connection for one as that for messages.
pub(super) const PROTOCOLS: RangeInclusive<u32> = 5..=5;

/// This server's part of a handshake: itself, and its peers as it knows them.
pub(super) struct Local {
    pub(super) protocols: RangeInclusive<u32>,
    pub(super) cluster: ClusterId,
    pub(super) id: ServerId,
    pub(super) incarnation: Incarnation,
    pub(super) minimum_timeout: Duration,
    pub(super) peers: BTreeSet<ServerId>,
    /// Peers that have lost entries: they are not heard.
    pub(super) kept_out: Mutex<BTreeSet<ServerId>>,
    /// The incarnation that each peer is known by.
    pub(super) pins: Arc<Pins>,
}

/// Why a handshake failed.
#[derive(Debug)]
pub(super) enum HandshakeFailure {
    /// The connection broke.
    Lost(io::Error),
    /// One side refused the other. Who has not shown that it knows the cluster's id has no name.
    Refused { peer: Option<ServerId>, reason: Refusal },
}

/// Why a handshake goes no further.
enum Stop {
    Lost(io::Error),
    /// The other side does not want it.
    Refused(Refusal),
    /// This side does not, and has to say so.
    Refuse(Refusal),
}

/// The calling side: whoever is there must be the server that the address is given for.
pub(super) async fn call(
    connection: &mut Connection,
    local: &Local,
    to: ServerId,
    kind: Kind,
) -> Result<Hello, HandshakeFailure> {
    match introduce(connection, local, to, kind).await {
        Ok(hello) => {
            connection.begin_frames();
            Ok(hello)
        }
        Err(stop) => Err(stop.told(connection, Some(to)).await),
    }
}

/// The called side: any peer may be there. The visit ends once the other side has shown that it is one.
pub(super) async fn answer(
    connection: &mut Connection,
    local: &Local,
    visit: Visit,
) -> Result<Hello, HandshakeFailure> {
    let identified = tokio::select! {
        biased;
        identified = identify(connection, local, &visit) => identified,
        () = visit.is_over() => Err(Stop::Lost(io::Error::other("it had to make room"))),
    };
    drop(visit);
    let (proofs, hello) = match identified {
        Ok(identified) => identified,
        Err(stop) => return Err(stop.told(connection, None).await),
    };
    match receive(connection, local, &proofs, &hello).await {
        Ok(()) => Ok(hello),
        Err(stop) => Err(stop.told(connection, Some(hello.from)).await),
    }
}

/// Tells the other side why it is not welcome.
pub(super) async fn refuse(connection: &mut Connection, reason: Refusal) -> io::Result<()> {
    connection.write([WireGreeting::from(Greeting::Refused(reason))]).await
}

/// The caller's part.
async fn introduce(connection: &mut Connection, local: &Local, to: ServerId, kind: Kind) -> Result<Hello, Stop> {
    let (protocols, nonce) = (local.protocols.clone(), Nonce::random());
    say(connection, Greeting::Open(Open { protocols, nonce: Some(nonce) })).await?;
    let Greeting::Challenge(challenge) = hear(connection).await? else { return Err(Stop::foreign()) };
    local.judge_protocols(&challenge.protocols)?;
    let begun = [(&local.protocols, nonce), (&challenge.protocols, challenge.nonce)];
    let proofs = Proofs::new(local.cluster, begun);
    if !proofs.verify(Step::Challenge, &[], &challenge.proof) {
        return Err(Stop::Refuse(Refusal::Cluster));
    }
    say(connection, local.hello(to, kind).sealed(&proofs, Step::CallersHello)).await?;
    let hello = hear_hello(connection, &proofs, Step::CalledHello).await?;
    local.judge(&hello, Some(to))?;
    if hello.kind != kind {
        return Err(Stop::Refuse(Refusal::Kind));
    }
    // Who has said its hello has accepted ours.
    local.keep(&hello).await?;
    say(connection, Greeting::Accepted).await?;
    Ok(hello)
}

/// The called side's part up to where it knows who calls.
async fn identify(connection: &mut Connection, local: &Local, visit: &Visit) -> Result<(Proofs, Hello), Stop> {
    let Greeting::Open(Open { protocols: theirs, nonce: theirs_nonce }) = hear(connection).await? else {
        return Err(Stop::foreign());
    };
    local.judge_protocols(&theirs)?;
    let theirs_nonce = theirs_nonce.ok_or_else(Stop::foreign)?;
    visit.note_opening();
    let (protocols, nonce) = (local.protocols.clone(), Nonce::random());
    let proofs = Proofs::new(local.cluster, [(&theirs, theirs_nonce), (&protocols, nonce)]);
    let proof = proofs.prove(Step::Challenge, &[]);
    say(connection, Greeting::Challenge(Challenge { protocols, nonce, proof })).await?;
    let hello = hear_hello(connection, &proofs, Step::CallersHello).await?;
    Ok((proofs, hello))
}

/// The called side's part from there on.
async fn receive(connection: &mut Connection, local: &Local, proofs: &Proofs, hello: &Hello) -> Result<(), Stop> {
    local.judge(hello, None)?;
    local.admit(hello.from)?;
    say(connection, local.hello(hello.from, hello.kind).sealed(proofs, Step::CalledHello)).await?;
    match hear(connection).await? {
        Greeting::Accepted => {
            // The caller sends frames from here on, and hears them.
            connection.begin_frames();
            Ok(local.keep(hello).await?)
        }
        _ => Err(Stop::foreign()),
    }
}

async fn say(connection: &mut Connection, greeting: Greeting) -> Result<(), Stop> {
    connection.write([WireGreeting::from(greeting)]).await.map_err(Stop::Lost)
}

/// The next message of the other side, unless it refuses.
async fn hear(connection: &mut Connection) -> Result<Greeting, Stop> {
    match connection.read::<WireGreeting>().await.map(Greeting::from) {
        Ok(Greeting::Refused(reason)) => Err(Stop::Refused(reason)),
        Ok(greeting) => Ok(greeting),
        Err(ConnectionEnd::Malformed(_)) => Ok(Greeting::Foreign),
        Err(ConnectionEnd::Lost(error)) => Err(Stop::Lost(error)),
    }
}

/// The other side's hello, if it belongs to the cluster.
async fn hear_hello(connection: &mut Connection, proofs: &Proofs, step: Step) -> Result<Hello, Stop> {
    let Greeting::Hello(Sealed { hello, proof }) = hear(connection).await? else { return Err(Stop::foreign()) };
    if !proofs.verify(step, &hello, &proof) {
        return Err(Stop::Refuse(Refusal::Cluster));
    }
    Hello::from_bytes(hello).ok_or_else(Stop::foreign)
}

impl Stop {
    fn foreign() -> Stop {
        Stop::Refuse(Refusal::NotRaftTree)
    }

    /// The end of the handshake, once the other side was told what it has to know.
    async fn told(self, connection: &mut Connection, peer: Option<ServerId>) -> HandshakeFailure {
        match self {
            Stop::Lost(error) => HandshakeFailure::Lost(error),
            Stop::Refused(reason) => HandshakeFailure::Refused { peer, reason },
            Stop::Refuse(reason) => {
                // Whether or not the other side still listens, this is why.
                let _ = refuse(connection, reason.clone()).await;
                HandshakeFailure::Refused { peer, reason }
            }
        }
    }
}

/// A refusal by this server, which has to say so.
impl From<Refusal> for Stop {
    fn from(reason: Refusal) -> Stop {
        Stop::Refuse(reason)
    }
}

impl Hello {
    pub(super) fn sealed(&self, proofs: &Proofs, step: Step) -> Greeting {
        let hello = self.to_bytes();
        Greeting::Hello(Sealed { proof: proofs.prove(step, &hello), hello })
    }
}

impl Local {
    pub(super) fn hello(&self, to: ServerId, kind: Kind) -> Hello {
        Hello {
            from: self.id,
            incarnation: self.incarnation,
            to,
            minimum_timeout: self.minimum_timeout,
            group: self.group(),
            kind,
        }
    }

    /// This server and its peers, by rising id.
    fn group(&self) -> Vec<ServerId> {
        let mut group: Vec<_> = self.peers.iter().copied().chain([self.id]).collect();
        group.sort_unstable();
        group
    }

    /// Whether there is a version that both sides know.
    fn judge_protocols(&self, theirs: &RangeInclusive<u32>) -> Result<(), Refusal> {
        let (theirs, ours) = (theirs.clone(), self.protocols.clone());
        let common = highest_common(&theirs, &ours);
        common.map(|_| ()).ok_or(Refusal::Protocol { theirs, ours })
    }

    /// Whether the other side is one to talk to; `expected` is whom this side has called.
    fn judge(&self, hello: &Hello, expected: Option<ServerId>) -> Result<(), Refusal> {
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
        if let Kind::Other(_) = hello.kind {
            return Err(Refusal::Kind);
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
        if !self.peers.contains(&peer) {
            return Err(Refusal::UnknownPeer(peer));
        }
        is_known(self.pins.of(peer).unwrap_or(seen), seen)
    }

    /// Writes down by which incarnation the other side is known from now on. Only once both sides have
    /// accepted each other: whoever could have this written first could keep the true one out.
    async fn keep(&self, hello: &Hello) -> Result<(), Refusal> {
        let (pins, peer, seen) = (self.pins.clone(), hello.from, hello.incarnation);
        if pins.of(peer) == Some(seen) {
            return Ok(());
        }
        let kept = spawn_blocking(move || pins.keep(peer, seen)).await.expect("a write does not panic");
        let known = kept.map_err(|error| {
            tracing::error!(%peer, %error, "cannot write down a peer's incarnation");
            Refusal::NotKept
        })?;
        is_known(known, seen)
    }
}

fn is_known(known: Incarnation, seen: Incarnation) -> Result<(), Refusal> {
    if known == seen { Ok(()) } else { Err(Refusal::Incarnation { seen }) }
}

/// The version that two servers use with each other.
fn highest_common(theirs: &RangeInclusive<u32>, ours: &RangeInclusive<u32>) -> Option<u32> {
    let highest = *theirs.end().min(ours.end());
    (theirs.contains(&highest) && ours.contains(&highest)).then_some(highest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::tests;

    const IDS: [ServerId; 3] = [ServerId::new(1), ServerId::new(2), ServerId::new(3)];

    fn local(id: ServerId) -> Local {
        let peers: Vec<_> = IDS.into_iter().filter(|peer| *peer != id).collect();
        tests::local(id, &peers)
    }

    #[test]
    fn only_who_has_the_same_group_is_recognised() {
        let [one, two] = [ServerId::new(1), ServerId::new(2)].map(local);
        let hello = two.hello(one.id, Kind::Control);
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
        let stranger = Hello { from: ServerId::new(4), ..local(ServerId::new(2)).hello(one.id, Kind::Control) };
        assert_eq!(one.judge(&stranger, None), Err(Refusal::UnknownPeer(ServerId::new(4))));
    }

    #[test]
    fn a_kind_of_connection_that_nobody_knows_is_refused() {
        let [one, two] = [ServerId::new(1), ServerId::new(2)].map(local);
        for (kind, judged) in [(Kind::Control, Ok(())), (Kind::Bulk, Ok(())), (Kind::Other(2), Err(Refusal::Kind))] {
            assert_eq!(one.judge(&two.hello(one.id, kind), None), judged);
        }
    }

    #[test]
    fn who_told_ids_to_anybody_is_refused_by_its_version() {
        let one = local(ServerId::new(1));
        for theirs in [1..=1, 1..=3, 4..=4, 6..=7] {
            let refused = Err(Refusal::Protocol { theirs: theirs.clone(), ours: PROTOCOLS });
            assert_eq!(one.judge_protocols(&theirs), refused);
        }
        assert_eq!(one.judge_protocols(&(2..=6)), Ok(()));
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
