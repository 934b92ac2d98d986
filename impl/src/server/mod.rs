//! The running server: the driver under a thin skin of tokio.

mod handover;
mod precise_timer;
pub(crate) mod start;
mod verify;
mod work;

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rafttree_model::{Event, Index, Position, ServerId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::yield_now;

use crate::api::error::{Error, Failure};
use crate::api::fence::Fence;
use crate::api::leadership::{Lost, Reign};
use crate::api::node::{Node, Shared};
use crate::api::status::{Leader, LeadershipStatus, PeerStatus, Status, Warning, Work};
use crate::clock;
use crate::core::driver::{Action, Driver, Input};
use crate::core::stamp::Stamp;
use crate::server::start::{Settings, Stopped};
use crate::storage::writer::{Flushed, Report, Writer};
use crate::storage::{Directory, Room};
use crate::transport::{Incoming, Refusal, Transport};
use handover::HandOver;
use precise_timer::Alarm;
use verify::{Reply, Verifications};

/// When a timer is due, messages that have arrived go first: what was heard matters for what is
/// late. But not for ever.
const MOST_BEFORE_TIMERS: usize = 64;

/// A lease is shorter than T, and what it rests on travels: a flush must leave one part in so many.
const SPARE: u32 = 8;

/// Deadlines are met within a fraction of this unless something keeps the process from running.
const LATE: Duration = Duration::from_millis(1);

/// So long a server that ends waits for a write that the disk has not finished, at most.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// What a handle asks of the server.
#[derive(Debug)]
pub(crate) enum Command {
    /// What does the server know?
    Status(oneshot::Sender<Status>),
    /// Leadership is to go to this peer, or to whoever is fit.
    HandOver { to: Option<ServerId>, reply: oneshot::Sender<Result<(), Error>> },
    /// A majority is to confirm the reign.
    Verify { reign: Arc<Reign>, reply: oneshot::Sender<Result<(), Lost>> },
    /// Nobody works under this reign any more.
    Released(Arc<Reign>),
    /// The service waits for a leadership, works under one, or does neither from now on.
    Work(Work),
    /// The server is to hand over, and to end.
    ShutDown,
}

/// Everything that one server consists of.
pub(crate) struct Server {
    // Dropped first: nobody may rely on a leadership while connections close.
    reign: CurrentReign,
    settings: Settings,
    driver: Driver,
    transport: Transport,
    incoming: mpsc::Receiver<Incoming>,
    writer: Writer,
    flushed: mpsc::UnboundedReceiver<Flushed>,
    room: Room,
    /// Whether it was said that flushes take too long.
    slow: bool,
    asked: mpsc::UnboundedReceiver<Command>,
    alarm: Alarm,
    leader: watch::Sender<Leader>,
    reigns: watch::Sender<Option<Arc<Reign>>>,
    /// Whoever watches the status was told of these.
    told: rafttree_model::Status,
    changes: watch::Sender<()>,
    peers: BTreeMap<ServerId, PeerStatus>,
    handover: Option<HandOver>,
    work: Work,
    /// Until when somebody must have begun to work under the present reign.
    unclaimed: Option<Stamp>,
    verifications: Verifications,
    /// When a server that is to end waits no longer for another leader.
    closing: Option<Stamp>,
    outcome: Option<Stopped>,
    /// Locked until the server has ended.
    directory: Arc<Directory>,
}

/// The leadership that this server holds; it ends with the server, however that ends.
struct CurrentReign(Option<Arc<Reign>>);

/// What happened to the server.
enum Happening {
    Flushed(Option<Flushed>),
    Incoming(Option<Incoming>),
    Asked(Option<Command>),
    Deadline(io::Result<()>),
}

impl Drop for CurrentReign {
    fn drop(&mut self) {
        self.end(Lost::Stopped);
    }
}

impl CurrentReign {
    fn end(&mut self, lost: Lost) {
        if let Some(reign) = self.0.take() {
            reign.end(lost);
        }
    }
}

impl Server {
    /// A server that is about to serve, and the handle to it.
    pub(crate) fn new(
        settings: Settings,
        directory: Arc<Directory>,
        mut driver: Driver,
        (transport, incoming): (Transport, mpsc::Receiver<Incoming>),
        (writer, flushed): (Writer, mpsc::UnboundedReceiver<Flushed>),
        alarm: Alarm,
        stopped: watch::Receiver<Option<Stopped>>,
    ) -> (Server, Node) {
        let (commands, asked) = mpsc::unbounded_channel();
        let (leader, leader_view) = watch::channel(Leader { leader: None, term: driver.node().term() });
        let (reigns, reign_view) = watch::channel(None);
        let (changes, changes_view) = watch::channel(());
        let takeover_timeout = 3 * settings.policy.minimum_timeout;
        let id = driver.node().id();
        let views = (leader_view, reign_view, changes_view);
        let node = Node::new(Shared::new(id, commands, views, stopped, takeover_timeout));
        let peers = settings.peers.iter().map(|(id, address)| (*id, PeerStatus::new(*id, address))).collect();
        let told = told(&driver);
        driver.handle(Input::Campaigns(false), clock::now());
        let server = Server {
            reign: CurrentReign(None),
            settings,
            driver,
            transport,
            incoming,
            writer,
            flushed,
            room: Room::Enough,
            slow: false,
            asked,
            alarm,
            leader,
            reigns,
            told,
            changes,
            peers,
            handover: None,
            work: Work::Nobody,
            unclaimed: None,
            verifications: Verifications::default(),
            closing: None,
            outcome: None,
            directory,
        };
        (server, node)
    }

    /// Serves until it is told to end, or has to.
    pub(crate) async fn serve(mut self) -> Stopped {
        let outcome = loop {
            self.publish();
            if let Some(outcome) = self.outcome.take() {
                break outcome;
            }
            match self.next().await {
                Happening::Flushed(flushed) => self.on_flushed(flushed),
                Happening::Incoming(Some(incoming)) => self.on_incoming(incoming),
                Happening::Incoming(None) => self.fail(Failure::Panicked),
                Happening::Asked(Some(command)) => self.on_command(command),
                Happening::Asked(None) => self.outcome = Some(Ok(())),
                Happening::Deadline(Ok(())) => {
                    // Lets what the connections hold be read first.
                    if self.is_late() {
                        yield_now().await;
                    }
                    self.on_deadline();
                }
                Happening::Deadline(Err(error)) => self.fail(Failure::Timer(error)),
            }
        };
        self.end(outcome).await
    }

    /// Closes everything. The lock of the directory is free then, unless the disk hangs.
    async fn end(mut self, outcome: Stopped) -> Stopped {
        self.reign.end(Lost::Stopped);
        self.transport.close().await;
        let patience = match &outcome {
            Err(failure) if matches!(**failure, Failure::DiskStalled(_)) => Duration::ZERO,
            _ => LAST_WRITE.min(self.settings.policy.longest_flush),
        };
        if self.writer.close(self.flushed, patience).await {
            return outcome;
        }
        outcome.and(Err(Arc::new(Failure::DiskStalled(patience))))
    }

    async fn next(&mut self) -> Happening {
        let deadline = self.next_deadline();
        let timer = async {
            match deadline {
                Some(deadline) => self.alarm.wait_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            flushed = self.flushed.recv() => Happening::Flushed(flushed),
            incoming = self.incoming.recv() => Happening::Incoming(incoming),
            command = self.asked.recv() => Happening::Asked(command),
            due = timer => Happening::Deadline(due),
        }
    }

    fn next_deadline(&self) -> Option<Stamp> {
        let handover = self.handover.as_ref().map(|handover| handover.until);
        [self.driver.next_deadline(clock::now()), handover, self.closing, self.unclaimed].into_iter().flatten().min()
    }

    /// Whether the process was kept from running when a deadline came.
    fn is_late(&self) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline.after(LATE) < clock::now())
    }

    fn on_deadline(&mut self) {
        for _ in 0..MOST_BEFORE_TIMERS {
            let Ok(incoming) = self.incoming.try_recv() else { break };
            self.on_incoming(incoming);
        }
        self.handle(Input::Deadline);
        if self.handover.as_ref().is_some_and(|handover| handover.until <= clock::now()) {
            self.on_work_that_does_not_end();
        }
        if self.unclaimed.take_if(|until| *until <= clock::now()).is_some() {
            self.end_idle_reign();
        }
    }

    fn on_flushed(&mut self, flushed: Option<Flushed>) {
        match flushed {
            Some(Ok(Report::Durable)) => self.handle(Input::Flushed),
            Some(Ok(Report::Room(room))) => self.on_room(room),
            Some(Err(error)) => self.fail(Failure::Storage(error)),
            None => self.fail(Failure::Panicked),
        }
    }

    /// Says so when the disk is full, and when it has room again.
    fn on_room(&mut self, room: Room) {
        let former = std::mem::replace(&mut self.room, room);
        match (former, room) {
            (Room::Enough, Room::Scarce { left }) => tracing::warn!("{}", Warning::DiskFull { left }),
            (Room::Scarce { .. }, Room::Enough) => tracing::info!("the disk has room again"),
            _ => return,
        }
        self.changes.send_replace(());
    }

    /// What somebody has to see to.
    fn warnings(&self) -> Vec<Warning> {
        let room = match self.room {
            Room::Enough => None,
            Room::Scarce { left } => Some(Warning::DiskFull { left }),
        };
        let unequal = self.peers.values().filter_map(|peer| self.unequal_timeouts(peer));
        room.into_iter().chain(self.slow_disk()).chain(unequal).collect()
    }

    fn unequal_timeouts(&self, peer: &PeerStatus) -> Option<Warning> {
        let ours = self.settings.policy.minimum_timeout;
        let theirs = peer.election_timeout.filter(|&theirs| theirs != ours)?;
        Some(Warning::UnequalTimeouts { peer: peer.id, theirs, ours })
    }

    fn slow_disk(&self) -> Option<Warning> {
        let election_timeout = self.settings.policy.minimum_timeout;
        let flush = self.driver.usual_flush().filter(|&flush| election_timeout <= flush + flush / SPARE)?;
        Some(Warning::SlowDisk { flush, election_timeout })
    }

    /// Says so when flushes become too slow, and when they are no more.
    fn note_slow_disk(&mut self) {
        let slow = self.slow_disk();
        if std::mem::replace(&mut self.slow, slow.is_some()) != slow.is_some() {
            match slow {
                Some(warning) => tracing::warn!("{warning}"),
                None => tracing::info!("the disk is fast enough again"),
            }
            self.changes.send_replace(());
        }
    }

    fn on_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Frame(frame) => self.handle(Input::Frame(frame)),
            Incoming::Accepted { from, minimum_timeout } => {
                self.note(from, |peer| peer.election_timeout = Some(minimum_timeout));
                self.handle(Input::Accepted(from, minimum_timeout));
            }
            Incoming::Closed { from } => self.handle(Input::Closed(from)),
            Incoming::NobodyListens { at, place } => self.handle(Input::NobodyListens(at, place)),
            Incoming::Connected { to, minimum_timeout } => {
                self.note(to, |peer| {
                    (peer.connected, peer.unreachable) = (true, None);
                    peer.election_timeout = Some(minimum_timeout);
                });
                self.handle(Input::Connected(to, minimum_timeout));
            }
            Incoming::Unreachable { peer, why } => {
                tracing::info!(%peer, %why, "no connection");
                self.note(peer, |peer| peer.unreachable = Some(why));
            }
            Incoming::Disconnected { to } => {
                self.note(to, |peer| peer.connected = false);
                self.handle(Input::Disconnected(to));
            }
            Incoming::Refused { peer, reason } => {
                tracing::warn!(%peer, %reason, "no connection");
                self.note(peer, |peer| peer.refusal = Some(reason));
            }
            Incoming::AtPeace { with } => self.note(with, |peer| peer.refusal = None),
        }
    }

    fn note(&mut self, peer: ServerId, change: impl FnOnce(&mut PeerStatus)) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            change(peer);
            self.changes.send_replace(());
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            // Whoever no longer waits for an answer needs none.
            Command::Status(reply) => drop(reply.send(self.status())),
            Command::HandOver { to, reply } => self.on_hand_over(to, reply),
            Command::Verify { reign, reply } => self.on_verify(&reign, reply),
            Command::Released(reign) => self.on_released(&reign),
            Command::Work(work) => self.on_work(work),
            Command::ShutDown => self.on_shut_down(),
        }
    }

    /// Lets the driver take an input, and does what it wants.
    fn handle(&mut self, input: Input) {
        for action in self.driver.handle(input, clock::now()) {
            match action {
                Action::Send(frame) => self.transport.send(frame),
                Action::Write(records) => self.writer.write(records),
                Action::Leading(term) => self.begin_reign(term.into()),
                Action::Yielded => self.end_reign(),
                Action::KeepOut(peer) => self.transport.keep_out(peer),
                Action::LetIn(peer) => {
                    self.transport.let_in(peer);
                    self.note(peer, |peer| peer.refusal = None);
                }
                Action::Stalled => self.fail(Failure::DiskStalled(self.settings.policy.longest_flush)),
                Action::Refuse(peer) => self.transport.refuse(peer, Refusal::Implausible),
            }
        }
    }

    fn begin_reign(&mut self, fence: Fence) {
        let lease = self.driver.lease(clock::now()).unwrap_or_default();
        let reign = Reign::new(fence, lease);
        tracing::info!(%fence, "this server leads");
        self.unclaimed = Some(clock::now().after(self.settings.policy.minimum_timeout));
        self.reign.0 = Some(reign.clone());
        self.reigns.send_replace(Some(reign));
    }

    fn end_reign(&mut self) {
        self.reign.end(Lost::Deposed);
        self.unclaimed = None;
        self.reigns.send_replace(None);
        tracing::info!("this server no longer leads");
        self.verifications.end(Lost::Deposed);
        if let Some(HandOver { reply: Some(reply), .. }) = self.handover.take() {
            let _ = reply.send(Ok(()));
        }
        if let Some(until) = &mut self.closing {
            // Never later than was said at first.
            *until = clock::now().after(3 * self.settings.policy.minimum_timeout).min(*until);
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.outcome.get_or_insert(Err(Arc::new(failure)));
    }

    /// Tells everybody what is new.
    fn publish(&mut self) {
        self.renew_lease();
        self.verify();
        let view = self.view();
        self.leader.send_if_modified(|old| std::mem::replace(old, view) != view);
        let told = told(&self.driver);
        if std::mem::replace(&mut self.told, told) != told {
            self.changes.send_replace(());
        }
        self.note_slow_disk();
        self.close_if_possible(view);
    }

    fn renew_lease(&mut self) {
        let Some(reign) = self.reign.0.clone() else { return };
        reign.extend(self.driver.lease(clock::now()).unwrap_or_default());
        if reign.has_lapsed() {
            // Somebody saw the lease run out, so this leadership is over for good.
            self.handle(Input::Event(Event::StepDown));
        }
    }

    /// The leader, and this server itself only if it may act as one.
    fn view(&self) -> Leader {
        let node = self.driver.node();
        let leader = node.leader().filter(|&leader| leader != node.id() || self.reign.0.is_some());
        Leader { leader, term: node.term() }
    }

    fn on_verify(&mut self, reign: &Arc<Reign>, reply: Reply) {
        if !self.holds(reign) {
            // Whoever no longer waits for an answer needs none.
            let _ = reply.send(Err(reign.check().err().unwrap_or(Lost::Deposed)));
            return;
        }
        self.verifications.add(clock::now(), reply);
    }

    fn status(&self) -> Status {
        let now = clock::now();
        let answered = |id| self.reign.0.as_ref().and(self.driver.contact(id, now)).map(|contact| now.since(contact));
        let peers = self.peers.values().cloned();
        let leadership = self.reign.0.as_ref().map(|reign| LeadershipStatus {
            fence: reign.fence(),
            lease: reign.remaining(),
            at_work: reign.is_at_work(),
        });
        Status {
            cluster: self.directory.identity.cluster,
            incarnation: self.directory.incarnation,
            address: self.transport.local_address(),
            protocol: self.driver.node().status(),
            leadership,
            work: self.work,
            peers: peers.map(|peer| PeerStatus { answered: answered(peer.id), ..peer }).collect(),
            flush: self.driver.usual_flush(),
            warnings: self.warnings(),
        }
    }
}

/// The protocol's status without what each step of an election changes.
fn told(driver: &Driver) -> rafttree_model::Status {
    let (vote, last, commit) = (None, Position::default(), Index::default());
    rafttree_model::Status { vote, last, commit, ..driver.node().status() }
}
