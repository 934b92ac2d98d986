//! The explorer: a page of a system, concrete or in its quotient, on which everything that can happen next is a link.
//!
//! It is served to one person on one machine, keeps nothing between requests, and changes nothing.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::json;

mod walked;

mod concrete;

mod quotient;

mod walk;

mod seek;

mod page;

pub(crate) use quotient::NamedQuotient;
pub(crate) use walk::Walk;
use walked::Goal;
pub(crate) use walked::Walked;

#[cfg(test)]
mod tests;

/// The page has a style and nothing else that could be fetched or run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

#[derive(Deserialize)]
struct Asked {
    /// Numbers of actions, with dots between them.
    #[serde(default)]
    path: String,
    /// What to run to.
    until: Option<String>,
}

impl Asked {
    fn path(&self) -> Result<Vec<usize>, String> {
        let numbers = self.path.split('.').filter(|number| !number.is_empty());
        numbers.map(|number| number.parse().map_err(|_| format!("'{number}' is no number of an action"))).collect()
    }
}

/// Serves it to whoever connects, until the process ends.
pub(crate) fn serve<W: Walked>(walk: Walk<W>, listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener)?, router(walk)).await })
}

fn router<W: Walked>(walk: Walk<W>) -> Router {
    Router::new()
        .route("/", get(show::<W>))
        .route("/run", get(run::<W>))
        .route("/concrete", get(concrete::<W>))
        .route("/api/state", get(state::<W>))
        .with_state(Arc::new(walk))
}

async fn show<W: Walked>(State(walk): State<Arc<Walk<W>>>, Query(asked): Query<Asked>) -> Response {
    match asked.path().and_then(|path| walk.place(&path)) {
        Ok(place) => html(StatusCode::OK, page::page(&walk, &place, None)),
        Err(why) => html(StatusCode::NOT_FOUND, page::refusal(&why)),
    }
}

/// Goes to the first state that is sought, or says that none was met.
async fn run<W: Walked>(State(walk): State<Arc<Walk<W>>>, Query(asked): Query<Asked>) -> Response {
    let until = asked.until.clone().unwrap_or_default();
    let Some(goal) = Goal::named(&until) else {
        return html(StatusCode::NOT_FOUND, page::refusal(&format!("'{until}' is nothing to run to")));
    };
    let place = match asked.path().and_then(|path| walk.place(&path)) {
        Ok(place) => place,
        Err(why) => return html(StatusCode::NOT_FOUND, page::refusal(&why)),
    };
    let found = seek::run_to(&walk.system, &walk.state(&place), goal).and_then(|run| walk.after(&place, &run).ok());
    match found {
        Some(end) => Redirect::to(&page::link(&end.path)).into_response(),
        None => {
            let note = format!("none of the {} states nearest to this one is such a state", seek::MAX_STATES);
            html(StatusCode::OK, page::page(&walk, &place, Some(&note)))
        }
    }
}

/// A run of the concrete system that leads to the place, where that is another one.
async fn concrete<W: Walked>(State(walk): State<Arc<Walk<W>>>, Query(asked): Query<Asked>) -> Response {
    let place = asked.path().and_then(|path| walk.place(&path));
    let told = place.and_then(|place| {
        let run = walk.system.concrete(&walk.title, &place.steps);
        run.unwrap_or_else(|| Err("this is the concrete system".to_owned())).map(|chart| (place, chart))
    });
    match told {
        Ok((place, chart)) => html(StatusCode::OK, page::concrete(&place.path, &chart)),
        Err(why) => html(StatusCode::NOT_FOUND, page::refusal(&why)),
    }
}

/// The same for programs: the chart, and what can happen next.
async fn state<W: Walked>(State(walk): State<Arc<Walk<W>>>, Query(asked): Query<Asked>) -> Response {
    match asked.path().and_then(|path| walk.place(&path)) {
        Ok(place) => {
            Json(json!({"path": place.path, "chart": walk.chart(&place), "next": walk.choices(&place)})).into_response()
        }
        Err(why) => (StatusCode::NOT_FOUND, Json(json!({"error": why}))).into_response(),
    }
}

fn html(status: StatusCode, page: String) -> Response {
    (status, [(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response()
}
