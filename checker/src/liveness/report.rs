//! A state that does not recover: how the system gets there, and the schedule that fails.

use rafttree_model::ServerId;

use crate::liveness::recovery::{Choice, Failed, Recovery, run};
use crate::liveness::schedule::{Stage, Timeouts};
use crate::properties::PropertySet;
use crate::quotient::{Move, Quotient, Reach, State, Stimulus};
use crate::search::panics;
use crate::trace::language::{self, Picture, role};
use crate::world::World;

/// The run and the schedule, line by line, every server under its own name.
pub(super) fn story(recovery: &Recovery, path: &[Move], broken: PropertySet) -> Vec<String> {
    let quotient = &recovery.quotient;
    let (mut lines, world) = match concrete_run(quotient, path).or_else(|_| named_run(quotient, path)) {
        Ok(run) => run,
        Err(why) => return vec![why],
    };
    if !broken.meets(PropertySet::of_liveness()) {
        return lines;
    }
    lines.push(String::new());
    let no_logs = if quotient.forgets_logs { ", and logs do not count from here on" } else { "" };
    lines.push(format!("Faults stop here. What was under way is lost, and every disk is flushed{no_logs}:"));
    let from = Stage::of_world(&world, quotient.ground);
    lines.extend(Picture(&world).to_string().lines().filter(|line| !line.starts_with("sent:")).map(str::to_owned));
    // The state has other names than the one that was judged, so that the links have, too.
    let mut stage = Stage::of_world(&world, quotient.ground);
    let Some((choice, why)) = recovery.fails(&from, &mut stage, recovery.everything()) else {
        lines.push("(under these names every schedule recovers, which no state should make a difference of)".into());
        return lines;
    };
    lines.extend(schedule(&from, stage, choice, why, recovery.rounds_allowed));
    lines
}

/// A run of the concrete system, in which what arrives was sent, and the state to which it leads.
fn concrete_run(quotient: &Quotient, path: &[Move]) -> Result<(Vec<String>, World), String> {
    let (system, steps, world) = quotient.concrete_run(path)?;
    Ok((language::story(&system.start, &steps).lines().map(str::to_owned).collect(), world))
}

/// What each round of a schedule did, until it has been there before.
fn schedule(from: &Stage, stage: Stage, choice: Choice, why: Failed, allowed: u32) -> Vec<String> {
    let Choice { links, memories, first } = choice;
    let mut lines =
        vec![String::new(), format!("Links that work: {links}. The first election timeout is that of {first}.")];
    let mut stage = stage.telling();
    stage.set(from, links, memories);
    lines.extend(stage.nodes().map(|node| format!("{}: {}", node.id(), role(node.role()))));
    if matches!(why, Failed::Panicked | Failed::LeftBehind) {
        let panic = panics::caught(|| run(&mut stage, first, allowed)).err();
        lines.extend(stage.take_story());
        let end =
            panic.map_or_else(|| format!("Then {}.", why.words()), |panic| format!("Then a step panics: {panic}."));
        lines.push(end);
        return lines;
    }
    let mut seen = vec![(stage.moment(), first.number() - 1)];
    let mut turn = first.number() - 1;
    for round in 1..=allowed {
        stage.say(|| format!("round {round}"));
        let quiet = stage.round(&mut turn, Timeouts::OfOne);
        lines.extend(stage.take_story());
        if quiet.is_err() {
            break;
        }
        if let Some(before) = seen.iter().position(|before| *before == (stage.moment(), turn)) {
            lines.push(format!("As it was after round {before}: and so on, for ever."));
            return lines;
        }
        seen.push((stage.moment(), turn));
    }
    lines.push(format!("After {allowed} rounds {}.", why.words()));
    lines
}

/// Where there is no such run: the moves in words, and the state that they lead to, without renamings in
/// between.
fn named_run(quotient: &Quotient, path: &[Move]) -> Result<(Vec<String>, World), String> {
    let reach = Reach { absolute: true, damages: false, spread: 30, window: crate::quotient::LONGEST as u8 };
    let unnamed = Quotient { symmetric: false, reach, ..quotient.clone() };
    let form = |state: &State| state.settled(quotient.reach).ok().map(|state| state.canonical());
    let (mut here, mut there) = (unnamed.start(), quotient.start());
    let mut lines = Vec::new();
    for (at, step) in path.iter().enumerate() {
        let target = first_move(quotient, &there, |other, _| other == step);
        let target = target.ok_or_else(|| format!("step {} is no move there", at + 1))?.1;
        let told = first_move(&unnamed, &here, |_, next| form(next) == Some(target));
        let (own, next) = told.ok_or_else(|| format!("step {} cannot be told under the first names", at + 1))?;
        lines.push(format!("# {:>3}. {}", at + 1, words(own)));
        (here, there) = (next, target);
    }
    Ok((lines, here.world(quotient.members)))
}

fn first_move(quotient: &Quotient, state: &State, fits: impl Fn(&Move, &State) -> bool) -> Option<(Move, State)> {
    let mut found = None;
    quotient.moves(&mut quotient.new_worker(), state, &mut |step, next, _, _| {
        if found.is_none() && fits(&step, &next) {
            found = Some((step, next));
        }
    });
    found
}

fn words(step: Move) -> String {
    let id = step.server;
    let servers = |mask: u8| {
        let ids: Vec<_> =
            (1..=8u32).filter(|id| mask >> (id - 1) & 1 != 0).map(|id| ServerId::new(id).to_string()).collect();
        if ids.is_empty() { "nobody".to_owned() } else { ids.join(" and ") }
    };
    let words = match step.stimulus {
        Stimulus::Campaign { grants } => format!("{id} times out; {} would vote for it", servers(grants)),
        Stimulus::Count { votes } => format!("{id} hears that {} voted for it", servers(votes)),
        Stimulus::Learn { term, from } => format!("{id} learns of term {term} from {from}"),
        Stimulus::VoteRequest { term, from, .. } => format!("{id} is asked by {from} for its vote of term {term}"),
        Stimulus::PreVoteRequest { term, from, .. } => format!("{id} is asked by {from} in term {term} for a pre-vote"),
        Stimulus::Append { term, from, previous, cells, commit } => {
            let last = previous.index + cells.len;
            let what = if cells.len == 0 { "nothing new".into() } else { format!("entries up to {last}") };
            format!("{id} is sent {what} by {from}, leader of term {term}, commit {commit}")
        }
        Stimulus::Install { term, from, cells } => {
            format!("{id} is sent a snapshot up to {} by {from}, leader of term {term}", cells.len)
        }
        Stimulus::Snapshot { through } => format!("{id} has a snapshot up to {through}"),
        Stimulus::Acknowledge { .. } => format!("{id} hears what followers acknowledge"),
        Stimulus::Refuse { from, missing, .. } => format!("{id} hears that {from} lacks entry {missing}"),
        Stimulus::HeartbeatTimeout => format!("{id} repeats what it said"),
        Stimulus::MinimumTimeout { heard } => format!("minimum timeout of {id}, which heard {}", servers(heard)),
        Stimulus::Propose { .. } => format!("{id} is proposed a command"),
        Stimulus::Transfer { to, .. } => format!("{id} is told to transfer leadership to {to}"),
        Stimulus::TimeoutNow { from } => format!("{id} is told by {from} to take over"),
        Stimulus::StepDown => format!("{id} is told to step down"),
        Stimulus::Read { answered } => format!("{id} begins a round, which {} answered", servers(answered)),
        Stimulus::BeginLease => format!("{id} begins a round from which its lease is counted"),
        Stimulus::AnswerLease { from, .. } => format!("{id} answers that round of {from}"),
        Stimulus::ConfirmLease { answered, .. } => format!("{id} hears that {} answered it", servers(answered)),
        Stimulus::Flush => format!("{id} flushes an entry"),
        Stimulus::Damage { first, last } => format!("{id} crashes; its disk has damaged the entries {first} to {last}"),
        Stimulus::Crash { keep } => format!("{id} crashes; {keep} unsynced records are on its disk"),
    };
    match step.cut {
        Some(keep) if !matches!(step.stimulus, Stimulus::Crash { .. } | Stimulus::Damage { .. }) => {
            format!("{words}; and it crashes, {keep} records of this on its disk")
        }
        _ => words,
    }
}
