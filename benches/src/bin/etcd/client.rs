//! Clients of etcd: `Put` of its version 3, which is gRPC (a message with its length before it, by HTTP/2).

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response, Uri};
use rafttree_benches::load;
use rafttree_benches::load::KEYS;
use tokio::net::TcpStream;

/// Of a connection, and of each of its streams: no answer waits for it.
const WINDOW_BYTES: u32 = 1 << 20;

/// The fields of `PutRequest` in the encoding of protobuf: their numbers, and that bytes follow.
const KEY_FIELD: u8 = 1 << 3 | 2;
const VALUE_FIELD: u8 = 2 << 3 | 2;

/// A connection, on which each request is a stream of its own.
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    uri: Uri,
}

/// One of the clients that share a connection.
pub(super) struct Client {
    sender: SendRequest<Bytes>,
    uri: Uri,
}

impl Connection {
    pub(super) async fn open(port: u16) -> io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let mut settings = h2::client::Builder::new();
        settings.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        let (sender, connection) = settings.handshake(stream).await.map_err(io::Error::other)?;
        // It ends when the last client is gone; an error of it is an error of their requests.
        tokio::spawn(connection);
        let uri = format!("http://127.0.0.1:{port}/etcdserverpb.KV/Put").parse().map_err(io::Error::other)?;
        Ok(Connection { sender, uri })
    }

    pub(super) fn client(&self) -> Client {
        Client { sender: self.sender.clone(), uri: self.uri.clone() }
    }
}

impl load::Client for Client {
    async fn request(&mut self, key: u32, value: &[u8]) -> io::Result<()> {
        self.call(message(&format!("k{:05}-{:04}", key / KEYS, key % KEYS), value)).await.map_err(io::Error::other)?
    }
}

impl Client {
    /// Sends the request, and waits for the end of its answer.
    async fn call(&self, message: Bytes) -> Result<io::Result<()>, h2::Error> {
        let request =
            Request::post(self.uri.clone()).header("content-type", "application/grpc").header("te", "trailers");
        let request = request.body(()).expect("it has all that a request has");
        let (answer, mut body) = self.sender.clone().ready().await?.send_request(request, false)?;
        body.send_data(message, true)?;
        let answer = answer.await?;
        // A refusal has its status here, and no trailers.
        let refused = is_refused(answer.headers());
        Ok(if refused { Err(refusal(&answer)) } else { end(answer).await? })
    }
}

/// The end of an answer: its status comes last.
async fn end(answer: Response<h2::RecvStream>) -> Result<io::Result<()>, h2::Error> {
    let mut body = answer.into_body();
    let mut length = 0;
    while let Some(data) = body.data().await {
        let data = data?;
        length += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let is_done = 0 < length && trailers.get("grpc-status").is_some_and(|status| status == "0");
    Ok(if is_done { Ok(()) } else { Err(io::Error::other(format!("a put was not answered: {trailers:?}"))) })
}

fn is_refused(headers: &HeaderMap) -> bool {
    headers.get("grpc-status").is_some_and(|status| status != "0")
}

fn refusal(answer: &Response<h2::RecvStream>) -> io::Error {
    io::Error::other(format!("a put was refused: {} {:?}", answer.status(), answer.headers()))
}

/// A `PutRequest`, with what gRPC has before it: that it is not compressed, and its length.
fn message(key: &str, value: &[u8]) -> Bytes {
    let mut fields = BytesMut::new();
    for (field, bytes) in [(KEY_FIELD, key.as_bytes()), (VALUE_FIELD, value)] {
        fields.put_u8(field);
        put_varint(&mut fields, bytes.len());
        fields.put_slice(bytes);
    }
    let mut message = BytesMut::with_capacity(5 + fields.len());
    message.put_u8(0);
    message.put_u32(fields.len() as u32);
    message.put_slice(&fields);
    message.freeze()
}

/// Seven bits at a time, from the lowest on, each but the last with a mark.
fn put_varint(out: &mut BytesMut, mut number: usize) {
    while 0x80 <= number {
        out.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}
