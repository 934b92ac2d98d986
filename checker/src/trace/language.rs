//! States and steps in words: what a person reads in a counterexample, a scenario, the Explorer.

use std::fmt;

use rafttree_model::{End, Entry, Envelope, Event, Message, Payload, Position, Role, Round, ServerId, ServerSet};

use crate::system::Action;
use crate::trace::run::Step;
use crate::world::{Answer, Contact, Leadership, Letter, Observed, Server, Tag, Waiting, World};

/// What is said of a delivery of a message that is not sent in the same run.
pub(crate) const NOT_SENT: &str = " (possible, not sent above)";

/// What happens in a run, for people: each action, and below it only what it changed.
pub(crate) fn story(start: &World, steps: &[Step]) -> String {
    let before = std::iter::once(start).chain(steps.iter().map(|step| &step.world));
    let told = steps.iter().zip(before).map(|(step, before)| {
        let mark = if step.sent { "" } else { NOT_SENT };
        format!("{}{mark}\n{}", step.action, indented(&came_of(before, &step.world)))
    });
    told.collect()
}

pub(crate) fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

/// What a step changed, if it changed anything.
pub(crate) fn came_of(before: &World, after: &World) -> Vec<String> {
    if before == after { vec!["changes nothing".to_owned()] } else { changes(before, after) }
}

/// What a step changed, one line each: servers first, then what was sent.
pub(crate) fn changes(before: &World, after: &World) -> Vec<String> {
    changes_but(before, after, |_| false)
}

/// The same without what was sent and has arrived.
pub(crate) fn changes_but(before: &World, after: &World, has_arrived: impl Fn(&Letter) -> bool) -> Vec<String> {
    let changed = after.servers.iter().zip(&before.servers).filter(|(new, old)| new != old);
    let mut lines: Vec<_> = changed.map(|(new, old)| line(old, new)).collect();
    let sent = after.network.iter().filter(|letter| !before.network.contains(letter) && !has_arrived(letter));
    lines.extend(sent.map(|letter| format!("sends {}", Words::<Letter>(letter))));
    let told = after.leaderships.iter().filter(|leadership| !before.leaderships.contains(leadership));
    lines.extend(told.map(|leadership| format!("sends {}", leadership_words(leadership))));
    lines.extend(ends(before, after).map(|(id, of, end)| format!("tells the client of {of} at {id}: {end}")));
    lines.extend(of_reader(before, after));
    let newly = after.broken.iter().filter(|property| !before.broken.contains(*property));
    lines.extend(newly.map(|property| format!("BROKEN: {}", property.name())));
    lines
}

/// What clients are told of their proposals.
fn ends<'a>(before: &'a World, after: &'a World) -> impl Iterator<Item = (ServerId, Position, &'static str)> + 'a {
    let (was, is) = (&before.clients, &after.clients);
    let commits_more = |id: ServerId| before.server(id).node.commit() < after.server(id).node.commit();
    let is_untrue = |(id, entry): &(ServerId, Entry<Tag>)| {
        is.untrue.iter().any(|(of, position, _)| (of, *position) == (id, entry.position))
    };
    let ended = was.waiting.iter().filter(move |one| !is.waiting.contains(one) && !is_untrue(one));
    let known = ended.filter_map(move |&(id, entry)| match () {
        () if is.given_up.contains(&entry) => Some((id, entry.position, "not committed")),
        () if commits_more(id) => Some((id, entry.position, "committed")),
        () => None,
    });
    let untrue = is.untrue.iter().filter(|one| !was.untrue.contains(one));
    known.chain(untrue.map(|&(id, position, end)| (id, position, end_words(end))))
}

/// What becomes of the reader.
fn of_reader(before: &World, after: &World) -> Option<String> {
    let (was, is) = (&before.reads, &after.reads);
    match (was.ended, is.ended, was.waiting, is.waiting) {
        (None, Some((Answer::Served, reader)), ..) => {
            let Waiting { server, committed, applied } = reader;
            Some(format!("tells the reader at {server}: {applied} entries; {committed} were committed when it asked"))
        }
        (None, Some((Answer::Elsewhere, reader)), ..) => {
            Some(format!("tells the reader at {}: to ask elsewhere", reader.server))
        }
        (_, _, None, Some(reader)) => {
            Some(format!("{}: a reader waits, {} entries are committed", reader.server, reader.committed))
        }
        (_, _, Some(before), Some(now)) if before != now => Some(format!("{}: {} applied", now.server, now.applied)),
        _ => None,
    }
}

fn end_words(end: End) -> &'static str {
    match end {
        End::Committed => "committed",
        End::NotCommitted => "not committed",
        End::Unknown => "unknown",
    }
}

pub(crate) fn leadership_words(leadership: &Leadership) -> String {
    let Leadership { term, leader, entries, commit, round } = leadership;
    let entries = entries.as_slice();
    format!("{leader}->all term {term} append parts of {} commit up to {commit}{}", Words(&entries), Words(round))
}

/// Actions in few words, several a line.
pub(crate) fn short<'a>(actions: impl Iterator<Item = &'a Action>) -> Vec<String> {
    let words: Vec<_> = actions.map(in_few_words).collect();
    let mut lines = Vec::new();
    let mut line = String::new();
    for (at, word) in words.iter().enumerate() {
        let comma = if at + 1 < words.len() { "," } else { "" };
        if !line.is_empty() && WIDTH < line.len() + word.len() {
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(if line.is_empty() { ".. " } else { " " });
        line.push_str(word);
        line.push_str(comma);
    }
    lines.extend((!line.is_empty()).then_some(line));
    if lines.is_empty() { vec!["changes nothing".to_owned()] } else { lines }
}

/// How long a line with several actions may be.
const WIDTH: usize = 90;

fn in_few_words(action: &Action) -> String {
    let Action::Deliver(letter) = action else { return action.to_string() };
    let Envelope { from, to, message, .. } = &**letter;
    let all = Words::<Letter>(letter).to_string();
    let mut words = all.split_whitespace().skip(3);
    match message {
        Message::AppendRequest { entries, .. } => format!("{from}->{to} append {}", Words(&entries.entries())),
        Message::AppendReply { matched, .. } => format!("{from}->{to} appended up to {matched}"),
        _ => format!("{from}->{to} {}", words.next().unwrap_or_default()),
    }
}

fn line(old: &Server, new: &Server) -> String {
    let (before, after) = (facts(old), facts(new));
    let differing: Vec<_> = after.into_iter().filter(|fact| !before.contains(fact)).collect();
    let differing = if differing.is_empty() { unseen(old, new).to_owned() } else { differing.join(", ") };
    format!("{}: {differing}", new.node.id())
}

/// What has changed of a server of which the same is to be said as before.
fn unseen(old: &Server, new: &Server) -> &'static str {
    let held = |server: &Server| server.unsynced.iter().map(|step| step.held.len()).sum::<usize>();
    if held(old) < held(new) { "its answer waits for the disk" } else { "has heard of others" }
}

/// What there is to say of a server; a step's line shows those that are new.
fn facts(server: &Server) -> Vec<String> {
    let node = &server.node;
    let mut facts = vec![role(node.role()), format!("term {}", node.term())];
    facts.push(node.vote().map_or("no vote".into(), |vote| format!("votes {vote}")));
    facts.push(format!("log {}", Words(&&*server.entries)));
    facts.push(format!("commits {}", node.commit()));
    if let (Some(first), Some(last)) = (node.faulty().first(), node.faulty().last()) {
        facts.push(format!("cannot read {first} to {last}"));
    }
    let waiting: usize = server.unsynced.iter().map(|step| step.records.len()).sum();
    facts.push(if waiting == 0 { "all on disk".into() } else { format!("{waiting} records not on disk") });
    facts
}

/// All that there is to say of a server.
pub(crate) fn server(server: &Server) -> String {
    format!("{}: {}", server.node.id(), facts(server).join(", "))
}

/// What has reached a server, whether it remembers that or not.
pub(crate) fn observed(observed: &Observed) -> String {
    let Observed { granted, told, answered, target, contact } = observed;
    let contact = match contact {
        Contact::None => "no leader's word within the minimum timeout".to_owned(),
        Contact::Possible => "perhaps a leader's word within the minimum timeout".to_owned(),
        Contact::Leader(id) => format!("the word of leader {id}"),
    };
    let told = if *told { "asked by its leader to campaign" } else { "" };
    let transfer = target.map_or(String::new(), |to| format!("told to transfer leadership to {to}"));
    let sets = [("granted by", granted), ("answered by", answered)];
    let sets = sets.map(|(what, ids)| (what, ids.ids().collect::<ServerSet>()));
    let sets = sets.into_iter().filter(|(_, ids)| !ids.is_empty()).map(|(what, ids)| format!("{what} {}", set(&ids)));
    let all = [contact, told.to_owned(), transfer].into_iter().filter(|words| !words.is_empty()).chain(sets);
    all.collect::<Vec<_>>().join(", ")
}

/// What happens to a server, in the words of the scenario language.
pub(crate) fn event(id: ServerId, event: &Event<Tag>) -> String {
    match event {
        Event::ElectionTimeout => Action::ElectionTimeout(id).to_string(),
        Event::HeartbeatTimeout => Action::HeartbeatTimeout(id).to_string(),
        Event::MinimumTimeout => Action::MinimumTimeout(id).to_string(),
        Event::Receive(letter) => format!("deliver {}", Words::<Letter>(letter)),
        Event::Propose(_) => Action::Propose(id).to_string(),
        Event::Snapshotted(through) => Action::Snapshot { server: id, through: *through }.to_string(),
        Event::Transfer(to) => Action::Transfer { from: id, to: *to }.to_string(),
        Event::StepDown => Action::StepDown(id).to_string(),
    }
}

pub(crate) fn role(role: &Role) -> String {
    match role {
        Role::Follower { leader: Some(leader), .. } => format!("follows {leader}"),
        Role::Follower { leader: None, sticky: true } => "follows nobody, may have heard a leader recently".into(),
        Role::Follower { leader: None, sticky: false } => "follows nobody".into(),
        Role::PreCandidate { votes } => format!("pre-candidate {}", set(votes)),
        Role::Candidate { votes, transfer: false } => format!("candidate {}", set(votes)),
        Role::Candidate { votes, transfer: true } => format!("candidate by transfer {}", set(votes)),
        Role::Leader { progress, heard, transfer, round, confirmed } => {
            let progress: Vec<_> =
                progress.iter().map(|(id, it)| format!("{id}:{}->{}", it.matched, it.next)).collect();
            let transfer = transfer.map_or(String::new(), |to| format!(" transfer to {to}"));
            let rounds = match *round {
                Round::ZERO => String::new(),
                begun => format!(" round={begun} confirmed={confirmed}"),
            };
            format!("leader progress={{{}}} heard={}{transfer}{rounds}", progress.join(" "), set(heard))
        }
    }
}

fn set(servers: &ServerSet) -> String {
    let ids: Vec<_> = servers.ids().map(|id| id.to_string()).collect();
    format!("{{{}}}", ids.join(" "))
}

/// A whole state, a line for each server and for each message.
pub(crate) struct Picture<'a>(pub(crate) &'a World);

impl fmt::Display for Picture<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for server in &self.0.servers {
            writeln!(out, "{}: {}", server.node.id(), facts(server).join(", "))?;
            if !server.unsynced.is_empty() {
                let disk = &server.disk;
                let vote = disk.durable.vote().map_or("no vote".into(), |vote| format!("votes {vote}"));
                let log = Words(&&*disk.entries).to_string();
                writeln!(out, "   on disk: term {}, {vote}, log {log}", disk.durable.term())?;
            }
        }
        for (entry, term) in &self.0.history.committed {
            writeln!(out, "committed in term {term}: {}", Words(entry))?;
        }
        for leadership in self.0.leaderships.iter() {
            writeln!(out, "sent: {}", leadership_words(leadership))?;
        }
        self.0.network.iter().try_for_each(|letter| writeln!(out, "sent: {}", Words::<Letter>(letter)))
    }
}

/// What the Explorer shows of a state.
impl fmt::Debug for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Picture(self))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::ElectionTimeout(id) => write!(out, "election_timeout {id}"),
            Action::HeartbeatTimeout(id) => write!(out, "heartbeat_timeout {id}"),
            Action::MinimumTimeout(id) => write!(out, "minimum_timeout {id}"),
            Action::Deliver(letter) => write!(out, "deliver {}", Words(letter.as_ref())),
            Action::Propose(id) => write!(out, "propose {id}"),
            Action::Read(id) => write!(out, "read {id}"),
            Action::Apply(id) => write!(out, "apply {id}"),
            Action::Snapshot { server, through } => write!(out, "snapshot {server} up to {through}"),
            Action::Transfer { from, to } => write!(out, "transfer {from} to {to}"),
            Action::StepDown(id) => write!(out, "step_down {id}"),
            Action::Flush(id) => write!(out, "flush {id}"),
            Action::Crash { server, keep: 0 } => write!(out, "crash {server}"),
            Action::Crash { server, keep } => write!(out, "crash {server} keep {keep}"),
            Action::Damage { server, faulty } => {
                let [first, last] = [faulty.first(), faulty.last()].map(Option::unwrap_or_default);
                write!(out, "damage {server} from {first} to {last}")
            }
            Action::CrashTorn(id) => write!(out, "crash {id} torn"),
        }
    }
}

/// Writes something in the words of the scenario language.
pub(crate) struct Words<'a, T>(pub(crate) &'a T);

impl fmt::Display for Words<'_, Letter> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Envelope { from, to, term, message } = self.0;
        write!(out, "{from}->{to} term {term} ")?;
        match message {
            Message::PreVoteRequest { last } => write!(out, "pre_vote_request last {last}"),
            Message::PreVoteReply { granted: true } => write!(out, "pre_vote_granted"),
            Message::PreVoteReply { granted: false } => write!(out, "pre_vote_denied"),
            Message::VoteRequest { last, transfer: false } => write!(out, "vote_request last {last}"),
            Message::VoteRequest { last, transfer: true } => write!(out, "vote_request last {last} transfer"),
            Message::VoteReply { granted: true } => write!(out, "vote_granted"),
            Message::VoteReply { granted: false } => write!(out, "vote_denied"),
            Message::AppendRequest { entries, commit, round } => {
                let (previous, entries) = (entries.previous(), entries.entries());
                write!(out, "append after {previous} {} commit {commit}{}", Words(&entries), Words(round))
            }
            Message::AppendReply { matched, round } => write!(out, "appended up to {matched}{}", Words(round)),
            Message::RepairRequest { matched, round } => {
                write!(out, "repair_request up to {matched}{}", Words(round))
            }
            Message::AppendRefusal { missing, hint, round } => {
                write!(out, "append_refused missing {missing} hint {hint}{}", Words(round))
            }
            Message::InstallSnapshot { last, round } => write!(out, "install_snapshot last {last}{}", Words(round)),
            Message::TimeoutNow => write!(out, "timeout_now"),
            Message::Stale => write!(out, "stale"),
        }
    }
}

/// Where rounds are told apart, which one it is.
impl fmt::Display for Words<'_, Round> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self.0 == Round::ZERO { Ok(()) } else { write!(out, " round {}", self.0) }
    }
}

impl fmt::Display for Words<'_, &[Entry<Tag>]> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|entry| Words(entry).to_string()).collect();
        write!(out, "[{}]", words.join(" "))
    }
}

/// Index, term, and for a command who proposed it: `3@2` or `3@2/1`.
impl fmt::Display for Words<'_, Entry<Tag>> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.payload {
            Payload::Blank => write!(out, "{}", self.0.position),
            Payload::Command(Tag(proposer)) => write!(out, "{}/{proposer}", self.0.position),
        }
    }
}
