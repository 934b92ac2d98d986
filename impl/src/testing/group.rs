//! A group in one process: started, crashed, cut off, healed.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rafttree_model::ServerId;
use tokio::time::sleep;

use super::seat::{Seat, format};
use super::stage::Stage;
use super::switchboard::Switchboard;
use crate::api::builder::Builder;
use crate::api::error::Error;
use crate::api::node::Node;
use crate::api::replica::Replica;
use crate::api::settings::Settings;
use crate::machine::{Machine, Nothing, StateMachine, Typed};
use crate::server::start::start;
use crate::storage::simulate::SimulatedDisk;
use crate::storage::{ClusterId, Identity, Incarnation};

/// Between two looks for a leader.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Servers in one process, of which each runs, has crashed, or is cut off. They have the ids 1, 2, 3 and so on, and
/// end with this value.
///
/// A test of a service, from its start to a leader that crashes:
///
/// ```
/// # use std::collections::BTreeMap;
/// # use std::io::{self, Read};
/// # use rafttree::{Serialized, Snapshot, StateMachine};
/// # #[derive(Default)]
/// # struct Map(BTreeMap<String, String>);
/// # impl StateMachine for Map {
/// #     type Command = (String, String);
/// #     type Answer = Option<String>;
/// #     fn apply(&mut self, (key, value): (String, String)) -> Option<String> { self.0.insert(key, value) }
/// #     fn snapshot(&self) -> Box<dyn Snapshot> { Box::new(Serialized(self.0.clone())) }
/// #     fn restore(from: &mut dyn Read) -> io::Result<Map> { Serialized::read(from).map(Map) }
/// # }
/// use rafttree::testing::Group;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut group = Group::new(3, Map::default).start().await?;
/// group.replica(1).propose(("x".into(), "1".into())).await?;
/// let former = group.leader().await;
/// group.crash(former).await;
/// assert_ne!(group.leader().await, former);
/// group.restart(former).await?;
/// let x = group.replica(former).read(|map| map.0.get("x").cloned()).await?;
/// assert_eq!(x.as_deref(), Some("1"), "what was answered stays");
/// # Ok(())
/// # }
/// ```
///
/// A test of an election needs no state machine: [`Group::without_machine`], and [`lead`](Node::lead) of each
/// [`node`](Group::node).
pub struct Group<M> {
    settings: GroupBuilder<M>,
    cluster: ClusterId,
    stage: Arc<Stage>,
    switchboard: Switchboard,
    servers: BTreeMap<ServerId, Server>,
}

/// Settings of a group in one process; made by [`Group::new`].
#[must_use = "nothing runs until `start` is awaited"]
pub struct GroupBuilder<M> {
    servers: u32,
    machine: Arc<dyn Fn() -> Box<dyn Machine> + Send + Sync>,
    has_machine: bool,
    election_timeout: Duration,
    answer_timeout: Duration,
    snapshot_after: u64,
    kind: PhantomData<fn() -> M>,
}

/// A server, in the life that it has or had last.
struct Server {
    incarnation: Incarnation,
    disk: SimulatedDisk,
    node: Node,
    runs: bool,
}

impl<M: StateMachine> Group<M> {
    /// A group of so many servers, from 1 to 9. Each begins with the state machine that `machine` makes, as it is
    /// before the first command.
    #[expect(clippy::new_ret_no_self, reason = "it is started when its settings are made")]
    pub fn new(servers: u32, machine: impl Fn() -> M + Send + Sync + 'static) -> GroupBuilder<M> {
        GroupBuilder::new(servers, true, Arc::new(move || Box::new(Typed(machine()))))
    }

    /// The server with this id, as its service has it; one that has crashed answers nothing any more.
    ///
    /// # Panics
    ///
    /// If the group has no such server.
    pub fn replica(&self, id: impl Into<ServerId>) -> Replica<M> {
        Replica::new(self.node(id), self.settings.answer_timeout)
    }
}

impl Group<()> {
    /// A group of so many servers, from 1 to 9, that elect leaders and replicate nothing.
    pub fn without_machine(servers: u32) -> GroupBuilder<()> {
        GroupBuilder::new(servers, false, Arc::new(|| Box::new(Nothing)))
    }
}

impl<M> GroupBuilder<M> {
    fn new(
        servers: u32,
        has_machine: bool,
        machine: Arc<dyn Fn() -> Box<dyn Machine> + Send + Sync>,
    ) -> GroupBuilder<M> {
        GroupBuilder {
            servers,
            machine,
            has_machine,
            election_timeout: Duration::from_millis(200),
            answer_timeout: Duration::from_secs(10),
            snapshot_after: 64 << 20,
            kind: PhantomData,
        }
    }

    /// T, from 10 ms: see [`Builder::election_timeout`]. Default: 200 ms. A shorter one needs a machine that is not
    /// busy, or leaders change without a reason.
    pub fn election_timeout(mut self, timeout: Duration) -> GroupBuilder<M> {
        self.election_timeout = timeout;
        self
    }

    /// How long commands and reads wait for their answers: see
    /// [`answer_timeout`](crate::ReplicaBuilder::answer_timeout). Default: 10 s.
    pub fn answer_timeout(mut self, timeout: Duration) -> GroupBuilder<M> {
        self.answer_timeout = timeout;
        self
    }

    /// About how many bytes of the log make the next snapshot: see
    /// [`snapshot_after`](crate::ReplicaBuilder::snapshot_after). Default: 64 MiB. All of the log is in memory.
    pub fn snapshot_after(mut self, bytes: u64) -> GroupBuilder<M> {
        self.snapshot_after = bytes;
        self
    }

    /// Starts all servers.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, or the system has no thread for a server.
    pub async fn start(self) -> Result<Group<M>, Error> {
        if self.servers == 0 {
            let problem = "a group has at least one".to_owned();
            return Err(Error::Configuration { setting: "servers", problem });
        }
        let stage = Stage::start().map_err(|source| Error::System { what: "thread for the servers", source })?;
        let (cluster, switchboard) = (ClusterId::random(), Switchboard::default());
        let mut group =
            Group { settings: self, cluster, stage: Arc::new(stage), switchboard, servers: BTreeMap::new() };
        for id in group.settings.ids() {
            let (disk, incarnation) = (SimulatedDisk::default(), Incarnation::random());
            format(&disk, incarnation)?;
            let node = group.launch(id, &disk, incarnation).await?;
            group.servers.insert(id, Server { incarnation, disk, node, runs: true });
        }
        Ok(group)
    }

    fn ids(&self) -> impl Iterator<Item = ServerId> + use<M> {
        (1..=self.servers).map(ServerId::new)
    }

    /// The settings of one server.
    fn settings_of(&self, id: ServerId) -> Result<Settings, Error> {
        let address = |id: ServerId| format!("in-memory:{id}");
        let mut builder = Builder::new(Path::new("in-memory")).id(id).listen(address(id));
        for peer in self.ids().filter(|&peer| peer != id) {
            builder = builder.peer(peer, address(peer));
        }
        (builder.snapshot_after, builder.has_machine) = (self.snapshot_after, self.has_machine);
        builder.election_timeout(self.election_timeout).settings()
    }
}

impl<M> Group<M> {
    /// The server with this id, as an election has it.
    ///
    /// # Panics
    ///
    /// If the group has no such server.
    pub fn node(&self, id: impl Into<ServerId>) -> Node {
        let id = id.into();
        let server = self.servers.get(&id).unwrap_or_else(|| panic!("the group has no server {id}"));
        server.node.clone()
    }

    /// A leader, once there is one among the servers that run and are not cut off. It may be another one by the time
    /// that this returns. Without a majority of such servers it does not return.
    pub async fn leader(&self) -> ServerId {
        loop {
            let mut running = self.servers.iter().filter(|(_, server)| server.runs);
            let leads = |node: &Node| node.leader().borrow().leader == Some(node.id());
            if let Some((&id, _)) =
                running.find(|(id, server)| !self.switchboard.is_cut_off(**id) && leads(&server.node))
            {
                return id;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Ends a server at once, as if its machine had lost power: its disk keeps what was flushed, which is all that
    /// was acknowledged, and nothing else. Its handles answer nothing any more. Its peers notice at once.
    ///
    /// # Panics
    ///
    /// If the group has no such server.
    pub async fn crash(&mut self, id: impl Into<ServerId>) {
        let node = self.node(id);
        self.switchboard.unplug_any(node.id());
        if let Some(server) = self.servers.get_mut(&node.id()) {
            server.disk = server.disk.lose_power();
            server.runs = false;
        }
        node.halt();
        // How it has ended is its own affair: a disk without power is an error to it.
        let _ = node.closed().await;
    }

    /// Starts a server with what its disk has kept; one that still runs crashes first. Handles are asked for anew.
    ///
    /// # Errors
    ///
    /// If the state machine does not restore the snapshot, or the system has no thread for the server.
    ///
    /// # Panics
    ///
    /// If the group has no such server.
    pub async fn restart(&mut self, id: impl Into<ServerId>) -> Result<(), Error> {
        let id = id.into();
        self.crash(id).await;
        let Some((disk, incarnation)) = self.servers.get(&id).map(|server| (server.disk.clone(), server.incarnation))
        else {
            return Ok(());
        };
        let node = self.launch(id, &disk, incarnation).await?;
        self.servers.insert(id, Server { incarnation, disk, node, runs: true });
        Ok(())
    }

    /// Cuts a server off from all others, until [`heal`](Group::heal). Both sides notice at once that the connection
    /// has ended, and neither can tell whether the other lives. Handles go on reaching it.
    pub fn cut_off(&self, id: impl Into<ServerId>) {
        self.switchboard.cut_off(id.into());
    }

    /// Lets all servers that run reach each other again.
    pub fn heal(&self) {
        self.switchboard.heal();
    }

    /// The disk of this server.
    #[cfg(test)]
    pub(super) fn disk(&self, id: u32) -> SimulatedDisk {
        self.servers[&ServerId::new(id)].disk.clone()
    }

    async fn launch(&self, id: ServerId, disk: &SimulatedDisk, incarnation: Incarnation) -> Result<Node, Error> {
        let (disk, switchboard, stage) = (disk.clone(), self.switchboard.clone(), self.stage.clone());
        let identity = Identity { cluster: self.cluster, id };
        let seat = Seat { identity, incarnation, disk, switchboard, stage };
        start(self.settings.settings_of(id)?, (self.settings.machine)(), |_| Ok(seat)).await
    }
}

impl<M> Drop for Group<M> {
    fn drop(&mut self) {
        self.servers.values().for_each(|server| server.node.halt());
    }
}

impl<M> fmt::Debug for Group<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.iter().map(|(id, server)| (id, server.runs));
        out.debug_struct("Group").field("servers", &servers.collect::<BTreeMap<_, _>>()).finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for GroupBuilder<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("GroupBuilder").field("servers", &self.servers).finish_non_exhaustive()
    }
}
