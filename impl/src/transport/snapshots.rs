//! The snapshots that this server sends and takes: a connection and a thread for each, while it lasts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rafttree_model::{Position, ServerId};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::Span;

use super::bulk::{self, Closer, Line, SessionEnd, SnapshotFailure};
use super::caller::{Missed, call_once};
use super::connection::Connection;
use super::greeting::Kind;
use super::hub::{Hub, Incoming, MAX_THREADS};
use super::names::Names;

/// Time from the end of one attempt to the next: the answer to a snapshot that has arrived comes
/// later than the next message that asks for it, and what has failed mostly fails again.
const PAUSE: Duration = Duration::from_secs(1);

/// Time for those threads to end, of which each may wait for its disk.
const THREADS_TIMEOUT: Duration = Duration::from_secs(2);

/// Ends a connection with the task that waits for its thread.
struct Closing(Closer);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Sends the peer what is asked for, one after the other.
pub(super) async fn keep_sending(hub: &Arc<Hub>, to: ServerId, mut names: Names) {
    let Some(peer) = hub.peers.get(&to) else { return };
    loop {
        let last = peer.order.next().await;
        let sent = tokio::select! {
            biased;
            sent = send(hub, to, last, &mut names) => sent,
            () = peer.order.replaced(last) => continue,
        };
        peer.order.done(last);
        let pause = match sent {
            Err(SessionEnd::Lost(error)) => {
                tracing::debug!(%to, %last, %error, "a snapshot was not sent to its end");
                hub.times.delay
            }
            Err(SessionEnd::Told(why) | SessionEnd::Tell(why)) => {
                hub.report_snapshot(to, Some(last), why).await;
                PAUSE
            }
            Ok(()) => {
                hub.forget_snapshot_report(to);
                PAUSE
            }
        };
        sleep(pause).await;
    }
}

/// One attempt to send a snapshot.
async fn send(hub: &Arc<Hub>, to: ServerId, last: Position, names: &mut Names) -> Result<(), SessionEnd> {
    let snapshots = hub.snapshots.clone();
    let opened = spawn_blocking(move || snapshots.send(last)).await.expect("to open a file does not panic");
    let opened = opened.map_err(|error| SessionEnd::Tell(SnapshotFailure::Unreadable(error.to_string())))?;
    let outgoing = opened.ok_or(SessionEnd::Tell(SnapshotFailure::NotHeld))?;
    hub.local.admit(to).map_err(|reason| SessionEnd::Tell(SnapshotFailure::Refused(reason)))?;
    let connection = call_once(hub, to, Kind::Bulk, names).await.map_err(|missed| match missed {
        Missed::Refused(reason) => SessionEnd::Tell(SnapshotFailure::Refused(reason)),
        Missed::Unreachable(unreachable) => SessionEnd::Lost(io::Error::other(unreachable)),
    })?;
    let is_heard = {
        let hub = hub.clone();
        move || hub.local.admit(to).is_ok()
    };
    on_thread(hub, connection, move |line| bulk::send(line, &outgoing, is_heard)).await
}

/// Takes what a peer sends on a connection that it has made for that.
pub(super) async fn receive(hub: &Arc<Hub>, from: ServerId, connection: Connection) {
    let here = hub.clone();
    let session = move |line: &mut Line| {
        let is_heard = || here.local.admit(from).is_ok();
        bulk::receive(line, &here.snapshots, &here.receiving, is_heard)
    };
    match on_thread(hub, connection, session).await {
        Ok(Some(last)) => {
            hub.forget_snapshot_report(from);
            hub.tell(Incoming::SnapshotArrived { from, last }).await;
        }
        Ok(None) => {}
        Err(SessionEnd::Lost(error)) => tracing::debug!(%from, %error, "a snapshot did not arrive to its end"),
        Err(SessionEnd::Told(why) | SessionEnd::Tell(why)) => hub.report_snapshot(from, None, why).await,
    }
}

/// What becomes of a connection on a thread of its own. If nobody waits for that any more it ends.
async fn on_thread<T: Send + 'static>(
    hub: &Hub,
    connection: Connection,
    session: impl FnOnce(&mut Line) -> Result<T, SessionEnd> + Send + 'static,
) -> Result<T, SessionEnd> {
    let Ok(permit) = hub.threads.clone().try_acquire_owned() else {
        return Err(SessionEnd::Lost(io::Error::other("too many snapshots at a time")));
    };
    let mut line = Line::new(connection, &hub.times)?;
    let _closing = Closing(line.closer());
    let span = Span::current();
    let thread = spawn_blocking(move || {
        let _permit = permit;
        span.in_scope(|| session(&mut line))
    });
    thread.await.unwrap_or_else(|panic| Err(SessionEnd::Lost(io::Error::other(panic))))
}

/// Waits until no thread writes any more, unless its disk hangs.
pub(super) async fn end(hub: &Hub) {
    if timeout(THREADS_TIMEOUT, hub.threads.acquire_many(MAX_THREADS)).await.is_err() {
        tracing::warn!("a snapshot is still being written or read");
    }
}
