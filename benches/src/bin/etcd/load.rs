//! What etcd bears.

use std::process::Child;
use std::time::Duration;

use rafttree_benches::load::{self, Failed, Target, VALUE_BYTES};
use tokio::runtime::Runtime;

use super::client::{Client, Connection};
use super::{Group, SERVERS};

/// As etcd comes.
const HEARTBEAT: Duration = Duration::from_millis(100);
const ELECTION: Duration = Duration::from_secs(1);

/// Connections that the clients share, as those of its own benchmarks do: a stream for each request.
const CONNECTIONS: usize = 4;

/// Prints the table.
pub(super) fn measure(clients: &[usize]) -> Result<String, Failed> {
    let group = Group::start(HEARTBEAT, ELECTION)?;
    println!("etcd: puts of {VALUE_BYTES} bytes to {SERVERS} servers on this machine, durable on a majority.");
    Runtime::new()?.block_on(load::measure(&group, clients))?;
    Ok("It keeps old versions, and its clients speak gRPC: neither does `store`.".to_owned())
}

impl Target for Group {
    type Client = Client;

    async fn connect(&self, count: usize) -> Result<Vec<Client>, Failed> {
        let (leader, _) = self.settle()?;
        let mut connections = Vec::new();
        for _ in 0..count.min(CONNECTIONS) {
            connections.push(Connection::open(self.ports[leader].0).await?);
        }
        Ok((0..count).map(|number| connections[number % connections.len()].client()).collect())
    }

    fn processes(&self) -> Vec<u32> {
        self.children.iter().flatten().map(Child::id).collect()
    }
}
