//! The command line: one server, or several as processes on this machine.

use std::collections::HashMap;
use std::io;
use std::ops::Deref as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use rafttree::{ClusterId, Identity, Node, Replica, ServerId, StateMachine, StorageError};

#[derive(Parser)]
#[command(about = crate::ABOUT, after_help = crate::HELP)]
struct Options {
    /// Runs so many servers, each a process of its own, until this one is ended
    #[arg(long, value_name = "SERVERS", value_parser = clap::value_parser!(u32).range(1..=9), conflicts_with = "id")]
    local: Option<u32>,
    /// Runs this server alone
    #[arg(long, required_unless_present = "local")]
    id: Option<u32>,
    /// How many servers the group has
    #[arg(long, default_value_t = 3)]
    servers: u32,
    /// Where the servers have their data; kept from one start to the next
    #[arg(long, default_value = concat!(env!("CARGO_CRATE_NAME"), "-data"))]
    data: PathBuf,
    /// The port of server 1 for HTTP is one more than this; for the other servers 1000 more
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Keeps a trace of each server beside its data, for `rafttree-checker replay`
    #[arg(long)]
    trace: bool,
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Serves by these routes, as the command line says.
#[tokio::main]
pub(crate) async fn run<M: StateMachine + Default>(routes: fn(Replica<M>) -> Router) -> ExitCode {
    let options = Options::parse();
    let ended = match (options.local, options.id) {
        (Some(count), _) => run_local(&options, count).await,
        (None, Some(id)) => serve(&options, id, routes).await,
        (None, None) => unreachable!("one of the two is required"),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One server of the group.
async fn serve<M: StateMachine + Default>(
    options: &Options,
    id: u32,
    routes: fn(Replica<M>) -> Router,
) -> Result<(), Failed> {
    let raft = |id: u32| format!("127.0.0.1:{}", u32::from(options.port) + 1000 + id);
    let peers = (1..=options.servers).filter(|&peer| peer != id);
    let mut node = Node::builder(options.data.join(id.to_string())).listen(raft(id));
    if options.trace {
        node = node.trace(options.data.join(format!("{id}.trace")));
    }
    let replica = peers.fold(node, |node, peer| node.peer(peer, raft(peer))).machine(M::default()).start().await?;
    let address = format!("127.0.0.1:{}", u32::from(options.port) + id);
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| format!("{address}: {error}"))?;
    println!("server {id} answers on http://{address} (process {})", std::process::id());
    let end = replica.clone();
    let leader = Router::new().route("/leader", get(leader)).with_state(replica.deref().clone());
    tokio::select! {
        served = axum::serve(listener, routes(replica).merge(leader)) => served?,
        ended = end.closed() => ended?,
        () = told_to_end() => end.shutdown().await?,
    }
    Ok(())
}

/// The leader; with `?not=2` as soon as another server than 2 leads.
async fn leader(State(node): State<Node>, Query(how): Query<HashMap<String, String>>) -> Json<Option<ServerId>> {
    let (mut leader, not) = (node.leader(), how.get("not").and_then(|id| id.parse().ok()).map(ServerId::new));
    let known = leader.wait_for(|view| not.is_none() || view.leader.is_some() && view.leader != not).await;
    Json(known.ok().and_then(|view| view.leader))
}

/// All servers of the group, each a process, until this one is told to end.
async fn run_local(options: &Options, count: u32) -> Result<(), Failed> {
    let cluster = ClusterId::random();
    for id in 1..=count {
        match rafttree::init(options.data.join(id.to_string()), Identity { cluster, id: id.into() }) {
            Ok(_) | Err(StorageError::AlreadyInitialised { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut servers = (1..=count).map(|id| Ok((id, start(options, id, count)?))).collect::<io::Result<Vec<_>>>()?;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let ended = loop {
        tokio::select! {
            () = told_to_end() => break Ok(()),
            _ = ticks.tick() => {}
        }
        for (id, server) in &mut servers {
            if let Some(status) = server.try_wait()? {
                println!("server {id} has ended ({status}); it is started again");
                *server = start(options, *id, count)?;
            }
        }
    };
    for (_, server) in &mut servers {
        server.kill()?;
        server.wait()?;
    }
    ended
}

fn start(options: &Options, id: u32, count: u32) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--id", &id.to_string(), "--servers", &count.to_string(), "--port", &options.port.to_string()]);
    command.args(options.trace.then_some("--trace")).arg("--data").arg(&options.data).spawn()
}

async fn told_to_end() {
    // Where there is no such signal nobody sends it.
    let _ = tokio::signal::ctrl_c().await;
}
