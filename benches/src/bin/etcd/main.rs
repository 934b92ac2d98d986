//! How long etcd is without a leader after the leader's process was killed: what
//! `rafttree bench failover --kill` measures, for a server that many use.
//!
//! `cargo run --release -p rafttree-benches --features peers --bin etcd -- 200`
//!
//! Three processes of the `etcd` that is installed (Debian: `apt install etcd-server`), heartbeats
//! of 10 ms and an election timeout of 100 ms; as it draws them, timeouts are 100 to 200 ms. Time
//! runs from the signal until a survivor knows a leader of a later term and a put through it has
//! succeeded. Survivors are asked again a millisecond after each answer.
//!
//! `... --bin etcd -- idle 100`
//!
//! What each process uses of a core while nobody asks it for anything, with heartbeats of so many
//! milliseconds and an election timeout of a second: what `rafttree bench steady` measures.
//!
//! `... --bin etcd -- load 1 64 256`
//!
//! Puts a second by so many clients, and how long each takes: what `--bin store -- load` measures, by the same code.

mod client;

mod load;

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rafttree_benches::load::Failed;
use serde_json::Value;

const USAGE: &str = "etcd: give a number of trials, such as 200, `idle` and a heartbeat in ms, such as `idle 100`, or `load` \
                     and numbers of clients, such as `load 1 64 256`";

const SERVERS: usize = 3;
const HEARTBEAT: Duration = Duration::from_millis(10);
const ELECTION: Duration = Duration::from_millis(100);

/// Between two questions to a server.
const PAUSE: Duration = Duration::from_millis(1);

/// A server that says nothing for so long is asked anew.
const ANSWER_DEADLINE: Duration = Duration::from_millis(500);

/// Of servers that are idle: an etcd takes no election timeout below five heartbeats.
const IDLE_ELECTION: Duration = Duration::from_secs(1);

/// For so long idle servers are watched.
const WATCH: Duration = Duration::from_secs(15);

/// Whatever should happen happens long before this.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server says of itself.
#[derive(Clone, Copy, Debug)]
struct Status {
    id: u64,
    leader: u64,
    term: u64,
}

/// One failure: milliseconds without a leader, and by how much the term rose.
struct Trial {
    milliseconds: f64,
    terms: u64,
}

/// A group on this machine; dropping it ends all processes and removes their data.
struct Group {
    root: PathBuf,
    heartbeat: Duration,
    election: Duration,
    /// For clients and for the other servers.
    ports: Vec<(u16, u16)>,
    children: Vec<Option<Child>>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().ok().filter(|&number: &u32| 0 < number);
    let told = match arguments[..] {
        [] => Some(failover(200)),
        ["idle", heartbeat] => number(heartbeat).map(|heartbeat| idle(Duration::from_millis(heartbeat.into()))),
        ["load", ref clients @ ..] if !clients.is_empty() => {
            let clients: Option<Vec<_>> = clients.iter().map(|text| number(text).map(|it| it as usize)).collect();
            clients.map(|clients| load::measure(&clients))
        }
        [trials] => number(trials).map(failover),
        _ => None,
    };
    let Some(told) = told else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match told {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("etcd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn failover(trials: u32) -> Result<String, Failed> {
    measure(trials as usize).map(|trials| table(&trials))
}

/// What each server uses of a core while nobody asks it for anything.
fn idle(heartbeat: Duration) -> Result<String, Failed> {
    let group = Group::start(heartbeat, IDLE_ELECTION)?;
    let (leader, _) = group.settle()?;
    // Whatever a start costs is over.
    thread::sleep(2 * IDLE_ELECTION);
    let began = Instant::now();
    let before = group.processor()?;
    thread::sleep(WATCH);
    let (after, seconds) = (group.processor()?, began.elapsed().as_secs_f64());
    let percent = before.iter().zip(after).map(|(&before, after)| 100.0 * (after - before).as_secs_f64() / seconds);
    let percent: Vec<f64> = percent.collect();
    let mut told = format!("etcd, idle, {SERVERS} servers, heartbeat {heartbeat:?}, {seconds:.0} s, of one core");
    for (server, percent) in percent.iter().enumerate() {
        told += &format!("\n{server}{} {percent:.2} %", if server == leader { " (leader)" } else { "" });
    }
    Ok(told + &format!("\nmean {:.2} %", percent.iter().sum::<f64>() / SERVERS as f64))
}

fn measure(count: usize) -> Result<Vec<Trial>, Failed> {
    let mut group = Group::start(HEARTBEAT, ELECTION)?;
    let mut trials = Vec::new();
    for number in 0..count {
        let (leader, before) = group.settle()?;
        // A random moment within a heartbeat: the phase of the leader's is another each time.
        thread::sleep(2 * ELECTION + HEARTBEAT.mul_f64(rand::random()));
        let killed = Instant::now();
        group.kill(leader);
        let (after, at) = group.successor(before.term)?;
        trials.push(Trial { milliseconds: (at - killed).as_secs_f64() * 1000.0, terms: after.term - before.term });
        group.launch(leader)?;
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[Ktrial {} of {count}\r", number + 1);
        }
    }
    Ok(trials)
}

impl Group {
    fn start(heartbeat: Duration, election: Duration) -> Result<Group, Failed> {
        let root = std::env::temp_dir().join(format!("rafttree-etcd-{}", std::process::id()));
        fs::create_dir(&root)?;
        let listeners = (0..2 * SERVERS).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<Vec<_>>>()?;
        let ports =
            listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<io::Result<Vec<_>>>()?;
        let ports = ports.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        drop(listeners);
        let children = (0..SERVERS).map(|_| None).collect();
        let mut group = Group { root, heartbeat, election, ports, children };
        (0..SERVERS).try_for_each(|server| group.launch(server))?;
        Ok(group)
    }

    fn launch(&mut self, server: usize) -> Result<(), Failed> {
        let address = |port: u16| format!("http://127.0.0.1:{port}");
        let (client, peer) = self.ports[server];
        let (client, peer) = (address(client), address(peer));
        let members = self.ports.iter().enumerate().map(|(number, (_, peer))| format!("n{number}={}", address(*peer)));
        let members = members.collect::<Vec<_>>().join(",");
        let log = fs::File::options().create(true).append(true).open(self.root.join(format!("{server}.log")))?;
        let child = Command::new("etcd")
            .args(["--name", &format!("n{server}"), "--initial-cluster", &members])
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--heartbeat-interval", &self.heartbeat.as_millis().to_string()])
            .args(["--election-timeout", &self.election.as_millis().to_string()])
            .arg("--data-dir")
            .arg(self.root.join(server.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("`etcd` does not start: {error} (Debian: apt install etcd-server)"))?;
        self.children[server] = Some(child);
        Ok(())
    }

    fn kill(&mut self, server: usize) {
        if let Some(mut child) = self.children[server].take() {
            // A process that has ended already is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until all servers name the same leader, and gives it with its place.
    fn settle(&self) -> Result<(usize, Status), String> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let statuses: Option<Vec<Status>> = self.ports.iter().map(|&(port, _)| status(port).ok()).collect();
            if let Some(statuses) = statuses
                && statuses.iter().all(|one| (one.leader, one.term) == (statuses[0].leader, statuses[0].term))
                && let Some(leader) = statuses.iter().position(|one| one.id == one.leader)
            {
                return Ok((leader, statuses[leader]));
            }
            thread::sleep(20 * PAUSE);
        }
        Err(format!("the servers name no common leader; they said last:\n{}", self.last_words()))
    }

    /// Waits until a survivor knows a leader of a later term, and a put through it succeeds: when.
    fn successor(&self, term: u64) -> Result<(Status, Instant), String> {
        let is_over = AtomicBool::new(false);
        let found = thread::scope(|scope| {
            let (sender, found) = std::sync::mpsc::channel();
            let survivors = self.children.iter().zip(&self.ports).filter(|(child, _)| child.is_some());
            for (_, &(port, _)) in survivors {
                let (sender, is_over) = (sender.clone(), &is_over);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        if let Ok(known) = status(port)
                            && term < known.term
                            && known.leader != 0
                            && put(port).is_ok()
                        {
                            // Only the first is waited for.
                            let _ = sender.send((known, Instant::now()));
                            return;
                        }
                        thread::sleep(PAUSE);
                    }
                });
            }
            let found = found.recv_timeout(PATIENCE);
            is_over.store(true, Ordering::Relaxed);
            found
        });
        found.map_err(|_| format!("nobody leads after term {term}; they said last:\n{}", self.last_words()))
    }

    /// What each process has used of the processor, all its threads together.
    fn processor(&self) -> io::Result<Vec<Duration>> {
        let of = |child: &Child| {
            let threads = fs::read_dir(format!("/proc/{}/task", child.id()))?;
            let used = |thread: io::Result<fs::DirEntry>| {
                let schedule = fs::read_to_string(thread?.path().join("schedstat"))?;
                let nanoseconds = schedule.split(' ').next().and_then(|number| number.parse().ok());
                nanoseconds.map(Duration::from_nanos).ok_or_else(|| io::Error::other("schedstat holds no number"))
            };
            threads.map(used).sum::<io::Result<Duration>>()
        };
        self.children.iter().flatten().map(of).collect()
    }

    /// The last line that each server wrote.
    fn last_words(&self) -> String {
        let logs = (0..SERVERS).map(|server| fs::read_to_string(self.root.join(format!("{server}.log"))));
        let last = logs.map(|log| log.unwrap_or_default().lines().last().unwrap_or_default().to_owned());
        last.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        (0..SERVERS).for_each(|server| self.kill(server));
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn status(port: u16) -> io::Result<Status> {
    let answer = post(port, "/v3/maintenance/status", "{}")?;
    let header = &answer["header"];
    Ok(Status {
        id: number(&header["member_id"]),
        leader: number(&answer["leader"]),
        term: number(&header["raft_term"]),
    })
}

fn put(port: u16) -> io::Result<()> {
    let answer = post(port, "/v3/kv/put", r#"{"key":"a2V5","value":"dmFsdWU="}"#)?;
    let is_done = answer["header"].is_object() && answer["error"].is_null();
    if is_done { Ok(()) } else { Err(io::Error::other(answer.to_string())) }
}

/// Its JSON has numbers of 64 bits as strings, and leaves out zeros.
fn number(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// One request on a connection of its own.
fn post(port: u16, path: &str, body: &str) -> io::Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
    stream.set_nodelay(true)?;
    let request = format!(
        "POST {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, json) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(serde_json::from_str(json)?)
}

fn table(trials: &[Trial]) -> String {
    let count = trials.len();
    let mut times: Vec<f64> = trials.iter().map(|trial| trial.milliseconds).collect();
    times.sort_by(f64::total_cmp);
    let mean = times.iter().sum::<f64>() / count as f64;
    let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share: f64| times[((share * count as f64).ceil() as usize).max(1) - 1]);
    let again = 100.0 * trials.iter().filter(|trial| 1 < trial.terms).count() as f64 / count as f64;
    format!(
        "etcd, leader killed, {SERVERS} servers, heartbeat {HEARTBEAT:?}, election timeout {ELECTION:?}, {count} trials\n\
         mean {mean:.1} ms, p50 {p50:.1}, p90 {p90:.1}, p99 {p99:.1}, max {:.1}, second round {again:.1} %",
        times[count - 1]
    )
}
