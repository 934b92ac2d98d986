//! Groups in one process, as a service's tests have them: real servers, a network and disks in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Read, Write};
use std::time::Duration;

use rafttree::testing::Group;
use rafttree::{Fence, Lost, ProposeError, ReadError, Replica, Serialized, ServerId, Snapshot, StateMachine, Then};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Whatever takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A count, with as many bytes beside it as a command has brought.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Count {
    count: u64,
    ballast: BTreeMap<u64, Vec<u8>>,
}

impl StateMachine for Count {
    type Command = Vec<u8>;
    type Answer = u64;

    fn apply(&mut self, ballast: Vec<u8>) -> u64 {
        self.count += 1;
        self.ballast.insert(self.count % 4, ballast);
        self.count
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(self.clone()))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Count> {
        Serialized::read(from)
    }
}

/// A number that is set, whose snapshots fail while it is odd.
#[derive(Default)]
struct Odd(u64);

impl StateMachine for Odd {
    type Command = u64;
    type Answer = ();

    fn apply(&mut self, number: u64) {
        self.0 = number;
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        let is_odd = self.0 % 2 == 1;
        Box::new(move |_: &mut dyn Write| if is_odd { Err(io::Error::other("it is odd")) } else { Ok(()) })
    }

    fn restore(_: &mut dyn Read) -> io::Result<Odd> {
        Ok(Odd(0))
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: it takes too long"))
}

async fn running() -> Group<Count> {
    Group::new(3, Count::default).start().await.unwrap()
}

async fn count(replica: &Replica<Count>) -> u64 {
    replica.read(|machine| machine.count).await.unwrap()
}

async fn leader(group: &Group<Count>) -> ServerId {
    soon("a leader", group.leader()).await
}

/// Another server than this one.
fn other(id: ServerId) -> u32 {
    id.number() % 3 + 1
}

#[tokio::test]
async fn commands_survive_the_crash_of_each_server_in_turn() {
    let mut group = running().await;
    let mut expected = 0;
    for crashed in 1..=3 {
        expected += 1;
        assert_eq!(group.replica(crashed).propose(Vec::new()).await.unwrap(), expected);
        group.crash(crashed).await;
        expected += 1;
        assert_eq!(group.replica(crashed % 3 + 1).propose(Vec::new()).await.unwrap(), expected);
        group.restart(crashed).await.unwrap();
        assert_eq!(count(&group.replica(crashed)).await, expected);
    }
}

/// Nobody looks at them, and nobody waits there for an answer.
#[tokio::test]
async fn servers_that_are_left_alone_apply_what_is_committed() {
    let group = running().await;
    leader(&group).await;
    group.replica(1).propose(Vec::new()).await.unwrap();
    let committed = group.replica(1).status().await.unwrap().protocol.commit;
    for id in 1..=3 {
        let replica = group.replica(id);
        let applies = async { while replica.status().await.unwrap().applied < committed {} };
        soon("what is committed is applied", applies).await;
    }
}

/// At the same time, so that nobody can send another what it lacks.
#[tokio::test]
async fn what_was_answered_is_on_the_disks_of_a_majority() {
    let mut group = running().await;
    for expected in 1..=10 {
        assert_eq!(group.replica(1).propose(Vec::new()).await.unwrap(), expected);
    }
    for id in 1..=3 {
        group.crash(id).await;
    }
    for id in 1..=3 {
        group.restart(id).await.unwrap();
    }
    for id in 1..=3 {
        assert_eq!(count(&group.replica(id)).await, 10);
    }
}

#[tokio::test]
async fn a_server_that_has_crashed_answers_nothing_any_more() {
    let mut group = running().await;
    let former = group.replica(leader(&group).await);
    former.propose(Vec::new()).await.unwrap();
    group.crash(former.id()).await;
    assert!(matches!(former.propose(Vec::new()).await, Err(ProposeError::Server(_))), "its handle is of a former life");
    assert!(matches!(former.read(|_| ()).await, Err(ReadError::Server(_))));
    group.restart(former.id()).await.unwrap();
    assert!(former.status().await.is_err());
    assert_eq!(count(&group.replica(former.id())).await, 1);
}

#[tokio::test]
async fn a_leader_that_is_cut_off_answers_nothing_and_another_leads() {
    let group = Group::new(3, Count::default).answer_timeout(Duration::from_secs(1)).start().await.unwrap();
    let former = group.replica(leader(&group).await);
    former.propose(Vec::new()).await.unwrap();
    group.cut_off(former.id());
    let (proposed, read) = tokio::join!(former.propose(Vec::new()), former.read(|machine| machine.count));
    assert!(matches!(proposed, Err(ProposeError::Unknown | ProposeError::NotCommitted { .. })), "{proposed:?}");
    assert!(matches!(read, Err(ReadError::Unavailable { .. })), "{read:?}");
    assert_eq!(former.read_stale(|machine| machine.count).await.unwrap(), 1, "what it has it shows");

    let next = leader(&group).await;
    assert_ne!(next, former.id());
    assert_eq!(group.replica(next).propose(Vec::new()).await.unwrap(), 2, "what the other was asked is not committed");
    group.heal();
    assert_eq!(count(&former).await, 2, "it learns what it has missed");
}

/// The two of whom one leads are no majority without the third.
#[tokio::test]
async fn a_minority_commits_nothing_until_the_network_heals() {
    let mut group = Group::new(3, Count::default).answer_timeout(Duration::from_secs(1)).start().await.unwrap();
    let one = leader(&group).await;
    group.crash(other(one)).await;
    group.replica(one).propose(Vec::new()).await.unwrap();
    let third = (1..=3).find(|&id| ServerId::new(id) != one && id != other(one)).unwrap();
    group.cut_off(third);
    let refused = group.replica(one).propose(Vec::new()).await.unwrap_err();
    assert!(matches!(refused, ProposeError::Unknown | ProposeError::NotCommitted { .. }), "{refused}");
    group.heal();
    let answered = async { while group.replica(third).propose(Vec::new()).await.is_err() {} };
    soon("an answer", answered).await;
}

#[tokio::test]
async fn a_server_that_was_far_behind_is_sent_a_snapshot() {
    let mut group = Group::new(3, Count::default).snapshot_after(256 << 10).start().await.unwrap();
    let first = leader(&group).await;
    let late = other(first);
    group.crash(late).await;
    let ready = group.replica(first);
    let grow = async {
        while ready.status().await.unwrap().compacted.index.number() < 5 {
            ready.propose(vec![7; 100_000]).await.unwrap();
        }
    };
    soon("the log to go", grow).await;
    let expected = count(&ready).await;
    group.restart(late).await.unwrap();
    let late = group.replica(late);
    assert_eq!(count(&late).await, expected);
    let status = late.status().await.unwrap();
    assert!(5 <= status.compacted.index.number(), "its log begins where nobody had the entries before: {status:?}");
    assert_eq!(late.propose(Vec::new()).await.unwrap(), expected + 1, "it goes on from there");
}

#[tokio::test]
async fn a_snapshot_stays_through_a_crash() {
    let mut group = Group::new(1, Count::default).start().await.unwrap();
    for _ in 0..3 {
        group.replica(1).propose(vec![7; 100_000]).await.unwrap();
    }
    let last = group.replica(1).snapshot().await.unwrap();
    group.replica(1).propose(Vec::new()).await.unwrap();
    group.restart(1).await.unwrap();
    assert_eq!(group.replica(1).status().await.unwrap().snapshot, Some(last));
    assert_eq!(count(&group.replica(1)).await, 4);
}

/// Nobody has asked for it, and nobody is told otherwise that the log goes on growing.
#[tokio::test]
async fn a_snapshot_that_failed_by_itself_shows_until_one_succeeds() {
    let group = Group::new(1, Odd::default).snapshot_after(1).start().await.unwrap();
    let replica = group.replica(1);
    replica.propose(0).await.unwrap();
    let mut changes = replica.changes();
    // Each attempt is made with a command, unless the one before is still being written.
    let until = async |number: u64, wanted: Option<&str>| {
        while replica.status().await.unwrap().failed_snapshot.as_deref() != wanted {
            replica.propose(number).await.unwrap();
        }
    };
    for (number, wanted) in [(1, Some("it is odd")), (2, None)] {
        changes.mark_unchanged();
        soon("it shows", until(number, wanted)).await;
        assert!(changes.has_changed().unwrap(), "whoever watches is told");
    }
    assert!(replica.status().await.unwrap().snapshot.is_some());
}

#[tokio::test]
async fn a_session_applies_each_command_once_though_leaders_crash() {
    let mut group = running().await;
    let observer = leader(&group).await;
    let mut session = group.replica(other(observer)).session().await.unwrap();
    let adds = tokio::spawn(async move {
        for expected in 1..=100 {
            assert_eq!(session.propose(Vec::new()).await.unwrap(), expected);
        }
    });
    for _ in 0..3 {
        let crashed = leader(&group).await;
        if crashed != ServerId::new(other(observer)) {
            group.restart(crashed).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    soon("all commands", adds).await.unwrap();
    assert_eq!(count(&group.replica(observer)).await, 100);
}

/// Tells of each leadership of a server, and works until it is over.
fn work(group: &Group<()>, id: u32, began: &mpsc::UnboundedSender<(u32, Fence)>) {
    let began = began.clone();
    let lead = group.node(id).lead(async move |leadership| {
        began.send((id, leadership.fence())).unwrap();
        let why = leadership.lost().await;
        assert!(why != Lost::Deposed || leadership.check().is_err());
        Ok::<_, Infallible>(Then::Resign)
    });
    tokio::spawn(lead);
}

#[tokio::test]
async fn work_under_a_leadership_goes_where_the_leader_is() {
    let mut group = Group::without_machine(3).start().await.unwrap();
    let (began, mut begun) = mpsc::unbounded_channel();
    (1..=3).for_each(|id| work(&group, id, &began));
    let (first, fence) = soon("a leadership", begun.recv()).await.unwrap();

    group.crash(first).await;
    let (second, next) = soon("the next one", begun.recv()).await.unwrap();
    assert!(second != first && fence < next);
    group.restart(first).await.unwrap();
    work(&group, first, &began);

    group.cut_off(second);
    let (third, last) = soon("another one", begun.recv()).await.unwrap();
    assert!(third != second && next < last);
    group.heal();
    let mut view = group.node(second).leader();
    let heard = soon("the leader to be known", view.wait_for(|view| view.leader == Some(ServerId::new(third)))).await;
    assert_eq!(heard.unwrap().leader, Some(ServerId::new(third)));
}

/// As it is with servers that are deployed: only who waits in `lead` campaigns.
#[tokio::test]
async fn without_a_machine_nobody_leads_before_somebody_waits_to() {
    let group = Group::without_machine(3).election_timeout(Duration::from_millis(20)).start().await.unwrap();
    assert!(timeout(Duration::from_millis(200), group.leader()).await.is_err());
    let (began, mut begun) = mpsc::unbounded_channel();
    work(&group, 2, &began);
    assert_eq!(soon("a leadership", begun.recv()).await.unwrap().0, 2);
}

#[tokio::test]
async fn a_group_ends_with_its_value_although_there_are_handles() {
    let group = running().await;
    let replica = group.replica(1);
    drop(group);
    soon("the end", replica.closed()).await.unwrap();
}

#[tokio::test]
async fn groups_of_an_impossible_size_are_refused() {
    for (servers, why) in [(0, "servers: a group has at least one"), (10, "peer: a group has at most 9 servers")] {
        let refused = Group::without_machine(servers).start().await.unwrap_err().to_string();
        assert!(refused.starts_with(why), "{refused}");
    }
}
