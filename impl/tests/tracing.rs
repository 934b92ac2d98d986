//! Reports of a server, as a subscriber of `tracing` gets them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rafttree::{ClusterId, Lost, Node, Then};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const DEADLINE: Duration = Duration::from_secs(20);

thread_local! {
    /// The spans that the thread is in.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// A subscriber that keeps what it gets.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// The field `id` of each span.
    spans: Vec<Option<u64>>,
    /// The message of each event, with the `id` of the span that it is in.
    events: Vec<(Option<u64>, String)>,
}

/// The fields that are looked for.
#[derive(Default)]
struct Fields {
    id: Option<u64>,
    message: String,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "id" {
            self.id = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

impl Subscriber for Reports {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rafttree")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        let spans = &mut self.0.lock().unwrap().spans;
        spans.push(fields.id);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.0.lock().unwrap().spans[span.into_u64() as usize - 1] = fields.id;
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Kept { spans, events } = &mut *self.0.lock().unwrap();
        let span = ENTERED.with_borrow(|entered| entered.last().copied());
        events.push((span.and_then(|span| spans[span as usize - 1]), fields.message));
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, _span: &Id) {
        ENTERED.with_borrow_mut(Vec::pop);
    }
}

#[tokio::test]
async fn each_report_of_a_server_is_in_a_span_with_its_id() {
    let reports = Reports::default();
    tracing::subscriber::set_global_default(reports.clone()).unwrap();
    for id in [7_u32, 8] {
        let root = tempfile::tempdir().unwrap();
        let node = Node::builder(root.path()).id(id).init(ClusterId::random()).start().await.unwrap();
        let lead = node.lead(async |_leadership| Ok::<_, Lost>(Then::Stop));
        tokio::time::timeout(DEADLINE, lead).await.unwrap().unwrap();
        node.shutdown().await.unwrap();
    }
    let events = &reports.0.lock().unwrap().events;
    for id in [7, 8] {
        for message in ["this server leads", "this server no longer leads", "the server was shut down"] {
            assert!(events.contains(&(Some(id), message.to_owned())), "{id}, {message}: {events:?}");
        }
    }
}
