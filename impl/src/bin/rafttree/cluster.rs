//! Servers as processes of their own: this very program, told to `serve`.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rafttree::{ClusterId, Identity, ServerId};
use rafttree_model::Status;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{interval, timeout};

use crate::failure::Failure;
use crate::options::Timing;
use crate::report::{News, Report};
use rafttree::admin::{self, Answer, Request};

/// Time for a server to answer for the table.
const STATUS_DEADLINE: Duration = Duration::from_millis(500);

/// How often a server is asked for what is about to be.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The exit code of a server whose settings make no sense.
pub(crate) const USAGE_EXIT_CODE: i32 = 2;

/// An event among the servers.
pub(crate) enum Happening {
    /// A server has written a line.
    Said(Life, News),
    /// A server has complained on its standard error.
    Complained(Life, String),
    /// A server has answered what it knows.
    Answered(Life, Status),
    /// A server's output has ended, so its process is about to.
    Ended(Life),
}

/// One life of one server: what is still said of a former one is old.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Life {
    pub(crate) id: ServerId,
    number: u32,
}

/// All servers of a cluster on this machine.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
    timing: Timing,
    /// Whether new leaders ask a majority and say when that has answered.
    confirms: bool,
    happenings: UnboundedSender<Happening>,
}

/// One server, whether its process runs or not.
pub(crate) struct Server {
    life: Life,
    pub(crate) directory: PathBuf,
    address: String,
    child: Option<Child>,
    is_paused: bool,
    /// Its latest status.
    pub(crate) status: Option<Status>,
}

impl Cluster {
    /// Prepares servers 1 to `count` with their data in directories 1 to `count` below `root`.
    pub(crate) fn new(
        root: &Path,
        count: u32,
        timing: Timing,
        happenings: UnboundedSender<Happening>,
    ) -> Result<Cluster, Failure> {
        let directories: Vec<PathBuf> = (1..=count).map(|id| root.join(id.to_string())).collect();
        initialise(root, &directories)?;
        let addresses = free_addresses(count).map_err(|error| {
            Failure::Operation(format!("cannot find free ports on 127.0.0.1: {error}; end what uses them"))
        })?;
        let servers = (1..=count).zip(directories).zip(addresses).map(|((id, directory), address)| Server {
            life: Life { id: ServerId::new(id), number: 0 },
            directory,
            address,
            child: None,
            is_paused: false,
            status: None,
        });
        Ok(Cluster { servers: servers.collect(), timing, confirms: false, happenings })
    }

    /// The same; its leaders will tell when a majority has confirmed them.
    pub(crate) fn confirming(self) -> Cluster {
        Cluster { confirms: true, ..self }
    }

    pub(crate) fn server(&mut self, id: ServerId) -> Result<&mut Server, Failure> {
        let count = self.servers.len();
        let unknown = || Failure::Operation(format!("there is no server {id}: the servers are 1 to {count}"));
        self.servers.iter_mut().find(|server| server.life.id == id).ok_or_else(unknown)
    }

    /// The server, if this is its present life.
    pub(crate) fn living(&mut self, life: Life) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.life == life)
    }

    /// Starts the server's process; what ran before is killed.
    pub(crate) async fn start(&mut self, id: ServerId) -> Result<(), Failure> {
        self.server(id)?.kill().await?;
        let peers: Vec<String> = self.servers.iter().filter(|peer| peer.life.id != id).map(Server::as_peer).collect();
        let (timing, confirms, happenings) = (self.timing, self.confirms, self.happenings.clone());
        let server = self.server(id)?;
        let mut child = server
            .command(timing, confirms, &peers)
            .and_then(|mut command| command.spawn())
            .map_err(|error| Failure::Operation(format!("cannot start server {id}: {error}")))?;
        server.life.number += 1;
        let output = child.stdout.take().expect("the output is piped");
        let complaints = child.stderr.take().expect("the complaints are piped");
        server.child = Some(child);
        tokio::spawn(listen(server.life, output, complaints, happenings));
        Ok(())
    }

    /// Asks every server that can answer; the answers come as happenings.
    pub(crate) fn ask_all(&self) {
        for server in self.servers.iter().filter(|server| server.is_up()) {
            let (life, directory) = (server.life, server.directory.clone());
            let happenings = self.happenings.clone();
            tokio::spawn(async move {
                if let Ok(Ok(status)) = timeout(STATUS_DEADLINE, admin::status(&directory)).await {
                    let _ = happenings.send(Happening::Answered(life, status.server));
                }
            });
        }
    }

    /// Asks every server that can answer, and waits for the answers.
    pub(crate) async fn refresh(&mut self) {
        for server in self.servers.iter_mut().filter(|server| server.is_up()) {
            if let Ok(Ok(status)) = timeout(STATUS_DEADLINE, admin::status(&server.directory)).await {
                server.status = Some(status.server);
            }
        }
    }

    /// Waits until the leader has heard from the other server, but not for long: a script may ask
    /// for a transfer as soon as there is a leader, and that is before all have answered it.
    pub(crate) async fn wait_for_answer(&mut self, leader: ServerId, other: ServerId) -> Result<(), Failure> {
        let directory = self.server(leader)?.directory.clone();
        let has_answered = async {
            let mut look = interval(POLL_INTERVAL);
            loop {
                look.tick().await;
                let status = admin::status(&directory).await?;
                if status.peers.iter().any(|peer| peer.id == other && peer.answered_milliseconds.is_some()) {
                    return Ok(());
                }
            }
        };
        timeout(2 * self.timing.election_timeout, has_answered).await.unwrap_or(Ok(()))
    }

    /// Asks one server for something.
    pub(crate) async fn ask(&mut self, id: ServerId, request: Request) -> Result<Answer, Failure> {
        Ok(admin::ask(&self.server(id)?.directory, &request).await?)
    }

    /// Ends all processes, and waits until they have ended.
    pub(crate) async fn kill_all(&mut self) -> Result<(), Failure> {
        for server in &mut self.servers {
            server.kill().await?;
        }
        Ok(())
    }
}

impl Server {
    pub(crate) fn id(&self) -> ServerId {
        self.life.id
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.child.is_some() && !self.is_paused
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(crate) fn state(&self) -> &'static str {
        match (&self.child, self.is_paused) {
            (None, _) => "down",
            (Some(_), true) => "paused",
            (Some(_), false) => "up",
        }
    }

    /// `kill -9`; returns when the process is gone.
    pub(crate) async fn kill(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.is_paused = false;
        self.status = None;
        let Some(mut child) = self.child.take() else { return Ok(None) };
        let killed = async {
            child.start_kill()?;
            child.wait().await
        };
        killed.await.map(Some).map_err(|error| Failure::Operation(format!("cannot kill server {}: {error}", self.id())))
    }

    /// The process has ended by itself: how.
    pub(crate) async fn bury(&mut self) -> Option<ExitStatus> {
        self.is_paused = false;
        self.status = None;
        self.child.take()?.wait().await.ok()
    }

    /// SIGSTOP.
    pub(crate) fn pause(&mut self) -> Result<(), Failure> {
        self.signal(Signal::STOP)?;
        self.is_paused = true;
        Ok(())
    }

    /// SIGCONT.
    pub(crate) fn resume(&mut self) -> Result<(), Failure> {
        self.signal(Signal::CONT)?;
        self.is_paused = false;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let id = self.id();
        let down = || Failure::Operation(format!("server {id} is down: `restart {id}` starts it"));
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).ok_or_else(down)?;
        kill_process(pid, signal).map_err(|error| Failure::Operation(format!("cannot signal server {id}: {error}")))
    }

    fn as_peer(&self) -> String {
        format!("{}={}", self.id(), self.address)
    }

    fn command(&self, timing: Timing, confirms: bool, peers: &[String]) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--output", "json", "--end-with-parent", "--listen", &self.address]);
        command.args(["--id", &self.id().to_string()]);
        command.args(["--election-timeout", &nanoseconds(timing.election_timeout)]);
        if let Some(interval) = timing.heartbeat_interval {
            command.args(["--heartbeat", &nanoseconds(interval)]);
        }
        if confirms {
            command.arg("--confirm");
        }
        command.args(peers.iter().flat_map(|peer| ["--peer", peer]));
        command.arg("--").arg(&self.directory);
        // A group of its own: what is typed on the terminal is not for the servers.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        Ok(command)
    }
}

fn nanoseconds(duration: Duration) -> String {
    format!("{}ns", duration.as_nanos())
}

/// Makes new directories those of one new cluster; those of a former run are taken as they are.
fn initialise(root: &Path, directories: &[PathBuf]) -> Result<(), Failure> {
    let wanted = directories.len();
    let found = (1..).take_while(|id: &u32| root.join(id.to_string()).exists()).count();
    if found == wanted {
        return Ok(());
    }
    if found != 0 {
        let root = root.display();
        return Err(Failure::Operation(format!(
            "{root} holds a cluster of {found}, not of {wanted}: give `--servers {found}`, or another directory"
        )));
    }
    let cluster = ClusterId::random();
    for (id, directory) in (1..).map(ServerId::new).zip(directories) {
        rafttree::init(directory, Identity { cluster, id }).map_err(Failure::operation)?;
    }
    Ok(())
}

/// Ports that nobody listens on now.
fn free_addresses(count: u32) -> io::Result<Vec<String>> {
    let listeners = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<Vec<_>>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect()
}

/// Hands on what a process writes, until it writes no more.
async fn listen(
    life: Life,
    output: impl AsyncRead + Unpin,
    complaints: impl AsyncRead + Unpin,
    happenings: UnboundedSender<Happening>,
) {
    let mut output = BufReader::new(output).lines();
    let mut complaints = BufReader::new(complaints).lines();
    let said = async {
        while let Ok(Some(line)) = output.next_line().await {
            let happening = match serde_json::from_str::<Report>(&line) {
                Ok(report) => Happening::Said(life, report.news),
                Err(_) => Happening::Complained(life, line),
            };
            let _ = happenings.send(happening);
        }
    };
    let complained = async {
        while let Ok(Some(line)) = complaints.next_line().await {
            let _ = happenings.send(Happening::Complained(life, line));
        }
    };
    tokio::join!(said, complained);
    let _ = happenings.send(Happening::Ended(life));
}
