//! An election, and the next one: three servers in one process, on this machine.
//!
//! `cargo run -p rafttree --example election`

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rafttree::{ClusterId, Lost, Node, Then};
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = tempfile::tempdir()?;
    let cluster = ClusterId::random();
    let ports: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let addresses: BTreeMap<u32, String> =
        (1..).zip(&ports).map(|(id, port)| Ok((id, port.local_addr()?.to_string()))).collect::<std::io::Result<_>>()?;
    drop(ports);

    let (tell, mut told) = mpsc::unbounded_channel();
    let mut nodes = BTreeMap::new();
    for (&id, address) in &addresses {
        let mut builder = Node::builder(place.path().join(id.to_string())).id(id).init(cluster).listen(address);
        for (&peer, address) in addresses.iter().filter(|&(&peer, _)| peer != id) {
            builder = builder.peer(peer, address);
        }
        let node = builder.election_timeout(Duration::from_millis(300)).start().await?;
        let tell = tell.clone();
        // Whenever this server leads, it works until it should not any more.
        tokio::spawn(node.lead(async move |leadership| {
            tell.send((id, leadership.fence())).map_err(|_| Lost::Stopped)?;
            leadership.lost().await;
            Ok::<_, Lost>(Then::Resign)
        }));
        nodes.insert(id, node);
    }

    let (first, fence) = told.recv().await.ok_or("nobody leads")?;
    println!("server {first} leads, fence {fence}");
    let asked = Instant::now();
    nodes.remove(&first).ok_or("no such server")?.shutdown().await?;
    let (second, fence) = told.recv().await.ok_or("nobody leads")?;
    println!("server {first} was shut down; server {second} leads, fence {fence}, {:.1?} later", asked.elapsed());
    for node in nodes.into_values() {
        node.shutdown().await?;
    }
    Ok(())
}
