//! Servers, and strangers, over real sockets.

mod neighbours;
mod snapshots;
mod strangers;

use bytes::Bytes;
use rafttree_model::{Entry, Envelope, Index, Message, Payload, Position, Slice, Term};
use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::connection::{Connection, MAX_FRAME_BYTES};
use super::greeting::{Greeting, Kind, WireGreeting};
use super::handshake::{HandshakeFailure, Local};
use super::hub::{HANDSHAKE_DEADLINE, STABLE_CONNECTION_TIME};
use super::strangers::{MAX_STRANGERS, Strangers, Visit};
use super::wire::WireFrame;
use super::*;
use crate::core::frame::Frame;
use crate::core::links::Place;
use crate::storage::snapshot::Snapshots;
use crate::storage::{self, ClusterId, Directory, Identity, Incarnation, Pins};

const DEADLINE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(2);
const CLUSTER: ClusterId = ClusterId::from_bytes([7; 16]);
const ONE: ServerId = ServerId::new(1);
const TWO: ServerId = ServerId::new(2);

fn incarnation(id: ServerId) -> Incarnation {
    Incarnation::from_bytes([id.number() as u8; 16])
}

/// Where a server that starts later will listen.
fn free_address() -> SocketAddr {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn config(id: ServerId, listen: SocketAddr, peers: &[(ServerId, SocketAddr)]) -> Config {
    let pins = pins(id);
    Config {
        cluster: CLUSTER,
        id,
        incarnation: incarnation(id),
        snapshots: Arc::new(Snapshots::open(pins.directory().clone()).unwrap()),
        listen: listen.to_string(),
        peers: peers.iter().map(|(peer, address)| (*peer, address.to_string())).collect(),
        minimum_timeout: Duration::from_millis(100),
        insecure: false,
        pins,
    }
}

thread_local! {
    /// Data directories of the test that runs on this thread.
    static ROOTS: RefCell<Vec<TempDir>> = const { RefCell::new(Vec::new()) };
}

/// A new directory's memory of its peers.
pub(super) fn pins(id: ServerId) -> Arc<Pins> {
    let root = tempfile::tempdir().unwrap();
    storage::init(root.path(), Identity { cluster: CLUSTER, id }).unwrap();
    let directory = Arc::new(Directory::open(root.path()).unwrap());
    ROOTS.with_borrow_mut(|roots| roots.push(root));
    Arc::new(Pins::open(directory).unwrap())
}

struct Server {
    transport: Transport,
    incoming: mpsc::Receiver<Incoming>,
}

impl Server {
    async fn start(config: Config) -> Server {
        Server::start_with(config, handshake::PROTOCOLS).await
    }

    async fn start_with(config: Config, protocols: RangeInclusive<u32>) -> Server {
        let began = Instant::now();
        loop {
            let (sender, incoming) = mpsc::channel(1024);
            match Transport::start_with(config.clone(), protocols.clone(), sender).await {
                Ok(transport) => return Server { transport, incoming },
                // Another test was given the port for a moment.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && began.elapsed() < DEADLINE => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next news, but for peers that come or are not there yet.
    async fn next(&mut self) -> Incoming {
        loop {
            match self.next_of_all().await {
                Incoming::Accepted { .. } | Incoming::Unreachable { .. } => {}
                other => return other,
            }
        }
    }

    async fn next_of_all(&mut self) -> Incoming {
        timeout(DEADLINE, self.incoming.recv()).await.expect("something happens").expect("the transport lives")
    }

    /// Waits until this has happened.
    async fn until_told(&mut self, wanted: Incoming) {
        while self.next_of_all().await != wanted {}
    }

    /// Waits for this, and gives what came before it.
    async fn until(&mut self, wanted: impl Fn(&Incoming) -> bool) -> Vec<Incoming> {
        let mut before = Vec::new();
        loop {
            let incoming = self.next().await;
            if wanted(&incoming) {
                return before;
            }
            before.push(incoming);
        }
    }

    async fn until_connected(&mut self, peer: ServerId) -> Vec<Incoming> {
        self.until(|incoming| matches!(incoming, Incoming::Connected { to, .. } if *to == peer)).await
    }

    async fn until_frame(&mut self, frame: &Frame) -> Vec<Incoming> {
        self.until(|incoming| matches!(incoming, Incoming::Frame(arrived) if arrived == frame)).await
    }

    async fn until_refused(&mut self) -> (ServerId, Refusal) {
        loop {
            if let Incoming::Refused { peer, reason } = self.next().await {
                return (peer, reason);
            }
        }
    }
}

/// Server 1 alone, and what a client needs to pass for its only peer.
async fn server_and_client() -> (Server, Local) {
    let server = Server::start(config(ONE, free_address(), &[(TWO, free_address())])).await;
    (server, local(TWO, &[ONE]))
}

/// Two servers that know each other, as these configurations have it.
async fn refusals_of_two(change: impl FnOnce(&mut Config, &mut Config)) -> [(ServerId, Refusal); 2] {
    let [first, second] = [free_address(), free_address()];
    let mut one = config(ONE, first, &[(TWO, second)]);
    let mut two = config(TWO, second, &[(ONE, first)]);
    change(&mut one, &mut two);
    let (mut one, mut two) = (Server::start(one).await, Server::start(two).await);
    [one.until_refused().await, two.until_refused().await]
}

pub(super) fn local(id: ServerId, peers: &[ServerId]) -> Local {
    Local {
        protocols: handshake::PROTOCOLS,
        cluster: CLUSTER,
        id,
        incarnation: incarnation(id),
        minimum_timeout: Duration::from_millis(100),
        peers: peers.iter().copied().collect(),
        pins: pins(id),
        kept_out: Mutex::default(),
    }
}

/// The visit of a stranger that is alone.
fn visit() -> Visit {
    Arc::<Strangers>::default().admit(Ipv4Addr::LOCALHOST.into(), Instant::now()).0
}

async fn call(server: &Server, client: &Local) -> Connection {
    let mut connection = connect(server).await;
    handshake::call(&mut connection, client, ONE, Kind::Control).await.unwrap();
    connection
}

async fn connect(server: &Server) -> Connection {
    Connection::new(TcpStream::connect(server.transport.local_address()).await.unwrap(), SILENCE).unwrap()
}

fn frame(from: ServerId, to: ServerId, number: u64) -> Frame {
    Envelope { from, to, term: Term::new(number), message: Message::TimeoutNow }
}

fn large_frame(from: ServerId, to: ServerId, bytes: usize) -> Frame {
    let position = Position { term: Term::new(1), index: Index::new(1) };
    let entry = Entry { position, payload: Payload::Command(vec![0; bytes].into()) };
    let entries = Slice::new(Position::default(), vec![entry]).unwrap();
    let message = Message::AppendRequest { entries, commit: Index::ZERO, round: rafttree_model::Round::ZERO };
    Envelope { from, to, term: Term::new(1), message }
}

/// The answer to a stranger that has said this.
async fn answer_to(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.transport.local_address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset instead of an end of file is what unread bytes lead to.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the connection is closed");
    answer
}

#[tokio::test]
async fn servers_find_each_other_and_talk() {
    let [first, second] = [free_address(), free_address()];
    let mut one = Server::start(config(ONE, first, &[(TWO, second)])).await;
    let mut two = Server::start(config(TWO, second, &[(ONE, first)])).await;
    let connected = Incoming::Connected { to: TWO, minimum_timeout: Duration::from_millis(100) };
    one.until(|incoming| *incoming == connected).await;
    two.until_connected(ONE).await;
    for number in 1..100 {
        one.transport.send(frame(ONE, TWO, number).into());
        two.transport.send(frame(TWO, ONE, number).into());
    }
    for number in 1..100 {
        assert_eq!(one.until_frame(&frame(TWO, ONE, number)).await, []);
        assert_eq!(two.until_frame(&frame(ONE, TWO, number)).await, []);
    }
    let large = large_frame(ONE, TWO, MAX_FRAME_BYTES - 1024);
    one.transport.send(large.clone().into());
    assert_eq!(two.until_frame(&large).await, []);
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_not_sent_and_breaks_nothing() {
    let (mut server, client) = server_and_client().await;
    let mut connection = call(&server, &client).await;
    let frames = [large_frame(TWO, ONE, MAX_FRAME_BYTES), frame(TWO, ONE, 1)];
    connection.write(frames.map(WireFrame::from)).await.unwrap();
    assert_eq!(server.until_frame(&frame(TWO, ONE, 1)).await, []);
}

#[tokio::test]
async fn a_peer_that_restarts_is_reached_again() {
    let [first, second] = [free_address(), free_address()];
    let mut one = Server::start(config(ONE, first, &[(TWO, second)])).await;
    let two = Server::start(config(TWO, second, &[(ONE, first)])).await;
    one.until_connected(TWO).await;
    Box::new(two.transport).close().await;
    one.until(|incoming| *incoming == Incoming::Disconnected { to: TWO }).await;
    one.transport.send(frame(ONE, TWO, 1).into());
    let mut two = Server::start(config(TWO, second, &[(ONE, first)])).await;
    assert!(!one.until_connected(TWO).await.iter().any(|incoming| matches!(incoming, Incoming::Refused { .. })));
    one.transport.send(frame(ONE, TWO, 2).into());
    two.until_frame(&frame(ONE, TWO, 2)).await;
}

#[tokio::test]
async fn the_end_of_a_peer_is_both_connections_and_a_refused_one() {
    let [first, second] = [free_address(), free_address()];
    let mut one = Server::start(config(ONE, first, &[(TWO, second)])).await;
    one.until_told(Incoming::Unreachable { peer: TWO, why: Unreachable::NobodyListens(second) }).await;
    let mut two = Server::start(config(TWO, second, &[(ONE, first)])).await;
    one.until_connected(TWO).await;
    two.until_connected(ONE).await;
    let ended = Instant::now();
    Box::new(two.transport).close().await;
    let (mut closed, mut disconnected) = (false, false);
    loop {
        match one.next_of_all().await {
            Incoming::Closed { from: TWO } => closed = true,
            Incoming::Disconnected { to: TWO } => disconnected = true,
            Incoming::NobodyListens { at: TWO, place: Place::Here } if closed && disconnected => break,
            _ => {}
        }
    }
    assert!(ended.elapsed() < Duration::from_secs(1), "no timer is involved: {:?}", ended.elapsed());
}

/// Something between the two ends one connection, or both, and whoever is called is there.
#[tokio::test]
async fn a_peer_that_lives_is_called_again_and_not_taken_for_dead() {
    let (mut server, client) = server_and_client().await;
    for _ in 0..3 {
        drop(call(&server, &client).await);
        server.until(|incoming| *incoming == Incoming::Closed { from: TWO }).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = server_that_calls(&listener).await;
    for _ in 0..3 {
        let connection = answered(&listener).await;
        server.until_connected(TWO).await;
        drop(connection);
        assert_eq!(server.next().await, Incoming::Disconnected { to: TWO });
    }
}

/// The next connection that server 1 makes, to a server 2 of the same cluster.
async fn answered(listener: &TcpListener) -> Connection {
    let mut connection = Connection::new(listener.accept().await.unwrap().0, SILENCE).unwrap();
    handshake::answer(&mut connection, &local(TWO, &[ONE]), visit()).await.unwrap();
    connection
}

/// A server that is about to call this listener for its peer.
async fn server_that_calls(listener: &TcpListener) -> Server {
    Server::start(config(ONE, free_address(), &[(TWO, listener.local_addr().unwrap())])).await
}

/// A listener whose queue is full drops what more comes.
async fn silent_address() -> (Vec<std::net::TcpStream>, tokio::net::TcpListener) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    (std::iter::from_fn(connect).take(100).collect(), listener)
}

#[tokio::test]
async fn each_address_of_a_name_has_its_own_time() {
    let (_filling, silent) = silent_address().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(ONE, free_address(), &[(TWO, free_address())]);
    let (sender, mut incoming) = mpsc::channel(1024);
    let hub = Hub::new(&config, handshake::PROTOCOLS, sender);
    let names = Names::fixed(&[silent.local_addr().unwrap(), listener.local_addr().unwrap()]);
    let called = async {
        for _ in 0..2 {
            let connection = answered(&listener).await;
            let connected = timeout(DEADLINE, incoming.recv()).await.unwrap().unwrap();
            assert!(matches!(connected, Incoming::Connected { to: TWO, .. }), "{connected:?}");
            drop(connection);
            assert_eq!(timeout(DEADLINE, incoming.recv()).await.unwrap(), Some(Incoming::Disconnected { to: TWO }));
        }
    };
    tokio::select! {
        () = caller::keep_calling(&hub, TWO, names) => unreachable!("it calls for ever"),
        called = timeout(DEADLINE, called) => called.expect("the second address is called"),
    }
}

/// Linux chooses even ports for connections, so this one may be chosen where nobody listens.
#[tokio::test]
async fn a_port_that_meets_itself_is_nobody_and_stays_free() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let stream = socket.connect(address).await.unwrap();
    assert!(caller::is_own_end(&stream));
    drop(caller::refuse_own_end(stream, address));
    assert!(StdListener::bind(address).is_ok());
}

#[tokio::test]
async fn an_idle_connection_is_kept_alive_and_nothing_is_told_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = server_that_calls(&listener).await;
    let mut connection = answered(&listener).await;
    server.until_connected(TWO).await;
    connection.reader.await_keep_alive().await;
    server.transport.send(frame(ONE, TWO, 7).into());
    let received = Frame::try_from(connection.read::<WireFrame>().await.unwrap()).unwrap();
    assert_eq!(received, frame(ONE, TWO, 7));
}

#[tokio::test]
async fn the_end_of_a_connection_is_told_at_once() {
    let (mut server, client) = server_and_client().await;
    let mut connection = call(&server, &client).await;
    connection.write([WireFrame::from(frame(TWO, ONE, 1))]).await.unwrap();
    let closed = Instant::now();
    drop(connection);
    assert_eq!(server.next().await, Incoming::Frame(frame(TWO, ONE, 1)));
    assert_eq!(server.next().await, Incoming::Closed { from: TWO });
    assert!(closed.elapsed() < Duration::from_secs(1), "no timer is involved: {:?}", closed.elapsed());
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older_without_a_word() {
    let (mut server, client) = server_and_client().await;
    let mut older = call(&server, &client).await;
    older.write([WireFrame::from(frame(TWO, ONE, 1))]).await.unwrap();
    assert_eq!(server.next().await, Incoming::Frame(frame(TWO, ONE, 1)));
    let mut newer = call(&server, &client).await;
    newer.write([WireFrame::from(frame(TWO, ONE, 2))]).await.unwrap();
    assert_eq!(server.next().await, Incoming::Frame(frame(TWO, ONE, 2)));
    assert!(older.read::<WireGreeting>().await.is_err(), "the server has closed it");
    newer.write([WireFrame::from(frame(TWO, ONE, 3))]).await.unwrap();
    assert_eq!(server.next().await, Incoming::Frame(frame(TWO, ONE, 3)));
    drop(newer);
    assert_eq!(server.next().await, Incoming::Closed { from: TWO });
}

#[tokio::test]
async fn servers_of_different_clusters_refuse_each_other() {
    let refusals = refusals_of_two(|_, two| two.cluster = ClusterId::from_bytes([8; 16])).await;
    assert_eq!(refusals, [(TWO, Refusal::Cluster), (ONE, Refusal::Cluster)]);
}

#[tokio::test]
async fn an_address_that_leads_to_another_server_is_refused() {
    let three = ServerId::new(3);
    let refusals = refusals_of_two(|_, two| {
        two.id = three;
        two.peers.clear();
    });
    assert_eq!(refusals_of_one(refusals).await, (TWO, Refusal::WrongServer { expected: TWO, found: three }));
}

/// The second server has no peers to call, so it may hear of nothing.
async fn refusals_of_one(refusals: impl Future<Output = [(ServerId, Refusal); 2]>) -> (ServerId, Refusal) {
    let [first, second] = refusals.await;
    assert_eq!(second.0, ONE, "who called is named");
    assert_eq!(first.1, second.1, "both sides know the reason");
    first
}

#[tokio::test]
async fn servers_of_unequal_groups_refuse_each_other() {
    let three = ServerId::new(3);
    let (fewer, more) = (vec![ONE, TWO], vec![ONE, TWO, three]);
    let refusals = refusals_of_two(|_, two| two.peers.push((three, free_address().to_string()))).await;
    let [first, second] = [(&more, &fewer), (&fewer, &more)]
        .map(|(theirs, ours)| Refusal::Group { theirs: theirs.clone(), ours: ours.clone() });
    assert_eq!(refusals, [(TWO, first), (ONE, second)]);
}

#[tokio::test]
async fn a_server_that_was_given_no_peers_is_refused_by_one_that_was() {
    let refusals = refusals_of_two(|_, two| two.peers.clear()).await;
    let (one, two) = (vec![TWO], vec![ONE, TWO]);
    assert_eq!(refusals[0], (TWO, Refusal::Group { theirs: one.clone(), ours: two.clone() }));
    assert_eq!(refusals[1], (ONE, Refusal::Group { theirs: two, ours: one }));
}

#[tokio::test]
async fn a_server_that_claims_to_be_us_is_refused() {
    let refusals = refusals_of_two(|_, two| two.id = ONE).await;
    assert_eq!(refusals.map(|(_, reason)| reason), [Refusal::Itself, Refusal::Itself]);
}

#[tokio::test]
async fn a_server_that_calls_itself_is_told() {
    let address = free_address();
    let mut one = Server::start(config(ONE, address, &[(TWO, address)])).await;
    assert_eq!(one.until_refused().await.1, Refusal::Itself);
}

#[tokio::test]
async fn servers_without_a_common_version_refuse_each_other() {
    let [first, second] = [free_address(), free_address()];
    let mut one = Server::start_with(config(ONE, first, &[(TWO, second)]), 3..=4).await;
    let mut two = Server::start_with(config(TWO, second, &[(ONE, first)]), 5..=6).await;
    assert_eq!(one.until_refused().await, (TWO, Refusal::Protocol { theirs: 5..=6, ours: 3..=4 }));
    assert_eq!(two.until_refused().await, (ONE, Refusal::Protocol { theirs: 3..=4, ours: 5..=6 }));
}

#[tokio::test]
async fn a_server_whose_disk_was_wiped_is_refused() {
    let [first, second] = [free_address(), free_address()];
    let mut one = Server::start(config(ONE, first, &[(TWO, second)])).await;
    let two = config(TWO, second, &[(ONE, first)]);
    let wiped = Config { incarnation: Incarnation::from_bytes([99; 16]), ..two.clone() };
    let two = Server::start(two).await;
    one.until_connected(TWO).await;
    Box::new(two.transport).close().await;
    let mut two = Server::start(wiped).await;
    let reason = Refusal::Incarnation { seen: Incarnation::from_bytes([99; 16]) };
    assert_eq!(one.until_refused().await, (TWO, reason.clone()));
    assert_eq!(two.until_refused().await, (ONE, reason));
}

#[tokio::test]
async fn a_peer_that_has_lost_entries_is_told_and_not_heard_until_it_is_let_in() {
    let [first, second] = [free_address(), free_address()];
    let mut one = Server::start(config(ONE, first, &[(TWO, second)])).await;
    let mut two = Server::start(config(TWO, second, &[(ONE, first)])).await;
    one.until_connected(TWO).await;
    two.until_connected(ONE).await;
    two.transport.send(frame(TWO, ONE, 1).into());
    one.until_frame(&frame(TWO, ONE, 1)).await;
    one.transport.keep_out(TWO);
    let lost = Refusal::LostEntries(TWO);
    assert_eq!(one.until_refused().await, (TWO, lost.clone()));
    assert_eq!(two.until_refused().await, (ONE, lost.clone()));
    assert!(lost.to_string().starts_with("server 2 has lost entries"), "{lost}");
    assert_eq!(one.next().await, Incoming::Closed { from: TWO });
    // It is refused anew when it calls again, and that is not repeated.
    two.transport.send(frame(TWO, ONE, 2).into());
    assert!(timeout(Duration::from_millis(300), one.incoming.recv()).await.is_err(), "nothing more is heard");
    one.transport.let_in(TWO);
    two.until_connected(ONE).await;
    two.transport.send(frame(TWO, ONE, 3).into());
    assert_eq!(one.next().await, Incoming::Frame(frame(TWO, ONE, 3)));
}

#[tokio::test]
async fn a_disk_that_was_wiped_while_all_others_were_down_is_noticed() {
    let [first, second] = [free_address(), free_address()];
    let (one, two) = (config(ONE, first, &[(TWO, second)]), config(TWO, second, &[(ONE, first)]));
    let mut before = Server::start(one.clone()).await;
    let peer = Server::start(two.clone()).await;
    before.until_connected(TWO).await;
    Box::new(before.transport).close().await;
    Box::new(peer.transport).close().await;
    let mut one = Server::start(Config { pins: reread(&one.pins), ..one }).await;
    let _two = Server::start(Config { incarnation: Incarnation::from_bytes([99; 16]), pins: pins(TWO), ..two }).await;
    let (peer, reason) = one.until_refused().await;
    assert_eq!((peer, &reason), (TWO, &Refusal::Incarnation { seen: Incarnation::from_bytes([99; 16]) }));
    let advice = reason.to_string();
    assert!(["`pins`", "former directory", "new cluster id"].iter().all(|words| advice.contains(words)), "{advice}");
}

/// The pins as a later process reads them in the same directory.
fn reread(pins: &Pins) -> Arc<Pins> {
    Arc::new(Pins::open(pins.directory().clone()).unwrap())
}

/// Neither who says hello and no more nor who is refused is remembered.
#[tokio::test]
async fn a_handshake_that_is_not_finished_leaves_nothing_behind() {
    let (mut server, client) = server_and_client().await;
    let false_incarnation = Incarnation::from_bytes([99; 16]);
    let claims = Local { incarnation: false_incarnation, pins: pins(TWO), ..local(TWO, &[ONE]) };
    claims.pins.keep(ONE, false_incarnation).unwrap();
    let refused = handshake::call(&mut connect(&server).await, &claims, ONE, Kind::Control).await;
    assert!(
        matches!(refused, Err(HandshakeFailure::Refused { reason: Refusal::Incarnation { .. }, .. })),
        "{refused:?}"
    );
    server.until_refused().await;
    let mut unfinished = connect(&server).await;
    strangers::say_hello(&mut unfinished, &claims).await;
    drop(unfinished);
    let mut connection = call(&server, &client).await;
    connection.write([WireFrame::from(frame(TWO, ONE, 1))]).await.unwrap();
    server.until_frame(&frame(TWO, ONE, 1)).await;
}

#[tokio::test]
async fn a_peer_that_cannot_be_written_down_is_refused_and_hears_so() {
    let listen = config(ONE, free_address(), &[(TWO, free_address())]);
    let obstacle = listen.pins.directory().path.join("pins.new");
    std::fs::create_dir(&obstacle).unwrap();
    let mut server = Server::start(listen).await;
    let client = local(TWO, &[ONE]);
    let mut connection = call(&server, &client).await;
    assert_eq!(server.until_refused().await, (TWO, Refusal::NotKept));
    let told = connection.read::<WireGreeting>().await.map(Greeting::from);
    assert!(matches!(told, Ok(Greeting::Refused(Refusal::NotKept))), "{told:?}");
    std::fs::remove_dir(&obstacle).unwrap();
    let mut connection = call(&server, &client).await;
    connection.write([WireFrame::from(frame(TWO, ONE, 1))]).await.unwrap();
    server.until_frame(&frame(TWO, ONE, 1)).await;
}

#[tokio::test]
async fn strangers_hear_that_this_is_something_else() {
    let (mut server, client) = server_and_client().await;
    let too_long = ((4 << 10) + 1_u32).to_be_bytes();
    let no_message = [0, 0, 0, 3, 0xff, 0xff, 0xff];
    for said in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &too_long, &no_message, &[0xff; 100]] {
        let mut answer = bytes::BytesMut::from(&*answer_to(&server, said).await);
        if !answer.is_empty() {
            let greeting = <WireGreeting as prost::Message>::decode(answer.split_off(4)).unwrap();
            assert_eq!(Greeting::from(greeting), Greeting::Refused(Refusal::NotRaftTree));
        }
    }
    let mut connection = call(&server, &client).await;
    connection.write([WireFrame::from(frame(TWO, ONE, 1))]).await.unwrap();
    assert_eq!(server.next().await, Incoming::Frame(frame(TWO, ONE, 1)), "strangers are not worth a report");
}

#[tokio::test]
async fn a_caller_learns_that_something_else_is_there() {
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = Server::start(config(ONE, free_address(), &[(TWO, stranger.local_addr().unwrap())])).await;
    let (mut stream, _) = stranger.accept().await.unwrap();
    stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
    assert_eq!(server.until_refused().await, (TWO, Refusal::NotRaftTree));
}

#[tokio::test]
async fn a_frame_that_nobody_should_send_ends_the_connection() {
    let wrong_sender = WireFrame::from(frame(ONE, ONE, 1));
    let wrong_receiver = WireFrame::from(frame(TWO, ServerId::new(3), 1));
    for faulty in [wrong_sender, wrong_receiver] {
        let (mut server, client) = server_and_client().await;
        let mut connection = call(&server, &client).await;
        connection.write([WireFrame::from(frame(TWO, ONE, 1)), faulty]).await.unwrap();
        assert_eq!(server.next().await, Incoming::Frame(frame(TWO, ONE, 1)));
        assert_eq!(server.next().await, Incoming::Refused { peer: TWO, reason: Refusal::Malformed });
        let told = connection.read::<WireGreeting>().await.unwrap();
        assert_eq!(Greeting::from(told), Greeting::Refused(Refusal::Malformed));
        assert!(connection.read::<WireGreeting>().await.is_err(), "and the connection is closed");
    }
}

#[tokio::test]
async fn a_length_beyond_the_limit_ends_the_connection() {
    let (mut server, client) = server_and_client().await;
    let mut connection = call(&server, &client).await;
    let length = (MAX_FRAME_BYTES as u32 + 1).to_be_bytes();
    let header = [length, [0; 4]].concat();
    connection.write_raw(&[&header[..], &crc32fast::hash(&header).to_be_bytes()].concat()).await;
    assert_eq!(server.next().await, Incoming::Refused { peer: TWO, reason: Refusal::Malformed });
}

#[tokio::test]
async fn a_frame_that_was_damaged_on_its_way_ends_the_connection() {
    let (mut server, client) = server_and_client().await;
    let mut connection = call(&server, &client).await;
    connection.write([WireFrame::from(frame(TWO, ONE, 1))]).await.unwrap();
    assert_eq!(server.next().await, Incoming::Frame(frame(TWO, ONE, 1)));
    let bytes = prost::Message::encode_to_vec(&WireFrame::from(frame(TWO, ONE, 2)));
    let mut header = [(bytes.len() as u32).to_be_bytes(), crc32fast::hash(&bytes).to_be_bytes()].concat();
    header.extend(crc32fast::hash(&header).to_be_bytes());
    let mut damaged = [header, bytes].concat();
    *damaged.last_mut().unwrap() ^= 1;
    connection.write_raw(&damaged).await;
    assert_eq!(server.next().await, Incoming::Refused { peer: TWO, reason: Refusal::Malformed });
    let told = connection.read::<WireGreeting>().await.unwrap();
    assert_eq!(Greeting::from(told), Greeting::Refused(Refusal::Malformed));
}

#[tokio::test]
async fn a_peer_that_is_refused_for_what_it_said_hears_why() {
    let (mut server, client) = server_and_client().await;
    let mut connection = call(&server, &client).await;
    connection.write([WireFrame::from(frame(TWO, ONE, 1))]).await.unwrap();
    assert_eq!(server.next().await, Incoming::Frame(frame(TWO, ONE, 1)));
    server.transport.refuse(TWO, Refusal::Implausible);
    assert_eq!(server.next().await, Incoming::Refused { peer: TWO, reason: Refusal::Implausible });
    let told = connection.read::<WireGreeting>().await.unwrap();
    assert_eq!(Greeting::from(told), Greeting::Refused(Refusal::Implausible));
    assert!(connection.read::<WireGreeting>().await.is_err(), "and the connection is closed");
}

#[tokio::test]
async fn a_caller_that_refuses_tells_the_called_side() {
    let (mut server, client) = server_and_client().await;
    let seen_before = Incarnation::from_bytes([99; 16]);
    client.pins.keep(ONE, seen_before).unwrap();
    let mut connection = connect(&server).await;
    let reason = Refusal::Incarnation { seen: incarnation(ONE) };
    match handshake::call(&mut connection, &client, ONE, Kind::Control).await {
        Err(HandshakeFailure::Refused { peer: Some(ONE), reason: told }) => assert_eq!(told, reason),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.next().await, Incoming::Refused { peer: TWO, reason });
}

#[tokio::test]
async fn a_refusal_is_reported_once_until_something_changes() {
    let (mut server, client) = server_and_client().await;
    let stranger = local(TWO, &[ONE, ServerId::new(3)]);
    for _ in 0..3 {
        handshake::call(&mut connect(&server).await, &stranger, ONE, Kind::Control).await.unwrap_err();
    }
    let mut connection = call(&server, &client).await;
    connection.write([WireFrame::from(frame(TWO, ONE, 1))]).await.unwrap();
    assert_eq!(server.until_frame(&frame(TWO, ONE, 1)).await.len(), 1);
    handshake::call(&mut connect(&server).await, &stranger, ONE, Kind::Control).await.unwrap_err();
    let wrong_sender = WireFrame::from(frame(ONE, ONE, 1));
    for _ in 0..3 {
        let mut connection = call(&server, &client).await;
        connection.write([wrong_sender.clone()]).await.unwrap();
        connection.read::<WireGreeting>().await.unwrap();
    }
    assert_eq!(server.until_refused().await, (TWO, Refusal::Malformed), "only what differs is news");
    let mut connection = call(&server, &client).await;
    connection.write([WireFrame::from(frame(TWO, ONE, 2))]).await.unwrap();
    let closed = server.until_frame(&frame(TWO, ONE, 2)).await;
    assert!(closed.iter().all(|incoming| *incoming == Incoming::Closed { from: TWO }), "{closed:?}");
    tokio::time::pause();
    tokio::time::advance(STABLE_CONNECTION_TIME).await;
    tokio::time::resume();
    assert_eq!(server.next().await, Incoming::AtPeace { with: TWO });
    connection.write([wrong_sender]).await.unwrap();
    assert_eq!(server.until_refused().await, (TWO, Refusal::Malformed), "there was peace in between");
}

#[tokio::test]
async fn who_does_not_shake_hands_is_cut_off_and_makes_room_for_others() {
    let (server, _) = server_and_client().await;
    let mut silent = JoinSet::new();
    for _ in 0..=MAX_STRANGERS {
        let mut stream = TcpStream::connect(server.transport.local_address()).await.unwrap();
        silent.spawn(async move { stream.read(&mut [0]).await.unwrap() });
    }
    let began = Instant::now();
    let mut ends = Vec::new();
    while let Some(read) = timeout(DEADLINE, silent.join_next()).await.unwrap() {
        assert_eq!(read.unwrap(), 0);
        ends.push(began.elapsed());
    }
    assert!(ends[0] < HANDSHAKE_DEADLINE / 2, "one has to leave at once: {ends:?}");
    assert!(HANDSHAKE_DEADLINE / 2 < ends[1], "and no other: {ends:?}");
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_given_up_and_nobody_waits_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = server_that_calls(&listener).await;
    let connection = answered(&listener).await;
    server.until_connected(TWO).await;
    let disconnected = async {
        loop {
            server.transport.send(large_frame(ONE, TWO, 1 << 20).into());
            match timeout(Duration::from_millis(5), server.incoming.recv()).await {
                Ok(Some(incoming)) => return incoming,
                Ok(None) => panic!("the transport lives"),
                Err(_) => {}
            }
        }
    };
    assert_eq!(timeout(DEADLINE, disconnected).await.unwrap(), Incoming::Disconnected { to: TWO });
    drop(connection);
}

#[tokio::test]
async fn nobody_beyond_this_machine_is_let_in_unasked() {
    let everywhere = Config { listen: "0.0.0.0:0".to_owned(), ..config(ONE, free_address(), &[]) };
    let (sender, _incoming) = mpsc::channel(1);
    let Err(refused) = Transport::start(everywhere.clone(), sender.clone()).await else { panic!("it listens") };
    assert!(refused.to_string().contains("0.0.0.0:0") && refused.to_string().contains("insecure"), "{refused}");
    let insecure = Config { insecure: true, ..everywhere };
    assert!(Transport::start(insecure, sender).await.is_ok());
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused() {
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (sender, _incoming) = mpsc::channel(1);
    let Err(refused) = Transport::start(config(ONE, address, &[]), sender).await else { panic!("it listens") };
    assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
}
