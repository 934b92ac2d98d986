//! What a replicated store of this library bears: commands a second and how long each takes, with real processes and real
//! flushes, and what it costs when a server comes back that is far behind.
//!
//! `cargo run --release -p rafttree-benches --features servers --bin store -- load 1 64 256`
//!
//! Three servers on this machine, and so many clients, each with a connection of its own to the leader and one request in
//! flight: puts of 256 bytes, as `--bin etcd -- load` gives them to etcd.
//!
//! `... --bin store -- reads 1 64 256`
//!
//! The same clients read: linearizably at the leader, which each time asks a majority whether it still leads; the same at a
//! follower; and what a follower has applied by then. The library has no reads by lease.
//!
//! `... --bin store -- appends`
//!
//! The log alone, in one thread: batches of so many entries, beside a file into which as many bytes are written.
//!
//! `... --bin store -- behind 1000000000`
//!
//! A server is killed, so many bytes are put in values of 16 KiB, and it is started again under the same load.
//!
//! `... --bin store -- traces 4 64 traces`
//!
//! So many pairs of runs with so many clients, one in which the servers keep traces and one in which they do not; the
//! traces of the last pair are left in this directory, where one is given, for `rafttree-checker replay`.
//!
//! Client and servers share the machine. A put is answered when a majority has it on its disks and the leader has
//! applied it.

mod appends;

mod behind;

mod client;

mod group;

mod server;

mod traces;

use std::process::ExitCode;

use rafttree_benches::load::{self, Failed, VALUE_BYTES};

use client::Asks;
use group::{Callers, Group, SERVERS};

const USAGE: &str = "store: give `load` or `reads` and numbers of clients, such as `load 1 64 256`, `appends`, `behind` and \
                     bytes, such as `behind 1000000000`, or `traces`, numbers of pairs and of clients, and a directory \
                     for the last traces, such as `traces 4 64 traces`";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments[..] {
        ["serve", id, root, ports] => server::serve(id, root, ports, None).await,
        ["serve", id, root, ports, trace] => server::serve(id, root, ports, Some(trace)).await,
        ["load", ref clients @ ..] if !clients.is_empty() => match numbers(clients) {
            Some(clients) => bear(&clients).await,
            None => return usage(),
        },
        ["reads", ref clients @ ..] if !clients.is_empty() => match numbers(clients) {
            Some(clients) => read(&clients).await,
            None => return usage(),
        },
        ["appends"] => appends::measure(),
        ["behind", bytes] => match bytes.parse() {
            Ok(bytes) => behind::measure(bytes).await,
            Err(_) => return usage(),
        },
        ["traces", pairs, clients, ref folder @ ..] if folder.len() < 2 => match (pairs.parse(), clients.parse()) {
            (Ok(pairs), Ok(clients)) if 0 < clients => traces::measure(pairs, clients, folder.first().copied()).await,
            _ => return usage(),
        },
        _ => return usage(),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("store: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Puts a second, and how long each takes, for each number of clients.
async fn bear(clients: &[usize]) -> Result<(), Failed> {
    let group = Group::start()?;
    println!("Puts of {VALUE_BYTES} bytes to {SERVERS} servers on this machine, durable on a majority.");
    load::measure(&Callers { group: &group, at: group.leader().await?, asks: Asks::Put }, clients).await
}

/// The same of reads, of each kind.
async fn read(clients: &[usize]) -> Result<(), Failed> {
    let group = Group::start()?;
    let leader = group.leader().await?;
    let follower = leader % SERVERS + 1;
    let most = clients.iter().copied().max().unwrap_or(1);
    load::fill(&Callers { group: &group, at: leader, asks: Asks::Put }, most).await?;
    println!("Reads of {VALUE_BYTES} bytes from {SERVERS} servers on this machine.");
    for (name, at, asks) in [
        ("linearizable, by rounds of heartbeats, at the leader", leader, Asks::Read),
        ("linearizable, at a follower, which asks the leader", follower, Asks::Read),
        ("stale, at a follower", follower, Asks::StaleRead),
    ] {
        println!("{name}");
        load::measure(&Callers { group: &group, at, asks }, clients).await?;
    }
    Ok(())
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn numbers(texts: &[&str]) -> Option<Vec<usize>> {
    texts.iter().map(|text| text.parse().ok().filter(|&number| 0 < number)).collect()
}
