//! A replicated key-value store over HTTP, on three servers, each of them a process:
//!
//! ```sh
//! cargo run --release -p rafttree --example kv -- --local 3
//! ```
//!
//! This file is all that a service writes itself; `local.rs` starts processes.

mod local;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use rafttree::{Replica, Serialized, Snapshot, StateMachine};
use serde::{Deserialize, Serialize};

const ABOUT: &str = "A replicated key-value store over HTTP.";

const HELP: &str = "\
Server 1 answers on port 8001, server 2 on 8002, and so on (--port chooses others); each answers whatever the others \
do, as long as a majority runs. These lines, one after the other, answer in a new group of three:

  curl -X PUT 127.0.0.1:8001/kv/x -d one
      null: sets a value, and answers the one before
  curl 127.0.0.1:8002/kv/x
      \"one\": reads it, linearizably, on any server
  curl '127.0.0.1:8003/kv/x?stale'
      \"one\" by and by: what that server has
  curl -X PUT '127.0.0.1:8001/kv/x?expected=one' -d two
      \"one\": compares and sets
  curl -X PUT '127.0.0.1:8002/kv/x?expected=one' -d six
      \"two\", status 409: the value is another, and stays
  curl -X PUT '127.0.0.1:8001/kv/y?absent' -d one
      null: sets it only if there is none
  curl -X PUT '127.0.0.1:8001/kv/y?absent' -d two
      \"one\", status 409: there is one
  curl -X DELETE 127.0.0.1:8003/kv/x
      \"two\": removes it, and answers the one before
  curl 127.0.0.1:8001/kv/x
      null, status 404: there is none
  curl 127.0.0.1:8001/leader
      1, 2 or 3: who leads
  curl '127.0.0.1:8001/leader?not=2'
      1 or 3: waits until another server than 2 leads
";

#[derive(Clone, Default, Deserialize, Serialize)]
struct Kv(BTreeMap<String, String>);

/// A key gets a value, or loses it; only if it has the expected one, where there is something expected.
#[derive(Deserialize, Serialize)]
struct Set {
    key: String,
    value: Option<String>,
    expected: Option<Option<String>>,
}

impl StateMachine for Kv {
    type Command = Set;
    /// The value before; an error if another one was expected.
    type Answer = Result<Option<String>, Option<String>>;

    fn apply(&mut self, Set { key, value, expected }: Set) -> Self::Answer {
        let before = self.0.get(&key).cloned();
        if expected.is_some_and(|expected| expected != before) {
            return Err(before);
        }
        match value {
            Some(value) => self.0.insert(key, value),
            None => self.0.remove(&key),
        };
        Ok(before)
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(self.clone()))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Kv> {
        Serialized::read(from)
    }
}

/// What stands behind the question mark.
type How = Query<HashMap<String, String>>;
type Server = State<Replica<Kv>>;
type Answer = Result<(StatusCode, Json<Option<String>>), (StatusCode, String)>;

async fn read(State(replica): Server, Path(key): Path<String>, how: How) -> Answer {
    let look = move |kv: &Kv| kv.0.get(&key).cloned();
    let value = if how.contains_key("stale") { replica.read_stale(look).await } else { replica.read(look).await };
    let value = value.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok((if value.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND }, Json(value)))
}

async fn set(State(replica): Server, method: Method, Path(key): Path<String>, how: How, body: String) -> Answer {
    let expected = if how.contains_key("absent") { Some(None) } else { how.get("expected").cloned().map(Some) };
    match replica.propose(Set { key, value: (method == Method::PUT).then_some(body), expected }).await {
        Ok(Ok(before)) => Ok((StatusCode::OK, Json(before))),
        Ok(Err(before)) => Ok((StatusCode::CONFLICT, Json(before))),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

fn main() -> std::process::ExitCode {
    local::run(|replica| Router::new().route("/kv/{key}", get(read).put(set).delete(set)).with_state(replica))
}
