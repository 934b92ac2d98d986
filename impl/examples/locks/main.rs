//! A replicated lock service over HTTP, with leases and fencing tokens, on three servers:
//!
//! ```sh
//! cargo run --release -p rafttree --example locks -- --local 3
//! ```

#[path = "../kv/local.rs"]
mod local;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use rafttree::{Leadership, ProposeError, Replica, Serialized, Session, Snapshot, StateMachine, Then};
use serde::{Deserialize, Serialize};

const ABOUT: &str = "A replicated lock service over HTTP.";

const HELP: &str = "\
Server 1 answers on port 8001, server 2 on 8002, and so on; each answers whatever the others do, as long as a \
majority runs. A lease is so many ticks, of which the leader proposes ten a second. A lock answers its owner, its \
fence and the tick at which it is free again. These lines, one after the other within a minute, answer in a new group of \
three:

  curl -X POST '127.0.0.1:8001/locks/x?owner=me&ticks=600'
      {\"owner\":\"me\",\"fence\":1,\"until\":…}: acquires it
  curl -X POST '127.0.0.1:8002/locks/x?owner=you&ticks=600'
      {\"owner\":\"me\",\"fence\":1,\"until\":…}, status 409: another one has it
  curl -X PUT '127.0.0.1:8002/locks/x?fence=1&ticks=600'
      {\"owner\":\"me\",\"fence\":1,\"until\":…}: renews the lease; status 409 if it is over
  curl 127.0.0.1:8001/locks/x
      {\"owner\":\"me\",\"fence\":1,\"until\":…}: who has it
  curl -X DELETE '127.0.0.1:8003/locks/x?fence=1'
      null: releases it
  curl 127.0.0.1:8001/locks/x
      null, status 404: nobody has it
  curl 127.0.0.1:8001/leader
      1, 2 or 3: who leads

Send the fence with everything that is done under the lock, and let the protected resource refuse smaller ones: \
it alone stops an owner that was paused for longer than its lease.
";

/// Between two ticks, while there is a leader.
const TICK: Duration = Duration::from_millis(100);

/// The locks that somebody has. Time is a number of ticks in the log, and no clock is read here: so every
/// server frees a lock at the same place.
#[derive(Clone, Default, Deserialize, Serialize)]
struct Locks {
    now: u64,
    fence: u64,
    held: BTreeMap<String, Lock>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Lock {
    owner: String,
    /// Greater than that of any lock before.
    fence: u64,
    /// The tick at which it is free.
    until: u64,
}

#[derive(Deserialize, Serialize)]
enum Command {
    /// The next tick after this one: two who propose the same are one tick.
    Tick(u64),
    /// Who has the lock already keeps its fence: it may have missed the answer.
    Acquire {
        name: String,
        owner: String,
        ticks: u64,
    },
    Renew {
        name: String,
        fence: u64,
        ticks: u64,
    },
    Release {
        name: String,
        fence: u64,
    },
}

impl StateMachine for Locks {
    type Command = Command;
    /// The lock after the command, if somebody has it then.
    type Answer = Option<Lock>;

    fn apply(&mut self, command: Command) -> Option<Lock> {
        match command {
            Command::Tick(after) => {
                self.now += u64::from(after == self.now);
                self.held.retain(|_, lock| self.now < lock.until);
                None
            }
            Command::Acquire { name, owner, ticks } => {
                let until = self.now.saturating_add(ticks);
                let lock = self.held.entry(name).or_insert_with(|| {
                    self.fence += 1;
                    Lock { owner: owner.clone(), fence: self.fence, until }
                });
                if lock.owner == owner {
                    lock.until = lock.until.max(until);
                }
                Some(lock.clone())
            }
            Command::Renew { name, fence, ticks } => {
                let lock = self.held.get_mut(&name)?;
                if lock.fence == fence {
                    lock.until = lock.until.max(self.now.saturating_add(ticks));
                }
                Some(lock.clone())
            }
            Command::Release { name, fence } => {
                if self.held.get(&name)?.fence == fence {
                    self.held.remove(&name);
                }
                self.held.get(&name).cloned()
            }
        }
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(self.clone()))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Locks> {
        Serialized::read(from)
    }
}

/// Proposes in sessions: a command that is proposed again after a failure is applied once. Otherwise an old
/// attempt could acquire a lock that its owner has released by then.
#[derive(Clone)]
struct Service {
    replica: Replica<Locks>,
    idle: Arc<Mutex<Vec<Session<Locks>>>>,
}

impl Service {
    async fn propose(&self, command: Command) -> Result<Option<Lock>, ProposeError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let session = idle().pop();
        let mut session = match session {
            Some(session) => session,
            None => self.replica.session().await?,
        };
        let answer = session.propose(command).await?;
        idle().push(session);
        Ok(answer)
    }
}

type Answer = Result<(StatusCode, Json<Option<Lock>>), (StatusCode, String)>;

async fn change(
    State(service): State<Service>,
    method: Method,
    Path(name): Path<String>,
    Query(how): Query<HashMap<String, String>>,
) -> Answer {
    let number = |field: &str| how.get(field).and_then(|number| number.parse::<u64>().ok());
    let (owner, fence, ticks) = (how.get("owner").cloned(), number("fence"), number("ticks"));
    let command = match (method, owner.clone(), fence, ticks) {
        (Method::POST, Some(owner), None, Some(ticks)) => Command::Acquire { name, owner, ticks },
        (Method::PUT, None, Some(fence), Some(ticks)) => Command::Renew { name, fence, ticks },
        (Method::DELETE, None, Some(fence), None) => Command::Release { name, fence },
        _ => return Err((StatusCode::BAD_REQUEST, HELP.to_owned())),
    };
    let is_released = matches!(command, Command::Release { .. });
    let lock = service.propose(command).await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let is_ours = |lock: &Lock| Some(&lock.owner) == owner.as_ref() || Some(lock.fence) == fence;
    let is_done = lock.as_ref().map_or(is_released, is_ours);
    Ok((if is_done { StatusCode::OK } else { StatusCode::CONFLICT }, Json(lock)))
}

async fn read(State(service): State<Service>, Path(name): Path<String>) -> Answer {
    let lock = service.replica.read(move |locks| locks.held.get(&name).cloned()).await;
    let lock = lock.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok((if lock.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND }, Json(lock)))
}

/// Lets time pass while this server leads.
async fn keep_time(replica: Replica<Locks>) {
    let node = (*replica).clone();
    let ended = node.lead(async move |leadership: Leadership| {
        while leadership.bound(tick(&replica)).await.is_ok() {}
        Ok::<_, Infallible>(Then::Resign)
    });
    if let Err(error) = ended.await {
        eprintln!("time stands still: {error}");
    }
}

async fn tick(replica: &Replica<Locks>) {
    tokio::time::sleep(TICK).await;
    if let Ok(now) = replica.read_stale(|locks| locks.now).await {
        // Where it fails, time has not passed.
        let _ = replica.propose(Command::Tick(now)).await;
    }
}

fn main() -> std::process::ExitCode {
    local::run(|replica| {
        tokio::spawn(keep_time(replica.clone()));
        Router::new()
            .route("/locks/{name}", get(read).post(change).put(change).delete(change))
            .with_state(Service { replica, idle: Arc::default() })
    })
}
