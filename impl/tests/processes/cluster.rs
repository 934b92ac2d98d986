//! Servers as processes, and everything that was observed of them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// T, if a test has no reason for another.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(150);

/// T, where a test relies on a leader that goes on leading: a busy machine holds up no heartbeat so long.
pub(crate) const STEADY: Duration = Duration::from_secs(2);

/// Whatever should happen happens long before this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The command line.
pub(crate) fn rafttree<S: AsRef<str>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rafttree"));
    command.args(arguments.iter().map(AsRef::as_ref)).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run<S: AsRef<str>>(arguments: &[S]) -> Output {
    rafttree(arguments).output().unwrap()
}

/// Waits until this holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "it does not happen: {what}");
    }
}

/// A group on this machine. Dropping it ends all processes.
pub(crate) struct Cluster {
    root: TempDir,
    timeout: Duration,
    addresses: Vec<String>,
    servers: BTreeMap<u32, Server>,
    lives: u32,
    /// Whether servers that start from now on keep traces.
    pub(crate) is_traced: bool,
    pub(crate) observed: Arc<Observed>,
}

struct Server {
    life: u32,
    child: Child,
}

/// The servers' output, in the order in which it was read.
#[derive(Default)]
pub(crate) struct Observed {
    lines: Mutex<Vec<Line>>,
    more: Condvar,
}

/// One line of one life of one server.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) server: u32,
    /// No two processes have the same number, and later ones have higher ones.
    pub(crate) life: u32,
    pub(crate) news: Value,
}

/// A leadership that began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Leading {
    pub(crate) server: u32,
    pub(crate) fence: u64,
}

impl Cluster {
    /// Directories for so many servers of one new cluster; nothing runs yet.
    pub(crate) fn new(servers: u32) -> Cluster {
        let root = tempfile::tempdir().unwrap();
        let listeners: Vec<_> = (0..servers).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
        let observed = Arc::default();
        let (timeout, running) = (TIMEOUT, BTreeMap::new());
        let cluster = Cluster { root, timeout, addresses, servers: running, lives: 0, is_traced: false, observed };
        let id = rafttree_id();
        (1..=servers).for_each(|server| cluster.init(&cluster.directory(server), server, &id));
        cluster
    }

    /// The same, all servers running.
    pub(crate) fn start(servers: u32) -> Cluster {
        Cluster::start_with(servers, TIMEOUT)
    }

    pub(crate) fn start_with(servers: u32, timeout: Duration) -> Cluster {
        let mut cluster = Cluster::new(servers);
        cluster.timeout = timeout;
        (1..=servers).for_each(|server| cluster.launch(server));
        cluster
    }

    /// The same, and all keep traces.
    pub(crate) fn start_traced(servers: u32) -> Cluster {
        let mut cluster = Cluster::new(servers);
        cluster.is_traced = true;
        (1..=servers).for_each(|server| cluster.launch(server));
        cluster
    }

    /// The file of a server's trace.
    pub(crate) fn trace(&self, server: u32) -> String {
        self.named_directory(&format!("{server}.trace"))
    }

    /// The same group with the same directories once more; nothing runs here or there.
    pub(crate) fn copy(&self) -> Cluster {
        let (root, observed, servers) = (tempfile::tempdir().unwrap(), Arc::default(), BTreeMap::new());
        let (timeout, addresses) = (self.timeout, self.addresses.clone());
        let copy = Cluster { root, timeout, addresses, servers, lives: 0, is_traced: false, observed };
        for server in 1..=self.addresses.len() as u32 {
            std::fs::create_dir(copy.directory(server)).unwrap();
            for entry in std::fs::read_dir(self.directory(server)).unwrap().map(Result::unwrap) {
                // A socket is no file, and belonged to a server that has ended.
                if entry.file_type().unwrap().is_file() {
                    std::fs::copy(entry.path(), format!("{}/{}", copy.directory(server), entry.file_name().display()))
                        .unwrap();
                }
            }
        }
        copy
    }

    pub(crate) fn init(&self, directory: &str, server: u32, cluster: &str) {
        let made = run(&["init", directory, "--cluster", cluster, "--id", &server.to_string()]);
        assert!(made.status.success(), "{made:?}");
    }

    pub(crate) fn directory(&self, server: u32) -> String {
        self.named_directory(&server.to_string())
    }

    pub(crate) fn named_directory(&self, name: &str) -> String {
        let path: PathBuf = self.root.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// How a server is started on a directory, its own or not.
    pub(crate) fn serve(&self, server: u32, directory: &str) -> Command {
        let timeout = format!("{}ms", self.timeout.as_millis());
        let listen = self.address(server);
        let mut command = rafttree(&["serve", directory, "-o", "json", "--listen", listen]);
        command.args(["--election-timeout", &timeout]);
        if self.is_traced {
            command.args(["--trace", &self.trace(server)]);
        }
        for (peer, address) in (1..).zip(&self.addresses) {
            if peer != server {
                command.args(["--peer", &format!("{peer}={address}")]);
            }
        }
        command
    }

    /// Where a server listens.
    pub(crate) fn address(&self, server: u32) -> &str {
        &self.addresses[server as usize - 1]
    }

    /// Servers that start from now on have this election timeout.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Starts a server on its own directory.
    pub(crate) fn launch(&mut self, server: u32) {
        let command = self.serve(server, &self.directory(server));
        self.launch_as(server, command);
    }

    pub(crate) fn launch_as(&mut self, server: u32, mut command: Command) {
        // It ends with the test, whatever happens to that.
        command.arg("--end-with-parent").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        self.lives += 1;
        let (life, observed, output) = (self.lives, self.observed.clone(), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let news = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                observed.lines.lock().unwrap().push(Line { server, life, news });
                observed.more.notify_all();
            }
        });
        assert!(self.servers.insert(server, Server { life, child }).is_none(), "server {server} ran already");
    }

    pub(crate) fn kill(&mut self, server: u32) {
        let mut server = self.servers.remove(&server).unwrap();
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    }

    pub(crate) fn kill_all(&mut self) {
        let servers: Vec<u32> = self.servers.keys().copied().collect();
        servers.into_iter().for_each(|server| self.kill(server));
    }

    pub(crate) fn signal(&self, server: u32, signal: Signal) {
        kill_process(pid_of(&self.servers[&server].child), signal).unwrap();
    }

    /// Waits until the server's process has ended by itself.
    pub(crate) fn wait_for_end(&mut self, server: u32) -> ExitStatus {
        let mut server = self.servers.remove(&server).unwrap();
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = server.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process goes on");
            std::thread::yield_now();
        }
    }

    /// The number of the server's present process.
    pub(crate) fn life(&self, server: u32) -> u32 {
        self.servers[&server].life
    }

    /// The server's status.
    pub(crate) fn status(&self, server: u32) -> Value {
        let answer = run(&["status", &self.directory(server), "-o", "json"]);
        assert!(answer.status.success(), "{answer:?}");
        serde_json::from_slice::<Value>(&answer.stdout).unwrap()["status"].take()
    }

    /// Waits until the leader knows that the other server answers.
    pub(crate) fn wait_for_answer(&self, leader: u32, other: u32) {
        let deadline = Instant::now() + DEADLINE;
        let has_answered = |peer: &Value| peer["id"] == other && peer["answered_milliseconds"].is_number();
        loop {
            let status = self.status(leader);
            if status["peers"].as_array().unwrap().iter().any(has_answered) {
                break;
            }
            assert!(Instant::now() < deadline, "server {other} does not answer server {leader}: {status}");
        }
    }

    /// Waits for a leadership with a fence above this one.
    pub(crate) fn wait_for_leader_after(&self, fence: u64) -> Leading {
        self.observed.wait_for(&format!("a leader after term {fence}"), |lines| {
            leaderships(lines).into_iter().find(|leading| fence < leading.fence)
        })
    }

    /// Waits for a line of the server's present process.
    pub(crate) fn wait_for_line(&self, server: u32, what: &str, is_meant: impl Fn(&Value) -> bool) -> Value {
        let life = self.life(server);
        self.observed.wait_for(what, |lines| {
            lines.iter().find(|line| line.life == life && is_meant(&line.news)).map(|line| line.news.clone())
        })
    }

    /// Waits until the server says that it follows another one in a term that is not below this.
    pub(crate) fn wait_for_follower(&self, server: u32, term: u64) -> Value {
        self.wait_for_line(server, &format!("server {server} follows in term {term}"), |news| {
            let status = &news["status"];
            status["role"] == "follower" && status["leader"].is_u64() && term <= number(&status["term"])
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for server in self.servers.values_mut() {
            let _ = server.child.kill();
            let _ = server.child.wait();
        }
        if !std::thread::panicking() {
            self.observed.check_invariants();
        }
    }
}

impl Observed {
    /// Waits until the lines give an answer.
    pub(crate) fn wait_for<T>(&self, what: &str, answer: impl Fn(&[Line]) -> Option<T>) -> T {
        self.wait_within(DEADLINE, answer).unwrap_or_else(|| panic!("{what}: never seen in {:#?}", self.all()))
    }

    /// Waits for an answer, at most so long.
    pub(crate) fn wait_within<T>(&self, time: Duration, answer: impl Fn(&[Line]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + time;
        let mut lines = self.lines.lock().unwrap();
        loop {
            if let Some(answer) = answer(&lines) {
                return Some(answer);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            lines = self.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    pub(crate) fn all(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// Election Safety in everything that was seen: no term has two leaders, and fences only rise.
    pub(crate) fn check_invariants(&self) {
        let lines = self.all();
        let mut leaders = BTreeMap::new();
        let said_by_status = lines.iter().filter(|line| line.news["status"]["role"] == "leader");
        let said_by_status = said_by_status.map(|line| (number(&line.news["status"]["term"]), line.server));
        let said_by_fence = leaderships(&lines).into_iter().map(|leading| (leading.fence, leading.server));
        let said_by_followers = lines.iter().filter(|line| line.news["status"]["role"] == "follower");
        let said_by_followers = said_by_followers.filter_map(|line| {
            let leader = line.news["status"]["leader"].as_u64()?.try_into().unwrap();
            Some((number(&line.news["status"]["term"]), leader))
        });
        for (term, leader) in said_by_status.chain(said_by_fence).chain(said_by_followers) {
            assert_eq!(*leaders.entry(term).or_insert(leader), leader, "term {term} has two leaders: {lines:#?}");
        }
        let fences: Vec<u64> = leaderships(&lines).iter().map(|leading| leading.fence).collect();
        assert!(fences.is_sorted_by(|before, after| before < after), "fences do not rise: {fences:?}");
    }
}

/// All leaderships, in the order in which they were seen.
pub(crate) fn leaderships(lines: &[Line]) -> Vec<Leading> {
    let leading = lines.iter().filter(|line| line.news["event"] == "leading");
    leading.map(|line| Leading { server: line.server, fence: number(&line.news["fence"]) }).collect()
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

pub(crate) fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap()).unwrap()
}

/// A cluster's id as `init` wants it.
pub(crate) fn rafttree_id() -> String {
    rafttree::ClusterId::random().to_string()
}
