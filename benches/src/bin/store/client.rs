//! A client: one connection, one request in flight.

use std::io;

use rafttree_benches::load;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

use super::server::{ASKS_READ, ASKS_STALE_READ, ASKS_STATUS};

/// What a client asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asks {
    Put,
    /// A linearizable read.
    Read,
    /// A read of what the server that is asked has applied.
    StaleRead,
}

pub(super) struct Client {
    connection: BufStream<TcpStream>,
    asks: Asks,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Status {
    pub(super) leads: bool,
    pub(super) commit: u64,
    pub(super) applied: u64,
}

impl Client {
    pub(super) async fn connect(port: u16, asks: Asks) -> io::Result<Client> {
        let connection = TcpStream::connect(("127.0.0.1", port)).await?;
        connection.set_nodelay(true)?;
        Ok(Client { connection: BufStream::new(connection), asks })
    }

    pub(super) async fn status(&mut self) -> io::Result<Status> {
        self.ask(0, ASKS_STATUS, &[]).await?;
        let connection = &mut self.connection;
        let leads = connection.read_u64().await? == 1;
        Ok(Status { leads, commit: connection.read_u64().await?, applied: connection.read_u64().await? })
    }

    async fn put(&mut self, key: u32, value: &[u8]) -> io::Result<()> {
        self.ask(key, u32::try_from(value.len()).map_err(io::Error::other)?, value).await?;
        self.hear("a put was not answered").await
    }

    async fn read(&mut self, key: u32, asks: u32) -> io::Result<()> {
        self.ask(key, asks, &[]).await?;
        self.hear("a read was not answered").await?;
        let length = self.connection.read_u32().await?;
        self.connection.read_exact(&mut vec![0; length as usize]).await.map(drop)
    }

    async fn ask(&mut self, key: u32, length: u32, value: &[u8]) -> io::Result<()> {
        self.connection.write_u32(key).await?;
        self.connection.write_u32(length).await?;
        self.connection.write_all(value).await?;
        self.connection.flush().await
    }

    async fn hear(&mut self, problem: &str) -> io::Result<()> {
        let is_done = self.connection.read_u8().await? == 1;
        if is_done { Ok(()) } else { Err(io::Error::other(problem)) }
    }
}

impl load::Client for Client {
    async fn request(&mut self, key: u32, value: &[u8]) -> io::Result<()> {
        match self.asks {
            Asks::Put => self.put(key, value).await,
            Asks::Read => self.read(key, ASKS_READ).await,
            Asks::StaleRead => self.read(key, ASKS_STALE_READ).await,
        }
    }
}
