//! openraft 0.9: servers in one runtime of one thread, which hand messages to each other directly.
//!
//! openraft is no state machine whose messages could be moved by hand: each server is a handful of
//! tasks that talk through channels, so it is no [`Group`](crate::Group). What can be asked of it is
//! an election: [`Openraft::elect`] triggers one, and waits until every server knows the leader.

use std::collections::BTreeSet;
use std::fmt::{self, Debug, Formatter};
use std::io::Cursor;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use openraft::error::{InstallSnapshotError, RPCError, RaftError, RemoteError};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
    VoteResponse,
};
use openraft::storage::{LogFlushed, RaftLogStorage, RaftStateMachine};
use openraft::{
    BasicNode, Config, Entry, EntryPayload, LogId, LogState, OptionalSend, Raft, RaftLogReader, RaftMetrics,
    RaftSnapshotBuilder, Snapshot, SnapshotMeta, SnapshotPolicy, StorageError, StoredMembership, Vote,
};
use tokio::runtime::{Builder, Runtime};
use tokio::time;

mod replicating;

pub use replicating::Replicating;

openraft::declare_raft_types!(
    /// As they come; commands are bytes, and an election has none.
    Types: D = Bytes, R = ()
);

type Failed<E = openraft::error::Infallible> = RPCError<u64, BasicNode, RaftError<u64, E>>;

type Metrics = RaftMetrics<u64, BasicNode>;

/// How long a server votes for nobody else once it has a leader: openraft's lease, which is the longest
/// election timeout. As it comes.
const LEASE: Duration = Duration::from_millis(300);

/// Once so many entries were applied, a snapshot takes their place in the log. A new leader sends entries
/// that its followers hold already, while it looks for where their logs agree with its own: elections
/// with longer logs cost more, and with much shorter ones the snapshots do.
const MOST_ENTRIES: u64 = 10;

/// A group of openraft's servers, one of which leads.
///
/// No timer of openraft runs, so nothing happens but the elections that are triggered. Time stands
/// while any task has something to do; where none has, it jumps to the next moment that anybody
/// waits for. So the leases pass without waiting, and an election that comes to nothing is noticed.
pub struct Openraft {
    runtime: Runtime,
    servers: Vec<Raft<Types>>,
    leader: usize,
    term: u64,
}

/// What one of its servers knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct View {
    /// Whom it takes for the leader.
    pub leader: Option<usize>,
    /// The term that it is in.
    pub term: u64,
    /// The index of its last entry; the first one is 0.
    pub last: Option<u64>,
}

impl View {
    fn new(metrics: &Metrics) -> View {
        let leader = metrics.current_leader.map(|leader| leader as usize);
        View { leader, term: metrics.current_term, last: metrics.last_log_index }
    }
}

impl Openraft {
    /// The name in reports.
    pub const NAME: &str = "openraft";

    /// A group of so many servers with a leader, ready for the next election.
    pub fn new(servers: usize) -> Openraft {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without input and output can be built");
        let servers = runtime.block_on(start(servers, election_config()));
        let mut group = Openraft { runtime, servers, leader: 0, term: 1 };
        group.wait_until_known();
        group.settle();
        (0..group.servers.len()).for_each(|_| {
            group.elect();
            group.settle();
        });
        group
    }

    /// Triggers an election at the next server, and waits until every server knows the leader of the
    /// next term. What is left to do is not done yet: [`Openraft::settle`] does that.
    ///
    /// # Panics
    ///
    /// If the election has no such end; so it is if the last one was not settled.
    pub fn elect(&mut self) {
        self.leader = (self.leader + 1) % self.servers.len();
        self.term += 1;
        let triggered = self.runtime.block_on(self.servers[self.leader].trigger().elect());
        triggered.expect("a server takes triggers while its runtime is there");
        self.wait_until_known();
    }

    /// Lets the servers do whatever is left, then the leases pass.
    pub fn settle(&mut self) {
        // Time goes on only where nothing is left to do.
        self.runtime.block_on(async { time::sleep(2 * LEASE).await });
    }

    /// What each server knows.
    pub fn views(&self) -> Vec<View> {
        self.servers.iter().map(|server| View::new(&server.metrics().borrow())).collect()
    }

    fn wait_until_known(&self) {
        let (leader, term) = (Some(self.leader), self.term);
        let known = async {
            for server in &self.servers {
                let known = |metrics: &Metrics| {
                    let view = View::new(metrics);
                    (view.leader, view.term) == (leader, term)
                };
                server.metrics().wait_for(known).await.expect("a server tells while its runtime is there");
            }
        };
        // Where nobody has anything to do any more, that time is over at once.
        let ended = self.runtime.block_on(async { time::timeout(LEASE, known).await });
        assert!(ended.is_ok(), "every election has a winner here: term {term}, known are {:?}", self.views());
    }
}

impl Debug for Openraft {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("Openraft").field("views", &self.views()).finish_non_exhaustive()
    }
}

/// No timers, and snapshots so often that elections are cheapest.
fn election_config() -> Config {
    let config = Config {
        enable_tick: false,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(MOST_ENTRIES),
        max_in_snapshot_log_to_keep: 0,
        ..Config::default()
    };
    assert_eq!(u128::from(config.election_timeout_max), LEASE.as_millis(), "openraft's default");
    config
}

/// Starts servers for the first time; the first of them, which knows the members, campaigns.
async fn start(servers: usize, config: Config) -> Vec<Raft<Types>> {
    let config = Arc::new(config.validate().expect("what differs from the defaults is allowed"));
    let network = Network::default();
    let mut started = Vec::new();
    for id in 0..servers as u64 {
        let (log, machine) = (LogStore::default(), Machine::default());
        let server = Raft::new(id, config.clone(), network.clone(), log, machine).await;
        started.push(server.expect("an empty store can be read"));
    }
    network.0.set(started.clone()).ok().expect("servers are started once");
    let members: BTreeSet<u64> = (0..servers as u64).collect();
    started[0].initialize(members).await.expect("a server without a log can be given members");
    started
}

/// All servers, once they are started: what is sent is handed to the receiver.
#[derive(Clone, Default)]
struct Network(Arc<OnceLock<Vec<Raft<Types>>>>);

/// The way to one server.
struct Link {
    network: Network,
    to: u64,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, to: u64, _: &BasicNode) -> Link {
        Link { network: self.clone(), to }
    }
}

impl Link {
    fn receiver(&self) -> &Raft<Types> {
        let servers = self.network.0.get().expect("nobody sends before all are started");
        &servers[self.to as usize]
    }

    fn failed<E: std::error::Error>(&self, error: RaftError<u64, E>) -> Failed<E> {
        RPCError::RemoteError(RemoteError::new(self.to, error))
    }
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failed> {
        self.receiver().append_entries(request).await.map_err(|error| self.failed(error))
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failed<InstallSnapshotError>> {
        self.receiver().install_snapshot(request).await.map_err(|error| self.failed(error))
    }

    async fn vote(&mut self, request: VoteRequest<u64>, _: RPCOption) -> Result<VoteResponse<u64>, Failed> {
        self.receiver().vote(request).await.map_err(|error| self.failed(error))
    }
}

/// Where entries and votes are stored: in memory, without a flush.
#[derive(Clone, Default)]
struct LogStore(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    vote: Option<Vote<u64>>,
    /// The last entry that was cut off at the front.
    removed: Option<LogId<u64>>,
    entries: Vec<Entry<Types>>,
}

impl Stored {
    /// How many entries lie before this index.
    fn before(&self, index: u64) -> usize {
        let first = self.removed.map_or(0, |removed| removed.index + 1);
        (index.saturating_sub(first) as usize).min(self.entries.len())
    }
}

impl LogStore {
    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().expect("nobody panics while it is locked")
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<Types>>, StorageError<u64>> {
        let stored = self.stored();
        let first = match range.start_bound() {
            Bound::Included(&first) => stored.before(first),
            Bound::Excluded(&last) => stored.before(last + 1),
            Bound::Unbounded => 0,
        };
        let asked = stored.entries[first..].iter();
        Ok(asked.take_while(|entry| range.contains(&entry.log_id.index)).cloned().collect())
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError<u64>> {
        let stored = self.stored();
        let last_log_id = stored.entries.last().map(|entry| entry.log_id).or(stored.removed);
        Ok(LogState { last_purged_log_id: stored.removed, last_log_id })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), StorageError<u64>> {
        self.stored().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, StorageError<u64>> {
        Ok(self.stored().vote)
    }

    async fn append<I>(&mut self, entries: I, flushed: LogFlushed<Types>) -> Result<(), StorageError<u64>>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.stored().entries.extend(entries);
        flushed.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, first: LogId<u64>) -> Result<(), StorageError<u64>> {
        let mut stored = self.stored();
        let kept = stored.before(first.index);
        stored.entries.truncate(kept);
        Ok(())
    }

    async fn purge(&mut self, last: LogId<u64>) -> Result<(), StorageError<u64>> {
        let mut stored = self.stored();
        let removed = stored.before(last.index + 1);
        stored.entries.drain(..removed);
        stored.removed = Some(last);
        Ok(())
    }
}

/// What entries are applied to: it remembers the last one, and who the members are. A snapshot is that.
#[derive(Clone, Default)]
struct Machine(Arc<Mutex<Applied>>);

#[derive(Default)]
struct Applied {
    last: Option<LogId<u64>>,
    members: StoredMembership<u64, BasicNode>,
    snapshot: Option<SnapshotMeta<u64, BasicNode>>,
}

impl Machine {
    fn applied(&self) -> MutexGuard<'_, Applied> {
        self.0.lock().expect("nobody panics while it is locked")
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Machine;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>), StorageError<u64>> {
        let applied = self.applied();
        Ok((applied.last, applied.members.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<()>, StorageError<u64>>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut applied = self.applied();
        let apply = |entry: Entry<Types>| {
            applied.last = Some(entry.log_id);
            if let EntryPayload::Membership(members) = entry.payload {
                applied.members = StoredMembership::new(applied.last, members);
            }
        };
        Ok(entries.into_iter().map(apply).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Machine {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError<u64>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        about: &SnapshotMeta<u64, BasicNode>,
        _: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError<u64>> {
        let (last, members) = (about.last_log_id, about.last_membership.clone());
        *self.applied() = Applied { last, members, snapshot: Some(about.clone()) };
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError<u64>> {
        let about = self.applied().snapshot.clone();
        Ok(about.map(|meta| Snapshot { meta, snapshot: Box::default() }))
    }
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError<u64>> {
        let mut applied = self.applied();
        let meta = SnapshotMeta {
            last_log_id: applied.last,
            last_membership: applied.members.clone(),
            snapshot_id: applied.last.map(|last| last.to_string()).unwrap_or_default(),
        };
        applied.snapshot = Some(meta.clone());
        Ok(Snapshot { meta, snapshot: Box::default() })
    }
}
