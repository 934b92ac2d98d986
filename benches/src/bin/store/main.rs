//! What a replicated store of this library bears: commands a second and how long each takes, with real processes and real
//! flushes, and what it costs when a server comes back that is far behind.
//!
//! `cargo run --release -p rafttree-benches --features servers --bin store -- load 1 64 256`
//!
//! Three servers on this machine, and so many clients, each with a connection of its own to the leader and one request in
//! flight: puts of 256 bytes, as `etcd` is given them by the programs that measure it.
//!
//! `... --bin store -- behind 1000000000`
//!
//! A server is killed, so many bytes are put in values of 16 KiB, and it is started again under the same load.
//!
//! Client and servers share the machine. A put is answered when a majority has it on its disks and the leader has
//! applied it.

mod behind;

mod client;

mod group;

mod load;

mod server;

use std::error::Error;
use std::process::ExitCode;

type Failed = Box<dyn Error + Send + Sync>;

const USAGE: &str = "store: give `load` and numbers of clients, such as `load 1 64 256`, or `behind` and bytes, such as \
                     `behind 1000000000`";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments[..] {
        ["serve", id, root, ports] => server::serve(id, root, ports).await,
        ["load", ref clients @ ..] if !clients.is_empty() => match numbers(clients) {
            Some(clients) => load::measure(&clients).await,
            None => return usage(),
        },
        ["behind", bytes] => match bytes.parse() {
            Ok(bytes) => behind::measure(bytes).await,
            Err(_) => return usage(),
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

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn numbers(texts: &[&str]) -> Option<Vec<usize>> {
    texts.iter().map(|text| text.parse().ok().filter(|&number| 0 < number)).collect()
}
