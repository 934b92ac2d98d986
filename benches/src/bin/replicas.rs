//! Groups in one process, without a disk and a network: commands a second, and what each costs.
//!
//! `cargo run --release -p rafttree-benches --features peers,servers --bin replicas -- 1 64 256 1024`
//!
//! Three servers, so many clients with one command of 256 bytes in flight each, and state machines that keep nothing. Ours
//! are the deployed servers of `rafttree::testing::Group`: tasks of one thread, and a thread for each state machine; the
//! very log over a disk in memory, which is written at once, and messages that are handed over as values. Those of openraft
//! are tasks of a runtime, with a log that is a vector. Processor time is that of everything, clients included.

use std::io::{self, Read};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use rafttree::testing::Group;
use rafttree::{Replica, Serialized, Snapshot, StateMachine};
use rafttree_benches::Replicating;
use rafttree_benches::load::{self, Failed, Target, VALUE_BYTES};

const SERVERS: u32 = 3;

/// Nobody campaigns although the machine is busy.
const ELECTION: Duration = Duration::from_secs(2);

/// Applies nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Nothing;

/// Servers of ours.
struct Ours(Group<Nothing>);

/// Who proposes to the leader.
struct Proposer(Replica<Nothing>);

impl StateMachine for Nothing {
    type Command = Bytes;
    type Answer = ();

    fn apply(&mut self, _: Bytes) {}

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(()))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Nothing> {
        Serialized::read(from).map(|()| Nothing)
    }
}

impl Target for Ours {
    type Client = Proposer;

    async fn connect(&self, count: usize) -> Result<Vec<Proposer>, Failed> {
        let leader = self.0.leader().await;
        Ok((0..count).map(|_| Proposer(self.0.replica(leader))).collect())
    }

    /// All of it is in this one.
    fn processes(&self) -> Vec<u32> {
        vec![std::process::id()]
    }
}

impl load::Client for Proposer {
    async fn request(&mut self, _: u32, value: &[u8]) -> io::Result<()> {
        self.0.propose(Bytes::copy_from_slice(value)).await.map_err(io::Error::other)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let clients: Option<Vec<usize>> = std::env::args().skip(1).map(|text| text.parse().ok()).collect();
    let Some(clients) = clients.filter(|clients| !clients.is_empty() && !clients.contains(&0)) else {
        eprintln!("replicas: give numbers of clients, such as `1 64 256 1024`");
        return ExitCode::from(2);
    };
    match measure(&clients).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("replicas: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(clients: &[usize]) -> Result<(), Failed> {
    println!("Commands of {VALUE_BYTES} bytes to {SERVERS} servers in one process.");
    println!("rafttree");
    let ours = Ours(Group::new(SERVERS, Nothing::default).election_timeout(ELECTION).start().await?);
    load::measure(&ours, clients).await?;
    drop(ours);
    println!("openraft");
    load::measure(&Replicating::start(SERVERS as usize).await?, clients).await
}
