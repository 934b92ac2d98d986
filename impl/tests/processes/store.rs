//! Examples as processes, and clients of the key-value store who note what they call and are answered.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use rafttree::linearizability::{Action, Operation, Outcome, Value, Violation, check};
use rafttree::{ClusterId, Identity};
use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use crate::cluster::pid_of;

/// Whatever should happen happens long before this.
const DEADLINE: Duration = Duration::from_secs(40);

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// An example of the library, built. Cargo builds examples with all tests, but not with one that is asked for.
fn example(name: &'static str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    BUILT.lock().unwrap().entry(name).or_insert_with(|| build(name)).clone()
}

fn build(name: &str) -> PathBuf {
    // This test is in `deps`, beside which the examples are.
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(name);
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !is_of_today(&program, package) {
        // By itself the library may have other features than among all packages, and then it takes a minute.
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--offline", "--profile", "test", "--example", name, "--manifest-path"]);
        assert!(build.arg(package.join("Cargo.toml")).status().unwrap().success(), "the example {name} is not built");
    }
    program
}

/// Whether the program is newer than all that it is built from.
fn is_of_today(program: &Path, package: &Path) -> bool {
    let Ok(built) = fs::metadata(program).and_then(|it| it.modified()) else { return false };
    // A packed crate has the model as one of the versions in its lock file.
    ["Cargo.toml", "src", "examples", "../Cargo.lock", "../model/src"]
        .iter()
        .all(|source| newest(&package.join(source)).is_none_or(|changed| changed < built))
}

/// When a file, or the newest below a directory, was changed last.
fn newest(place: &Path) -> Option<SystemTime> {
    let changed = fs::metadata(place).and_then(|it| it.modified()).ok();
    let below = fs::read_dir(place).into_iter().flatten().filter_map(|entry| newest(&entry.ok()?.path()));
    below.chain(changed).max()
}

/// The first of ports of which none is in use: for HTTP those after it, for servers 1000 more.
pub(crate) fn free_port() -> u16 {
    // Below those that the system gives to whoever asks for any.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() % 900;
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut candidates = (0..1000).map(|_| {
        let turn = u32::from(NEXT.fetch_add(1, Ordering::SeqCst));
        12_000 + ((start + turn) % 900 * 10) as u16 * 2
    });
    candidates.find(|&port| (1..=9).all(|id| is_free(port + id) && is_free(port + 1000 + id))).unwrap()
}

/// Three servers of an example, or fewer that run. Dropping it ends all processes.
pub(crate) struct Store {
    program: PathBuf,
    root: TempDir,
    cluster: ClusterId,
    pub(crate) port: u16,
    servers: BTreeMap<u32, Child>,
    is_traced: bool,
}

impl Store {
    /// Key-value stores with their directories, of which none runs yet.
    pub(crate) fn new() -> Store {
        Store::of("kv")
    }

    pub(crate) fn of(name: &'static str) -> Store {
        let (root, cluster) = (tempfile::tempdir().unwrap(), ClusterId::random());
        let (program, port, servers) = (example(name), free_port(), BTreeMap::new());
        let store = Store { program, root, cluster, port, servers, is_traced: false };
        (1..=3).for_each(|id| store.init(id));
        store
    }

    pub(crate) fn start() -> Store {
        let mut store = Store::new();
        (1..=3).for_each(|id| store.launch(id));
        store
    }

    /// The same, and all keep traces.
    pub(crate) fn start_traced() -> Store {
        let mut store = Store::new();
        store.is_traced = true;
        (1..=3).for_each(|id| store.launch(id));
        store
    }

    pub(crate) fn init(&self, id: u32) {
        rafttree::init(self.directory(id), Identity { cluster: self.cluster, id: id.into() }).unwrap();
    }

    pub(crate) fn directory(&self, id: u32) -> String {
        self.root.path().join(id.to_string()).to_str().unwrap().to_owned()
    }

    pub(crate) fn serve(&self, id: u32) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--id", &id.to_string(), "--servers", "3", "--port", &self.port.to_string(), "--data"]);
        command.arg(self.root.path());
        command.args(self.is_traced.then_some("--trace"));
        command
    }

    /// The file of a server's trace, where traces are kept.
    pub(crate) fn trace(&self, id: u32) -> String {
        format!("{}.trace", self.directory(id))
    }

    /// The help that the example prints.
    pub(crate) fn help(&self) -> String {
        let printed = Command::new(&self.program).arg("--help").output().unwrap();
        assert!(printed.status.success(), "{printed:?}");
        String::from_utf8(printed.stdout).unwrap()
    }

    pub(crate) fn launch(&mut self, id: u32) {
        self.launch_as(id, self.serve(id));
    }

    pub(crate) fn launch_as(&mut self, id: u32, mut command: Command) {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        assert!(self.servers.insert(id, child).is_none(), "server {id} ran already");
    }

    pub(crate) fn kill(&mut self, id: u32) {
        let mut server = self.servers.remove(&id).unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// All at once, as far as that is possible.
    pub(crate) fn kill_all(&mut self) {
        self.servers.values_mut().for_each(|server| server.kill().unwrap());
        for mut server in std::mem::take(&mut self.servers).into_values() {
            server.wait().unwrap();
        }
    }

    pub(crate) fn signal(&self, id: u32, signal: Signal) {
        kill_process(pid_of(&self.servers[&id]), signal).unwrap();
    }

    /// Waits until the server's process has ended by itself.
    pub(crate) fn wait_for_end(&mut self, id: u32) -> ExitStatus {
        let mut server = self.servers.remove(&id).unwrap();
        eventually("the process ends", || server.try_wait().unwrap())
    }

    pub(crate) fn call(&self, id: u32, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        call(self.port + id as u16, method, path, body, 15 * PATIENCE)
    }

    /// The leader as a running server knows it, which is none of these.
    pub(crate) fn leader_but(&self, others: &[u32]) -> u32 {
        eventually("a leader", || {
            let known = self.servers.keys().filter(|id| !others.contains(id)).filter_map(|id| {
                let (_, leader) = call(self.port + *id as u16, "GET", "/leader", "", PATIENCE).ok()?;
                leader.parse().ok().filter(|leader| !others.contains(leader) && self.servers.contains_key(leader))
            });
            known.max()
        })
    }

    pub(crate) fn leader(&self) -> u32 {
        self.leader_but(&[])
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// Waits until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it does not happen: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// One request of HTTP/1.1 on a connection of its own: status and body. Where the connection is refused the
/// request was not sent, which is the one error that says so.
pub(crate) fn call(port: u16, method: &str, path: &str, body: &str, patience: Duration) -> io::Result<(u16, String)> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut connection = TcpStream::connect_timeout(&address, patience)?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(patience))?;
    let (host, length) = (address, body.len());
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}");
    connection.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    parsed(&answer).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Status and body of an answer that is whole.
fn parsed(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    (length?.parse() == Ok(body.len())).then(|| (status, body.to_owned()))
}

const KEYS: [&str; 4] = ["k0", "k1", "k2", "k3"];

/// What clients called and were answered, by one clock.
pub(crate) struct Recorder {
    began: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl Recorder {
    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn add(&self, operation: Operation) {
        self.operations.lock().unwrap().push(operation);
    }

    /// How many operations were answered.
    fn answered(&self) -> usize {
        self.operations.lock().unwrap().iter().filter(|operation| operation.end().is_some()).count()
    }

    /// Calls, and notes it.
    fn call(&self, client: u64, port: u16, key: &str, action: Action) -> Outcome {
        let begin = self.now();
        let path = format!("/kv/{key}");
        let answer = match &action {
            Action::Read => call(port, "GET", &path, "", PATIENCE),
            Action::Write(value) => call(port, "PUT", &path, value, PATIENCE),
            Action::Delete => call(port, "DELETE", &path, "", PATIENCE),
            Action::CompareAndSet { expected, value } => {
                let condition = expected.as_ref().map_or("absent".to_owned(), |value| format!("expected={value}"));
                let path = format!("{path}?{condition}");
                match value {
                    Some(value) => call(port, "PUT", &path, value, PATIENCE),
                    None => call(port, "DELETE", &path, "", PATIENCE),
                }
            }
        };
        let outcome = outcome(answer, self.now());
        self.add(Operation { client, key: key.to_owned(), action, call: begin, outcome: outcome.clone() });
        outcome
    }
}

/// What a client knows once it has this answer, at this time.
fn outcome(answer: io::Result<(u16, String)>, end: u64) -> Outcome {
    let value = |body: &str| Some(serde_json::from_str::<Value>(body).unwrap());
    match answer {
        Ok((200 | 404, body)) => Outcome::Ok { end, found: value(&body) },
        Ok((409, body)) => Outcome::Mismatch { end, found: value(&body) },
        // The library's word for it, which is held to it.
        Ok((503, body)) if body.starts_with("the command was not committed, and will not be") => Outcome::Fail,
        Ok((503, _)) => Outcome::Unknown,
        Ok((status, body)) => panic!("{status}: {body}"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Outcome::Fail,
        Err(_) => Outcome::Unknown,
    }
}

/// Clients at work, each a thread that does one thing after the other.
pub(crate) struct Clients {
    name: &'static str,
    port: u16,
    recorder: Arc<Recorder>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    pub(crate) fn start(name: &'static str, store: &Store, count: u64) -> Clients {
        let recorder = Arc::new(Recorder { began: Instant::now(), operations: Mutex::default() });
        let (is_over, port) = (Arc::new(AtomicBool::new(false)), store.port);
        let threads = (1..=count).map(|client| {
            let (recorder, is_over) = (recorder.clone(), is_over.clone());
            thread::spawn(move || work(client, port, &recorder, &is_over))
        });
        Clients { name, port, threads: threads.collect(), recorder, is_over }
    }

    /// Waits until so many more operations were answered.
    pub(crate) fn wait_for_answers(&self, phase: &str, more: usize) {
        let before = self.recorder.answered();
        eventually(phase, || (before + more <= self.recorder.answered()).then_some(()));
    }

    /// Ends the clients, reads every key from every server that is named, and judges what they saw.
    pub(crate) fn judge(mut self, servers: &[u32]) {
        let verdict = self.verdict(servers);
        let history = self.recorder.operations.lock().unwrap();
        if let Err(violation) = verdict {
            panic!("{violation}\nThe history: {}", kept(self.name, &history).display());
        }
        for (what, least) in [("read", 30), ("write", 30), ("delete", 5), ("cas", 5)] {
            let count = history.iter().filter(|operation| what == kind(operation)).count();
            assert!(least <= count, "{count} of {what}: too few to say anything");
        }
    }

    pub(crate) fn verdict(&mut self, servers: &[u32]) -> Result<(), Violation> {
        self.end();
        for (key, &id) in KEYS.iter().flat_map(|key| servers.iter().map(move |id| (key, id))) {
            eventually("every server answers in the end", || {
                let outcome = self.recorder.call(0, self.port + id as u16, key, Action::Read);
                matches!(outcome, Outcome::Ok { .. }).then_some(())
            });
        }
        check(&self.recorder.operations.lock().unwrap())
    }

    /// Writes one more value, which is acknowledged.
    pub(crate) fn write(&self, value: &str) {
        let write = || self.recorder.call(0, self.port + 1, KEYS[0], Action::Write(value.to_owned()));
        eventually("a write is acknowledged", || matches!(write(), Outcome::Ok { .. }).then_some(()));
    }

    pub(crate) fn end(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// The kind of an operation that took effect.
fn kind(operation: &Operation) -> &'static str {
    match (&operation.action, &operation.outcome) {
        (Action::Read, Outcome::Ok { .. }) => "read",
        (Action::Write(_), Outcome::Ok { .. }) => "write",
        (Action::Delete, Outcome::Ok { .. }) => "delete",
        (Action::CompareAndSet { .. }, Outcome::Ok { .. }) => "cas",
        _ => "nothing",
    }
}

/// Writes a history where it stays, for `rafttree check-history`.
fn kept(name: &str, history: &[Operation]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("rafttree-history-{name}-{}.jsonl", std::process::id()));
    let lines = history.iter().map(|operation| serde_json::to_string(operation).unwrap() + "\n");
    fs::write(&path, lines.collect::<String>()).unwrap();
    path
}

/// What one client does, of any server that answers.
fn work(client: u64, port: u16, recorder: &Recorder, is_over: &AtomicBool) {
    let mut state = client;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let (mut server, mut last) = (client % 3, BTreeMap::<&str, Value>::new());
    for number in 0.. {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let key = KEYS[random(4) as usize];
        let value = Some(format!("c{client}-{number}"));
        let expected = last.get(key).cloned().flatten();
        let action = match random(10) {
            0..4 => Action::Read,
            4..7 => Action::Write(value.clone().unwrap()),
            7 => Action::Delete,
            8 => Action::CompareAndSet { expected, value: value.clone() },
            _ => Action::CompareAndSet { expected, value: None },
        };
        let after = match &action {
            Action::Write(_) => value,
            Action::CompareAndSet { value, .. } => value.clone(),
            Action::Read | Action::Delete => None,
        };
        match (recorder.call(client, port + 1 + server as u16, key, action.clone()), action) {
            (Outcome::Ok { found: Some(found), .. }, Action::Read) => drop(last.insert(key, found)),
            (Outcome::Mismatch { found: Some(found), .. }, _) => drop(last.insert(key, found)),
            (Outcome::Ok { .. }, _) => drop(last.insert(key, after)),
            (Outcome::Mismatch { .. }, _) => {}
            (Outcome::Fail | Outcome::Unknown, _) => {
                server = (server + 1) % 3;
                thread::sleep(Duration::from_millis(20));
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
}
