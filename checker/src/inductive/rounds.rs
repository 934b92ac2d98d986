//! Rounds: a server does the same whatever rounds it has begun, whoever has answered them, and whatever round a
//! message is of; only what it tells of rounds differs. So the class need not tell them apart: its leaders
//! have begun none, and its messages are of none.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{
    Effects, Envelope, Event, Message, Node, Output, Progress, Range, Record, Role, Round, ServerId, Slice,
};

use crate::inductive::class::Class;
use crate::inductive::conjuncts::Cause;
use crate::inductive::history::History;
use crate::inductive::logs::three;
use crate::inductive::work::{Clock, Found, to_first_finding};
use crate::world::{StepBy, Tag};

/// All servers and events beside one history, with rounds up to a number.
struct Task {
    history: History,
    terms: u8,
    entries: u8,
    rounds: u64,
}

/// Terms, entries and rounds. What is compared of the rounds of three servers, of the one that is confirmed and
/// of the one that is answered has every order with rounds up to four.
pub(crate) const BOUNDS: [(u8, u8, u64); 3] = [(1, 1, 4), (2, 1, 2), (2, 2, 1)];

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Compared {
    pub(crate) histories: u64,
    pub(crate) servers: u64,
    /// Steps, each with the same one as if there were no rounds.
    pub(crate) steps: u64,
    /// Those of them in which a round is answered that has not begun: nothing may come of that.
    pub(crate) not_begun: u64,
}

/// Compares all; what differs in words, if something does, and whether all was compared.
pub(crate) fn compare(
    step_by: StepBy,
    bounds: &[(u8, u8, u64)],
    clock: Clock,
    tick: &mut dyn FnMut(usize, usize),
) -> (Compared, Option<String>, bool) {
    let of_bounds = |&(terms, entries, rounds): &(u8, u8, u64)| {
        let histories = History::all(terms, entries).into_iter();
        histories.map(move |history| Task { history, terms, entries, rounds })
    };
    let tasks: Vec<Task> = bounds.iter().flat_map(of_bounds).collect();
    let work = |_: &mut (), _: usize, task: &Task| {
        let mut compared = Compared::default();
        let differs = task.compare(step_by, clock, &mut compared).err();
        (compared, differs)
    };
    let Found { counts, finding, all_done } = to_first_finding(&tasks, clock, || (), work, tick);
    let mut all = Compared::default();
    counts.iter().for_each(|compared| all.add(compared));
    (all, finding, all_done && !clock.is_over())
}

impl Task {
    fn compare(&self, step_by: StepBy, clock: Clock, compared: &mut Compared) -> Result<(), String> {
        let Task { history, terms, entries, rounds } = self;
        compared.histories += 1;
        let class = Class::new(history, *terms, *entries);
        let events = [class.events(three()), class.events_of_snapshots(three(), *entries)].concat();
        for (node, log) in class.servers(three()) {
            let compacted: Vec<Node> = class.compacted(&node, &log).collect();
            for node in [node].into_iter().chain(compacted) {
                if clock.is_over() {
                    return Ok(());
                }
                let variants = variants(&node, *rounds);
                compared.servers += variants.len() as u64;
                for cause in events.iter().filter(|cause| class.allows(&node, &log, cause)) {
                    let Cause::Event(event) = cause else { continue };
                    compared.all_alike(step_by, (&node, event), &variants)?;
                }
            }
        }
        Ok(())
    }
}

impl Compared {
    /// The same event in every round, at servers that differ in rounds alone.
    fn all_alike(
        &mut self,
        step_by: StepBy,
        (node, event): (&Node, &Event<Tag>),
        variants: &[Node],
    ) -> Result<(), String> {
        let without = Told::of(step_by, node, event);
        for variant in variants {
            let begun = variant.round().unwrap_or_default();
            for event in in_rounds(event, begun.next()) {
                self.steps += 1;
                let (told, is_begun) = (Told::of(step_by, variant, &event), !answers_later(variant, &event));
                let is_so = if is_begun {
                    told == without
                } else {
                    self.not_begun += 1;
                    told.is_some_and(|told| told.is_nothing(variant))
                };
                if !is_so {
                    return Err(format!("rounds make a difference:\n  {variant:?}\n  {event:?}"));
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, other: &Compared) {
        self.histories += other.histories;
        self.servers += other.servers;
        self.steps += other.steps;
        self.not_begun += other.not_begun;
    }
}

/// What comes of a step but for rounds.
#[derive(PartialEq)]
struct Told {
    became: Node,
    records: Vec<Record<Tag>>,
    early: Vec<Output>,
    late: Vec<Output>,
}

impl Told {
    /// None, if it panics.
    fn of(step_by: StepBy, node: &Node, event: &Event<Tag>) -> Option<Told> {
        let (mut became, mut effects) = (node.clone(), Effects::new());
        catch_unwind(AssertUnwindSafe(|| step_by(&mut became, event.clone(), &mut effects))).ok()?;
        became.renumber_rounds(|_| Round::ZERO);
        let told = |outputs: &[Output]| outputs.iter().filter_map(without_round).collect();
        let (early, late) = (told(effects.early()), told(effects.after_sync()));
        Some(Told { became, records: effects.take_records().collect(), early, late })
    }

    fn is_nothing(&self, node: &Node) -> bool {
        let mut before = node.clone();
        before.renumber_rounds(|_| Round::ZERO);
        self.became == before && self.records.is_empty() && self.early.is_empty() && self.late.is_empty()
    }
}

fn without_round(output: &Output) -> Option<Output> {
    match output {
        Output::Round { .. } | Output::Heard { .. } | Output::Confirmed(_) => None,
        Output::Send(envelope) => {
            let message = envelope.message;
            let message = with_round::<Range>(message, Round::ZERO).unwrap_or(message);
            Some(Output::Send(Envelope { message, ..*envelope }))
        }
        other => Some(*other),
    }
}

/// The same message of another round; none, if it is of none.
fn with_round<E>(message: Message<E>, round: Round) -> Option<Message<E>> {
    match message {
        Message::AppendRequest { entries, commit, .. } => Some(Message::AppendRequest { entries, commit, round }),
        Message::AppendReply { matched, .. } => Some(Message::AppendReply { matched, round }),
        Message::AppendRefusal { missing, hint, .. } => Some(Message::AppendRefusal { missing, hint, round }),
        Message::InstallSnapshot { last, .. } => Some(Message::InstallSnapshot { last, round }),
        _ => None,
    }
}

/// The same event in every round up to this one.
fn in_rounds(event: &Event<Tag>, last: Round) -> Vec<Event<Tag>> {
    let Event::Receive(letter) = event else { return vec![event.clone()] };
    let of_round = |round| {
        let message: Message<Slice<Tag>> = with_round(letter.message.clone(), round)?;
        Some(Event::Receive(Envelope { from: letter.from, to: letter.to, term: letter.term, message }))
    };
    let all: Vec<Event<Tag>> = rounds_to(last).map_while(of_round).collect();
    if all.is_empty() { vec![event.clone()] } else { all }
}

fn rounds_to(last: Round) -> impl Iterator<Item = Round> {
    std::iter::successors(Some(Round::ZERO), |round| Some(round.next())).take_while(move |round| *round <= last)
}

/// Whether it is an answer to the leader in a round that has not begun.
fn answers_later(node: &Node, event: &Event<Tag>) -> bool {
    let Event::Receive(letter) = event else { return false };
    let (Message::AppendReply { round, .. } | Message::AppendRefusal { round, .. }) = letter.message else {
        return false;
    };
    let is_heard = letter.to == node.id() && node.members().contains(letter.from) && letter.term == node.term();
    is_heard && node.round().is_some_and(|begun| begun < round)
}

/// The same server in every round up to this one, if it leads: whatever is confirmed, and whoever has answered what.
fn variants(node: &Node, most: u64) -> Vec<Node> {
    let Role::Leader { progress, heard, transfer, .. } = node.role() else { return vec![node.clone()] };
    let mut all = Vec::new();
    for round in rounds_to(Round::new(most)) {
        let answers = answers(&progress.iter().map(|(id, _)| id).collect::<Vec<_>>(), round);
        for confirmed in rounds_to(round) {
            all.extend(answers.iter().map(|answered| {
                let of = |id| answered.iter().find(|(of, _)| *of == id).map_or(Round::ZERO, |(_, round)| *round);
                let progress = progress.iter().map(|(id, it)| (id, Progress { answered: of(id), ..it })).collect();
                let role = Role::Leader { progress, heard: *heard, transfer: *transfer, round, confirmed };
                Node::assume(node.id(), *node.members(), node.durable().clone(), node.commit(), role)
            }));
        }
    }
    all
}

/// Every way in which each of these has answered some round up to this one.
fn answers(ids: &[ServerId], last: Round) -> Vec<Vec<(ServerId, Round)>> {
    ids.iter().fold(vec![Vec::new()], |some, &id| {
        let with = |before: &Vec<_>| rounds_to(last).map(|round| [&before[..], &[(id, round)]].concat()).collect();
        some.iter().flat_map::<Vec<_>, _>(with).collect()
    })
}
