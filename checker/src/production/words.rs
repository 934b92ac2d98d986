//! What happened to a server that ran, in the words of the scenario language.

use rafttree_model::digest::Digest;
use rafttree_model::trace::Call;
use rafttree_model::{Entry, Envelope, Event, Node, Output, Payload, Range, ServerId, Slice};

use crate::trace::language::{self, Words};
use crate::world::{Letter, Tag};

/// The tag that stands for a payload: commands with other digests have other tags, but for one in four
/// billion.
pub(crate) fn tag(Digest(digest): Digest) -> Tag {
    Tag(ServerId::new((digest ^ digest >> 32) as u32))
}

pub(crate) fn tagged(entry: &Entry<Digest>) -> Entry<Tag> {
    let payload = match entry.payload {
        Payload::Blank => Payload::Blank,
        Payload::Command(digest) => Payload::Command(tag(digest)),
    };
    Entry { position: entry.position, payload }
}

/// What happens to a server by this call.
pub(crate) fn call(id: ServerId, call: &Call) -> String {
    match call {
        Call::Step(event) => language::event(id, &with_tags(event)),
        Call::Own => format!("deliver {id}->{id} (what it has sent itself)"),
        Call::Propose(commands) => format!("propose {id} ({} commands)", commands.len()),
        Call::Write => format!("write {id}"),
        Call::Flushed => format!("flush {id}"),
    }
}

fn with_tags(event: &Event<Digest>) -> Event<Tag> {
    match event {
        Event::ElectionTimeout => Event::ElectionTimeout,
        Event::HeartbeatTimeout => Event::HeartbeatTimeout,
        Event::MinimumTimeout => Event::MinimumTimeout,
        Event::Receive(envelope) => Event::Receive(letter(envelope)),
        Event::Propose(command) => Event::Propose(tag(*command)),
        Event::Snapshotted(index) => Event::Snapshotted(*index),
        Event::Transfer(to) => Event::Transfer(*to),
        Event::StepDown => Event::StepDown,
    }
}

/// The message with tags for its commands.
pub(crate) fn letter(envelope: &Envelope<Slice<Digest>>) -> Letter {
    let tagged = |slice: Slice<Digest>| Slice::new(slice.previous(), slice.entries().iter().map(tagged).collect());
    envelope.clone().with_entries(tagged).expect("the same entries follow one another")
}

/// What a server is, in a line.
pub(crate) fn server(node: &Node) -> String {
    let vote = node.vote().map_or("no vote".to_owned(), |vote| format!("votes {vote}"));
    let (term, last, commit) = (node.term(), node.log().last(), node.commit());
    format!("{}, term {term}, {vote}, log up to {last}, commits {commit}", language::role(node.role()))
}

/// What a server does.
pub(crate) fn output(output: &Output) -> String {
    match output {
        Output::Send(envelope) => format!("sends {}", sent(envelope)),
        Output::Restart(timers) => format!("restarts the timers of a {timers:?}").to_lowercase(),
        Output::Accepted(position) => format!("accepts {position}"),
        Output::Refused => "refuses a command".to_owned(),
        Output::Committed(index) => format!("commits {index}"),
        Output::Restored(last) => format!("takes over the snapshot up to {last}"),
        Output::Round { round, .. } => format!("begins round {round}"),
        Output::Heard { follower, round } => format!("has heard {follower} in round {round}"),
        Output::Confirmed(round) => format!("confirms round {round}"),
        Output::Leading(term) => format!("leads in term {term}"),
        Output::Yielded(term) => format!("leads no longer in term {term}"),
    }
}

fn sent(envelope: &Envelope<Range>) -> String {
    let mut range = None;
    let none = |sent: Range| {
        range = Some(sent);
        Slice::new(sent.previous, Vec::new())
    };
    let Some(letter) = envelope.with_entries(none) else { return String::new() };
    let words = Words::<Letter>(&letter).to_string();
    match range {
        Some(Range { last, .. }) => words.replace("[]", &format!("up to {last}")),
        None => words,
    }
}
