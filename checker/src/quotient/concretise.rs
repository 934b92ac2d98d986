//! A run of the quotient, made concrete: action by action, with every server under its
//! own name, terms and indices counted from the beginning, and disks and messages in full.

use std::sync::Arc;

use rafttree_model::{Event, Faulty, Index, Labels, Message, Position, Relabelled, Role, Round, ServerId, Slice, Term};

use crate::properties::PropertySet;
use crate::quotient::inputs::{Stimulus, script};
use crate::quotient::server::{Cells, LONGEST, Part};
use crate::quotient::sets::{Mask, members_of};
use crate::quotient::settings::Quotient;
use crate::quotient::state::{Asked, Past, Reach, State};
use crate::quotient::successors::Move;
use crate::system::{Action, System};
use crate::trace::concretise::concretise;
use crate::trace::language::{self, Picture};
use crate::trace::run::{self, Step};
use crate::world::{DiskMutant, Letter, Place, Server, Tag, World};

/// Terms of a state are one above those of the concrete system.
struct FromZero;

impl Labels for FromZero {
    fn term(&self, term: Term) -> Term {
        Term::new(term.number().saturating_sub(1))
    }
}

const FROM_THE_BEGINNING: Reach = Reach { spread: 30, window: LONGEST as u8, absolute: true, damages: false };

/// What a run of the search is that the concrete system cannot follow.
const UNTOLD: &str = "\
    either the search allows what cannot happen, or the telling falls short: a fault of the checker, please report it.
the steps of the search; after each, servers may have other names, and terms other numbers:";

/// How often a leader hears its minimum timeout until it steps down for want of answers.
const PATIENCE: usize = 2;

impl Quotient {
    /// The actions of the concrete system that such a run consists of; an error says where it cannot be
    /// followed, or that it breaks nothing and must.
    pub(crate) fn concretised(&self, path: &[Move], must_break: bool) -> Result<Vec<Action>, String> {
        let told = self.followed(path, must_break).map(|(actions, _)| actions);
        told.map_err(|why| format!("{why}\n{}", self.story_of_states(path).join("\n")))
    }

    /// A run as the search has it, for where it cannot be made concrete: each step, and the state that it leads to.
    fn story_of_states(&self, path: &[Move]) -> Vec<String> {
        let mut lines = vec![UNTOLD.to_owned()];
        let mut state = self.start();
        for step in path {
            lines.push(format!("{step}"));
            let Ok((next, _)) = self.led_to(&state, *step) else { break };
            state = next;
            lines.extend(Picture(&state.world(self.members)).to_string().lines().map(|line| format!("    {line}")));
        }
        lines
    }

    /// A run of the concrete system to the state to which this one leads, and that state as a world,
    /// with terms and names of that run.
    pub(crate) fn concrete_run(&self, path: &[Move]) -> Result<(System, Vec<Step>, World), String> {
        let (actions, state) = self.followed(path, false)?;
        let bounds = run::concrete(self.members.ids().len() as u32);
        let system = System { symmetric: false, watched: PropertySet::default(), ..System::with(self.ground, bounds) };
        let target = self.settled_in_full(state);
        let is_there = |world: &World| {
            let reached = State::of_world(world).and_then(|state| self.settled_in_full(state));
            reached.is_some() && reached == target
        };
        let steps = if is_there(&system.start) { Vec::new() } else { concretise(&system, &actions, &is_there)? };
        let mut world = state.world(self.members).relabelled(&FromZero);
        if !self.forgets_logs {
            world.take_logs_of(steps.last().map_or(&system.start, |step| &step.world));
        }
        Ok((system, steps, world))
    }

    /// What is left of a state, with terms and indices from the beginning.
    fn settled_in_full(&self, state: State) -> Option<State> {
        let state = if self.forgets_logs { state.without_logs() } else { state };
        state.settled(FROM_THE_BEGINNING).ok()
    }

    fn followed(&self, path: &[Move], must_break: bool) -> Result<(Vec<Action>, State), String> {
        let unnamed = Quotient { symmetric: false, reach: FROM_THE_BEGINNING, ..self.clone() };
        let mut system = self.concrete_system();
        system.ground.keeps_rounds |= path.iter().any(|step| matches!(step.stimulus, Stimulus::Read { .. }));
        let refused =
            path.iter().any(|step| matches!(step.stimulus, Stimulus::Refuse { .. } | Stimulus::Install { .. }));
        let asks_and_crashes = !must_break || self.asks_and_crashes(path)?;
        let (world, actions, leased) = (system.start.clone(), Vec::new(), Round::ZERO);
        let mut stage = Stage { system: &system, world, actions, refused, asks_and_crashes, leased };
        let (mut here, mut there) = (unnamed.start(), self.start());
        for (at, step) in path.iter().enumerate() {
            let (target, broken) = self.led_to(&there, *step)?;
            let last = must_break && at + 1 == path.len();
            let fitting = unnamed
                .steps_to(&here, |next, others| others == broken && (broken != 0 || self.form(next) == Some(target)));
            let told =
                fitting.iter().find_map(|(own, next)| stage.tell((&here, next), *own, last).map(|told| (told, *next)));
            let Some((told, next)) = told else {
                return Err(format!("step {} of {}, {step:?}, cannot be told there", at + 1, path.len()));
            };
            (stage, here, there) = (told, next, target);
            // What is told apart in full may be found broken sooner.
            if !stage.world.broken.is_empty() {
                return Ok((stage.actions, here));
            }
        }
        if must_break { Err("the same run breaks nothing there".to_owned()) } else { Ok((stage.actions, here)) }
    }

    /// Whether in such a run a request for a vote arrives of a campaign that a crash has cut off.
    fn asks_and_crashes(&self, path: &[Move]) -> Result<bool, String> {
        let (mut state, mut asks) = (self.start(), false);
        for step in path {
            asks |= matches!(step.stimulus, Stimulus::VoteRequest { term, from, .. } if state.is_cut_off(from, term));
            state = self.led_to(&state, *step)?.0;
        }
        Ok(asks)
    }

    /// How a state is reached that is not in the class of the invariant, and what is missed there.
    pub(crate) fn missed(&self, path: &[Move]) -> Vec<String> {
        let mut lines = match self.concrete_run(path) {
            Ok((system, steps, _)) => language::story(&system.start, &steps).lines().map(str::to_owned).collect(),
            Err(why) => vec![format!("the way there cannot be told in the concrete system: {why}")],
        };
        match path.iter().try_fold(self.start(), |state, step| Ok::<_, String>(self.led_to(&state, *step)?.0)) {
            Err(why) => lines.push(why),
            Ok(state) => match self.new_worker().link.look_up(&state, |state, offers| self.offer_all(state, offers)) {
                Err(miss) => lines.extend(miss.story(&state, self.members)),
                Ok(()) => lines.push("looked up anew it is not missed".to_owned()),
            },
        }
        lines
    }

    /// The concrete system with the same mutant, without bounds that matter.
    pub(crate) fn concrete_system(&self) -> System {
        let bounds = crate::system::wide(self.members.ids().len() as u32);
        System { symmetric: false, watched: self.watched, ..System::with(self.ground, bounds) }
    }

    fn form(&self, state: &State) -> Option<State> {
        let settled = state.settled(self.reach).ok()?;
        Some(if self.symmetric { settled.canonical() } else { settled })
    }

    /// Where a move leads, and what it breaks.
    pub(crate) fn led_to(&self, state: &State, step: Move) -> Result<(State, u64), String> {
        let mut led = None;
        self.moves(&mut self.new_worker(), state, &mut |other, next, broken, _| {
            if other == step {
                led.get_or_insert((next, broken.bits()));
            }
        });
        led.ok_or_else(|| format!("{step:?} is no move there"))
    }

    fn steps_to(&self, state: &State, fits: impl Fn(&State, u64) -> bool) -> Vec<(Move, State)> {
        let mut fitting = Vec::new();
        self.moves(&mut self.new_worker(), state, &mut |step, next, broken, _| {
            if fits(&next, broken.bits()) {
                fitting.push((step, next));
            }
        });
        fitting
    }
}

#[derive(Clone)]
struct Stage<'a> {
    system: &'a System,
    world: World,
    actions: Vec<Action>,
    /// Whether a refusal matters later: then every follower that lacks something refuses in time.
    refused: bool,
    /// Whether a campaign matters later that a crash has cut off.
    asks_and_crashes: bool,
    /// The round that a lease is counted from.
    leased: Round,
}

/// The requests of servers that were cut off which could be asked again before this step, and cannot be since.
fn left_behind<'a>(state: &'a State, next: &'a State) -> impl Iterator<Item = &'a Asked> {
    let is_new = |asked: &&Asked| !state.asked.contains(asked);
    next.asked.iter().filter(is_new).filter(|asked| state.cut_off().any(|cut_off| cut_off == **asked))
}

/// The message without the round that it is of.
fn of_no_round(mut letter: Letter) -> Letter {
    if let Message::AppendRequest { round, .. }
    | Message::AppendReply { round, .. }
    | Message::RepairRequest { round, .. }
    | Message::AppendRefusal { round, .. }
    | Message::InstallSnapshot { round, .. } = &mut letter.message
    {
        *round = Round::ZERO;
    }
    letter
}

impl<'a> Stage<'a> {
    /// One move between two states, and what it takes before it; `None` if the concrete system does not offer it.
    fn tell(&self, (state, next): (&State, &State), step: Move, ends: bool) -> Option<Stage<'a>> {
        let mut stage = self.clone();
        stage.say_again(state)?;
        let id = ServerId::new(step.server.into());
        for asked in left_behind(state, next).filter(|_| self.asks_and_crashes) {
            stage.ask_and_crash(state, asked.candidate)?;
        }
        match step.stimulus {
            Stimulus::Crash { keep } => stage.act(Action::Crash { server: id, keep: keep.into() })?,
            Stimulus::Damage { first, last } => {
                let [first, last] = [first, last].map(|index| Index::new(index.into()));
                stage.act(Action::Damage { server: id, faulty: Faulty::between(first, last) })?;
            }
            Stimulus::Flush => stage.act(Action::Flush(id))?,
            Stimulus::Read { answered } => stage.read(id, answered)?,
            Stimulus::BeginLease => {
                stage.act(Action::HeartbeatTimeout(id))?;
                stage.leased = stage.server(id).node.round()?;
            }
            Stimulus::AnswerLease { from, .. } => stage.answer_lease(ServerId::new(from.into()), id, step.cut)?,
            Stimulus::ConfirmLease { answered, earlier, newer, .. } => {
                stage.confirm_lease(id, [newer, earlier, answered]);
            }
            Stimulus::TimeoutNow { from } => {
                if stage.system.ground.keeps_leases {
                    stage.replicate(ServerId::new(from.into()), id)?;
                }
                let held = Stimulus::Transfer { to: step.server, matched: state.holds(from, step.server) };
                stage.play(state, Move { server: from, stimulus: held, way: 0, cut: None })?;
                stage.play(state, step)?;
            }
            Stimulus::VoteRequest { term, from, .. } if state.is_cut_off(from, term) => {
                let mut asked = stage.clone();
                if asked.play(state, step).is_none() {
                    asked = stage;
                    asked.ask_and_crash(state, from)?;
                    asked.play(state, step)?;
                }
                stage = asked;
            }
            Stimulus::Append { from, .. } if self.refused && state.seat(from).is(Part::Leader) => {
                stage.refuse_in_time(from, step.server, state)?;
                stage.play(state, step)?;
            }
            Stimulus::Install { from, cells, .. } if state.seat(from).is(Part::Leader) => {
                stage.have_snapshot(from, step.server, cells, state)?;
                stage.play(state, step)?;
            }
            Stimulus::Refuse { from, .. } if state.seat(from).term() == state.seat(step.server).term() => {
                stage.refuse_in_time(step.server, from, state)?;
                stage.play(state, step)?;
            }
            _ => stage.play(state, step)?,
        }
        if stage.system.ground.keeps_leases && matches!(step.stimulus, Stimulus::Count { .. }) {
            stage.begin_to_serve(id);
        }
        (!ends || !stage.world.broken.is_empty()).then_some(stage)
    }

    fn play(&mut self, state: &State, step: Move) -> Option<()> {
        let id = ServerId::new(step.server.into());
        // On whom a lease counts does what it does by what it remembers.
        let hears_nobody = !state.seat(step.server).is_counted();
        if hears_nobody && is_turned_away_by_a_sticky_follower(step.stimulus) && self.is_sticky_follower(id) {
            self.act(Action::MinimumTimeout(id))?;
        }
        if let Stimulus::PreVoteRequest { from, .. } = step.stimulus {
            self.act(Action::ElectionTimeout(ServerId::new(from.into())))?;
        }
        let told = |stage: &Self| (stage.node_role(id), stage.server(id).node.commit(), stage.server(id).node.term());
        let before = told(self);
        for event in script(state.seat(step.server), step.server, state.base, step.stimulus) {
            self.happen(id, &event.relabelled(&FromZero))?;
            if self.must_settle(id) {
                if let Some(keep) = step.cut {
                    let torn = self.system.ground.disk_mutant == Some(DiskMutant::TornVote) && keep == 0;
                    let crash = Action::Crash { server: id, keep: keep.into() };
                    return self.act(if torn { Action::CrashTorn(id) } else { crash });
                }
                self.settle(id)?;
            }
            let after = told(self);
            let decided =
                after.0 != Part::Follower && (before.0, before.2) != (after.0, after.2) || before.1 != after.1;
            if decided || !self.world.broken.is_empty() {
                break;
            }
        }
        Some(())
    }

    /// A follower campaigns, and a crash cuts that off: its requests may arrive all the same. What it knew to be
    /// committed it is told again.
    fn ask_and_crash(&mut self, state: &State, id: u8) -> Option<()> {
        let (seat, play) = (state.seat(id), |stimulus, cut| Move { server: id, stimulus, way: 0, cut });
        self.play(state, play(Stimulus::Campaign { grants: state.have_been_there(id, seat) }, Some(0)))?;
        if seat.commit() <= seat.base() {
            return Some(());
        }
        let Past { term, leader: from, commit, .. } = state.who_tells(id, seat)?;
        let (previous, cells) = (Place::new(state.base, 0), seat.cells().first(seat.commit()));
        self.play(state, play(Stimulus::Append { term, from, previous, cells, commit }, None))
    }

    fn happen(&mut self, id: ServerId, event: &Event<Tag>) -> Option<()> {
        match event {
            // What it has to say to itself it has heard already.
            Event::Receive(letter) if letter.from == id => Some(()),
            Event::Receive(letter) if matches!(letter.message, Message::AppendRefusal { .. }) => self.refuse(letter),
            Event::Receive(letter) if self.system.ground.keeps_leases && asks(&letter.message) => self.ask(letter),
            Event::Receive(letter) if self.system.ground.keeps_rounds => self.deliver_in_its_round(letter),
            Event::Receive(letter) => self.act(Action::Deliver(letter.clone().into())),
            Event::ElectionTimeout => self.act(Action::ElectionTimeout(id)),
            Event::HeartbeatTimeout => self.act(Action::HeartbeatTimeout(id)),
            Event::MinimumTimeout => {
                for _ in 0..PATIENCE {
                    if self.node_role(id) == Part::Leader {
                        self.act(Action::MinimumTimeout(id))?;
                    }
                }
                Some(())
            }
            Event::Propose(_) => self.act(Action::Propose(id)),
            // A later one may have been made already, to be sent.
            Event::Snapshotted(through) if *through <= self.server(id).node.log().base().index => Some(()),
            Event::Snapshotted(through) => self.act(Action::Snapshot { server: id, through: *through }),
            Event::Transfer(to) => self.act(Action::Transfer { from: id, to: *to }),
            Event::StepDown => self.act(Action::StepDown(id)),
        }
    }

    /// The same request, as it was really sent: where leases are told, logs are not, but there are some.
    fn ask(&mut self, told: &Letter) -> Option<()> {
        let transfers = |letter: &Letter| matches!(letter.message, Message::VoteRequest { transfer: true, .. });
        let is_same = |letter: &Letter| {
            let kind = std::mem::discriminant(&letter.message) == std::mem::discriminant(&told.message);
            kind && letter.term == told.term && transfers(letter) == transfers(told)
        };
        self.deliver(told.from, told.to, is_same)
    }

    /// The same as this, as it was really sent: of some round.
    fn deliver_in_its_round(&mut self, told: &Letter) -> Option<()> {
        let is_same = |action: &Action| match action {
            Action::Deliver(letter) => of_no_round((**letter).clone()) == *told,
            _ => false,
        };
        let sent = self.system.offered(&self.world).into_iter().find(is_same)?;
        self.act(sent)
    }

    /// A round of heartbeats, which these others answer.
    fn read(&mut self, leader: ServerId, answered: Mask) -> Option<()> {
        self.act(Action::HeartbeatTimeout(leader))?;
        let (term, round) = (self.server(leader).node.term(), self.server(leader).node.round()?);
        let last = self.server(leader).node.log().last();
        let of_round = |letter: &Letter| match letter.message {
            Message::AppendRequest { ref entries, round: sent, .. } => sent == round && entries.previous() == last,
            Message::AppendReply { round: answered, .. }
            | Message::RepairRequest { round: answered, .. }
            | Message::AppendRefusal { round: answered, .. } => answered == round,
            _ => false,
        };
        for follower in members_of(answered).map(|id| ServerId::new(id.into())) {
            if !self.world.broken.is_empty() {
                break;
            }
            for (from, to) in [(leader, follower), (follower, leader)] {
                let is_due = |letter: &Letter| (letter.from, letter.to, letter.term) == (from, to, term);
                let offered = self.system.offered(&self.world);
                let due = offered.into_iter().find(|action| match action {
                    Action::Deliver(letter) => is_due(letter) && of_round(letter),
                    _ => false,
                });
                self.act(due?)?;
            }
        }
        Some(())
    }

    /// A new leader's first entry is committed where that can be: then its service is told that it leads.
    fn begin_to_serve(&mut self, leader: ServerId) {
        let followers = self.world.ids().filter(|&id| id != leader);
        for follower in followers {
            let mut stage = self.clone();
            let is_there = stage.server(follower).node.term() == stage.server(leader).node.term();
            if is_there && stage.replicate(leader, follower).is_some() {
                *self = stage;
            }
        }
    }

    /// A follower is sent all that its leader has, and acknowledges it.
    fn replicate(&mut self, leader: ServerId, follower: ServerId) -> Option<()> {
        let (term, last) = (self.server(leader).node.term(), self.server(leader).node.log().last());
        self.deliver(leader, follower, |letter| match &letter.message {
            Message::AppendRequest { entries, .. } => {
                letter.term == term && entries.previous().index == Index::ZERO && entries.last() == last
            }
            _ => false,
        })?;
        self.settle(follower)?;
        while !self.server(leader).unsynced.is_empty() {
            self.act(Action::Flush(leader))?;
        }
        let holds_all = |letter: &Letter| {
            letter.term == term
                && matches!(letter.message, Message::AppendReply { matched, .. } if matched == last.index)
        };
        self.deliver(follower, leader, holds_all)
    }

    /// A message that may arrive and is as it must be arrives.
    fn deliver(&mut self, from: ServerId, to: ServerId, fits: impl Fn(&Letter) -> bool) -> Option<()> {
        let offered = self.system.offered(&self.world);
        let due = offered.into_iter().find(|action| match action {
            Action::Deliver(letter) => (letter.from, letter.to) == (from, to) && fits(letter),
            _ => false,
        });
        self.act(due?)
    }

    /// A follower is told of the round from which the lease is counted, and answers.
    fn answer_lease(&mut self, leader: ServerId, follower: ServerId, cut: Option<u8>) -> Option<()> {
        let (term, last, leased) =
            (self.server(leader).node.term(), self.server(leader).node.log().last(), self.leased);
        self.deliver(leader, follower, |letter| match &letter.message {
            Message::AppendRequest { entries, round, .. } => {
                letter.term == term && leased <= *round && entries.last() == last
            }
            _ => false,
        })?;
        if let Some(keep) = cut.filter(|_| self.must_settle(follower)) {
            return self.act(Action::Crash { server: follower, keep: keep.into() });
        }
        self.settle(follower)
    }

    /// What these others say instead of an answer, what they said before that round, and what they answer
    /// reaches the leader.
    fn confirm_lease(&mut self, leader: ServerId, [newer, earlier, answered]: [Mask; 3]) {
        let leased = self.leased;
        let round_of = |letter: &Letter| match letter.message {
            Message::AppendReply { round, .. }
            | Message::RepairRequest { round, .. }
            | Message::AppendRefusal { round, .. } => Some(round),
            _ => None,
        };
        self.hear(leader, newer, |letter| letter.message == Message::Stale);
        self.hear(leader, earlier, |letter| round_of(letter).is_some_and(|round| round < leased));
        self.hear(leader, answered, |letter| round_of(letter).is_some_and(|round| leased <= round));
    }

    /// One such message of each of these, where there is one.
    fn hear(&mut self, leader: ServerId, others: Mask, fits: impl Fn(&Letter) -> bool) {
        for other in members_of(others).map(|id| ServerId::new(id.into())) {
            let mut stage = self.clone();
            if self.world.broken.is_empty() && stage.deliver(other, leader, &fits).is_some() {
                *self = stage;
            }
        }
    }

    /// What waits for the disk and must not wait longer is flushed.
    fn settle(&mut self, id: ServerId) -> Option<()> {
        while self.must_settle(id) && self.world.broken.is_empty() {
            self.act(Action::Flush(id))?;
        }
        Some(())
    }

    /// A refusal that was really sent: the same entry is missing.
    fn refuse(&mut self, told: &Letter) -> Option<()> {
        let missing = |letter: &Letter| match letter.message {
            Message::AppendRefusal { missing, .. } => Some(missing),
            _ => None,
        };
        let same = |letter: &Letter| {
            (letter.from, letter.to, letter.term) == (told.from, told.to, told.term) && missing(letter) == missing(told)
        };
        let sent = self.world.network.iter().find(|letter| same(letter)).cloned()?;
        self.act(Action::Deliver(sent))
    }

    /// A follower refuses, before it is sent it, whatever it lacks of its leader's log.
    fn refuse_in_time(&mut self, leader: u8, follower: u8, state: &State) -> Option<()> {
        let (leads, follows) = (state.seat(leader), state.seat(follower));
        for lacking in follows.cells().common(leads.cells()) + 1..=leads.len() {
            let previous = leads.cells().place(state.base, lacking);
            let (term, cells) = (leads.term(), Cells::default());
            let stimulus = Stimulus::Append { term, from: leader, previous, cells, commit: 0 };
            // The first time it may only learn the term.
            for _ in 0..2 {
                self.play(state, Move { server: follower, stimulus, way: 0, cut: None })?;
            }
        }
        Some(())
    }

    /// A leader makes a snapshot of these entries and sends it to a follower that has refused what comes
    /// behind them.
    fn have_snapshot(&mut self, leader: u8, follower: u8, cells: Cells, state: &State) -> Option<()> {
        let last = cells.last(state.base).position().relabelled(&FromZero);
        let (from, to) = (ServerId::new(leader.into()), ServerId::new(follower.into()));
        let is_sent = |world: &World| {
            let is_it = |letter: &Letter| match letter.message {
                Message::InstallSnapshot { last: sent, .. } => (letter.from, letter.to, sent) == (from, to, last),
                _ => false,
            };
            world.network.iter().any(|letter| is_it(letter))
        };
        if is_sent(&self.world) {
            return Some(());
        }
        self.refuse_in_time(leader, follower, state)?;
        if self.server(from).node.log().base().index < last.index {
            self.act(Action::Snapshot { server: from, through: last.index })?;
        }
        if state.seat(follower).faulty().legible(last.index) != last.index {
            self.ask_for_repair(from, to, last)?;
        }
        let refuses = |letter: &&Arc<Letter>| {
            let is_asked = matches!(letter.message, Message::AppendRefusal { .. } | Message::RepairRequest { .. });
            (letter.from, letter.to) == (to, from) && is_asked
        };
        for refusal in self.world.network.iter().filter(refuses).cloned().collect::<Vec<_>>() {
            if !is_sent(&self.world) && self.world.broken.is_empty() {
                self.act(Action::Deliver(refusal))?;
            }
        }
        Some(())
    }

    /// A follower that cannot read its log says so in a new round.
    fn ask_for_repair(&mut self, leader: ServerId, follower: ServerId, last: Position) -> Option<()> {
        self.act(Action::HeartbeatTimeout(leader))?;
        let begun = self.server(leader).node.round()?;
        self.deliver(leader, follower, |letter| match &letter.message {
            Message::AppendRequest { entries, round, .. } => {
                (entries.previous(), entries.last()) == (last, last) && *round == begun
            }
            _ => false,
        })?;
        self.settle(follower)
    }

    fn act(&mut self, action: Action) -> Option<()> {
        if !self.system.offered(&self.world).contains(&action) {
            return None;
        }
        // What changes nothing need not be told.
        if let Some(next) = self.system.after(&self.world, &action) {
            self.world = next;
            self.actions.push(action);
        }
        Some(())
    }

    fn server(&self, id: ServerId) -> &Server {
        self.world.server(id)
    }

    fn node_role(&self, id: ServerId) -> Part {
        match self.server(id).node.role() {
            Role::Follower { .. } | Role::PreCandidate { .. } => Part::Follower,
            Role::Candidate { .. } => Part::Candidate,
            Role::Leader { .. } => Part::Leader,
        }
    }

    fn is_sticky_follower(&self, id: ServerId) -> bool {
        matches!(self.server(id).node.role(), Role::Follower { sticky: true, .. })
    }

    fn must_settle(&self, id: ServerId) -> bool {
        let server = self.server(id);
        server.hides_something() || self.node_role(id) != Part::Leader && !server.unsynced.is_empty()
    }

    /// Answers that a crash has cut off, and that may still be had.
    fn say_again(&mut self, state: &State) -> Option<()> {
        for (id, seat) in state.seats() {
            let asking = ServerId::new(id.into());
            for other in state.ids().filter(|&other| other != id && state.seat(other).term() == seat.term()) {
                let answering = ServerId::new(other.into());
                let wanted = match seat.part() {
                    Part::Candidate if state.seat(other).vote() == id => Message::VoteReply { granted: true },
                    Part::Leader if state.holds(id, other) != 0 => {
                        Message::AppendReply { matched: Index::new(state.holds(id, other).into()), round: Round::ZERO }
                    }
                    _ => continue,
                };
                self.have_answered(asking, answering, &wanted)?;
            }
        }
        Some(())
    }

    fn have_answered(&mut self, asking: ServerId, answering: ServerId, wanted: &Message<Slice<Tag>>) -> Option<()> {
        let is_wanted = |world: &World| {
            let (way, term) = ((answering, asking), world.server(asking).node.term());
            world.network.iter().any(|it| (it.from, it.to) == way && it.term == term && it.message == *wanted)
        };
        if is_wanted(&self.world) {
            return Some(());
        }
        if self.is_sticky_follower(answering) {
            self.act(Action::MinimumTimeout(answering))?;
        }
        let offered = self.system.offered(&self.world);
        let asks = |action: &Action| match action {
            Action::Deliver(letter) => {
                let says = matches!(letter.message, Message::VoteRequest { .. } | Message::AppendRequest { .. });
                (letter.from, letter.to) == (asking, answering) && says
            }
            _ => false,
        };
        let answered = |action: Action| {
            let mut stage = self.clone();
            stage.act(action)?;
            is_wanted(&stage.world).then_some(stage)
        };
        if let Some(stage) = offered.into_iter().filter(asks).find_map(answered) {
            *self = stage;
        }
        // Where it cannot be had it will be missed, or not.
        Some(())
    }
}

fn asks(message: &Message<Slice<Tag>>) -> bool {
    matches!(message, Message::PreVoteRequest { .. } | Message::VoteRequest { .. })
}

/// What a server that sticks to a leader would not even look at.
fn is_turned_away_by_a_sticky_follower(stimulus: Stimulus) -> bool {
    match stimulus {
        Stimulus::VoteRequest { sticks_to, transfer, .. } => sticks_to == 0 && !transfer,
        Stimulus::PreVoteRequest { sticks_to, .. } => sticks_to == 0,
        _ => false,
    }
}
