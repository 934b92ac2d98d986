//! The one language for scenarios, counterexamples and starting points.
//!
//! A file is a list of verbs, one a line, up to `---`; below it stands what happened, written by
//! the checker and read by people. A verb is an action of the world in the words in which it is
//! printed, or one of the macros `elect` and `replicate`. `deliver` may leave words out as long
//! as one message fits. An action that the world does not offer is refused.

use std::collections::VecDeque;

use rafttree_model::{Message, RoleName, ServerId};

use crate::mutants::catalogue;
use crate::system::{Action, System, wide};
use crate::trace::language;
use crate::world::{PAPER, World};

/// A scenario, read but not played.
pub(crate) struct Scenario {
    pub(crate) servers: u32,
    pub(crate) ablation: Option<String>,
    verbs: Vec<(usize, String)>,
}

/// A scenario, played.
pub(crate) struct Played {
    /// Every action with the state that it led to.
    pub(crate) steps: Vec<(Action, World)>,
    pub(crate) start: World,
}

impl Scenario {
    /// Reads a scenario; an error names the line and what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Scenario, String> {
        let mut scenario = Scenario { servers: 3, ablation: None, verbs: Vec::new() };
        for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            let line = line.split('#').next().unwrap_or_default().trim();
            match line.split_once(' ') {
                _ if line == "---" => break,
                _ if line.is_empty() => {}
                Some(("servers", count)) => scenario.servers = parse_servers(at, count)?,
                Some(("ablate", name)) => scenario.ablation = Some(known(at, name)?),
                _ => scenario.verbs.push((at, line.to_owned())),
            }
        }
        Ok(scenario)
    }

    /// The system in which it plays.
    pub(crate) fn system(&self) -> System {
        let bounds = wide(self.servers);
        let exhibit = self.ablation.as_deref().and_then(catalogue::find);
        let ground = exhibit.map_or(PAPER, |exhibit| exhibit.ground);
        System { symmetric: false, ..System::with(ground, bounds) }
    }

    /// Plays it; an error names the line whose action the world does not offer.
    pub(crate) fn play(&self, system: &System) -> Result<Played, String> {
        let mut stage = Stage { system, world: system.start.clone(), steps: Vec::new(), delivered: Vec::new() };
        for (at, verb) in &self.verbs {
            stage.perform(verb).map_err(|why| format!("line {at}: '{verb}': {why}"))?;
        }
        Ok(Played { steps: stage.steps, start: system.start.clone() })
    }
}

fn parse_servers(at: usize, count: &str) -> Result<u32, String> {
    let count = count.trim().parse::<u32>().ok().filter(|count| (1..=9).contains(count));
    count.ok_or_else(|| format!("line {at}: 'servers' takes a number from 1 to 9"))
}

fn known(at: usize, name: &str) -> Result<String, String> {
    let exhibit = catalogue::find(name.trim());
    exhibit
        .map(|it| it.name.to_owned())
        .ok_or_else(|| format!("line {at}: no ablation is called '{name}'; see 'list zoo'"))
}

struct Stage<'a> {
    system: &'a System,
    world: World,
    steps: Vec<(Action, World)>,
    /// What the macros have delivered, so that they deliver each message once.
    delivered: Vec<Action>,
}

impl Stage<'_> {
    fn perform(&mut self, verb: &str) -> Result<(), String> {
        let words: Vec<_> = verb.split_whitespace().collect();
        match words[..] {
            ["elect", id, "by", ..] => self.elect(server(id)?, &servers(&words[3..])?),
            ["replicate", id, "to", ..] => {
                self.replicate(server(id)?, &servers(&words[3..])?);
                Ok(())
            }
            _ => {
                let action = self.offered(&words)?;
                self.act(action);
                Ok(())
            }
        }
    }

    /// The one offered action that has these words, in this order.
    fn offered(&self, words: &[&str]) -> Result<Action, String> {
        let offered = self.system.offered(&self.world);
        let text = words.join(" ");
        if let Some(exact) = offered.iter().find(|action| action.to_string() == text) {
            return Ok(exact.clone());
        }
        let mut fitting: Vec<_> = offered.iter().filter(|it| words[0] == "deliver" && has_words(it, words)).collect();
        fitting.dedup();
        let mut fitting = fitting.into_iter();
        match (fitting.next(), fitting.next()) {
            (Some(action), None) => Ok(action.clone()),
            (Some(one), Some(other)) => Err(format!("several actions fit, among them '{one}' and '{other}'")),
            (None, _) => Err(format!("cannot happen here; what can:\n{}", list(&offered))),
        }
    }

    /// An action that changes nothing is part of the story, too.
    fn act(&mut self, action: Action) {
        let next = self.system.after(&self.world, &action).unwrap_or_else(|| self.world.clone());
        self.world = next.clone();
        self.delivered.push(action.clone());
        self.steps.push((action, next));
    }

    /// The server times out, and with the help of the others it becomes leader.
    fn elect(&mut self, id: ServerId, helpers: &[ServerId]) -> Result<(), String> {
        for helper in
            helpers.iter().filter(|helper| self.world.server(**helper).node.is_loyal()).copied().collect::<Vec<_>>()
        {
            self.act(Action::MinimumTimeout(helper));
        }
        self.learn_term(id, helpers);
        self.act(Action::ElectionTimeout(id));
        let circle: Vec<_> = helpers.iter().copied().chain([id]).collect();
        let leads = |stage: &Self| stage.world.server(id).node.role().name() == RoleName::Leader;
        self.exchange(&circle, is_about_votes, leads);
        if leads(self) { Ok(()) } else { Err("it did not become leader".into()) }
    }

    /// Whoever was away hears first that a newer term has begun.
    fn learn_term(&mut self, id: ServerId, helpers: &[ServerId]) {
        let tells = |action: &Action| match action {
            Action::Deliver(letter) => {
                letter.message == Message::Stale && letter.to == id && helpers.contains(&letter.from)
            }
            _ => false,
        };
        while let Some(news) = self.system.offered(&self.world).into_iter().find(|action| tells(action)) {
            self.act(news);
            self.exchange(&[id], |_| false, |_| false);
        }
    }

    /// What the leader has to say reaches the others, and their answers reach it.
    fn replicate(&mut self, leader: ServerId, followers: &[ServerId]) {
        let circle: Vec<_> = followers.iter().copied().chain([leader]).collect();
        self.exchange(&circle, |message| !is_about_votes(message), |_| false);
    }

    fn exchange(&mut self, circle: &[ServerId], concerns: impl Fn(&Letter) -> bool, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let offered = self.system.offered(&self.world);
            let due = offered.into_iter().rev().filter(|action| self.is_due(action, circle, &concerns));
            let mut due: VecDeque<_> = due.collect();
            due.make_contiguous().sort_by_key(|action| !matches!(action, Action::Flush(_)));
            let Some(action) = due.into_iter().find(|action| self.system.after(&self.world, action).is_some()) else {
                return;
            };
            self.act(action);
        }
    }

    fn is_due(&self, action: &Action, circle: &[ServerId], concerns: &impl Fn(&Letter) -> bool) -> bool {
        match action {
            Action::Flush(id) => circle.contains(id),
            Action::Deliver(letter) => {
                let among = circle.contains(&letter.from) && circle.contains(&letter.to);
                among && concerns(letter) && !self.delivered.contains(action)
            }
            _ => false,
        }
    }
}

type Letter = crate::world::Letter;

fn is_about_votes(letter: &Letter) -> bool {
    matches!(
        letter.message,
        Message::PreVoteRequest { .. }
            | Message::PreVoteReply { .. }
            | Message::VoteRequest { .. }
            | Message::VoteReply { .. }
            | Message::Stale
    )
}

fn has_words(action: &Action, words: &[&str]) -> bool {
    let text = action.to_string();
    let mut left = text.split_whitespace();
    words.iter().all(|word| left.any(|other| other == *word))
}

fn list(actions: &[Action]) -> String {
    actions.iter().map(|action| format!("  {action}\n")).collect()
}

fn server(word: &str) -> Result<ServerId, String> {
    word.parse().map(ServerId::new).map_err(|_| format!("'{word}' is no server"))
}

fn servers(words: &[&str]) -> Result<Vec<ServerId>, String> {
    words.iter().map(|word| server(word)).collect()
}

impl Played {
    pub(crate) fn last(&self) -> &World {
        self.steps.last().map_or(&self.start, |(_, world)| world)
    }

    /// What happened, for people: each action, and below it only what it changed.
    pub(crate) fn story(&self) -> String {
        let before = std::iter::once(&self.start).chain(self.steps.iter().map(|(_, world)| world));
        let steps = self.steps.iter().zip(before).map(|((action, after), before)| {
            if before == after {
                return format!("{action}\n    changes nothing\n");
            }
            let changes: String = language::changes(before, after).iter().map(|line| format!("    {line}\n")).collect();
            format!("{action}\n{changes}")
        });
        steps.collect()
    }
}
