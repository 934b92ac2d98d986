//! One server: a map in memory, and clients that put values into it over TCP.
//!
//! A request is a key and a length, four bytes each, and so many bytes; the answer is one byte. Some lengths ask for
//! something else: the server's status, which is three numbers of eight bytes, or the value of the key, of which the length
//! and the bytes follow that byte.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use rafttree::{Node, Replica, Serialized, Snapshot, StateMachine};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};

use super::Failed;

/// In the place of a length.
pub(super) const ASKS_STATUS: u32 = u32::MAX;
pub(super) const ASKS_READ: u32 = u32::MAX - 1;
pub(super) const ASKS_STALE_READ: u32 = u32::MAX - 2;

/// Values are no longer than this.
const MAX_VALUE_BYTES: u32 = 1 << 20;

#[derive(Clone, Default, Deserialize, Serialize)]
struct Store(BTreeMap<u32, Bytes>);

impl Store {
    fn get(&self, key: u32) -> Bytes {
        self.0.get(&key).cloned().unwrap_or_default()
    }
}

impl StateMachine for Store {
    type Command = (u32, Bytes);
    type Answer = ();

    fn apply(&mut self, (key, value): (u32, Bytes)) {
        self.0.insert(key, value);
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(self.clone()))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Store> {
        Serialized::read(from)
    }
}

/// Serves until the process is ended. The first of the ports is that of server 1 for clients, and so on; then come
/// those of the servers for each other.
pub(super) async fn serve(id: &str, root: &str, ports: &str, trace: Option<&str>) -> Result<(), Failed> {
    let id: usize = id.parse()?;
    let ports: Vec<u16> = ports.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let (for_clients, for_servers) = ports.split_at(ports.len() / 2);
    let address = |id: usize| format!("127.0.0.1:{}", for_servers[id - 1]);
    let mut node = Node::builder(Path::new(root).join(id.to_string())).listen(address(id));
    for peer in (1..=for_servers.len()).filter(|&peer| peer != id) {
        node = node.peer(u32::try_from(peer)?, address(peer));
    }
    if let Some(trace) = trace {
        node = node.trace(trace);
    }
    let replica = node.machine(Store::default()).start().await?;
    let listener = TcpListener::bind(("127.0.0.1", for_clients[id - 1])).await?;
    loop {
        let (connection, _) = listener.accept().await?;
        // A client that is gone needs no answer.
        tokio::spawn(answer(connection, replica.clone()));
    }
}

async fn answer(connection: TcpStream, replica: Replica<Store>) -> Result<(), Failed> {
    connection.set_nodelay(true)?;
    let mut connection = BufStream::new(connection);
    loop {
        let (key, length) = (connection.read_u32().await?, connection.read_u32().await?);
        match length {
            ASKS_STATUS => tell_status(&mut connection, &replica).await?,
            ASKS_READ => {
                let found = replica.read(move |store| store.get(key)).await;
                tell_value(&mut connection, found.ok()).await?;
            }
            ASKS_STALE_READ => {
                let found = replica.read_stale(move |store| store.get(key)).await;
                tell_value(&mut connection, found.ok()).await?;
            }
            length => {
                let mut value = vec![0; length.min(MAX_VALUE_BYTES) as usize];
                connection.read_exact(&mut value).await?;
                let is_done = replica.propose((key, value.into())).await.is_ok();
                connection.write_u8(is_done.into()).await?;
            }
        }
        connection.flush().await?;
    }
}

async fn tell_status(connection: &mut BufStream<TcpStream>, replica: &Replica<Store>) -> Result<(), Failed> {
    let status = replica.status().await?;
    let leads = u64::from(replica.leader().borrow().leader == Some(replica.id()));
    for number in [leads, status.protocol.commit.number(), status.applied.number()] {
        connection.write_u64(number).await?;
    }
    Ok(())
}

/// A key without a value has one without bytes.
async fn tell_value(connection: &mut BufStream<TcpStream>, found: Option<Bytes>) -> Result<(), Failed> {
    connection.write_u8(found.is_some().into()).await?;
    if let Some(value) = found {
        connection.write_u32(u32::try_from(value.len())?).await?;
        connection.write_all(&value).await?;
    }
    Ok(())
}
