//! Servers embedded in a service: real sockets, real files, real time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use common::{Group, PATIENCE, T, soon, until};
use rafttree::{
    Builder, ElectOnDisconnect, Error, Failure, Fence, LeadError, Leadership, Lost, Node, ServerId, StorageError, Then,
    Work,
};

#[tokio::test]
async fn a_group_elects_one_leader_and_all_know_it() {
    let mut group = Group::running(3).await;
    let first = group.next_leadership().await;
    for id in 1..=3 {
        group.knows(id, first.id).await;
    }
    first.leadership.check().unwrap();
    soon("verify", first.leadership.verify()).await.unwrap();
    let status = group.nodes[&first.id].status().await.unwrap();
    let leadership = status.leadership.unwrap();
    assert_eq!(leadership.fence, first.leadership.fence());
    assert_eq!(status.protocol.term.number(), leadership.fence.number());
    assert!(leadership.at_work && leadership.lease <= T);
    assert!(status.peers.iter().all(|peer| peer.connected && peer.refusal.is_none()));
}

#[tokio::test]
async fn groups_of_one_and_two_elect() {
    for count in [1, 2] {
        let mut group = Group::running(count).await;
        let first = group.next_leadership().await;
        first.leadership.check().unwrap();
        soon("verify", first.leadership.verify()).await.unwrap();
    }
}

#[tokio::test]
async fn an_election_costs_two_blocks_of_the_disk() {
    let mut group = Group::running(1).await;
    for _ in 0..3 {
        let began = group.next_leadership().await;
        let log = std::fs::read(group.path(1).join("log-0000000000000001")).unwrap();
        let used = log.chunks(4096).filter(|block| block.iter().any(|&byte| byte != 0)).count() as u64;
        // Beside the head, and two pages of slots.
        assert_eq!(used, 3 + 2 * began.leadership.fence().number());
        group.nodes[&1].step_down().await.unwrap();
    }
}

#[tokio::test]
async fn when_the_leader_ends_another_leads_with_a_greater_fence() {
    let mut group = Group::running(3).await;
    let mut last = Fence::new(0);
    for _ in 0..5 {
        let began = group.next_leadership().await;
        assert!(last < began.leadership.fence());
        last = began.leadership.fence();
        group.kill(began.id).await;
        assert!(matches!(soon("loss", began.leadership.lost()).await, Lost::Resigned | Lost::Stopped | Lost::Deposed));
        began.leadership.check().unwrap_err();
        let next = group.next_leadership().await;
        assert!(last < next.leadership.fence() && next.id != began.id);
        last = next.leadership.fence();
        group.start(began.id).await;
        group.knows(began.id, next.id).await;
        group.nodes[&next.id].step_down().await.unwrap();
    }
}

async fn until_lost(leadership: Leadership) -> Result<Then, Infallible> {
    leadership.lost().await;
    Ok(Then::Resign)
}

type Lead = Pin<Box<dyn Future<Output = Result<(), LeadError<Infallible>>>>>;

/// Waits to lead, but does not begin to work when it could.
fn waiting_only(node: &Node) -> Lead {
    let mut lead: Lead = Box::pin(node.lead(until_lost));
    assert!(lead.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    lead
}

/// How long a group is without a leader when the leader's process ends. All wait to lead, but none
/// has begun to work yet, so that nothing is transferred.
async fn failover(settings: fn(Builder) -> Builder) -> Duration {
    let mut group = Group::new(3);
    group.settings = settings;
    let mut waiting = Vec::new();
    for id in 1..=3 {
        waiting.push(Some(waiting_only(&group.start_idle(id).await)));
    }
    let mut view = group.nodes[&1].leader();
    let leader = soon("a leader", view.wait_for(|view| view.leader.is_some())).await.unwrap().leader.unwrap();
    let others: Vec<u32> = (1..=3).filter(|&id| id != leader.number()).collect();
    for &id in &others {
        group.hears(leader.number(), id).await;
        group.knows(id, leader.number()).await;
    }
    let mut view = group.nodes[&others[0]].leader();
    let start = Instant::now();
    waiting[leader.number() as usize - 1] = None;
    group.kill(leader.number()).await;
    let follows = view.wait_for(|view| view.leader.is_some_and(|next| next != leader));
    soon("another leader", follows).await.unwrap();
    start.elapsed()
}

#[tokio::test]
async fn the_end_of_the_leaders_process_is_noticed_long_before_a_timeout() {
    let early = failover(|builder| builder.election_timeout(3 * T)).await;
    assert!(early < 2 * T, "{early:?}");
    let silent =
        failover(|builder| builder.election_timeout(3 * T).elect_on_disconnect(ElectOnDisconnect::Never)).await;
    assert!(2 * T < silent, "{silent:?}");
}

#[tokio::test]
async fn leadership_is_handed_to_the_chosen_peer() {
    let mut group = Group::running(3).await;
    let first = group.next_leadership().await;
    let target = (1..=3).find(|&id| id != first.id).unwrap();
    group.hears(first.id, target).await;
    soon("transfer", group.nodes[&first.id].transfer_to(target)).await.unwrap();
    let second = group.next_leadership().await;
    assert_eq!(second.id, target);
    assert!(first.leadership.fence() < second.leadership.fence());
    first.leadership.check().unwrap_err();
}

#[tokio::test]
async fn a_transfer_that_makes_no_sense_is_refused_and_leadership_stays() {
    let mut group = Group::running(3).await;
    let first = group.next_leadership().await;
    let node = group.nodes[&first.id].clone();
    assert!(matches!(node.transfer_to(first.id).await, Err(Error::NotAPeer(_))));
    assert!(matches!(node.transfer_to(9).await, Err(Error::NotAPeer(id)) if id == ServerId::new(9)));
    let others: Vec<u32> = (1..=3).filter(|&id| id != first.id).collect();
    assert!(matches!(group.nodes[&others[0]].transfer_to(others[1]).await, Err(Error::NotLeading)));
    assert!(matches!(group.nodes[&others[0]].step_down().await, Err(Error::NotLeading)));
    group.hears(first.id, others[1]).await;
    group.kill(others[0]).await;
    until("the dead peer to be silent", async || {
        let status = node.status().await.unwrap();
        let peer = status.peers.iter().find(|peer| peer.id == ServerId::new(others[0])).unwrap();
        peer.answered.is_none_or(|answered| T <= answered)
    })
    .await;
    assert!(matches!(node.transfer_to(others[0]).await, Err(Error::PeerSilent(_))));
    first.leadership.check().unwrap();
}

#[tokio::test]
async fn shutdown_transfers_leadership_after_the_work_has_ended() {
    let mut group = Group::new(3);
    for id in 1..=2 {
        group.start(id).await;
    }
    let first = group.next_leadership().await;
    let node = group.start_idle(3).await;
    group.knows(3, first.id).await;
    let at_work = Arc::new(AtomicBool::new(false));
    let ended = at_work.clone();
    let lead = tokio::spawn(node.lead(async move |leadership: Leadership| {
        at_work.store(true, Ordering::SeqCst);
        assert_eq!(leadership.lost().await, Lost::Transferring);
        // It still leads while it puts its things in order.
        for _ in 0..10 {
            tokio::time::sleep(T / 10).await;
            leadership.check().unwrap();
        }
        at_work.store(false, Ordering::SeqCst);
        Ok::<_, Infallible>(Then::Resign)
    }));
    group.hears(first.id, 3).await;
    soon("transfer", group.nodes[&first.id].transfer_to(3)).await.unwrap();
    until("the work to begin", async || ended.load(Ordering::SeqCst)).await;
    soon("shutdown", node.shutdown()).await.unwrap();
    assert!(!ended.load(Ordering::SeqCst), "the server ended before the work did");
    soon("lead", lead).await.unwrap().unwrap();
    let successor = group.next_leadership().await;
    successor.leadership.check().unwrap();
    assert!(matches!(node.status().await, Err(Error::ShutDown)));
    node.closed().await.unwrap();
    // The directory is free again.
    group.nodes.remove(&3);
    group.builder(3).start().await.unwrap();
}

#[tokio::test]
async fn work_that_does_not_end_keeps_leadership_but_not_the_server() {
    let mut group = Group::new(1);
    group.settings = |builder| builder.transfer_timeout(T);
    let node = group.start_idle(1).await;
    let (began, begins) = tokio::sync::oneshot::channel();
    let mut began = Some(began);
    let lead = tokio::spawn(node.lead(async move |leadership: Leadership| {
        began.take().unwrap().send(leadership).unwrap();
        std::future::pending::<Result<Then, Infallible>>().await
    }));
    let leadership = soon("the work to begin", begins).await.unwrap();
    let refused = soon("step down", node.step_down()).await.unwrap_err();
    assert!(matches!(refused, Error::StillAtWork(T)), "{refused}");
    leadership.check().unwrap();
    soon("shutdown", node.shutdown()).await.unwrap();
    leadership.check().unwrap_err();
    lead.abort();
}

#[tokio::test]
async fn a_leader_without_a_majority_fails_its_check_and_drops_its_work() {
    let mut group = Group::running(3).await;
    let first = group.next_leadership().await;
    let node = group.nodes[&first.id].clone();
    let leadership = first.leadership.clone();
    let bound = tokio::spawn(async move { leadership.bound(std::future::pending::<()>()).await });
    for id in (1..=3).filter(|&id| id != first.id) {
        group.kill(id).await;
    }
    let lost = soon("the work to be dropped", bound).await.unwrap().unwrap_err();
    assert!(matches!(lost, Lost::LeaseExpired | Lost::Deposed), "{lost:?}");
    first.leadership.check().unwrap_err();
    soon("verify", first.leadership.verify()).await.unwrap_err();
    let mut view = node.leader();
    soon("the view to change", view.wait_for(|view| view.leader.is_none())).await.unwrap();
}

#[tokio::test]
async fn a_restarted_leader_does_not_claim_to_lead() {
    let mut group = Group::running(1).await;
    let first = group.next_leadership().await;
    group.nodes[&1].shutdown().await.unwrap();
    let node = group.start_idle(1).await;
    let view = *node.leader().borrow();
    assert_eq!((view.leader, view.term.number()), (None, first.leadership.fence().number()));
}

#[tokio::test]
async fn runs_never_overlap_and_each_has_its_own_fence() {
    let mut group = Group::new(1);
    let node = group.start_idle(1).await;
    let (running, fences) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let lead = node.lead(async |leadership: Leadership| {
        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
        fences.lock().unwrap().push(leadership.fence());
        tokio::task::yield_now().await;
        running.fetch_sub(1, Ordering::SeqCst);
        Ok::<_, Infallible>(if fences.lock().unwrap().len() < 4 { Then::Resign } else { Then::Stop })
    });
    soon("four leaderships", lead).await.unwrap();
    let fences = fences.into_inner().unwrap();
    assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "{fences:?}");
}

#[tokio::test]
async fn an_error_of_the_work_is_returned_unless_leadership_was_lost() {
    let mut group = Group::new(1);
    let node = group.start_idle(1).await;
    let mut runs = 0;
    let lead = node.lead(async |leadership: Leadership| {
        runs += 1;
        if runs == 1 {
            let node = node.clone();
            tokio::spawn(async move { node.step_down().await });
            return Err::<Then, _>(leadership.lost().await.to_string());
        }
        Err("the work failed".to_owned())
    });
    let failed = soon("lead", lead).await.unwrap_err();
    assert!(matches!(failed, LeadError::Work(error) if error == "the work failed"));
}

#[tokio::test]
async fn one_closure_at_a_time_waits_for_leadership() {
    let mut group = Group::new(2);
    let node = group.start_idle(1).await;
    let waits = async |_: Leadership| Ok::<_, Infallible>(Then::Stop);
    let first = node.lead(waits);
    let second = async {
        tokio::task::yield_now().await;
        node.lead(waits).await
    };
    tokio::select! {
        biased;
        _ = first => panic!("one of two cannot lead"),
        second = second => assert!(matches!(second, Err(LeadError::Server(Error::LeadInUse)))),
    }
}

/// Callers of `verify` that come at once share rounds: what is sent hardly depends on their number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_who_ask_a_majority_cost_a_few_rounds_and_no_leadership() {
    const CALLERS: usize = 20_000;
    let mut group = Group::new(2);
    group.start_idle(2).await;
    let (address, sent) = counted(group.address(2).to_owned()).await;
    let node = soon("start", group.lone_builder(1).peer(2, address).start()).await.unwrap();
    let (began, begins) = tokio::sync::oneshot::channel();
    let mut began = Some(began);
    let lead = tokio::spawn(node.lead(async move |leadership: Leadership| {
        began.take().unwrap().send(leadership.clone()).unwrap();
        until_lost(leadership).await
    }));
    let leadership = soon("a leadership", begins).await.unwrap();
    soon("one caller", leadership.verify()).await.unwrap();
    let before = sent.load(Ordering::SeqCst);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let leadership = leadership.clone();
        callers.spawn(async move { leadership.verify().await });
    }
    let answers = soon("all callers", callers.join_all()).await;
    assert!(answers.iter().all(Result::is_ok));
    // A heartbeat takes some 40 bytes.
    let bytes = sent.load(Ordering::SeqCst) - before;
    assert!(bytes < CALLERS * 40 / 10, "{bytes} bytes for {CALLERS} callers");
    leadership.check().unwrap();
    lead.abort();
}

/// An address that leads to this one, and how many bytes went there.
async fn counted(address: String) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = tokio::net::TcpStream::connect(&address).await else { continue };
            tokio::spawn(pass_on(near, far, count.clone()));
        }
    });
    (here, sent)
}

async fn pass_on(near: tokio::net::TcpStream, far: tokio::net::TcpStream, count: Arc<AtomicUsize>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let ((mut requests, mut answers), (mut back, mut forth)) = (near.into_split(), far.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut back, &mut answers).await });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = requests.read(&mut buffer).await {
        count.fetch_add(length, Ordering::SeqCst);
        if forth.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn work(node: &Node) -> Work {
    node.status().await.unwrap().work
}

#[tokio::test]
async fn a_server_whose_service_does_not_wait_to_lead_does_not_lead() {
    let mut group = Group::new(3);
    let idle = group.start_idle(1).await;
    group.start(2).await;
    group.start(3).await;
    assert_eq!(work(&idle).await, Work::Nobody);
    for _ in 0..3 {
        let began = group.next_leadership().await;
        assert_eq!(work(&group.nodes[&began.id]).await, Work::Running);
        group.knows(1, began.id).await;
        group.hears(began.id, 5 - began.id).await;
        // It is sent to the server that has nobody to work, and comes back by itself.
        group.hears(began.id, 1).await;
        soon("transfer", group.nodes[&began.id].transfer_to(1)).await.unwrap();
        let mut view = idle.leader();
        soon("the leadership to be given up", view.wait_for(|view| view.leader != Some(ServerId::new(1))))
            .await
            .unwrap();
    }
    group.next_leadership().await;
}

#[tokio::test]
async fn a_group_without_work_elects_nobody() {
    let mut group = Group::new(3);
    for id in 1..=3 {
        group.start_idle(id).await;
    }
    tokio::time::sleep(4 * T).await;
    for node in group.nodes.values() {
        assert_eq!(node.leader().borrow().leader, None);
    }
    let lead = tokio::spawn(group.nodes[&2].lead(until_lost));
    group.knows(3, 2).await;
    lead.abort();
}

#[tokio::test]
async fn who_waits_but_does_not_begin_gives_the_leadership_up() {
    let mut group = Group::new(1);
    let node = group.start_idle(1).await;
    let waiting = waiting_only(&node);
    let mut epochs = Vec::new();
    let mut view = node.leader();
    while epochs.len() < 2 {
        let led = *soon("a leadership", view.wait_for(|view| view.leader.is_some())).await.unwrap();
        epochs.push(led.term);
        soon("its end", view.wait_for(|view| view.leader.is_none())).await.unwrap();
    }
    assert!(epochs[0] < epochs[1]);
    assert_eq!(work(&node).await, Work::Waiting);
    drop(waiting);
    until("nobody to wait", async || work(&node).await == Work::Nobody).await;
}

#[tokio::test]
async fn a_closure_that_panics_leaves_the_leadership_to_others() {
    let mut group = Group::new(2);
    let node = group.start_idle(1).await;
    let lead = tokio::spawn(node.lead(async |_: Leadership| -> Result<Then, Infallible> { panic!("as it should") }));
    let peer = group.start_idle(2).await;
    soon("the panic", lead).await.unwrap_err();
    until("nobody to wait", async || work(&node).await == Work::Nobody).await;
    let lead = tokio::spawn(peer.lead(until_lost));
    group.knows(1, 2).await;
    lead.abort();
}

/// A service that cannot begin with another leadership before an earlier one has ended asks for none.
#[tokio::test]
async fn who_still_works_for_an_ended_leadership_does_not_campaign() {
    let mut group = Group::new(2);
    let node = group.start_idle(1).await;
    group.start_idle(2).await;
    let (began, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let ends = Arc::new(tokio::sync::Notify::new());
    let end = ends.clone();
    let lead = tokio::spawn(node.lead(async move |leadership: Leadership| {
        began.send(leadership).unwrap();
        end.notified().await;
        Ok::<_, Infallible>(Then::Resign)
    }));
    let first = soon("the work to begin", begins.recv()).await.unwrap();
    group.kill(2).await;
    soon("the lease to run out", first.lost()).await;
    group.start_idle(2).await;
    tokio::time::sleep(4 * T).await;
    assert_eq!(node.leader().borrow().leader, None);
    ends.notify_one();
    let second = soon("the work to begin again", begins.recv()).await.unwrap();
    assert!(first.fence() < second.fence());
    lead.abort();
}

/// A service takes its time until it waits, longer than an election timeout.
#[tokio::test]
async fn a_service_that_waits_late_leads_soon() {
    let mut group = Group::new(1);
    let node = group.start_idle(1).await;
    tokio::time::sleep(5 * T / 2).await;
    let waited = Instant::now();
    let lead = tokio::spawn(node.lead(until_lost));
    group.knows(1, 1).await;
    assert!(waited.elapsed() < T / 2, "{:?}", waited.elapsed());
    lead.abort();
}

#[tokio::test]
async fn a_foreign_directory_is_refused() {
    let mut group = Group::new(2);
    group.start_idle(1).await.shutdown().await.unwrap();
    let other = Node::builder(group.path(1)).id(2).listen("127.0.0.1:0").peer(1, "127.0.0.1:1");
    let refused = other.start().await.unwrap_err();
    assert!(matches!(refused, Error::Storage(StorageError::ForeignServer { .. })), "{refused}");
    let missing = Node::builder(group.path(7)).start().await.unwrap_err();
    assert!(matches!(missing, Error::Storage(StorageError::NoIdentity { .. })), "{missing}");
    let own = Node::builder(group.path(1)).listen("127.0.0.1:0").peer(1, "127.0.0.1:1").start().await.unwrap_err();
    assert!(own.to_string().contains("server 1 is named twice"), "{own}");
    let alone = Node::builder(group.path(1)).start().await.unwrap_err();
    let ids = [ServerId::new(1), ServerId::new(2)];
    let is_meant = |kept: &[ServerId], asked: &[ServerId]| kept == ids && asked == &ids[..1];
    assert!(
        matches!(&alone, Error::Storage(StorageError::OtherGroup { kept, asked, .. }) if is_meant(kept, asked)),
        "{alone}"
    );
}

#[tokio::test]
async fn a_start_that_is_refused_leaves_no_group_behind() {
    let mut group = Group::new(2);
    let far = group.builder(1).listen("0.0.0.0:0").peer(3, "127.0.0.1:1").start().await.unwrap_err();
    assert!(matches!(far, Error::Listen { .. }), "{far}");
    group.start_idle(1).await.shutdown().await.unwrap();
}

mod faulty {
    use super::*;
    use bytes::Bytes;
    use rafttree::storage::{FileStorage, Recovered, Storage};
    use rafttree_model::Record;

    /// A disk that fails or hangs from a certain moment on.
    struct Faulty {
        inner: FileStorage,
        broken: Arc<AtomicBool>,
        hangs: Option<Duration>,
    }

    impl Storage for Faulty {
        fn load(&mut self) -> Result<Recovered, StorageError> {
            self.inner.load()
        }

        fn write(&mut self, records: &[Record<Bytes>]) -> Result<(), StorageError> {
            match (self.broken.load(Ordering::SeqCst), self.hangs) {
                (true, None) => Err(StorageError::Sealed),
                (true, Some(hangs)) => {
                    std::thread::sleep(hangs);
                    self.inner.write(records)
                }
                (false, _) => self.inner.write(records),
            }
        }
    }

    async fn start(group: &mut Group, hangs: Option<Duration>) -> (Node, Arc<AtomicBool>) {
        start_with(group.builder(1).longest_flush(2 * T), hangs).await
    }

    async fn start_with(builder: Builder, hangs: Option<Duration>) -> (Node, Arc<AtomicBool>) {
        let broken = Arc::new(AtomicBool::new(false));
        let switch = broken.clone();
        let node = builder.start_with(move |inner| Faulty { inner, broken, hangs }).await.unwrap();
        (node, switch)
    }

    /// Leads once, then breaks the disk and gives up leadership, so that it is needed again.
    async fn lead_until_broken(node: &Node, switch: &AtomicBool) -> LeadError<Infallible> {
        let lead = node.lead(async |_: Leadership| {
            switch.store(true, Ordering::SeqCst);
            Ok::<_, Infallible>(Then::Resign)
        });
        soon("the server to stop", lead).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_disk_error_stops_the_server_and_every_call_says_so() {
        let mut group = Group::new(1);
        let (node, switch) = start(&mut group, None).await;
        let failed = lead_until_broken(&node, &switch).await;
        assert!(matches!(failed, LeadError::Server(Error::Failed(_))));
        for error in [node.closed().await.unwrap_err(), node.status().await.unwrap_err()] {
            let Error::Failed(failure) = error else { panic!("{error}") };
            assert!(matches!(*failure, Failure::Storage(StorageError::Sealed)));
        }
        assert!(matches!(node.shutdown().await, Err(Error::Failed(_))));
    }

    /// A process that is told to end has to, whatever the disk was allowed while the server ran.
    #[tokio::test]
    async fn shutdown_does_not_wait_for_a_disk_that_hangs_for_ever() {
        for (longest, bound) in [(2 * T, 2 * T), (Duration::from_secs(3600), Duration::from_secs(5))] {
            let group = Group::new(1);
            let (node, switch) = start_with(group.builder(1).longest_flush(longest), Some(PATIENCE)).await;
            switch.store(true, Ordering::SeqCst);
            let waiting = waiting_only(&node);
            until("the vote to be written", async || node.status().await.unwrap().protocol.vote.is_some()).await;
            let asked = Instant::now();
            for ended in [soon("shutdown", node.shutdown()).await, soon("its end", node.closed()).await] {
                let Err(Error::Failed(failure)) = ended else { panic!("{ended:?}") };
                assert!(matches!(*failure, Failure::DiskStalled(_)), "{failure}");
            }
            assert!(asked.elapsed() < 2 * bound, "{:?}", asked.elapsed());
            drop((waiting, node));
            let again = group.builder(1).start().await.unwrap_err();
            assert!(matches!(again, Error::Storage(StorageError::Locked { .. })), "{again}");
        }
    }

    #[tokio::test]
    async fn a_disk_that_hangs_stops_the_server() {
        let mut group = Group::new(1);
        let (node, switch) = start(&mut group, Some(6 * T)).await;
        lead_until_broken(&node, &switch).await;
        let Err(Error::Failed(failure)) = node.closed().await else { panic!("it goes on") };
        assert!(matches!(*failure, Failure::DiskStalled(_)));
    }
}
