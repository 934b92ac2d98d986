//! Local simulation: what the compact servers leave out is shown, on the deployed step, to change
//! nothing.
//!
//! A compact server says nothing of what a server has in memory: whom it has heard, which votes it
//! has counted, how far its followers are. And the search delivers no message that correct servers
//! ignore: refused votes, late answers, requests of a transfer. That this loses nothing is not
//! argued but tried, one server at a time: for each compact server that the search has reached,
//! each concrete server that it stands for ([`variants`]) and everything that may happen to that
//! ([`alphabet`]),
//!
//! - what it becomes and what it promises is what comes of an input that the search offers in that
//!   case ([`grounds`]), or it stays the same compact server and promises nothing;
//! - what it then has in memory is what has reached it, and makes it one of those that the compact
//!   server stands for, so that the next step is covered as well;
//! - and every property of steps holds.
//!
//! So by induction over the steps of a run, whatever its length, no server ever does what the search
//! has not tried. What cannot arrive, since it contradicts what is committed, must stop the server: that is
//! tried with the first memory of each, whatever else it may have in memory.

mod grounds;
mod reference;
#[cfg(test)]
mod tests;
mod variants;

mod alphabet;

use rafttree_model::{Event, Index, Message, Position};
use rustc_hash::FxHashMap;

use crate::properties::{Property, PropertySet};
use crate::quotient::inputs::{Happening, Stimulus};
use crate::quotient::link;
use crate::quotient::local::{Local, Outcome};
use crate::quotient::server::{Part, Seat};
use crate::quotient::settings::{Compact, Quotient};
use crate::quotient::state::State;
use crate::search::panics;
use crate::search::tasks::{self, Results, Tasks};
use crate::trace::language;
use crate::verdict::Tally;
use crate::world::{Letter, Server};
use reference::{Happens, Reference};

/// A step of one server that the search has not tried, or that breaks a property.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) server: Server,
    /// What happened to it, if that is known.
    pub(crate) happening: Option<Happening>,
    /// What it became; the same, if it panicked.
    pub(crate) became: Server,
    pub(crate) broken: PropertySet,
    pub(crate) why: String,
}

/// Everything that is tried with every compact server that the search has reached: families of them, in their order.
pub(crate) struct Simulation<'a> {
    quotient: &'a Quotient,
    families: Vec<Vec<Compact>>,
}

impl Simulation<'_> {
    pub(crate) fn new(quotient: &Quotient) -> Simulation<'_> {
        let mut all: Vec<Compact> = quotient.reached().into_iter().collect();
        all.sort_by_key(family_of);
        let families = all.chunk_by(|one, other| family_of(one) == family_of(other)).map(<[Compact]>::to_vec);
        Simulation { quotient, families: families.collect() }
    }
}

impl Tasks for Simulation<'_> {
    fn sizes(&self) -> Vec<u64> {
        self.families.iter().map(|family| family.len() as u64).collect()
    }

    fn worker(&self) -> Box<dyn FnMut(usize) -> Results + '_> {
        let mut local = self.quotient.new_worker().local;
        Box::new(move |task| {
            let family = &self.families[task];
            let tried = panics::caught(|| self.quotient.simulate_family(&mut local, family));
            let (tally, failure) = tried.unwrap_or_else(|why| self.quotient.panicked(family[0], why));
            let failure = failure.map(|it| (task, tasks::Failure { broken: it.broken.bits(), story: it.story() }));
            Results { done: family.len() as u64, counts: tally.numbers().to_vec(), failure, cut: None }
        })
    }
}

impl Quotient {
    /// A panic over a server, whatever it comes from, is a finding.
    fn panicked(&self, (seat, id, base): Compact, why: String) -> (Tally, Option<Failure>) {
        let server = seat.server(id, self.members, base);
        let broken = PropertySet::from_iter([Property::Totality]);
        let why = format!("there was a panic when this server was tried: {why}");
        (Tally::default(), Some(Failure { became: server.clone(), server, happening: None, broken, why }))
    }

    /// Tries everything with the servers of a family: what contradicts what is committed, and so cannot arrive, with
    /// the first memory that is tried, and the rest with each.
    fn simulate_family(&self, local: &mut Local, family: &[Compact]) -> (Tally, Option<Failure>) {
        let mut tally = Tally { compact: family.len() as u64, ..Tally::default() };
        for &compact in family {
            match self.look_up_alone(compact) {
                Ok(in_class) => tally.in_class += in_class,
                Err(failure) => return (tally, Some(*failure)),
            }
        }
        let (seat, id, base) = family[0];
        let base = local.base_of(seat, base);
        let server = seat.server(id, self.members, base);
        let mut happenings = alphabet::happenings(&server, self.reach.window.into(), self.snapshots, self.damages);
        happenings.retain(|happening| self.may_happen(seat, happening));
        let mut first = Reference::default();
        let mut has_stopped = vec![false; happenings.len()];
        for (server, seats) in self.concrete(family, base) {
            let seats_of_it = seats.len() as u64;
            tally.concrete += seats_of_it;
            first.follow(&server);
            for (at, happening) in happenings.iter().enumerate() {
                tally.steps += seats_of_it;
                if has_stopped[at] {
                    tally.refused += seats_of_it;
                    continue;
                }
                let nothing = match first.happens(local, &server, at, happening) {
                    Happens::Panic if contradicts_committed(&server, happening) => {
                        has_stopped[at] = true;
                        tally.refused += seats_of_it;
                        false
                    }
                    Happens::AsBefore { nothing } => nothing,
                    Happens::Nothing(broken) => {
                        if !broken.is_empty() {
                            return (tally, Some(Failure::new(&server, happening, &server, broken, BY_ITSELF)));
                        }
                        true
                    }
                    Happens::Panic | Happens::Something => {
                        match self.simulate_step(local, &seats, base, &server, happening) {
                            Ok(()) => false,
                            Err(failure) => return (tally, Some(*failure)),
                        }
                    }
                };
                tally.ignored += u64::from(nothing) * seats_of_it;
            }
        }
        (tally, None)
    }

    /// The concrete servers that they stand for behind this base, each once, with those that stand for it.
    fn concrete(&self, family: &[Compact], base: u8) -> Vec<(Server, Vec<Seat>)> {
        let (mut all, mut places) = (Vec::<(Server, Vec<Seat>)>::new(), FxHashMap::default());
        for &(seat, id, _) in family {
            for server in variants::variants((seat, id, base), self.members, self.symmetric, self.leases) {
                let place = *places.entry(server.clone()).or_insert(all.len());
                if place == all.len() {
                    all.push((server, Vec::new()));
                }
                all[place].1.push(seat);
            }
        }
        all
    }

    /// Looks up every concrete server in the class of the invariant; how many they are.
    fn look_up_alone(&self, (seat, id, base): Compact) -> Result<u64, Box<Failure>> {
        let alone = State::alone(seat.as_first(id), base).within_history().filter(|_| self.is_linked());
        let Some(alone) = alone else { return Ok(0) };
        let servers = variants::variants((alone.seat(1), 1, alone.base), self.members, self.symmetric, false);
        let count = servers.len() as u64;
        link::look_up_alone(&alone, self.narrowed, servers).map_err(|missed| {
            let (server, miss) = *missed;
            let (broken, why) = (PropertySet::from_iter([Property::InClass]), miss.lines().join("\n"));
            Box::new(Failure { became: server.clone(), server, happening: None, broken, why })
        })?;
        Ok(count)
    }

    /// Judges a step of a concrete server by itself, and for each compact one that stands for it.
    fn simulate_step(
        &self,
        local: &mut Local,
        seats: &[Seat],
        base: u8,
        server: &Server,
        happening: &Happening,
    ) -> Result<(), Box<Failure>> {
        let outcomes = local.comes_of(seats[0], server, happening);
        let fails = |became: &Server, broken, why| Err(Box::new(Failure::new(server, happening, became, broken, why)));
        if contradicts_committed(server, happening) {
            let committed = &server.entries[..server.node.commit().number() as usize];
            let removed = outcomes.iter().find(|(became, _)| !became.entries.starts_with(committed));
            let removed = removed.filter(|_| self.watched.contains(Property::CommitImmutable));
            let Some((became, _)) = removed else { return Ok(()) };
            return fails(became, PropertySet::from_iter([Property::CommitImmutable]), "it removes what is committed");
        }
        let is_watched = self.watched.contains(Property::LocalSimulation);
        for (became, outcome) in &outcomes {
            if !outcome.broken.is_empty() {
                return fails(became, outcome.broken, BY_ITSELF);
            }
            if is_watched && !variants::is_variant(became) {
                let broken = PropertySet::from_iter([Property::LocalSimulation]);
                return fails(became, broken, "no compact server stands for what it has in memory");
            }
        }
        let seats = if is_watched { seats } else { &[] };
        seats.iter().try_for_each(|&seat| self.compare(local, (seat, base), server, happening, &outcomes))
    }

    /// Whether what came of a step is among what the search tries for the compact server, or is nothing to it.
    fn compare(
        &self,
        local: &mut Local,
        (seat, base): (Seat, u8),
        server: &Server,
        happening: &Happening,
        outcomes: &[(Server, Outcome)],
    ) -> Result<(), Box<Failure>> {
        let vote = server.node.vote().map_or(0, |vote| vote.number() as u8);
        let mut offered: Option<Vec<Outcome>> = None;
        for (became, outcome) in outcomes {
            let mut outcome = *outcome;
            outcome.forget_vote(vote, seat);
            if self.leases {
                self.simulate_lease(local, (seat, base), server, (happening, became, &outcome))?;
            }
            // A lease counts on it from then on only if it is one that counts on it.
            let outcome = if seat.is_counted() { outcome } else { outcome.uncounted() };
            if outcome.is_nothing(seat) {
                continue;
            }
            let offered = offered.get_or_insert_with(|| self.offered(local, seat, base, server, happening));
            if !offered.iter().any(|other| other.is_same(&outcome)) {
                let broken = PropertySet::from_iter([Property::LocalSimulation]);
                let why = "the search tries nothing in this state that leads there";
                return Err(Box::new(Failure::new(server, happening, became, broken, why)));
            }
        }
        Ok(())
    }

    /// The axiom of the clock: no timeout meets a server on which a lease counts.
    fn may_happen(&self, seat: Seat, happening: &Happening) -> bool {
        let is_timeout = matches!(happening, Happening::Event(Event::ElectionTimeout | Event::MinimumTimeout));
        !(is_timeout && seat.is_counted() && self.ground.lease_mutant.is_none())
    }

    /// What leases depend on is what the search keeps of it: that a leader is transferring its leadership, that its
    /// service is told of the end, and what a follower remembers once it has answered a round.
    fn simulate_lease(
        &self,
        local: &mut Local,
        (seat, base): (Seat, u8),
        server: &Server,
        (happening, became, outcome): (&Happening, &Server, &Outcome),
    ) -> Result<(), Box<Failure>> {
        let fails = |why| {
            let broken = PropertySet::from_iter([Property::LocalSimulation]);
            Err(Box::new(Failure::new(server, happening, became, broken, why)))
        };
        if became.observed.target.is_some() && outcome.seat.transfer() == 0 {
            return fails("its service is not told that the leadership is over");
        }
        let is_over = seat.is(Part::Leader) && !outcome.seat.still(Part::Leader, seat.term());
        if is_over && seat.transfer() == 0 && !outcome.lease.ends && outcome.cut.is_none() {
            return fails("its service is not told that the leadership has ended");
        }
        if let Happening::Event(Event::Receive(letter)) = happening
            && outcome.seat.is_counted()
            && !seat.is_counted()
        {
            let [id, term, from] = [letter.to.number(), letter.term.number() as u32, letter.from.number()];
            let answer = Stimulus::AnswerLease { term: term as u8, from: from as u8 };
            if !local.outcomes(seat, id as u8, base, answer).iter().any(|other| other.seat == outcome.seat) {
                return fails("once it has answered, it remembers what the search does not try");
            }
        }
        Ok(())
    }

    /// What comes of what the search offers when this may happen.
    fn offered(&self, local: &mut Local, seat: Seat, base: u8, server: &Server, happening: &Happening) -> Vec<Outcome> {
        let id = server.node.id().number() as u8;
        let mut all = Vec::new();
        for inputs in grounds::grounds(seat, server, happening, self.leases) {
            let mut seats = vec![seat];
            for stimulus in inputs {
                let before = all.len();
                for seat in seats.drain(..) {
                    all.extend_from_slice(local.outcomes(seat, id, base, stimulus));
                }
                seats.extend(all[before..].iter().map(|outcome: &Outcome| outcome.seat));
            }
        }
        all
    }
}

/// Servers that differ in their votes alone have much in common: what one stands for whose vote nobody counts,
/// another does that has given it.
fn family_of(&(seat, id, base): &Compact) -> Compact {
    (seat.with_vote(0), id, base)
}

/// Whether a leader seems to say that another entry is committed than the one that is.
fn contradicts_committed(server: &Server, happening: &Happening) -> bool {
    let node = &server.node;
    let position_at = |index: Index| match index.number().checked_sub(1) {
        Some(at) => server.entries.get(at as usize).map(|entry| entry.position),
        None => Some(server.entries.base()),
    };
    let is_other =
        |position: Position| position.index <= node.commit() && position_at(position.index) != Some(position);
    match happening {
        Happening::Install { cells, .. } => cells.entries(0).iter().any(|entry| is_other(entry.position)),
        Happening::Event(Event::Receive(Letter { message: Message::AppendRequest { entries, .. }, .. })) => {
            let compacted = entries.previous().index < node.log().base().index && is_other(entries.previous());
            let later = entries.entries().iter().any(|entry| is_other(entry.position));
            node.log().holds(entries.previous()) && (compacted || later)
        }
        _ => false,
    }
}

const BY_ITSELF: &str = "the step by itself breaks this";

impl Failure {
    fn new(server: &Server, happening: &Happening, became: &Server, broken: PropertySet, why: &'static str) -> Failure {
        let (server, happening, became) = (server.clone(), Some(happening.clone()), became.clone());
        Failure { server, happening, became, broken, why: why.to_owned() }
    }

    /// The step, for a person to read: what the server was, what happened, what it became.
    pub(crate) fn story(&self) -> Vec<String> {
        let id = self.server.node.id();
        let happened = self.happening.as_ref().map(|happening| match happening {
            Happening::Event(event) => language::event(id, event),
            Happening::Install { letter, .. } => language::event(id, &Event::Receive(letter.clone())),
            Happening::Flush => format!("flush {id}"),
            Happening::Crash { keep } => format!("crash {id} keep {keep}"),
            Happening::Damage { first, last } => format!("damage {id} from {first} to {last}"),
        });
        let mut lines = vec!["one server, in a state that the search has reached:".to_owned()];
        lines.push(format!("    {}", language::server(&self.server)));
        lines.push(format!("has reached it: {}", language::observed(&self.server.observed)));
        lines.extend(happened);
        lines.push(format!("    {}", language::server(&self.became)));
        lines.extend(self.broken.iter().map(|property| format!("    BROKEN: {}", property.name())));
        lines.extend(self.why.lines().map(str::to_owned));
        lines
    }
}
