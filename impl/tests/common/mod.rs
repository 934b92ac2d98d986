//! A group of servers in one process, on loopback, with real sockets and real files.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rafttree::{Builder, ClusterId, Identity, LeadError, Leadership, Node, PeerStatus, ServerId, StorageError, Then};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// T of the servers under test.
pub(crate) const T: Duration = Duration::from_millis(400);

/// Whatever takes longer than this has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Tells when a leadership began.
#[derive(Debug)]
pub(crate) struct Began {
    pub(crate) id: u32,
    pub(crate) leadership: Leadership,
}

/// Servers with their directories and addresses, running or not.
pub(crate) struct Group {
    directory: TempDir,
    cluster: ClusterId,
    addresses: BTreeMap<u32, String>,
    /// The settings that the servers of this group do not share with others.
    pub(crate) settings: fn(Builder) -> Builder,
    pub(crate) nodes: BTreeMap<u32, Node>,
    leads: BTreeMap<u32, JoinHandle<Result<(), LeadError<Infallible>>>>,
    began: (mpsc::UnboundedSender<Began>, mpsc::UnboundedReceiver<Began>),
}

/// Waits for the future, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: it takes too long"))
}

/// Asks again and again until the answer is yes.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "{what}: it takes too long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Group {
    /// A group of so many servers, none of them running.
    pub(crate) fn new(count: u32) -> Group {
        // All at a time, so that they differ.
        let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        Group {
            directory: tempfile::tempdir().unwrap(),
            cluster: ClusterId::random(),
            addresses: (1..=count).zip(listeners.iter().map(address)).collect(),
            settings: |builder| builder,
            nodes: BTreeMap::new(),
            leads: BTreeMap::new(),
            began: mpsc::unbounded_channel(),
        }
    }

    /// A group whose servers all run and work whenever they lead.
    pub(crate) async fn running(count: u32) -> Group {
        let mut group = Group::new(count);
        group.start_all().await;
        group
    }

    pub(crate) async fn start_all(&mut self) {
        for id in 1..=self.addresses.len() as u32 {
            self.start(id).await;
        }
    }

    pub(crate) fn path(&self, id: u32) -> PathBuf {
        self.directory.path().join(format!("n{id}"))
    }

    pub(crate) fn address(&self, id: u32) -> &str {
        &self.addresses[&id]
    }

    pub(crate) fn builder(&self, id: u32) -> Builder {
        let peers = self.addresses.iter().filter(|&(&peer, _)| peer != id);
        peers.fold(self.lone_builder(id), |builder, (&peer, address)| builder.peer(peer, address))
    }

    /// A server that was told of no peer yet.
    pub(crate) fn lone_builder(&self, id: u32) -> Builder {
        let builder = Node::builder(self.path(id)).id(id).init(self.cluster).election_timeout(T);
        builder.listen(&self.addresses[&id])
    }

    /// Starts a server; whenever it leads it tells, and waits until it should end.
    pub(crate) async fn start(&mut self, id: u32) {
        let node = self.start_idle(id).await;
        let began = self.began.0.clone();
        let lead = node.lead(async move |leadership: Leadership| {
            began.send(Began { id, leadership: leadership.clone() }).unwrap();
            leadership.lost().await;
            Ok::<_, Infallible>(Then::Resign)
        });
        self.leads.insert(id, tokio::spawn(lead));
    }

    /// Starts a server that does not work when it leads.
    pub(crate) async fn start_idle(&mut self, id: u32) -> Node {
        let builder = (self.settings)(self.builder(id));
        let node = soon("start", builder.start()).await.unwrap();
        self.nodes.insert(id, node.clone());
        node
    }

    /// Ends a server at once, as if its process had ended.
    pub(crate) async fn kill(&mut self, id: u32) {
        let node = self.nodes.remove(&id).unwrap();
        if let Some(lead) = self.leads.remove(&id) {
            lead.abort();
            let _ = lead.await;
        }
        drop(node);
        let identity = Identity { cluster: self.cluster, id: ServerId::new(id) };
        let is_locked = || matches!(rafttree::init(self.path(id), identity), Err(StorageError::Locked { .. }));
        until("the directory to be free", async || !is_locked()).await;
    }

    /// Waits until the leader has heard this peer of late.
    pub(crate) async fn hears(&self, leader: u32, peer: u32) {
        let answers =
            |known: &PeerStatus| known.id == ServerId::new(peer) && known.answered.is_some_and(|ago| ago < T / 2);
        until("the peer to answer", async || self.nodes[&leader].status().await.unwrap().peers.iter().any(answers))
            .await;
    }

    /// The next leadership to begin anywhere.
    pub(crate) async fn next_leadership(&mut self) -> Began {
        soon("a leadership", self.began.1.recv()).await.unwrap()
    }

    /// Waits until this server knows that this one leads.
    pub(crate) async fn knows(&self, id: u32, leader: u32) {
        let mut view = self.nodes[&id].leader();
        soon("the leader to be known", view.wait_for(|view| view.leader == Some(ServerId::new(leader)))).await.unwrap();
    }
}
