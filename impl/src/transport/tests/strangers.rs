//! Strangers learn nothing: they have not shown that they belong to the cluster.

use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message as _;
use tokio::sync::oneshot;

use super::*;
use crate::transport::greeting::{Challenge, Hello, Open, Sealed};
use crate::transport::proof::{Nonce, Proof, Proofs, Step};

/// A greeting as version 2 had it.
#[derive(Clone, PartialEq, prost::Message)]
struct OldGreeting {
    #[prost(fixed64, tag = "1")]
    magic: u64,
    #[prost(message, optional, tag = "2")]
    hello: Option<OldHello>,
    #[prost(message, optional, tag = "3")]
    refused: Option<OldRefused>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OldHello {
    #[prost(message, optional, tag = "1")]
    protocols: Option<OldProtocols>,
    #[prost(bytes = "vec", tag = "2")]
    cluster: Vec<u8>,
    #[prost(uint32, tag = "3")]
    from: u32,
    #[prost(bytes = "vec", tag = "4")]
    incarnation: Vec<u8>,
    #[prost(uint32, tag = "5")]
    to: u32,
    #[prost(uint32, repeated, tag = "7")]
    group: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct OldProtocols {
    #[prost(uint32, tag = "1")]
    minimum: u32,
    #[prost(uint32, tag = "2")]
    maximum: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OldRefused {
    #[prost(message, optional, tag = "2")]
    protocol: Option<OldMismatch>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OldMismatch {
    #[prost(message, optional, tag = "1")]
    theirs: Option<OldProtocols>,
    #[prost(message, optional, tag = "2")]
    ours: Option<OldProtocols>,
}

const OLD: OldProtocols = OldProtocols { minimum: 2, maximum: 2 };
const NEW: OldProtocols = OldProtocols { minimum: 5, maximum: 5 };

/// The hello of a server of version 2 that knows everything.
fn old_hello() -> OldGreeting {
    let hello = OldHello {
        protocols: Some(OLD),
        cluster: CLUSTER.to_bytes().to_vec(),
        from: 2,
        incarnation: incarnation(TWO).to_bytes().to_vec(),
        to: 1,
        group: vec![1, 2],
    };
    OldGreeting { magic: u64::from_be_bytes(*b"RaftTree"), hello: Some(hello), refused: None }
}

fn framed(message: &impl prost::Message) -> Vec<u8> {
    let length = u32::try_from(message.encoded_len()).unwrap();
    [&length.to_be_bytes()[..], &message.encode_to_vec()].concat()
}

/// The greeting in these bytes; they are one frame and no more.
fn unframed<M: prost::Message + Default>(bytes: &[u8]) -> M {
    assert_eq!(bytes[..4], u32::try_from(bytes.len() - 4).unwrap().to_be_bytes());
    M::decode(&bytes[4..]).unwrap()
}

/// Everything that a server keeps to itself.
fn tells_nothing(bytes: &[u8]) {
    for secret in [CLUSTER.to_bytes(), incarnation(ONE).to_bytes(), incarnation(TWO).to_bytes()] {
        assert!(!bytes.windows(16).any(|window| window == secret), "{bytes:?}");
    }
}

async fn hear(connection: &mut Connection) -> Greeting {
    connection.read::<WireGreeting>().await.unwrap().into()
}

async fn say(connection: &mut Connection, greeting: Greeting) {
    connection.write([WireGreeting::from(greeting)]).await.unwrap();
}

/// The caller's part of a handshake up to where the called side says its own hello.
pub(super) async fn say_hello(connection: &mut Connection, client: &Local) {
    let (protocols, nonce) = (handshake::PROTOCOLS, Nonce::random());
    say(connection, Greeting::Open(Open { protocols: protocols.clone(), nonce: Some(nonce) })).await;
    let Greeting::Challenge(challenge) = hear(connection).await else { panic!("no challenge") };
    let proofs = Proofs::new(CLUSTER, [(&protocols, nonce), (&challenge.protocols, challenge.nonce)]);
    let hello = client.hello(ONE, Kind::Control).to_bytes();
    let proof = proofs.prove(Step::CallersHello, &hello);
    say(connection, Greeting::Hello(Sealed { hello, proof })).await;
    assert!(matches!(hear(connection).await, Greeting::Hello(_)));
}

#[tokio::test]
async fn a_caller_of_an_old_version_hears_so_and_nothing_else() {
    let (server, _) = server_and_client().await;
    let answer = answer_to(&server, &framed(&old_hello())).await;
    tells_nothing(&answer);
    let expected = OldMismatch { theirs: Some(OLD), ours: Some(NEW) };
    let refused = unframed::<OldGreeting>(&answer).refused.unwrap();
    assert_eq!(refused.protocol, Some(expected));
}

#[tokio::test]
async fn a_called_server_of_an_old_version_is_told_from_something_else() {
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = Server::start(config(ONE, free_address(), &[(TWO, stranger.local_addr().unwrap())])).await;
    let mut connection = Connection::new(stranger.accept().await.unwrap().0, SILENCE).unwrap();
    let heard = connection.read::<OldGreeting>().await.unwrap();
    let hello = heard.hello.expect("version 2 waits for a hello");
    tells_nothing(&hello.encode_to_vec());
    assert_eq!((heard.magic, hello.protocols), (old_hello().magic, Some(NEW)));
    assert_eq!((hello.cluster.len(), hello.incarnation.len()), (16, 16), "version 2 looks at these first");
    assert_eq!((hello.from, hello.to, hello.group), (0, 0, vec![]));
    let protocol = Some(OldMismatch { theirs: Some(NEW), ours: Some(OLD) });
    let refused = OldGreeting { hello: None, refused: Some(OldRefused { protocol }), ..old_hello() };
    connection.write([refused]).await.unwrap();
    assert_eq!(server.until_refused().await, (TWO, Refusal::Protocol { theirs: 2..=2, ours: handshake::PROTOCOLS }));
}

#[tokio::test]
async fn a_caller_without_the_clusters_id_learns_nothing() {
    let (server, _) = server_and_client().await;
    let mut nonces = Vec::new();
    let hello = local(TWO, &[ONE]).hello(ONE, Kind::Control).to_bytes();
    for wrong in [ClusterId::from_bytes([0; 16]), ClusterId::from_bytes([8; 16])] {
        let mut connection = connect(&server).await;
        let (protocols, nonce) = (handshake::PROTOCOLS, Nonce::random());
        say(&mut connection, Greeting::Open(Open { protocols: protocols.clone(), nonce: Some(nonce) })).await;
        let Greeting::Challenge(challenge) = hear(&mut connection).await else { panic!("no challenge") };
        tells_nothing(&challenge.proof.0);
        let proofs = Proofs::new(wrong, [(&protocols, nonce), (&challenge.protocols, challenge.nonce)]);
        assert!(!proofs.verify(Step::Challenge, &[], &challenge.proof));
        nonces.push(challenge.nonce);
        let proof = proofs.prove(Step::CallersHello, &hello);
        say(&mut connection, Greeting::Hello(Sealed { hello: hello.clone(), proof })).await;
        assert_eq!(hear(&mut connection).await, Greeting::Refused(Refusal::Cluster));
        assert!(connection.read::<WireGreeting>().await.is_err(), "and the connection is closed");
    }
    assert_ne!(nonces[0], nonces[1], "what was proven once is worth nothing the next time");
}

#[tokio::test]
async fn a_hello_that_was_changed_on_its_way_is_refused() {
    let (server, client) = server_and_client().await;
    let honest = client.hello(ONE, Kind::Control);
    let changed = Hello { from: ONE, ..honest.clone() };
    for hello in [honest.to_bytes(), changed.to_bytes()] {
        let mut connection = connect(&server).await;
        let (protocols, nonce) = (handshake::PROTOCOLS, Nonce::random());
        say(&mut connection, Greeting::Open(Open { protocols: protocols.clone(), nonce: Some(nonce) })).await;
        let Greeting::Challenge(challenge) = hear(&mut connection).await else { panic!("no challenge") };
        let proofs = Proofs::new(CLUSTER, [(&protocols, nonce), (&challenge.protocols, challenge.nonce)]);
        let proof = proofs.prove(Step::CallersHello, &honest.to_bytes());
        say(&mut connection, Greeting::Hello(Sealed { hello: hello.clone(), proof })).await;
        let is_welcome = matches!(hear(&mut connection).await, Greeting::Hello(_));
        assert_eq!(is_welcome, hello == honest.to_bytes());
    }
}

#[tokio::test]
async fn whoever_is_called_without_the_clusters_id_learns_nothing() {
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = Server::start(config(ONE, free_address(), &[(TWO, stranger.local_addr().unwrap())])).await;
    let mut connection = Connection::new(stranger.accept().await.unwrap().0, SILENCE).unwrap();
    let Greeting::Open(Open { protocols, nonce: Some(nonce) }) = hear(&mut connection).await else {
        panic!("a caller opens");
    };
    tells_nothing(&nonce.0);
    let proof = Proof([0; 32]);
    say(&mut connection, Greeting::Challenge(Challenge { protocols, nonce: Nonce::random(), proof })).await;
    assert_eq!(hear(&mut connection).await, Greeting::Refused(Refusal::Cluster));
    assert!(connection.read::<WireGreeting>().await.is_err(), "and the connection is closed");
    assert_eq!(server.until_refused().await, (TWO, Refusal::Cluster));
}

/// Two servers whose ids cannot be met by chance.
const LONG: [ServerId; 2] = [ServerId::new(0xcafe_d0c1), ServerId::new(0xcafe_d0c2)];

/// The secrets that there are, in each form that they may have.
fn secrets() -> Vec<Vec<u8>> {
    let [first, second] = LONG.map(incarnation);
    let ids = [CLUSTER.to_bytes(), first.to_bytes(), second.to_bytes()].map(Vec::from);
    let texts = [CLUSTER.to_string(), first.to_string(), second.to_string()].map(String::into_bytes);
    let group = LONG.map(ServerId::number).into_iter().flat_map(|id| {
        let mut varint = Vec::new();
        prost::encoding::encode_varint(id.into(), &mut varint);
        [varint, id.to_le_bytes().to_vec(), id.to_be_bytes().to_vec(), id.to_string().into_bytes()]
    });
    ids.into_iter().chain(texts).chain(group).collect()
}

fn learned(bytes: &[u8]) -> usize {
    let secrets = secrets();
    secrets.iter().filter(|secret| bytes.windows(secret.len()).any(|window| window == **secret)).count()
}

#[tokio::test]
async fn no_byte_that_a_stranger_is_sent_says_whose_servers_these_are() {
    let [server, peer] = LONG;
    let mut hello = local(peer, &[server]).hello(server, Kind::Control).to_bytes().to_vec();
    assert_eq!(learned(&hello), 3, "a hello tells one incarnation and two ids");
    hello.extend([CLUSTER.to_bytes(), incarnation(server).to_bytes()].concat());
    assert_eq!(learned(&hello), 5);

    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(config(server, free_address(), &[(peer, stranger.local_addr().unwrap())])).await;
    let protocols = handshake::PROTOCOLS;
    let open =
        framed(&WireGreeting::from(Greeting::Open(Open { protocols: protocols.clone(), nonce: Some(Nonce([5; 32])) })));
    let unproven = framed(&WireGreeting::from(Greeting::Hello(Sealed { hello: hello.into(), proof: Proof([5; 32]) })));
    let challenge = Challenge { protocols, nonce: Nonce([5; 32]), proof: Proof([5; 32]) };
    let challenge = framed(&WireGreeting::from(Greeting::Challenge(challenge)));
    let foreign = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    let words = [
        foreign.clone(),
        framed(&old_hello()),
        unproven.clone(),
        [open.clone(), unproven].concat(),
        [open, foreign].concat(),
        challenge,
    ];
    for word in words {
        let answer = answer_to(&server, &word).await;
        assert_eq!(learned(&answer), 0, "to {word:?} the answer is {answer:?}");
        let (mut called, _) = timeout(DEADLINE, stranger.accept()).await.unwrap().unwrap();
        called.write_all(&word).await.unwrap();
        let mut heard = Vec::new();
        let _ = timeout(DEADLINE, called.read_to_end(&mut heard)).await.expect("the caller goes away");
        assert!(learned(&heard) == 0 && !heard.is_empty(), "to {word:?} the caller says {heard:?}");
    }
}

/// Comes back whenever it is thrown out, and says no more than this.
async fn keep_coming(address: SocketAddr, word: Vec<u8>, thrown_out: Arc<AtomicUsize>) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let _ = stream.write_all(&word).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
            thrown_out.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Hundreds who never prove anything, on a thread of their own.
struct Crowd {
    thrown_out: Arc<AtomicUsize>,
    _until_dropped: oneshot::Sender<()>,
}

impl Crowd {
    fn start(address: SocketAddr) -> Crowd {
        let (_until_dropped, end) = oneshot::channel();
        let thrown_out = Arc::<AtomicUsize>::default();
        let open = Greeting::Open(Open { protocols: handshake::PROTOCOLS, nonce: Some(Nonce::random()) });
        let words = [vec![], framed(&WireGreeting::from(open))].into_iter().cycle().take(2 * MAX_STRANGERS);
        let strangers: Vec<_> = words.map(|word| keep_coming(address, word, thrown_out.clone())).collect();
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let _crowd: JoinSet<()> = strangers.into_iter().collect();
                let _ = end.await;
            });
        });
        Crowd { thrown_out, _until_dropped }
    }

    /// Waits until all have had to come back, and no stranger's place is free.
    async fn has_come(&self) {
        let before = self.thrown_out.load(Ordering::Relaxed);
        while self.thrown_out.load(Ordering::Relaxed) < before + 2 * MAX_STRANGERS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn strangers_who_are_never_done_do_not_keep_peers_out() {
    let [first, second] = [free_address(), free_address()];
    let configs = [config(ONE, first, &[(TWO, second)]), config(TWO, second, &[(ONE, first)])];
    let crowds = [first, second].map(Crowd::start);
    let mut other = Server::start(configs[1].clone()).await;
    for restarted in [0, 1].repeat(5) {
        let there = 1 - restarted;
        timeout(DEADLINE, crowds[there].has_come()).await.expect("strangers are thrown out");
        let mut server = Server::start(configs[restarted].clone()).await;
        let started = Instant::now();
        server.until_connected(configs[there].id).await;
        other.until_connected(configs[restarted].id).await;
        assert!(started.elapsed() < DEADLINE / 2, "{:?}", started.elapsed());
        Box::new(std::mem::replace(&mut other, server).transport).close().await;
    }
}

/// The called side's part of a handshake, with a hello for this kind of connection; what it hears then.
pub(super) async fn answer_as(listener: &TcpListener, id: ServerId, kind: Kind) -> Greeting {
    let mut connection = Connection::new(listener.accept().await.unwrap().0, SILENCE).unwrap();
    let Greeting::Open(Open { protocols, nonce: Some(nonce) }) = hear(&mut connection).await else {
        panic!("a caller opens");
    };
    let own = Nonce::random();
    let proofs = Proofs::new(CLUSTER, [(&protocols, nonce), (&handshake::PROTOCOLS, own)]);
    let (protocols, proof) = (handshake::PROTOCOLS, proofs.prove(Step::Challenge, &[]));
    say(&mut connection, Greeting::Challenge(Challenge { protocols, nonce: own, proof })).await;
    assert!(matches!(hear(&mut connection).await, Greeting::Hello(_)));
    let hello = local(id, &[TWO]).hello(TWO, kind).to_bytes();
    let proof = proofs.prove(Step::CalledHello, &hello);
    say(&mut connection, Greeting::Hello(Sealed { hello, proof })).await;
    hear(&mut connection).await
}
