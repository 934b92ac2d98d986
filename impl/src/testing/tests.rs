//! What servers hear of their ways to each other.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use rafttree_model::ServerId;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Group;
use super::seat::format;
use super::switchboard::{Life, Plug, Switchboard};
use crate::api::error::{Error, Failure};
use crate::core::frame::ServiceFrame;
use crate::core::links::Place;
use crate::core::request::{Outcome, ServiceMessage};
use crate::machine::apply::SnapshotError;
use crate::machine::{Serialized, Snapshot, StateMachine};
use crate::storage::simulate::SimulatedDisk;
use crate::storage::snapshot::Snapshots;
use crate::storage::{Incarnation, StorageError};
use crate::transport::{Incoming, Refusal};

const ONE: ServerId = ServerId::new(1);
const TWO: ServerId = ServerId::new(2);
const T: Duration = Duration::from_millis(200);

/// A server that hears, and says nothing of its own.
struct Heard {
    life: Life,
    news: mpsc::UnboundedReceiver<Incoming>,
}

impl Heard {
    fn at(switchboard: &Switchboard, id: ServerId) -> Heard {
        let (disk, owner) = (SimulatedDisk::default(), Incarnation::from_bytes([1; 16]));
        format(&disk, owner).unwrap();
        let snapshots = Arc::new(Snapshots::within(disk, owner, None).unwrap());
        let (inbox, news) = mpsc::unbounded_channel();
        Heard { life: switchboard.plug_in(id, Plug { minimum_timeout: T, inbox, snapshots }), news }
    }

    /// What it has heard since this was last asked.
    fn all(&mut self) -> Vec<Incoming> {
        std::iter::from_fn(|| self.news.try_recv().ok()).collect()
    }
}

fn service(from: ServerId, to: ServerId) -> Incoming {
    let message = ServiceMessage::Proposed { request: 1, outcome: Outcome::Unknown };
    Incoming::Service(ServiceFrame { from, to, message })
}

fn begun(peer: ServerId) -> [Incoming; 2] {
    [Incoming::Accepted { from: peer, minimum_timeout: T }, Incoming::Connected { to: peer, minimum_timeout: T }]
}

fn ended(peer: ServerId) -> [Incoming; 2] {
    [Incoming::Closed { from: peer }, Incoming::Disconnected { to: peer }]
}

/// Two servers who have heard of each other.
fn two(switchboard: &Switchboard) -> (Heard, Heard) {
    let (mut one, mut two) = (Heard::at(switchboard, ONE), Heard::at(switchboard, TWO));
    for (heard, peer) in [(&mut one, TWO), (&mut two, ONE)] {
        let mut all = heard.all();
        all.sort_by_key(|news| matches!(news, Incoming::Connected { .. }));
        assert_eq!(all, begun(peer));
    }
    (one, two)
}

#[test]
fn what_is_sent_arrives_unless_one_is_cut_off() {
    let switchboard = Switchboard::default();
    let (mut one, mut two) = two(&switchboard);
    switchboard.deliver(one.life, TWO, service(ONE, TWO));
    assert_eq!(two.all(), [service(ONE, TWO)]);
    for cut in [ONE, TWO] {
        switchboard.cut_off(cut);
        let (mut ones, mut twos) = (one.all(), two.all());
        for all in [&mut ones, &mut twos] {
            all.sort_by_key(|news| matches!(news, Incoming::Disconnected { .. }));
        }
        assert_eq!((ones, twos), (ended(TWO).into(), ended(ONE).into()), "and nobody takes the other for dead");
        switchboard.deliver(one.life, TWO, service(ONE, TWO));
        switchboard.deliver(two.life, ONE, service(TWO, ONE));
        assert_eq!((one.all(), two.all()), (vec![], vec![]));
        switchboard.heal();
        assert_eq!((one.all().len(), two.all().len()), (2, 2));
    }
}

#[test]
fn who_has_ended_is_known_to_have_and_says_no_more() {
    let switchboard = Switchboard::default();
    let (mut one, two) = two(&switchboard);
    switchboard.unplug(two.life);
    let all = one.all();
    assert_eq!(all.last(), Some(&Incoming::NobodyListens { at: TWO, place: Place::Here }));
    assert!(all.contains(&ended(TWO)[0]) && all.contains(&ended(TWO)[1]), "{all:?}");
    let next = Heard::at(&switchboard, TWO);
    assert_eq!(one.all().len(), 2);
    switchboard.deliver(two.life, ONE, service(TWO, ONE));
    assert_eq!(one.all(), [], "it is of a former life");
    switchboard.unplug(two.life);
    assert_eq!(one.all(), [], "the end of which is none of the present one");
    switchboard.deliver(next.life, ONE, service(TWO, ONE));
    assert_eq!(one.all(), [service(TWO, ONE)]);
}

#[test]
fn who_is_not_wanted_is_not_heard_and_hears() {
    let switchboard = Switchboard::default();
    let (mut one, mut two) = two(&switchboard);
    switchboard.refuse(one.life, TWO, &Refusal::LostEntries(TWO));
    switchboard.want(one.life, TWO, false);
    assert!(one.all().contains(&Incoming::Refused { peer: TWO, reason: Refusal::LostEntries(TWO) }));
    assert!(two.all().contains(&Incoming::Refused { peer: ONE, reason: Refusal::LostEntries(TWO) }));
    switchboard.deliver(two.life, ONE, service(TWO, ONE));
    switchboard.deliver(one.life, TWO, service(ONE, TWO));
    assert_eq!((one.all(), two.all()), (vec![], vec![service(ONE, TWO)]));
    switchboard.want(one.life, TWO, true);
    let ([accepted, _], [_, connected]) = (begun(TWO), begun(ONE));
    assert_eq!((one.all(), two.all()), (vec![accepted], vec![Incoming::AtPeace { with: ONE }, connected]));
}

/// Counts.
#[derive(Default)]
struct Count(u64);

impl StateMachine for Count {
    type Command = ();
    type Answer = u64;

    fn apply(&mut self, (): ()) -> u64 {
        self.0 += 1;
        self.0
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(self.0))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Count> {
        Serialized::read(from).map(Count)
    }
}

#[tokio::test]
async fn a_flush_of_the_directory_that_fails_for_a_snapshot_stops_the_server() {
    let group = Group::new(1, Count::default).start().await.unwrap();
    let replica = group.replica(1);
    assert_eq!(replica.propose(()).await.unwrap(), 1);
    group.disk(1).fail_next_sync();
    assert!(matches!(replica.snapshot().await, Err(SnapshotError::NotWritten(_))));
    let node = group.node(1);
    let ended = timeout(Duration::from_secs(10), node.closed()).await.unwrap();
    let Err(Error::Failed(failure)) = ended else { panic!("it goes on") };
    assert!(matches!(&*failure, Failure::Storage(StorageError::Io { action: "flush", .. })), "{failure}");
}
