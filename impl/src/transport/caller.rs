//! The connection on which this server sends to one peer: called, kept, called again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rafttree_model::ServerId;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::connection::{Connection, ConnectionEnd};
use super::greeting::{Greeting, Hello, Kind, WireGreeting};
use super::handshake::{self, HandshakeFailure};
use super::hub::{HANDSHAKE_DEADLINE, Hub, Incoming};
use super::names::Names;
use super::queue::Queue;
use super::refusal::Refusal;
use super::unreachable::Unreachable;
use super::wire::WireFrame;
use crate::core::links::Place;

/// A peer that died may be back within milliseconds.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(2);

/// Calls the peer again and again, and sends what is in its queue.
pub(super) async fn keep_calling(hub: &Hub, to: ServerId, names: Names) {
    let Some(peer) = hub.peers.get(&to) else { return };
    let mut caller = Caller::new(hub, to, names);
    loop {
        if let Some(connection) = caller.call().await {
            let since = Instant::now();
            send(hub, to, &peer.queue, connection).await;
            hub.tell(Incoming::Disconnected { to }).await;
            caller.after_connection_of(since.elapsed());
        }
        // What did not arrive is old by the time of the next call.
        peer.queue.clear();
        let delay = caller.backoff.delay();
        if !delay.is_zero() {
            tokio::select! {
                () = sleep(delay) => {}
                () = peer.is_there.notified() => caller.is_news = true,
            }
        }
    }
}

/// The attempts to reach one peer.
struct Caller<'a> {
    hub: &'a Hub,
    to: ServerId,
    names: Names,
    backoff: Backoff,
    /// Where the peer was reached last.
    reached: Option<(SocketAddr, Place)>,
    /// Whether a connection with the peer has ended since somebody refused one.
    is_news: bool,
    /// Why the last attempt failed.
    last: Option<Unreachable>,
    /// The reason that was told last.
    told: Option<Unreachable>,
}

/// Why one address did not lead to the peer.
pub(super) enum Missed {
    Unreachable(Unreachable),
    Refused(Refusal),
}

impl<'a> Caller<'a> {
    fn new(hub: &'a Hub, to: ServerId, names: Names) -> Caller<'a> {
        let backoff = Backoff::new(hub.times.delay);
        Caller { hub, to, names, backoff, reached: None, is_news: false, last: None, told: None }
    }

    /// One attempt at each of the peer's addresses, until one of them leads to it.
    async fn call(&mut self) -> Option<Connection> {
        let addresses = match self.names.addresses().await {
            Ok(addresses) => addresses,
            Err(unreachable) => {
                self.tell(unreachable).await;
                return None;
            }
        };
        let mut missed = None;
        for address in addresses {
            match self.call_at(address).await {
                Ok(connection) => return Some(connection),
                Err(Missed::Refused(reason)) => missed = Some(Missed::Refused(reason)),
                // A word is worth more than silence elsewhere.
                Err(Missed::Unreachable(unreachable)) => {
                    missed = missed.or(Some(Missed::Unreachable(unreachable)));
                }
            }
        }
        match missed? {
            Missed::Unreachable(unreachable) => self.tell(unreachable).await,
            Missed::Refused(reason) => {
                self.backoff.after_refusal();
                self.hub.report(self.to, reason).await;
            }
        }
        None
    }

    async fn call_at(&mut self, address: SocketAddr) -> Result<Connection, Missed> {
        let stream = match reach(self.hub, address).await {
            Ok(stream) => stream,
            Err(unreachable) => {
                self.note_refusal(&unreachable).await;
                return Err(Missed::Unreachable(unreachable));
            }
        };
        let place = place_of(&stream);
        let (connection, hello) = greet(self.hub, self.to, Kind::Control, address, stream).await?;
        let minimum_timeout = hello.minimum_timeout;
        self.hub.tell(Incoming::Connected { to: self.to, minimum_timeout }).await;
        (self.reached, self.last, self.told) = (Some((address, place)), None, None);
        self.names.prefer(address);
        Ok(connection)
    }

    /// Tells of a refusal where the peer was reached before, once after each end of a connection:
    /// only then can it mean that the peer's process has ended.
    async fn note_refusal(&mut self, unreachable: &Unreachable) {
        let Unreachable::NobodyListens(refusing) = unreachable else { return };
        if let Some((_, place)) = self.reached.filter(|(address, _)| address == refusing && self.is_news) {
            self.is_news = false;
            self.hub.tell(Incoming::NobodyListens { at: self.to, place }).await;
        }
    }

    /// Tells why the peer was not reached, once while nothing changes; what happens to a single
    /// attempt, as when the peer is just ending, is not worth a word.
    async fn tell(&mut self, why: Unreachable) {
        let is_lasting = self.last.replace(why.clone()).as_ref() == Some(&why);
        if is_lasting && self.told.as_ref() != Some(&why) {
            self.told = Some(why.clone());
            self.hub.tell(Incoming::Unreachable { peer: self.to, why }).await;
        }
    }

    fn after_connection_of(&mut self, life: Duration) {
        self.is_news = true;
        self.backoff.after_connection_of(life);
    }
}

/// One call for this purpose, at each of the peer's addresses until one of them leads to it.
pub(super) async fn call_once(hub: &Hub, to: ServerId, kind: Kind, names: &mut Names) -> Result<Connection, Missed> {
    let mut missed = None;
    for address in names.addresses().await.map_err(Missed::Unreachable)? {
        let greeted = match reach(hub, address).await {
            Ok(stream) => greet(hub, to, kind, address, stream).await,
            Err(unreachable) => Err(Missed::Unreachable(unreachable)),
        };
        match greeted {
            Ok((connection, _)) => {
                names.prefer(address);
                return Ok(connection);
            }
            Err(reason) => missed = Some(reason),
        }
    }
    Err(missed.expect("a name leads to an address or is unreachable"))
}

async fn reach(hub: &Hub, address: SocketAddr) -> Result<TcpStream, Unreachable> {
    match timeout(hub.times.connect, connect(address)).await {
        Ok(Ok(stream)) if is_own_end(&stream) => Err(refuse_own_end(stream, address)),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Unreachable::from_error(address, &error)),
        Err(_) => Err(Unreachable::NoAnswer(address)),
    }
}

async fn greet(
    hub: &Hub,
    to: ServerId,
    kind: Kind,
    address: SocketAddr,
    stream: TcpStream,
) -> Result<(Connection, Hello), Missed> {
    match timeout(HANDSHAKE_DEADLINE, shake_hands(hub, to, kind, stream)).await {
        Ok(Ok(greeted)) => Ok(greeted),
        Ok(Err(HandshakeFailure::Refused { reason, .. })) => Err(Missed::Refused(reason)),
        Ok(Err(HandshakeFailure::Lost(error))) => Err(Missed::Unreachable(Unreachable::from_error(address, &error))),
        Err(_) => Err(Missed::Unreachable(Unreachable::Silent(address))),
    }
}

/// A connection, or the reason why there is none.
async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The system may choose the port of a peer that is down: this lets that peer listen there all
    // the same.
    socket.set_reuseaddr(true)?;
    socket.connect(address).await
}

/// Whether both ends are one: TCP connects a port to itself where nobody listens and the system
/// chose it for our end.
pub(super) fn is_own_end(stream: &TcpStream) -> bool {
    stream.local_addr().ok() == stream.peer_addr().ok()
}

/// Frees the port at once for the server that is to listen there.
pub(super) fn refuse_own_end(stream: TcpStream, address: SocketAddr) -> Unreachable {
    let _ = stream.set_zero_linger();
    Unreachable::NobodyListens(address)
}

/// Whether the other end is on this machine.
fn place_of(stream: &TcpStream) -> Place {
    let [ours, theirs] = [stream.local_addr(), stream.peer_addr()].map(|end| end.ok().map(|address| address.ip()));
    let is_here = theirs.is_some_and(|ip| ip.is_loopback() || ours == Some(ip));
    if is_here { Place::Here } else { Place::Elsewhere }
}

async fn shake_hands(
    hub: &Hub,
    to: ServerId,
    kind: Kind,
    stream: TcpStream,
) -> Result<(Connection, Hello), HandshakeFailure> {
    let mut connection = Connection::new(stream, hub.times.silence).map_err(HandshakeFailure::Lost)?;
    let hello = handshake::call(&mut connection, &hub.local, to, kind).await?;
    Ok((connection, hello))
}

/// Sends until the connection ends. The other side says nothing on it but why it closes it.
async fn send(hub: &Hub, to: ServerId, queue: &Queue, connection: Connection) {
    let Connection { mut reader, writer } = connection;
    let write = async {
        let mut writer = writer;
        loop {
            let frames;
            (writer, frames) = queue.take(writer).await;
            if let Err(error) = writer.write(frames.into_iter().map(WireFrame::from)).await {
                return error;
            }
        }
    };
    tokio::select! {
        error = write => tracing::debug!(%to, %error, "the connection broke"),
        never = queue.keep_alive(hub.times.idle) => match never {},
        never = hub.keep_peace(to) => match never {},
        said = reader.read::<WireGreeting>() => match said.map(Greeting::from) {
            Ok(Greeting::Refused(reason)) => hub.report(to, reason).await,
            Ok(_) | Err(ConnectionEnd::Malformed(_)) => tracing::debug!(%to, "the peer answers where nothing is asked"),
            Err(ConnectionEnd::Lost(error)) => tracing::debug!(%to, %error, "the connection broke"),
        },
    }
    queue.clear();
}

/// How long to wait before the next call.
struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    fn new(longest: Duration) -> Backoff {
        Backoff { next: FIRST_RETRY_DELAY.min(longest), longest }
    }

    /// The next delay, each about twice the one before. Servers that wait for the same peer must
    /// not call it all at once.
    fn delay(&mut self) -> Duration {
        let delay = self.next.mul_f64(rand::random_range(0.5..=1.0));
        self.next = (2 * self.next).clamp(FIRST_RETRY_DELAY.min(self.longest), self.longest);
        delay
    }

    /// A peer that had answered is looked for at once, unless it closes what it accepts.
    fn after_connection_of(&mut self, life: Duration) {
        if self.longest <= life {
            self.next = Duration::ZERO;
        }
    }

    /// Someone has to change something before the next call can succeed.
    fn after_refusal(&mut self) {
        self.next = self.longest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_start_again_after_a_connection() {
        let mut backoff = Backoff::new(Duration::from_millis(150));
        for expected in [2, 4, 8, 16, 32, 64, 128, 150, 150] {
            let delay = backoff.delay().as_secs_f64() * 1000.0;
            assert!((f64::from(expected) / 2.0..=f64::from(expected)).contains(&delay), "{delay} for {expected}");
        }
        backoff.after_connection_of(Duration::from_millis(149));
        assert_eq!(backoff.next, Duration::from_millis(150));
        backoff.after_connection_of(Duration::from_millis(150));
        assert_eq!((backoff.delay(), backoff.next), (Duration::ZERO, FIRST_RETRY_DELAY));
        backoff.after_refusal();
        assert_eq!(backoff.next, Duration::from_millis(150));
    }
}
