//! The start of a server: its ground, log, threads; and its end.

use std::sync::Arc;
use std::{io, panic, thread};

use rafttree_model::{Applying, Index, Members, ServerId};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::executor::Executor;
use super::ground::Ground;
use super::host::Host;
use super::network::Network;
use super::precise_timer::PreciseTimer;
use super::requests::Requests;
use super::state::{Parts, Server};
use crate::api::builder::{Builder, ReplicaBuilder};
use crate::api::error::{Error, Failure, Stopped};
use crate::api::node::Node;
use crate::api::replica::Replica;
use crate::api::settings::Settings;
use crate::api::status::Warning;
use crate::clock;
use crate::core::driver::{Driver, Input};
use crate::core::service::Service;
use crate::machine::apply::{self, Apply};
use crate::machine::sessions::Sessions;
use crate::machine::{Machine, Nothing, StateMachine, Typed};
use crate::record::Recorder;
use crate::storage::snapshot::Snapshots;
use crate::storage::{FileStorage, Identity, Recovered, Storage, StorageError, disk};

/// Messages that may wait for the server; more wait with the peers.
const MAX_WAITING_MESSAGES: usize = 1024;

impl Builder {
    /// Starts the server: on threads of its own, so that nothing that the service does delays
    /// its messages.
    ///
    /// It follows and votes, and campaigns only while somebody waits in [`lead`](Node::lead).
    ///
    /// The name that is listened on is given 15 s to be resolved; a disk that hangs is waited for.
    /// To drop this future is to give the start up: what has started until then ends by itself.
    pub async fn start(self) -> Result<Node, Error> {
        self.start_with(|storage| storage).await
    }

    /// Starts the server on another storage: the given one wrapped, or one of your own.
    pub async fn start_with<S: Storage>(
        self,
        storage: impl FnOnce(FileStorage) -> S + Send + 'static,
    ) -> Result<Node, Error> {
        start(self.settings()?, Box::new(Nothing), |settings| Host::open(settings, storage)).await
    }
}

impl<M: StateMachine> ReplicaBuilder<M> {
    /// Starts the server, as [`Builder::start`] does, with one more thread for the state machine.
    pub async fn start(self) -> Result<Replica<M>, Error> {
        self.start_with(|storage| storage).await
    }

    /// Starts the server on another storage: the given one wrapped, or one of your own.
    pub async fn start_with<S: Storage>(
        self,
        storage: impl FnOnce(FileStorage) -> S + Send + 'static,
    ) -> Result<Replica<M>, Error> {
        let ReplicaBuilder { builder, machine, answer_timeout } = self;
        let node =
            start(builder.settings()?, Box::new(Typed(machine)), |settings| Host::open(settings, storage)).await?;
        Ok(Replica::new(node, answer_timeout))
    }
}

/// Starts a server on its own thread, where its ground is opened.
pub(crate) async fn start<G: Ground>(
    settings: Settings,
    machine: Box<dyn Machine>,
    ground: impl FnOnce(&Settings) -> Result<G, Error> + Send + 'static,
) -> Result<Node, Error> {
    let (started, start) = oneshot::channel();
    let body = move || run(settings, machine, ground, started);
    thread::Builder::new().name("rafttree".into()).spawn(body).map_err(lacks("thread"))?;
    start.await.unwrap_or_else(|_| Err(Error::Failed(Arc::new(Failure::Panicked))))
}

/// The body of the server's thread.
fn run<G: Ground>(
    settings: Settings,
    machine: Box<dyn Machine>,
    ground: impl FnOnce(&Settings) -> Result<G, Error>,
    started: oneshot::Sender<Result<Node, Error>>,
) {
    // Everything that is reported on this thread, connections included, is of this server.
    let span = tracing::error_span!("server", id = Empty).entered();
    let (stopped, stopped_view) = watch::channel(None);
    // Whoever started the server may have gone. Then a refusal interests nobody, and a handle
    // that nobody takes is dropped, which stops the server at once.
    let prepared = ground(&settings).and_then(|ground| prepare(settings, machine, ground, stopped_view, &span));
    let Prepared { executor, server, node, ground } = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(node));
    // As a task, it takes its turn after those that read the connections; what a runtime blocks on
    // goes before them, and a timer that has fired would be heard before what has arrived.
    let outcome = executor.block_on(executor.spawn(server.serve().instrument((*span).clone())));
    let outcome = outcome.unwrap_or_else(|panic| panic::resume_unwind(panic.into_panic()));
    drop((executor, ground));
    match &outcome {
        Ok(()) => tracing::info!("the server was shut down"),
        Err(failure) => tracing::error!(%failure, "the server stopped"),
    }
    stopped.send_replace(Some(outcome));
}

/// What a disk has lost is fetched from others, so a group of one does not start without it.
fn expect_help(members: &Members, recovered: &Recovered) -> Result<(), StorageError> {
    let (faulty, log) = (recovered.durable.faulty(), recovered.durable.log());
    let name = |index: Option<Index>| index.and_then(|index| log.position_at(index));
    match (members.ids().len(), name(faulty.first()), name(faulty.last())) {
        (1, Some(first), Some(last)) => Err(StorageError::NobodyElseHolds { first, last }),
        _ => Ok(()),
    }
}

/// A server that is about to serve.
struct Prepared<G> {
    executor: Executor,
    server: Server,
    node: Node,
    /// The server's own until that has ended.
    ground: G,
}

fn prepare<G: Ground>(
    settings: Settings,
    machine: Box<dyn Machine>,
    mut ground: G,
    stopped: watch::Receiver<Option<Stopped>>,
    span: &Span,
) -> Result<Prepared<G>, Error> {
    let owner = ground.owner();
    let id = owner.0.id;
    span.record("id", id.number());
    let members = members(id, &settings)?;
    ground.expect_group(&members)?;
    let mut log = ground.open_log()?;
    let recovered = log.load()?;
    if let Some(warning) = Warning::of_faulty(recovered.durable.faulty()) {
        tracing::warn!("{warning}");
    }
    expect_help(&members, &recovered)?;
    let mut recorder = start_recording(&settings, owner.0, members, &recovered)?;
    let mut driver = Driver::new(id, members, recovered, settings.policy, rand::random(), clock::now());
    recorder.attach(&mut driver, owner.0.cluster, clock::now());
    let snapshots = Arc::new(ground.open_snapshots()?);
    let requests = start_machine(machine, &snapshots, &mut driver, settings.snapshot_after)?;
    let executor = ground.executor().map_err(lacks("runtime"))?;
    let timer = {
        let _entered = executor.enter();
        PreciseTimer::new().map_err(lacks("timer"))?
    };
    let (report, incoming) = mpsc::channel(MAX_WAITING_MESSAGES);
    let carrier = ground.reach_peers(&settings, &snapshots, report, &executor)?;
    let disk = G::start_disk(log).map_err(lacks("disk thread"))?;
    let takeover_timeout = 3 * settings.policy.minimum_timeout;
    let (node, ends) = Node::connect(id, driver.node().term(), takeover_timeout, stopped);
    // Only now, so that a start that was refused leaves nothing behind. The runtime stands still
    // until the server serves: not a word was said to a peer yet, and no vote given.
    ground.settle(&members, node.downgrade(), &executor)?;
    let network = Network::new(carrier, incoming, &settings.peers);
    let server = Server::new(Parts { settings, driver, network, disk, requests, timer, owner, recorder }, ends);
    Ok(Prepared { executor, server, node, ground })
}

/// Begins the trace, if one is asked for.
fn start_recording(
    settings: &Settings,
    owner: Identity,
    members: Members,
    found: &Recovered,
) -> Result<Recorder, Error> {
    let Some(file) = &settings.trace else { return Ok(Recorder::off()) };
    let refused = |source| Error::Trace { file: file.clone(), source };
    Recorder::start(file, owner, members, found).map_err(refused)
}

/// Brings the state machine to where its newest snapshot is, and starts its thread.
fn start_machine<D: disk::Disk + Sync>(
    machine: Box<dyn Machine>,
    snapshots: &Arc<Snapshots<D>>,
    driver: &mut Driver,
    snapshot_after: u64,
) -> Result<Requests, Error> {
    let mut sessions = Sessions::new(machine);
    let machine_failed = |failure| Error::Failed(Arc::new(Failure::Machine(failure)));
    let snapshot = apply::recover(&mut sessions, snapshots).map_err(machine_failed)?;
    let log = driver.node().log();
    let applying = Applying::start(log, snapshot).ok_or_else(|| StorageError::SnapshotMissing {
        directory: snapshots.directory(),
        base: log.base(),
        newest: snapshot,
    })?;
    for snapshot in snapshots.all().into_iter().rev() {
        driver.handle(Input::SnapshotHeld(snapshot.last), clock::now());
    }
    let started = Apply::start(sessions, snapshots.clone(), snapshot.unwrap_or_default(), snapshot_after);
    let (apply, reports) = started.map_err(lacks("thread for the state machine"))?;
    let (here, directory) = (snapshots.clone(), snapshots.clone());
    Ok(Requests {
        service: Service::new(applying, rand::random()),
        apply,
        reports,
        held: Box::new(move || here.all().into_iter().map(|snapshot| snapshot.last).collect()),
        check: Box::new(move || directory.check()),
        held_back: 0,
        missing: None,
        snapshot,
        failed_snapshot: None,
    })
}

fn members(id: ServerId, settings: &Settings) -> Result<Members, Error> {
    let peers = settings.peers.iter().map(|(peer, _)| *peer);
    Members::new(peers.chain([id])).map_err(|problem| Error::Configuration {
        setting: "peer",
        problem: format!("{problem}: name only the others"),
    })
}

fn lacks(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { what, source }
}
