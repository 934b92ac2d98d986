//! The cluster under measurement.

use std::collections::BTreeSet;
use std::time::Duration;

use rafttree::ServerId;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, interval, timeout};

use crate::cluster::{Cluster, Happening, USAGE_EXIT_CODE};
use crate::failure::Failure;
use crate::options::Timing;
use crate::report::News;
use crate::signals::Signals;
use rafttree::admin::{self, ServerStatus};

/// How often servers are asked whether all is well. Nothing is measured meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Election timeouts after which a wait is given up, though not before
/// [`MIN_PATIENCE`].
const PATIENCE_IN_TIMEOUTS: u32 = 60;
const MIN_PATIENCE: Duration = Duration::from_secs(10);

/// A running cluster with temporary data.
pub(super) struct Group {
    pub(super) cluster: Cluster,
    happenings: UnboundedReceiver<Happening>,
    timing: Timing,
    /// The servers' standard error.
    complaints: Vec<String>,
    pub(super) directory: TempDir,
}

/// A leader, and the fence under which it leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Leader {
    pub(super) id: ServerId,
    pub(super) fence: u64,
}

/// A leadership that a majority has confirmed; readings of the monotonic clock in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirmed {
    pub(super) leader: Leader,
    pub(super) leading: u64,
    pub(super) confirmed: u64,
}

impl Group {
    /// Runs the measurement on a cluster of so many servers, and ends all of them however it ends.
    pub(super) async fn measure<T, M>(servers: u32, timing: Timing, measurement: M) -> Result<T, Failure>
    where
        M: AsyncFnOnce(&mut Group) -> Result<T, Failure>,
    {
        let mut signals = Signals::new()?;
        let directory = tempfile::Builder::new().prefix("rafttree-").tempdir().map_err(Failure::operation)?;
        let (sender, happenings) = unbounded_channel();
        let cluster = Cluster::new(directory.path(), servers, timing, sender)?.confirming();
        let mut group = Group { cluster, happenings, timing, complaints: Vec::new(), directory };
        let result = tokio::select! {
            result = async {
                group.start_all().await?;
                measurement(&mut group).await
            } => result,
            () = signals.next() => Err(Failure::Operation("told to end: nothing was measured to its end".to_owned())),
        };
        group.cluster.kill_all().await?;
        result
    }

    async fn start_all(&mut self) -> Result<(), Failure> {
        for id in self.ids() {
            self.cluster.start(id).await?;
        }
        Ok(())
    }

    pub(super) fn ids(&self) -> Vec<ServerId> {
        self.cluster.servers.iter().map(|server| server.id()).collect()
    }

    /// Waits until all servers follow one leader and hold the same log, so that any of them can be
    /// elected, all connections are up, and every server has answered the leader.
    pub(super) async fn settle(&mut self) -> Result<Leader, Failure> {
        let mut look = interval(POLL_INTERVAL);
        let end = Instant::now() + self.patience();
        while Instant::now() < end {
            look.tick().await;
            if let Some(leader) = self.settled().await {
                return Ok(leader);
            }
            self.next_confirmed_now().await?;
        }
        let seconds = self.patience().as_secs();
        Err(Failure::Operation(format!(
            "the servers do not agree on a leader within {seconds} s: the machine may be too busy for these timeouts"
        )))
    }

    async fn settled(&self) -> Option<Leader> {
        let mut statuses = Vec::new();
        for server in &self.cluster.servers {
            statuses.push(timeout(MIN_PATIENCE, admin::status(&server.directory)).await.ok()?.ok()?);
        }
        let views: BTreeSet<_> =
            statuses.iter().map(|ServerStatus { server, .. }| (server.leader, server.term, server.last)).collect();
        let mut views = views.into_iter();
        let (Some((Some(id), term, _)), None) = (views.next(), views.next()) else { return None };
        let leader = statuses.iter().find(|status| status.server.id == id)?;
        let is_heard = leader.peers.iter().all(|peer| peer.answered_milliseconds.is_some());
        let is_settled = leader.lease_milliseconds.is_some() && is_heard && statuses.iter().all(is_connected);
        is_settled.then_some(Leader { id, fence: term.number() })
    }

    /// Waits for a confirmed leadership with a greater fence than the former one.
    pub(super) async fn confirmed_after(&mut self, former: Leader) -> Result<Confirmed, Failure> {
        let patience = self.patience();
        let confirmed = async {
            loop {
                let happening = self.happenings.recv().await.expect("the cluster holds the other end");
                if let Some(confirmed) = self.judge(happening).await?
                    && former.fence < confirmed.leader.fence
                {
                    return Ok(confirmed);
                }
            }
        };
        let seconds = patience.as_secs();
        let id = former.id;
        let nobody = || Failure::Operation(format!("nobody leads for {seconds} s after server {id} did"));
        timeout(patience, confirmed).await.unwrap_or_else(|_| Err(nobody()))
    }

    /// Whether another leadership was confirmed by now; what else was said is passed over.
    pub(super) async fn next_confirmed_now(&mut self) -> Result<Option<Confirmed>, Failure> {
        while let Ok(happening) = self.happenings.try_recv() {
            if let Some(confirmed) = self.judge(happening).await? {
                return Ok(Some(confirmed));
            }
        }
        Ok(None)
    }

    /// The meaning of a happening for the measurement: news, nothing, or its end.
    async fn judge(&mut self, happening: Happening) -> Result<Option<Confirmed>, Failure> {
        match happening {
            Happening::Said(life, News::Confirmed { fence, leading, confirmed }) => {
                Ok(Some(Confirmed { leader: Leader { id: life.id, fence }, leading, confirmed }))
            }
            Happening::Said(..) | Happening::Answered(..) => Ok(None),
            Happening::Complained(life, line) => {
                self.complaints.push(format!("server {}: {line}", life.id));
                Ok(None)
            }
            Happening::Ended(life) => {
                let Some(server) = self.cluster.living(life) else { return Ok(None) };
                let Some(how) = server.bury().await else { return Ok(None) };
                let complaints = self.complaints.join("\n");
                let reason = format!("server {} has ended by itself ({how})\n{complaints}", life.id).trim().to_owned();
                Err(if how.code() == Some(USAGE_EXIT_CODE) {
                    Failure::Usage(reason)
                } else {
                    Failure::Operation(reason)
                })
            }
        }
    }

    fn patience(&self) -> Duration {
        MIN_PATIENCE.max(PATIENCE_IN_TIMEOUTS * self.timing.election_timeout)
    }
}

fn is_connected(status: &ServerStatus) -> bool {
    status.peers.iter().all(|peer| peer.connected)
}
