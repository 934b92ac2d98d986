//! The connections on which the peers send to this server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rafttree_model::ServerId;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::connection::{Connection, ConnectionEnd};
use super::greeting::{Hello, Kind};
use super::handshake::{self, HandshakeFailure};
use super::hub::{HANDSHAKE_DEADLINE, Hub, Incoming};
use super::refusal::Refusal;
use super::snapshots;
use super::strangers::{Strangers, Visit};
use super::wire::{Malformed, WireFrame};
use crate::core::frame::Packet;

/// Accepting fails when the process has no descriptors left: some may be free a little later.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Opens the port. Nobody beyond this machine may reach it unless that is asked for: nothing is
/// encrypted, and whoever can change what passes on the network is believed.
pub(super) async fn bind(address: &str, insecure: bool) -> io::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = lookup_host(address).await?.collect();
    if let Some(exposed) = addresses.iter().find(|address| !insecure && !address.ip().is_loopback()) {
        let message = format!(
            "{exposed} can be reached from other machines, and nothing is encrypted yet: listen on a \
             loopback address (127.0.0.1, [::1]), or ask for `insecure` if the network is trusted"
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    TcpListener::bind(&*addresses).await
}

/// Takes connections in, for ever.
pub(super) async fn accept(listener: TcpListener, hub: Arc<Hub>) {
    let strangers = Arc::<Strangers>::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    connections.spawn(serve(stream, admit(&strangers, address, &hub), hub.clone()));
                    // Each is heard before the next comes in, for whom it might have to leave.
                    yield_now().await;
                }
                Err(error) => {
                    if let Some(times) = hub.failed_accepts.count(Instant::now()) {
                        tracing::warn!(%error, times, "cannot accept a connection");
                    }
                    sleep(ACCEPT_RETRY_DELAY).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn admit(strangers: &Arc<Strangers>, address: SocketAddr, hub: &Hub) -> Visit {
    let now = Instant::now();
    let (visit, is_crowded) = strangers.admit(address.ip(), now);
    if is_crowded && let Some(times) = hub.dismissed_strangers.count(now) {
        tracing::warn!(%address, times, "too many connections without a handshake: one had to go for each that came");
    }
    visit
}

/// One connection, from its handshake to its end.
async fn serve(stream: TcpStream, visit: Visit, hub: Arc<Hub>) {
    let Some((mut connection, hello)) = shake_hands(stream, visit, &hub).await else { return };
    let Hello { from, minimum_timeout, kind, .. } = hello;
    if kind == Kind::Bulk {
        return snapshots::receive(&hub, from, connection).await;
    }
    let replaced = hub.replace_inbound(from);
    hub.tell(Incoming::Accepted { from, minimum_timeout }).await;
    let ended = tokio::select! {
        biased;
        // The peer has called again, so whatever is still to come on this connection is old; or it is
        // not heard any more.
        refused = replaced => refused.ok().map(Some),
        refused = receive(&mut connection, from, &hub) => Some(refused),
        never = hub.keep_peace(from) => match never {},
    };
    let Some(refused) = ended else { return };
    if let Some(reason) = refused {
        // Whether or not the other side still listens, this is why.
        let _ = handshake::refuse(&mut connection, reason.clone()).await;
        hub.report(from, reason).await;
    }
    hub.tell(Incoming::Closed { from }).await;
    hub.look_for(from);
}

async fn shake_hands(stream: TcpStream, visit: Visit, hub: &Hub) -> Option<(Connection, Hello)> {
    let address = stream.peer_addr();
    let mut connection = Connection::new(stream, hub.times.silence).ok()?;
    match timeout(HANDSHAKE_DEADLINE, handshake::answer(&mut connection, &hub.local, visit)).await {
        Ok(Ok(hello)) => return Some((connection, hello)),
        Ok(Err(HandshakeFailure::Refused { peer: Some(peer), reason })) => hub.report(peer, reason).await,
        Ok(Err(HandshakeFailure::Refused { peer: None, reason })) => hub.report_stranger(address, &reason),
        Ok(Err(HandshakeFailure::Lost(error))) => tracing::debug!(%error, "a connection broke before its handshake"),
        Err(_) => tracing::debug!("a handshake took too long"),
    }
    None
}

/// Hands on what the peer sends, until the connection ends or has to.
async fn receive(connection: &mut Connection, from: ServerId, hub: &Hub) -> Option<Refusal> {
    loop {
        match read(connection, from, hub).await {
            Ok(Packet::Protocol(frame)) => hub.tell(Incoming::Frame(frame)).await,
            Ok(Packet::Service(frame)) => hub.tell(Incoming::Service(frame)).await,
            Err(ConnectionEnd::Lost(error)) => {
                tracing::debug!(%from, %error, "the peer closed its connection");
                return None;
            }
            Err(ConnectionEnd::Malformed(error)) => {
                if let Some(times) = hub.malformed_frames.count(Instant::now()) {
                    tracing::warn!(%from, %error, times, "closing a connection");
                }
                return Some(Refusal::Malformed);
            }
        }
    }
}

/// The next packet; it must come from whom the handshake named, and be for us.
async fn read(connection: &mut Connection, from: ServerId, hub: &Hub) -> Result<Packet, ConnectionEnd> {
    let packet = Packet::try_from(connection.read::<WireFrame>().await?)?;
    if packet.ends() == (from, hub.local.id) {
        Ok(packet)
    } else {
        Err(Malformed("another sender or receiver than the handshake").into())
    }
}
