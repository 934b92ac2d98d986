//! A client: one connection, one request in flight.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

use super::server::ASKS_STATUS;

pub(super) struct Client(BufStream<TcpStream>);

/// What a server says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Status {
    pub(super) leads: bool,
    pub(super) commit: u64,
    pub(super) applied: u64,
}

impl Client {
    pub(super) async fn connect(port: u16) -> io::Result<Client> {
        let connection = TcpStream::connect(("127.0.0.1", port)).await?;
        connection.set_nodelay(true)?;
        Ok(Client(BufStream::new(connection)))
    }

    /// Puts a value, and waits until that is answered. An error if it may not have been committed.
    pub(super) async fn put(&mut self, key: u32, value: &[u8]) -> io::Result<()> {
        let Client(connection) = self;
        connection.write_u32(key).await?;
        connection.write_u32(u32::try_from(value.len()).map_err(io::Error::other)?).await?;
        connection.write_all(value).await?;
        connection.flush().await?;
        match connection.read_u8().await? {
            1 => Ok(()),
            _ => Err(io::Error::other("a put was not answered")),
        }
    }

    pub(super) async fn status(&mut self) -> io::Result<Status> {
        let Client(connection) = self;
        connection.write_u64(ASKS_STATUS.into()).await?;
        connection.flush().await?;
        let leads = connection.read_u64().await? == 1;
        Ok(Status { leads, commit: connection.read_u64().await?, applied: connection.read_u64().await? })
    }
}
