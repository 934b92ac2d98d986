//! Settings of a server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rafttree_model::{MOST_SERVERS, ServerId};

use super::error::Error;
use super::settings::Settings;
use crate::core::driver::Policy;
use crate::core::links::ElectOnDisconnect;
use crate::machine::StateMachine;
use crate::storage::ClusterId;

/// The shortest election timeout: elsewhere than on Linux timers have a resolution of one
/// millisecond, and a busy machine keeps a process waiting for longer than that.
const MIN_ELECTION_TIMEOUT: Duration = Duration::from_millis(10);

/// Settings of a server, each with its default; made by [`Node::builder`](crate::Node::builder).
#[derive(Clone, Debug)]
#[must_use = "nothing runs until `start` is awaited"]
pub struct Builder {
    directory: PathBuf,
    id: Option<ServerId>,
    cluster: Option<ClusterId>,
    init: bool,
    listen: Option<String>,
    peers: Vec<(ServerId, String)>,
    election_timeout: Duration,
    heartbeat_interval: Option<Duration>,
    elect_on_disconnect: ElectOnDisconnect,
    longest_flush: Duration,
    transfer_timeout: Duration,
    insecure: bool,
    pub(crate) snapshot_after: u64,
    pub(crate) has_machine: bool,
    trace: Option<PathBuf>,
}

/// Settings of a server that replicates a state machine; made by [`Builder::machine`].
#[derive(Clone, Debug)]
#[must_use = "nothing runs until `start` is awaited"]
pub struct ReplicaBuilder<M> {
    pub(crate) builder: Builder,
    pub(crate) machine: M,
    pub(crate) answer_timeout: Duration,
}

impl<M: StateMachine> ReplicaBuilder<M> {
    /// About how many bytes of the log make the next snapshot, so that the log can go. Default: 64 MiB. The
    /// log has up to twice as much, in memory and on disk. Each write to the disk counts 8 KiB at least.
    pub fn snapshot_after(mut self, bytes: u64) -> ReplicaBuilder<M> {
        self.builder.snapshot_after = bytes;
        self
    }

    /// How long [`propose`](crate::Replica::propose) and [`read`](crate::Replica::read) wait for a leader and
    /// its answer. Default: 10 s.
    pub fn answer_timeout(mut self, timeout: Duration) -> ReplicaBuilder<M> {
        self.answer_timeout = timeout;
        self
    }
}

impl Builder {
    pub(crate) fn new(directory: &Path) -> Builder {
        Builder {
            directory: directory.to_owned(),
            id: None,
            cluster: None,
            init: false,
            listen: None,
            peers: Vec::new(),
            election_timeout: Duration::from_millis(500),
            heartbeat_interval: None,
            elect_on_disconnect: ElectOnDisconnect::default(),
            longest_flush: Duration::from_secs(30),
            transfer_timeout: Duration::from_secs(10),
            insecure: false,
            snapshot_after: 64 << 20,
            has_machine: false,
            trace: None,
        }
    }

    /// Replicates this state machine, which is as it is before the first command; where there is a
    /// snapshot, that takes its place. All other settings come before this one. A server with a state
    /// machine campaigns, whether or not somebody waits in [`lead`](crate::Node::lead).
    pub fn machine<M: StateMachine>(mut self, machine: M) -> ReplicaBuilder<M> {
        self.has_machine = true;
        ReplicaBuilder { builder: self, machine, answer_timeout: Duration::from_secs(10) }
    }

    /// This server's id. Default: the one that its directory was initialised with. If the two
    /// differ, the server does not start.
    pub fn id(mut self, id: impl Into<ServerId>) -> Builder {
        self.id = Some(id.into());
        self
    }

    /// The cluster this server must belong to. Default: the one of its directory.
    pub fn cluster(mut self, cluster: ClusterId) -> Builder {
        self.cluster = Some(cluster);
        self
    }

    /// Initialises the directory for this cluster if it has no identity yet; [`id`](Builder::id)
    /// must be given. Without this call a missing identity is an error.
    ///
    /// For tests, first steps, and disks that are never replaced behind the server's back: a
    /// server that comes up with an emptied disk has forgotten its votes, and this call cannot
    /// tell that from a new one. Elsewhere call [`init`](crate::init) once, by hand.
    pub fn init(mut self, cluster: ClusterId) -> Builder {
        self.init = true;
        self.cluster(cluster)
    }

    /// Host and port to listen on; port 0 lets the system choose. Required if there are peers.
    pub fn listen(mut self, address: impl Into<String>) -> Builder {
        self.listen = Some(address.into());
        self
    }

    /// Another server of the group, with its host and port. A host name is resolved anew at each
    /// attempt to connect. All servers must be given the same group, and the same at every start;
    /// addresses may change.
    pub fn peer(mut self, id: impl Into<ServerId>, address: impl Into<String>) -> Builder {
        self.peers.push((id.into(), address.into()));
        self
    }

    /// T, from 10 ms: elections begin at random between T and 2T after the leader was last
    /// heard. Default: 500 ms. The servers of a group should agree on it.
    pub fn election_timeout(mut self, timeout: Duration) -> Builder {
        self.election_timeout = timeout;
        self
    }

    /// How often a leader speaks, at most T / 2. Default: T / 10, at least 1 ms.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Builder {
        self.heartbeat_interval = Some(interval);
        self
    }

    /// When a leader that was disconnected counts as dead, so that its end is noticed within
    /// milliseconds. Default: [`Refused`](ElectOnDisconnect::Refused), when it was disconnected in
    /// both directions and its machine refuses a new connection.
    ///
    /// Choose [`SameMachine`](ElectOnDisconnect::SameMachine) or
    /// [`Never`](ElectOnDisconnect::Never), on all servers, where a firewall, an address translation
    /// or a proxy may refuse connections in the leader's name and work relies on
    /// [`check`](crate::Leadership::check) alone, without fences.
    pub fn elect_on_disconnect(mut self, when: ElectOnDisconnect) -> Builder {
        self.elect_on_disconnect = when;
        self
    }

    /// A write that the disk has not finished for so long stops the server. Default: 30 s. (A
    /// leader steps down when one takes longer than T.)
    pub fn longest_flush(mut self, longest: Duration) -> Builder {
        self.longest_flush = longest;
        self
    }

    /// Time for a closure of [`lead`](crate::Node::lead) to end after the server was asked to transfer
    /// its leadership or to shut down. Default: 10 s.
    pub fn transfer_timeout(mut self, timeout: Duration) -> Builder {
        self.transfer_timeout = timeout;
        self
    }

    /// The former name of [`transfer_timeout`](Builder::transfer_timeout).
    #[doc(hidden)]
    #[deprecated(note = "it is called `transfer_timeout` now")]
    pub fn handover_timeout(self, timeout: Duration) -> Builder {
        self.transfer_timeout(timeout)
    }

    /// Lets servers on other machines connect although nothing is encrypted yet: in a network that
    /// is trusted. Default: loopback addresses only.
    pub fn insecure(mut self, insecure: bool) -> Builder {
        self.insecure = insecure;
        self
    }

    /// Keeps a trace of the protocol in this file, at its end if it exists: every event with digests of what comes
    /// of it and of the state, for `rafttree-checker replay`. Default: none.
    ///
    /// Of commands it holds digests. It is written on a thread of its own, and not flushed. Where it cannot be
    /// written, or not fast enough, it ends, and the server goes on ([`Warning`](crate::Warning)).
    pub fn trace(mut self, file: impl Into<PathBuf>) -> Builder {
        self.trace = Some(file.into());
        self
    }

    /// The settings, if they make sense together.
    pub(crate) fn settings(self) -> Result<Settings, Error> {
        let heartbeat_interval = self.heartbeat_or_default();
        self.check_servers()?;
        self.check_times(heartbeat_interval)?;
        let listen = self.listening_address()?;
        Ok(Settings {
            directory: self.directory,
            id: self.id,
            cluster: self.cluster,
            init: self.init,
            listen,
            peers: self.peers,
            policy: Policy {
                minimum_timeout: self.election_timeout,
                heartbeat_interval,
                elect_on_disconnect: self.elect_on_disconnect,
                longest_flush: self.longest_flush,
            },
            transfer_timeout: self.transfer_timeout,
            insecure: self.insecure,
            snapshot_after: self.snapshot_after,
            has_machine: self.has_machine,
            trace: self.trace,
        })
    }

    fn heartbeat_or_default(&self) -> Duration {
        self.heartbeat_interval.unwrap_or((self.election_timeout / 10).max(Duration::from_millis(1)))
    }

    fn check_servers(&self) -> Result<(), Error> {
        if self.init && self.id.is_none() {
            return wrong("id", "a directory can only be initialised for a known server: call `id` as well");
        }
        if MOST_SERVERS <= self.peers.len() {
            return wrong("peer", format!("a group has at most {MOST_SERVERS} servers, this one included"));
        }
        let mut seen: Vec<ServerId> = self.id.into_iter().collect();
        for (id, address) in &self.peers {
            if self.id == Some(*id) {
                return wrong("peer", format!("{id} is this server's own id: name only the others"));
            }
            if seen.contains(id) {
                return wrong("peer", format!("server {id} is named twice"));
            }
            check_address("peer", address)?;
            seen.push(*id);
        }
        if seen.contains(&ServerId::new(0)) { wrong("id", "server ids start at 1") } else { Ok(()) }
    }

    fn check_times(&self, heartbeat_interval: Duration) -> Result<(), Error> {
        let timeout = self.election_timeout;
        if timeout < MIN_ELECTION_TIMEOUT {
            return wrong(
                "election_timeout",
                format!("{timeout:?} is too short: give {MIN_ELECTION_TIMEOUT:?} or more"),
            );
        }
        if Duration::from_secs(3600) < timeout {
            return wrong("election_timeout", format!("{timeout:?} is too long: give an hour or less"));
        }
        if heartbeat_interval < Duration::from_millis(1) || timeout / 2 < heartbeat_interval {
            let problem =
                format!("{heartbeat_interval:?} is not between 1ms and half of the election timeout {timeout:?}");
            return wrong("heartbeat_interval", problem);
        }
        if self.longest_flush < timeout {
            let problem = format!("{:?} is shorter than the election timeout {timeout:?}", self.longest_flush);
            return wrong("longest_flush", problem);
        }
        Ok(())
    }

    fn listening_address(&self) -> Result<String, Error> {
        match &self.listen {
            Some(address) => check_address("listen", address).map(|()| address.clone()),
            None if self.peers.is_empty() => Ok("127.0.0.1:0".to_owned()),
            None => wrong("listen", "the peers need an address of this server: give host:port, such as 127.0.0.1:7001"),
        }
    }
}

/// Host and port; whether the host exists is found out when it is used.
fn check_address(setting: &'static str, address: &str) -> Result<(), Error> {
    let parts = address.rsplit_once(':');
    let is_address = parts.is_some_and(|(host, port)| {
        let is_bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && is_bare && port.parse::<u16>().is_ok()
    });
    let problem = || format!("`{address}` is no host:port, such as 127.0.0.1:7001, n2:7000 or [::1]:7001");
    if is_address { Ok(()) } else { wrong(setting, problem()) }
}

fn wrong<T>(setting: &'static str, problem: impl Into<String>) -> Result<T, Error> {
    Err(Error::Configuration { setting, problem: problem.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> Builder {
        Builder::new(Path::new("d")).id(1).listen("127.0.0.1:7001").peer(2, "n2:7000").peer(3, "[::1]:7000")
    }

    fn refusal(builder: Builder) -> String {
        builder.settings().unwrap_err().to_string()
    }

    #[test]
    #[allow(deprecated, reason = "the former names stay for a release")]
    fn former_names_mean_the_same() {
        let settings = builder().handover_timeout(Duration::from_secs(7)).settings().unwrap();
        assert_eq!(settings.transfer_timeout, Duration::from_secs(7));
        assert_eq!(crate::Lost::HandingOver, crate::Lost::Transferring);
        assert!(matches!(Error::HandingOver, Error::Transferring));
        assert_eq!(
            crate::early_timeout(Duration::from_secs(1)),
            crate::disconnect_election_delay(Duration::from_secs(1))
        );
    }

    #[test]
    fn sound_settings_are_taken() {
        let settings = builder().settings().unwrap();
        assert_eq!(settings.policy.heartbeat_interval, Duration::from_millis(50));
        assert_eq!(settings.peers.len(), 2);
        Builder::new(Path::new("d")).settings().unwrap();
        let fast = builder().election_timeout(MIN_ELECTION_TIMEOUT).settings().unwrap();
        assert_eq!(fast.policy.heartbeat_interval, Duration::from_millis(1));
    }

    #[test]
    fn unsound_settings_are_refused_with_a_reason() {
        let cases = [
            (builder().id(0), "id: server ids start at 1"),
            (builder().peer(0, "n:1"), "id: server ids start at 1"),
            (builder().peer(1, "n:1"), "peer: 1 is this server's own id"),
            (builder().peer(2, "n:1"), "peer: server 2 is named twice"),
            (builder().peer(4, "n4"), "peer: `n4` is no host:port"),
            (builder().peer(4, "n4:70000"), "peer: `n4:70000` is no host:port"),
            (builder().peer(4, "::1:7000"), "peer: `::1:7000` is no host:port"),
            (builder().listen(":7000"), "listen: `:7000` is no host:port"),
            (builder().election_timeout(Duration::from_millis(9)), "election_timeout: 9ms is too short"),
            (builder().election_timeout(Duration::from_secs(4000)), "election_timeout: 4000s is too long"),
            (builder().heartbeat_interval(Duration::from_millis(251)), "heartbeat_interval: 251ms is not between"),
            (builder().heartbeat_interval(Duration::ZERO), "heartbeat_interval: 0ns is not between"),
            (builder().longest_flush(Duration::from_millis(1)), "longest_flush: 1ms is shorter"),
            (Builder::new(Path::new("d")).peer(2, "n:1"), "listen: the peers need an address"),
            (Builder::new(Path::new("d")).init(ClusterId::random()), "id: a directory can only be initialised"),
        ];
        for (builder, expected) in cases {
            let refusal = refusal(builder);
            assert!(refusal.starts_with(expected), "{refusal}");
        }
        let ten = (4..=10).fold(builder(), |builder, id| builder.peer(id, "n:1"));
        assert!(refusal(ten).starts_with("peer: a group has at most 9 servers"));
    }
}
