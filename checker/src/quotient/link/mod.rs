//! The link between the search and the invariant: every server, every disk and every message of every
//! state that a search reaches is looked up in the class of the invariant. A class that is too narrow
//! would show as a miss (I1).
//!
//! A state has no history, so one that explains it is put together first; what is then looked up are the
//! model's own values, a server and a message, by the class itself. Each is looked up once beside each
//! history, and remembered.

mod counts;
mod explained;
mod miss;
mod narrowed;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use rafttree_model::{Envelope, Event, Index, Labels, Members, Message, Relabelled, Round, ServerId, Slice};
use rustc_hash::{FxHashMap, FxHashSet};

pub(crate) use counts::Gathered;
use explained::{Fault, Traces, place_of};
pub(crate) use miss::Miss;
pub(crate) use narrowed::Narrowed;

use crate::inductive::class::{Class, ITSELF, OTHER};
use crate::inductive::conjuncts::{Conjunct, Conjuncts};
use crate::inductive::history::{History, MOST_TERMS, Terms, entry};
use crate::quotient::inputs::{Stimulus, own, script};
use crate::quotient::server::{LONGEST, Part, Seat};
use crate::quotient::state::State;
use crate::trace::language;
use crate::verdict::Linked;
use crate::world::{Place, Server, Tag};

/// What a thread keeps: what it has looked up.
pub(crate) struct Link {
    members: Members,
    narrowed: Option<Narrowed>,
    /// By number, what explains the states.
    histories: Vec<History>,
    numbers: FxHashMap<Traces, Result<u32, Fault>>,
    servers: FxHashMap<(u32, Seat), Conjuncts>,
    stimuli: FxHashMap<Heard, Result<u64, Fault>>,
    offers: Vec<(u8, Stimulus)>,
    counts: Linked,
    /// How many of the histories were told to others.
    told: usize,
}

/// A stimulus beside a history, for a server of this term that has acknowledged so much to itself.
type Heard = (u32, u8, u8, Stimulus);

/// Entries are counted from what every server knows to be committed: in history that is one entry.
struct Behind(u64);

impl Labels for Behind {
    fn index(&self, index: Index) -> Index {
        Index::new(index.number() + self.0)
    }
}

impl Link {
    pub(crate) fn new(members: Members, narrowed: Option<Narrowed>) -> Link {
        Link {
            members,
            narrowed,
            histories: Vec::new(),
            numbers: FxHashMap::default(),
            servers: FxHashMap::default(),
            stimuli: FxHashMap::default(),
            offers: Vec::new(),
            counts: Linked::default(),
            told: 0,
        }
    }

    /// What was counted since this was last asked, and the histories that are new.
    pub(crate) fn take_counts(&mut self) -> (Linked, &[History]) {
        let told = std::mem::replace(&mut self.told, self.histories.len());
        (std::mem::take(&mut self.counts), &self.histories[told..])
    }

    /// Looks up a state: all its servers, and all that may happen to them.
    pub(crate) fn look_up(
        &mut self,
        state: &State,
        offer_all: impl FnOnce(&State, &mut Vec<(u8, Stimulus)>),
    ) -> Result<(), Box<Miss>> {
        let Some(state) = &state.within_history() else {
            self.counts.left_out += 1;
            return Ok(());
        };
        self.counts.states += 1;
        let number = self.number(state).map_err(|fault| Miss::of_state(fault, state))?;
        for (id, seat) in state.seats() {
            self.look_up_server(number, state.base, id, seat)?;
        }
        self.look_up_acknowledged(number, state)?;
        let mut offers = std::mem::take(&mut self.offers);
        offer_all(state, &mut offers);
        let missed = offers.iter().find_map(|&(id, it)| self.look_up_stimulus(number, state, id, it).err());
        self.offers = offers;
        missed.map_or(Ok(()), Err)
    }

    fn number(&mut self, state: &State) -> Result<u32, Fault> {
        let traces = Traces::of(state)?;
        self.counts.lost += u64::from(traces.lost != 0);
        if let Some(number) = self.numbers.get(&traces) {
            return *number;
        }
        let number = traces.explained().map(|history| {
            self.histories.push(history);
            self.histories.len() as u32 - 1
        });
        self.numbers.insert(traces, number);
        number
    }

    fn history(&self, number: u32) -> History {
        let history = self.histories[number as usize];
        self.narrowed.map_or(history, |narrowed| narrowed.history(history))
    }

    /// A server as it is in memory, and as it would start again from its disk.
    fn look_up_server(&mut self, number: u32, base: u8, id: u8, seat: Seat) -> Result<(), Box<Miss>> {
        self.counts.servers += 1;
        self.counts.disks += 1;
        // What is on the disk is known to be committed as far as it was compacted.
        let on_disk = seat.with_cells(seat.cells().first(seat.synced())).with_commit(seat.base());
        let on_disk = on_disk.with_role(Part::Follower as u8);
        for (what, seat) in [("the server", seat), ("the server that starts again from the disk", on_disk)] {
            let broken = self.broken_of(number, base, seat.as_first(id));
            if !broken.is_empty() {
                let what = format!("{what} {}", language::server(&seat.server(id, self.members, base)));
                return Err(Miss::new(broken.iter().map(Fault::from), what, self.history(number), base));
            }
        }
        Ok(())
    }

    fn broken_of(&mut self, number: u32, base: u8, first: Seat) -> Conjuncts {
        if let Some(broken) = self.servers.get(&(number, first)) {
            return *broken;
        }
        let broken = broken_by(&self.history(number), self.narrowed, base, &first.server(1, self.members, base));
        self.servers.insert((number, first), broken);
        broken
    }

    /// AR: what a follower has acknowledged, in the term that it is still in, is on its disk.
    fn look_up_acknowledged(&self, number: u32, state: &State) -> Result<(), Box<Miss>> {
        for (leader, leads) in state.seats().filter(|(_, seat)| seat.is(Part::Leader)) {
            for (follower, follows) in state.seats().filter(|(id, seat)| *id != leader && seat.term() == leads.term()) {
                let held = state.holds(leader, follower);
                let on_disk = Traces::terms(state.base, follows.cells().first(follows.synced()));
                let held_of_history = place_of(state.base, Place { term: leads.term(), index: held }).index;
                if held != 0 && !on_disk.agrees(&Traces::terms(state.base, leads.cells()), held_of_history) {
                    let what = format!("what server {follower} has acknowledged to {leader}: its log up to {held}");
                    let fault = [Conjunct::AcknowledgesDisk.into()];
                    return Err(Miss::new(fault, what, self.history(number), state.base));
                }
            }
        }
        Ok(())
    }

    fn look_up_stimulus(&mut self, number: u32, state: &State, id: u8, stimulus: Stimulus) -> Result<(), Box<Miss>> {
        if brings_no_message(stimulus) {
            self.counts.free += 1;
            return Ok(());
        }
        let seat = state.seat(id);
        let own = if let Stimulus::Acknowledge { .. } = stimulus { own(seat) } else { 0 };
        let key = (number, seat.term(), own, stimulus);
        let messages = match self.stimuli.get(&key) {
            Some(messages) => *messages,
            None => {
                let messages = self.messages(number, state.base, &script(seat, id, state.base, stimulus));
                self.stimuli.insert(key, messages);
                messages
            }
        };
        match messages {
            Ok(0) => self.counts.free += 1,
            Ok(messages) => self.counts.messages += messages,
            Err(fault) => {
                let script = script(seat, id, state.base, stimulus);
                let said: Vec<String> =
                    script.iter().map(|event| language::event(ServerId::new(id.into()), event)).collect();
                return Err(Miss::new([fault], said.join(", then "), self.history(number), state.base));
            }
        }
        Ok(())
    }

    /// How many messages these events bring, less those that the class allows whatever they say; a fault,
    /// if one is not in the class.
    fn messages(&self, number: u32, base: u8, events: &[Event<Tag>]) -> Result<u64, Fault> {
        let history = self.history(number);
        let mut count = 0;
        for event in events {
            let Event::Receive(letter) = event else { continue };
            let message = of_history(base, &letter.message);
            if is_free(&message) {
                if !free_messages().contains(&message) {
                    return Err(Fault { id: "-", says: "the class should allow such a message whatever it says" });
                }
                continue;
            }
            count += 1;
            let allowed = self.allowed(&history, letter);
            if !allowed.contains(&message) {
                return Err(fault_of(message, &allowed));
            }
        }
        Ok(count)
    }

    /// What may be said in the letter's term by others, or by the server to itself.
    fn allowed(&self, history: &History, letter: &Envelope<Slice<Tag>>) -> Messages {
        let from = if letter.from == letter.to { ITSELF } else { OTHER };
        let term = letter.term.number() as u8;
        let class = narrowed::class(history, self.narrowed);
        let mut all: Messages = class.messages(from, term).into_iter().chain(class.snapshots(term)).collect();
        if let Some(narrowed) = self.narrowed {
            narrowed.keep(&mut all, history.leader(term).map_or(0, |log| log.len()));
        }
        all
    }
}

type Messages = FxHashSet<Message<Slice<Tag>>>;

/// Looks up servers that have the same log, beside the history that it gives by itself.
pub(crate) fn look_up_alone(
    state: &State,
    narrowed: Option<Narrowed>,
    servers: impl IntoIterator<Item = Server>,
) -> Result<(), Box<(Server, Box<Miss>)>> {
    let explained = Traces::of(state).and_then(|traces| traces.explained());
    let explained = explained.map(|history| narrowed.map_or(history, |narrowed| narrowed.history(history)));
    for server in servers {
        let what = || format!("the server {}", language::server(&server));
        let miss = match explained {
            Err(fault) => Some(Miss::of_state(fault, state)),
            Ok(history) => {
                let broken = broken_by(&history, narrowed, state.base, &server);
                (!broken.is_empty()).then(|| Miss::new(broken.iter().map(Fault::from), what(), history, state.base))
            }
        };
        if let Some(miss) = miss {
            return Err(Box::new((server, miss)));
        }
    }
    Ok(())
}

fn broken_by(history: &History, narrowed: Option<Narrowed>, base: u8, server: &Server) -> Conjuncts {
    let start = if base == 0 { Terms::default() } else { Terms::default().and(base) };
    let terms = server.entries.iter().map(|entry| entry.position.term.number() as u8);
    let node = server.node.relabelled(&Behind(start.len().into()));
    let mut broken = narrowed::class(history, narrowed).broken_by(&node, &terms.fold(start, Terms::and));
    if narrowed == Some(Narrowed::Compacted) && Index::ZERO < server.node.log().base().index {
        broken.insert(Conjunct::CompactedIsCommitted);
    }
    broken
}

/// A timer, a disk, or a service that asks or tells something: no server says anything.
fn brings_no_message(stimulus: Stimulus) -> bool {
    use Stimulus::{Crash, Flush, HeartbeatTimeout, Propose, Snapshot, StepDown};
    matches!(stimulus, Crash { .. } | Flush | HeartbeatTimeout | Propose { .. } | Snapshot { .. } | StepDown)
}

/// Whether the invariant says nothing of what such a message says.
fn is_free<E>(message: &Message<E>) -> bool {
    !matches!(
        message,
        Message::VoteRequest { .. }
            | Message::AppendRequest { .. }
            | Message::AppendReply { .. }
            | Message::InstallSnapshot { .. }
    )
}

/// All of these that the class has, as far as terms and logs of states go, whatever happened before.
fn free_messages() -> &'static Messages {
    static FREE: OnceLock<Messages> = OnceLock::new();
    FREE.get_or_init(|| {
        let class = Class::new(&History::NONE, MOST_TERMS as u8 + 1, LONGEST as u8 + 2);
        class.messages(OTHER, 0).into_iter().filter(is_free).collect()
    })
}

/// The message as the class has it, in which rounds are none: it says nothing of them.
fn of_history(base: u8, message: &Message<Slice<Tag>>) -> Message<Slice<Tag>> {
    let labels = Behind(u8::from(base != 0).into());
    let in_history = |position| place_of(base, Place::of(position));
    let end = |last| in_history(last).position();
    match message {
        Message::PreVoteRequest { last } => Message::PreVoteRequest { last: end(*last) },
        Message::VoteRequest { last, transfer } => Message::VoteRequest { last: end(*last), transfer: *transfer },
        Message::AppendRequest { entries, commit, .. } => {
            let sent = entries.entries().iter().map(|sent| entry(in_history(sent.position))).collect();
            let entries = Slice::new(end(entries.previous()), sent).expect("the order of entries stays what it is");
            Message::AppendRequest { entries, commit: labels.matched(*commit), round: Round::ZERO }
        }
        Message::AppendRefusal { missing, hint, .. } => {
            Message::AppendRefusal { missing: labels.index(*missing), hint: end(*hint), round: Round::ZERO }
        }
        Message::AppendReply { matched, .. } => {
            Message::AppendReply { matched: labels.matched(*matched), round: Round::ZERO }
        }
        Message::InstallSnapshot { last, .. } => Message::InstallSnapshot { last: end(*last), round: Round::ZERO },
        other => other.relabelled(&labels),
    }
}

/// Which conjunct a message breaks that is not among those that are allowed.
fn fault_of(message: Message<Slice<Tag>>, allowed: &Messages) -> Fault {
    match message {
        Message::VoteRequest { .. } => Conjunct::AsksWithItsLog,
        Message::InstallSnapshot { .. } => Conjunct::SnapshotIsCommitted,
        Message::AppendRequest { entries, .. } => {
            let silent = Message::AppendRequest { entries, commit: Index::default(), round: Round::ZERO };
            if allowed.contains(&silent) { Conjunct::CommitIsCommitted } else { Conjunct::SendsItsLog }
        }
        _ => Conjunct::AcknowledgesDisk,
    }
    .into()
}
