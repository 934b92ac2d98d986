//! `rafttree serve`: one server, until it is told to end.

use std::convert::Infallible;
use std::future::pending;
use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rafttree::{ClusterId, ElectOnDisconnect, Error, Leadership, Node, ServerId, Then, Warning};
use rafttree_model::Status;
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::log::refused;
use crate::options::{Format, Timing, parse_server};
use crate::output::{LAST_LINES_TIMEOUT, Printer};
use crate::report::{News, Report, monotonic};
use crate::signals::{Asked, Signals};

pub(crate) const SERVE_EXAMPLES: &str = "\
Examples:
  rafttree serve data/1 --listen 127.0.0.1:7001 --peer 2=127.0.0.1:7002 --peer 3=127.0.0.1:7003
  rafttree serve data/1 --id 1 --init 0123456789abcdef0123456789abcdef --listen 127.0.0.1:7001 ...

Prints a line for each change of role, term or leader; lines that nobody reads hold up nothing, and
are counted when they have no room.

SIGTERM, SIGINT, SIGHUP or SIGQUIT transfers leadership and ends the server; a second one ends it at
once. (SIGHUP and SIGQUIT stay ignored where they were, as with nohup.) Whatever hangs, it has ended
after 3 T for the next leader, 5 s for a write that the disk has not finished (exit code 70: the
directory stays locked until it has) and 1 s for output that nobody reads. During the start it ends
at once, with exit code 1. SIGUSR1 prints the status; SIGUSR2 does nothing.";

#[derive(Args, Debug)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct ServeOptions {
    /// The server's data, made by `rafttree init`.
    pub(crate) directory: PathBuf,
    /// Refuse a directory that does not belong to this server.
    #[arg(long, value_parser = parse_server)]
    pub(crate) id: Option<ServerId>,
    /// Where the other servers reach this one, such as 127.0.0.1:7001.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: String,
    /// Another server of the cluster; once for each of them.
    #[arg(long = "peer", value_name = "ID=HOST:PORT", value_parser = parse_peer)]
    pub(crate) peers: Vec<(ServerId, String)>,
    #[command(flatten)]
    pub(crate) timing: Timing,
    /// When followers of a leader that was disconnected campaign at once, instead of waiting for
    /// their election timeouts. All servers should have the same.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) elect_on_disconnect: OnDisconnect,
    /// Listen beyond this machine, though nothing is encrypted.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Initialise the directory for this cluster first, unless that was done before. Not where a
    /// disk may come back empty: the server would have forgotten its votes.
    #[arg(long, value_name = "CLUSTER", requires = "id")]
    pub(crate) init: Option<ClusterId>,
    /// Keep a trace of the protocol in this file, at its end if it exists, for `rafttree-checker replay`.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// End with the process that started this one, or when the standard input ends.
    #[arg(long, hide = true)]
    pub(crate) end_with_parent: bool,
    /// Ask a majority when this server leads, and say when that has answered.
    #[arg(long, hide = true)]
    pub(crate) confirm: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum OnDisconnect {
    /// When no connection stands and the leader's address refuses a new one. Leases assume that no
    /// firewall, address translation or proxy refuses there in the leader's name.
    #[default]
    Refused,
    /// The same, but only where the leader runs on this machine. Leases assume nothing of networks.
    SameMachine,
    /// Never. Leases assume nothing of connections.
    Never,
}

impl From<OnDisconnect> for ElectOnDisconnect {
    fn from(when: OnDisconnect) -> ElectOnDisconnect {
        match when {
            OnDisconnect::Refused => ElectOnDisconnect::Refused,
            OnDisconnect::SameMachine => ElectOnDisconnect::SameMachine,
            OnDisconnect::Never => ElectOnDisconnect::Never,
        }
    }
}

/// A server and whoever listens to it.
struct Server {
    node: Node,
    printer: Printer,
    /// Whether it asks a majority when it leads, and says when that has answered.
    confirms: bool,
}

pub(crate) async fn run(options: ServeOptions, output: Format) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let mut parent = options.end_with_parent.then(watch_parent).transpose()?;
    // What is begun by then ends with the process: nothing was promised to anybody yet.
    let node = tokio::select! {
        node = start(&options) => node?,
        () = signals.next() => return Err(Failure::Operation("told to end before the server had started".to_owned())),
        () = end_of(&mut parent) => return Ok(()),
    };
    let id = node.id();
    let (printer, written) = Printer::start(output, move |lines| Report { id, news: News::Unread { lines } });
    let server = Server { node, printer, confirms: options.confirm };
    let result = serve(&server, &mut signals, &mut parent).await;
    server.printer.close();
    written.wait_within(LAST_LINES_TIMEOUT).await;
    result
}

/// Serves until the server has ended.
async fn serve(server: &Server, signals: &mut Signals, parent: &mut Option<Parent>) -> Result<(), Failure> {
    let mut asked = Asked::new()?;
    let status = server.node.status().await.map_err(Failure::operation)?;
    server.tell(News::Started {
        pid: std::process::id(),
        address: status.address.to_string(),
        cluster: beginning_of(status.cluster),
    });
    let work = async {
        tokio::join!(server.lead(), server.tell_changes(), server.tell_status(&mut asked),);
        pending::<Infallible>().await
    };
    tokio::select! {
        result = server.end(signals) => result,
        _ = work => unreachable!("it never ends"),
        () = end_of(parent) => Ok(()),
    }
}

async fn start(options: &ServeOptions) -> Result<Node, Failure> {
    let timing = options.timing;
    let mut builder = Node::builder(&options.directory)
        .listen(&options.listen)
        .election_timeout(timing.election_timeout)
        .elect_on_disconnect(options.elect_on_disconnect.into())
        .insecure(options.insecure);
    for (id, address) in &options.peers {
        builder = builder.peer(id.number(), address);
    }
    if let Some(id) = options.id {
        builder = builder.id(id);
    }
    if let Some(interval) = timing.heartbeat_interval {
        builder = builder.heartbeat_interval(interval);
    }
    if let Some(cluster) = options.init {
        builder = builder.init(cluster);
    }
    if let Some(file) = &options.trace {
        builder = builder.trace(file);
    }
    builder.start().await.map_err(|error| match error {
        Error::Configuration { .. } => Failure::Usage(error.to_string()),
        error => refused(error),
    })
}

impl Server {
    /// Says when this server leads and when it does not any more. There is no work to be done, so
    /// the work is always ready to end.
    async fn lead(&self) {
        let work = async |leadership: Leadership| {
            let fence = leadership.fence().number();
            let leading = monotonic();
            // Asked before anything is said, so that what is measured waits for no output.
            if self.confirms && leadership.verify().await.is_ok() {
                self.tell(News::Confirmed { fence, leading, confirmed: monotonic() });
            }
            self.tell(News::Leading { fence });
            leadership.lost().await;
            self.tell(News::Lost { fence });
            Ok::<Then, Infallible>(Then::Resign)
        };
        // How the server ended is told by whoever waits for its end.
        let _ = self.node.lead(work).await;
    }

    /// Says what changes: role, term and leader, who is not reached and why, and what somebody has
    /// to see to.
    async fn tell_changes(&self) {
        let mut changes = self.node.changes();
        let mut before = Seen::default();
        while let Ok(status) = self.node.status().await {
            let seen = Seen::of(&status);
            seen.news_since(&before).into_iter().for_each(|news| self.tell(news));
            before = seen;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Says how things stand whenever somebody asks by a signal.
    async fn tell_status(&self, asked: &mut Asked) {
        loop {
            asked.next().await;
            if let Ok(status) = self.node.status().await {
                self.tell(News::Status(Box::new(status.into())));
            }
        }
    }

    /// Waits for the server's end, or for a signal to end it. A second signal does not wait for
    /// anything.
    async fn end(&self, signals: &mut Signals) -> Result<(), Failure> {
        let failed = |error: Error| Failure::Internal(error.to_string());
        tokio::select! {
            closed = self.node.closed() => return closed.map_err(failed),
            () = signals.next() => {}
        }
        tokio::select! {
            done = self.node.shutdown() => done.map_err(failed)?,
            () = signals.next() => {
                return Err(Failure::Operation("told to end twice: leadership may not have been transferred".to_owned()));
            }
        }
        self.tell(News::Stopped);
        Ok(())
    }

    fn tell(&self, news: News) {
        // A server does not end because nobody listens to what it says.
        let _ = self.printer.print(&Report { id: self.node.id(), news });
    }
}

/// The part of the status for whose changes lines are written.
#[derive(Default)]
struct Seen {
    protocol: Option<Status>,
    refused: Vec<(ServerId, String)>,
    unreachable: Vec<(ServerId, String)>,
    warnings: Vec<Warning>,
}

impl Seen {
    fn of(status: &rafttree::Status) -> Seen {
        let peers = status.peers.iter();
        let refused = peers.clone().filter_map(|peer| Some((peer.id, peer.refusal.as_ref()?.to_string())));
        let unreachable = peers.filter_map(|peer| Some((peer.id, peer.unreachable.as_ref()?.to_string())));
        Seen {
            protocol: Some(status.protocol),
            refused: refused.collect(),
            unreachable: unreachable.collect(),
            warnings: status.warnings.clone(),
        }
    }

    fn news_since(&self, before: &Seen) -> Vec<News> {
        let changed = self.protocol.filter(|status| before.protocol.as_ref().map(shown) != Some(shown(status)));
        let changed = changed.map(|status| News::Changed { status });
        let refused = self.refused.iter().filter(|refusal| !before.refused.contains(refusal));
        let refused = refused.cloned().map(|(peer, reason)| News::Refused { peer, reason });
        let unreachable = self.unreachable.iter().filter(|missing| !before.unreachable.contains(missing));
        let unreachable = unreachable.cloned().map(|(peer, reason)| News::Unreachable { peer, reason });
        let is_known = |warning: &Warning| before.warnings.iter().any(|known| known.is_same_as(warning));
        let warnings = self.warnings.iter().filter(|warning| !is_known(warning));
        let warned = warnings.map(|warning| News::Warned { warning: warning.to_string() });
        changed.into_iter().chain(refused).chain(unreachable).chain(warned).collect()
    }
}

/// The part of the protocol's status that is worth a line.
fn shown(status: &Status) -> impl Copy + PartialEq + use<> {
    (status.role, status.term, status.leader, status.transfer)
}

/// Enough of a cluster's id to tell it from others.
fn beginning_of(cluster: ClusterId) -> String {
    format!("{:.8}...", cluster.to_string())
}

/// Resolves when the process that started this one has ended.
type Parent = oneshot::Receiver<Infallible>;

/// Ends when the process that started this one does: that holds the other end of our standard
/// input. Where the system can, it also kills us then, even while we are stopped.
fn watch_parent() -> Result<Parent, Failure> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| Failure::Internal(format!("cannot watch the process that started this one: {error}")))?;
    let (alive, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ends_with_this_thread = alive;
        let mut input = std::io::stdin().lock();
        while matches!(input.read(&mut [0; 64]), Ok(1..)) {}
    });
    Ok(ended)
}

async fn end_of(parent: &mut Option<Parent>) {
    match parent {
        Some(parent) => drop(parent.await),
        None => pending().await,
    }
}

fn parse_peer(text: &str) -> Result<(ServerId, String), String> {
    let (id, address) = text.split_once('=').ok_or("write ID=HOST:PORT, such as 2=127.0.0.1:7002")?;
    Ok((parse_server(id)?, address.to_owned()))
}
