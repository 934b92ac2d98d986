//! The connection on which this server sends to one peer: called, kept, called again.

use std::time::{Duration, Instant};

use rafttree_model::ServerId;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::frame::{Connection, End};
use super::greeting::{Greeting, WireGreeting};
use super::handshake::{self, Failure};
use super::queue::Queue;
use super::wire::WireFrame;
use super::{HANDSHAKE_DEADLINE, Hub, Incoming};

/// A peer that died may be back within milliseconds.
const FIRST_DELAY: Duration = Duration::from_millis(2);

/// However long elections take here, a peer is looked for at least this often.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// What the rest of the transport has of a caller.
#[derive(Default)]
pub(super) struct Peer {
    pub(super) queue: Queue,
    /// Told when the peer has called this server, so it can be called.
    pub(super) is_there: Notify,
}

/// Calls the peer again and again, and sends what is in its queue.
pub(super) async fn keep_calling(hub: &Hub, to: ServerId, address: &str) {
    let Some(peer) = hub.peers.get(&to) else { return };
    let mut backoff = Backoff::new(hub.local.minimum_timeout.min(LONGEST_DELAY));
    loop {
        match timeout(HANDSHAKE_DEADLINE, call(hub, to, address)).await {
            Ok(Ok(connection)) => {
                let since = Instant::now();
                send(hub, to, &peer.queue, connection).await;
                hub.tell(Incoming::Disconnected { to }).await;
                backoff.after_connection_of(since.elapsed());
            }
            Ok(Err(Failure::Refused { reason, .. })) => {
                hub.report(to, reason).await;
                backoff.after_refusal();
            }
            Ok(Err(Failure::Lost(error))) => tracing::debug!(%to, address, %error, "no connection"),
            Err(_) => tracing::debug!(%to, address, "no answer"),
        }
        // What did not arrive is old by the time of the next call.
        peer.queue.clear();
        tokio::select! {
            () = sleep(backoff.delay()) => {}
            () = peer.is_there.notified() => {}
        }
    }
}

/// One attempt. The name of the peer is resolved anew each time.
async fn call(hub: &Hub, to: ServerId, address: &str) -> Result<Connection, Failure> {
    let stream = TcpStream::connect(address).await.map_err(Failure::Lost)?;
    let mut connection = Connection::new(stream).map_err(Failure::Lost)?;
    let hello = handshake::call(&mut connection, &hub.local, to).await?;
    hub.welcome(to);
    hub.tell(Incoming::Connected { to, minimum_timeout: hello.minimum_timeout }).await;
    Ok(connection)
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
        said = reader.read::<WireGreeting>() => match said.map(Greeting::from) {
            Ok(Greeting::Refused(reason)) => hub.report(to, reason).await,
            Ok(_) | Err(End::Malformed(_)) => tracing::debug!(%to, "the peer answers where nothing is asked"),
            Err(End::Lost(error)) => tracing::debug!(%to, %error, "the connection broke"),
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
        Backoff { next: FIRST_DELAY.min(longest), longest }
    }

    /// The next delay, each about twice the one before. Servers that wait for the same peer must
    /// not call it all at once.
    fn delay(&mut self) -> Duration {
        let delay = self.next.mul_f64(rand::random_range(0.5..=1.0));
        self.next = (2 * self.next).min(self.longest);
        delay
    }

    /// A peer that had answered is looked for at once, unless it closes what it accepts.
    fn after_connection_of(&mut self, life: Duration) {
        if self.longest <= life {
            self.next = FIRST_DELAY.min(self.longest);
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
        assert_eq!(backoff.next, FIRST_DELAY);
        backoff.after_refusal();
        assert_eq!(backoff.next, Duration::from_millis(150));
    }
}
