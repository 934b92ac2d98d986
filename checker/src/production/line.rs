//! One server's trace, replayed: each call is made again, and what comes of it compared.

use std::collections::VecDeque;

use rafttree_model::digest::Digest;
use rafttree_model::replayed::Outcome;
use rafttree_model::trace::{Call, Digests, Ending, Origin, Step};
use rafttree_model::{ServerId, Term, Traced};

use crate::production::chart::Past;
use crate::production::file::{Item, Place, TraceFile, Unreadable};
use crate::production::words;
use crate::search::panics;

/// A step that the deployed code does not take.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) id: ServerId,
    pub(crate) place: Place,
    /// Nanoseconds since the part began.
    pub(crate) after: u64,
    /// What happened.
    pub(crate) call: String,
    /// The server before.
    pub(crate) before: String,
    /// What the deployed code makes of it.
    pub(crate) expected: Vec<String>,
    /// How the recorded digests differ from its.
    pub(crate) found: String,
}

/// How a part of a trace ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// It says so.
    Marked(Ending),
    /// It breaks off, and so many bytes are of a step that is not whole.
    Cut { left: u64 },
}

/// What has happened to a server.
#[derive(Debug)]
pub(crate) enum Happened {
    /// It has started.
    Started,
    /// A call was made again: its outcome is at hand.
    Called(Call),
    /// A part of its trace has ended.
    Ended(End),
}

/// Why the trace of a server is replayed no further.
#[derive(Debug)]
pub(crate) enum Stop {
    Unreadable(Unreadable),
    Differs(Box<Difference>),
}

impl From<Unreadable> for Stop {
    fn from(unreadable: Unreadable) -> Stop {
        Stop::Unreadable(unreadable)
    }
}

/// One server's trace as it is replayed.
pub(crate) struct Line {
    file: TraceFile,
    /// Files of later starts.
    later: VecDeque<(TraceFile, Origin)>,
    /// What comes next, or why it cannot be read.
    next: Option<Result<Item, Unreadable>>,
    /// Where the last item stands.
    pub(crate) last: Place,
    /// When the server's first start was of which there is a trace, and whether it had run before.
    pub(crate) first_began: u64,
    pub(crate) began_late: bool,
    /// When the last step was, in nanoseconds since 1970, by the server's clock.
    pub(crate) now: u64,
    pub(crate) origin: Origin,
    pub(crate) server: Traced<Digest>,
    /// What came of the last call.
    pub(crate) outcome: Outcome,
    /// Whether the last call has changed the server's state.
    pub(crate) has_changed: bool,
    /// Digest of the server's state, once a call was made.
    state: Option<u64>,
    pub(crate) past: Past,
    pub(crate) steps: u64,
    pub(crate) parts: u64,
    /// How each part ended that did not end in order, and where that was.
    pub(crate) cuts: Vec<(Place, End)>,
}

impl Line {
    /// The traces of one server, of which there is at least one: each file with how the server started first in
    /// it, in the order of those starts.
    pub(crate) fn new(mut files: VecDeque<(TraceFile, Origin)>) -> Option<Line> {
        let (file, origin) = files.pop_front()?;
        Some(Line {
            last: file.place().clone(),
            file,
            later: files,
            next: Some(Ok(Item::Origin(Box::new(origin.clone())))),
            first_began: origin.began,
            began_late: origin.durable.term() != Term::default(),
            now: origin.began,
            server: Traced::replaying(origin.clone()),
            origin,
            outcome: Outcome::default(),
            has_changed: true,
            state: None,
            past: Past::default(),
            steps: 0,
            parts: 0,
            cuts: Vec::new(),
        })
    }

    pub(crate) fn id(&self) -> ServerId {
        self.origin.id
    }

    /// When what comes next was, by the server's clock; nothing if nothing comes.
    pub(crate) fn next_time(&self) -> Option<u64> {
        Some(match self.next.as_ref()? {
            Ok(Item::Origin(origin)) => origin.began,
            Ok(Item::Step(step)) => self.now.saturating_add(step.after),
            Ok(Item::Ending(_) | Item::Cut { .. }) | Err(_) => self.now,
        })
    }

    /// What is called next, if a call comes next.
    pub(crate) fn next_call(&self) -> Option<&Call> {
        if let Some(Ok(Item::Step(step))) = &self.next { Some(&step.call) } else { None }
    }

    /// Where in its file what comes next stands.
    pub(crate) fn next_place(&self) -> &Place {
        self.file.place()
    }

    /// It is followed no further.
    pub(crate) fn leave(&mut self) {
        self.next = None;
        self.later.clear();
    }

    /// Goes on by one step, start or end; nothing, where the trace has ended.
    pub(crate) fn advance(&mut self) -> Result<Option<Happened>, Stop> {
        let Some(item) = self.next.take().transpose()? else { return Ok(None) };
        self.last.clone_from(self.file.place());
        let happened = match item {
            Item::Origin(origin) => self.start(*origin)?,
            Item::Step(step) => self.step(step)?,
            Item::Ending(Ending::Stopped) => Happened::Ended(End::Marked(Ending::Stopped)),
            Item::Ending(ending) => self.end(End::Marked(ending)),
            Item::Cut { left } => self.end(End::Cut { left }),
        };
        self.next = self.file.next().transpose();
        if self.next.is_none()
            && let Some((file, origin)) = self.later.pop_front()
        {
            (self.file, self.next) = (file, Some(Ok(Item::Origin(Box::new(origin)))));
        }
        Ok(Some(happened))
    }

    fn start(&mut self, origin: Origin) -> Result<Happened, Unreadable> {
        let is_same = |of: &Origin| (of.group, of.id, of.members);
        if is_same(&origin) != is_same(&self.origin) {
            return Err(Unreadable(format!(
                "{}: here begins a trace of {}, and before it stands one of {}: give each server of each group its own \
                 file",
                self.last,
                named(&origin),
                named(&self.origin)
            )));
        }
        self.now = origin.began;
        self.parts += 1;
        self.state = None;
        self.server = Traced::replaying(origin.clone());
        self.origin = origin;
        Ok(Happened::Started)
    }

    fn end(&mut self, end: End) -> Happened {
        self.cuts.push((self.last.clone(), end));
        Happened::Ended(end)
    }

    fn step(&mut self, step: Step) -> Result<Happened, Stop> {
        let Step { after, call, digests } = step;
        let before = self.server.node().clone();
        let made = panics::caught(|| self.server.replay(call.clone(), &mut self.outcome));
        self.now = self.now.saturating_add(after);
        self.steps += 1;
        if matches!(&made, Ok(Some(here)) if *here == digests) {
            self.has_changed = self.state.replace(digests.state) != Some(digests.state);
            return Ok(Happened::Called(call));
        }
        let found = match made {
            Ok(Some(here)) => compared(here, digests),
            Ok(None) => "such a step cannot be here: nothing waits to be heard, written or flushed".to_owned(),
            Err(panic) => format!("the deployed code panics here: {panic}"),
        };
        let mut expected: Vec<String> = self.outcome.outputs.iter().map(words::output).collect();
        expected.push(format!("is then: {}", words::server(self.server.node())));
        Err(Stop::Differs(Box::new(Difference {
            id: self.id(),
            place: self.last.clone(),
            after: self.now.saturating_sub(self.origin.began),
            call: words::call(self.id(), &call),
            before: words::server(&before),
            expected,
            found,
        })))
    }
}

/// A server of a group, for people.
pub(crate) fn named(origin: &Origin) -> String {
    let ids: Vec<String> = origin.members.ids().map(|id| id.to_string()).collect();
    format!("server {} of group {:08x} ({})", origin.id, origin.group >> 32, ids.join(", "))
}

fn compared(here: Digests, found: Digests) -> String {
    match (here.effects == found.effects, here.state == found.state) {
        (false, true) => "the state after it is the same, but the server asked for something else",
        (true, false) => "the server asked for the same, but its state after it was another",
        _ => "the server asked for something else, and its state after it was another",
    }
    .to_owned()
}
