//! Plays the verbs of scenarios, each to what is to be said of it.

use std::sync::Arc;

use rafttree_model::{Message, Role, RoleName, ServerId};

use crate::system::network;
use crate::system::{Action, System};
use crate::trace::language;
use crate::trace::run::{Step, step};
use crate::world::{Letter, World};

/// What the lines of a scenario may begin with.
pub(crate) const VERBS: [&str; 18] = [
    "election_timeout",
    "heartbeat_timeout",
    "minimum_timeout",
    "deliver",
    "propose",
    "read",
    "apply",
    "snapshot",
    "transfer",
    "step_down",
    "flush",
    "crash",
    "damage",
    "elect",
    "replicate",
    "partition",
    "heal",
    "status",
];

pub(crate) fn is_verb(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|first| VERBS.contains(&first))
}

/// Whether a line stands for several actions.
pub(crate) fn is_macro(line: &str) -> bool {
    line.starts_with("elect ") || line.starts_with("replicate ")
}

/// A server that is behind learns the term, and one that lost a race for it asks anew.
const MOST_CAMPAIGNS: usize = 3;

pub(crate) struct Stage<'a> {
    system: &'a System,
    pub(crate) steps: Vec<Step>,
    /// What was delivered, so that the macros deliver each message once.
    delivered: Vec<Action>,
    /// Groups of servers that do not hear each other; all hear all, if there are none.
    groups: Vec<Vec<ServerId>>,
    /// Each `partition` and `heal`, with the number of steps before it.
    pub(crate) divisions: Vec<(usize, Vec<Vec<ServerId>>)>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(system: &'a System) -> Stage<'a> {
        Stage { system, steps: Vec::new(), delivered: Vec::new(), groups: Vec::new(), divisions: Vec::new() }
    }

    fn world(&self) -> &World {
        self.steps.last().map_or(&self.system.start, |step| &step.world)
    }

    /// Plays a verb; what came of it, line by line.
    pub(crate) fn perform(&mut self, verb: &str) -> Result<Vec<String>, String> {
        let words: Vec<_> = verb.split_whitespace().collect();
        let (before, begins) = (self.world().clone(), self.steps.len());
        match words[..] {
            ["elect", id, "by", ..] => self.elect(self.server(id)?, &self.servers(&words[3..])?)?,
            ["replicate", id, "to", ..] => self.replicate(self.server(id)?, &self.servers(&words[3..])?),
            ["partition", ..] => {
                self.divide(self.parse_groups(&words[1..])?);
                return Ok(Vec::new());
            }
            ["heal"] => {
                self.divide(Vec::new());
                return Ok(Vec::new());
            }
            ["status", ..] => return self.status(&words[1..]),
            _ => {
                let action = self.meant(&words)?;
                self.act(&action)?;
                return Ok(language::came_of(&before, self.world()));
            }
        }
        Ok(self.summary(&before, begins))
    }

    /// What a macro did, and what is changed by all of it; of what was sent, what has not arrived.
    fn summary(&self, before: &World, begins: usize) -> Vec<String> {
        let steps = &self.steps[begins..];
        let arrived =
            |letter: &Letter| steps.iter().any(|step| matches!(&step.action, Action::Deliver(it) if **it == *letter));
        let mut lines = language::short(steps.iter().map(|step| &step.action));
        lines.extend(language::changes_but(before, self.world(), arrived));
        lines
    }

    fn status(&self, words: &[&str]) -> Result<Vec<String>, String> {
        let ids = if words.is_empty() { self.world().ids().collect() } else { self.servers(words)? };
        Ok(ids.into_iter().map(|id| language::server(self.world().server(id))).collect())
    }

    /// The one action that has these words, in this order; of messages those that were sent come first.
    fn meant(&self, words: &[&str]) -> Result<Action, String> {
        let (world, mut offered, mut sent) = (self.world(), Vec::new(), Vec::new());
        self.system.offers_of_servers(world, &mut offered);
        self.system.offers_of_messages(world, &mut sent);
        let possible: Vec<_> = network::rumours(world).map(|letter| Action::Deliver(Arc::new(letter))).collect();
        let text = words.join(" ");
        let mut all = offered.iter().chain(&sent).chain(&possible);
        if let Some(exact) = all.find(|action| action.to_string() == text) {
            return Ok(exact.clone());
        }
        if words[0] == "deliver" {
            for among in [&sent, &possible] {
                let mut fitting: Vec<_> = among.iter().filter(|action| has_words(action, words)).collect();
                fitting.dedup();
                match fitting[..] {
                    [] => {}
                    [action] => return Ok(action.clone()),
                    [one, other, ..] => {
                        return Err(format!(
                            "several fit, among them '{one}' and '{other}'; say more of the one that is meant"
                        ));
                    }
                }
            }
        }
        let what = if words[0] == "deliver" { &sent } else { &offered };
        Err(format!("cannot happen here; what can:\n{}", list(what)))
    }

    /// What changes nothing is part of the story, too.
    fn act(&mut self, action: &Action) -> Result<(), String> {
        if let Action::Deliver(letter) = action
            && self.are_apart(letter)
        {
            return Err(format!("{} and {} are apart; 'heal' comes first", letter.from, letter.to));
        }
        let next = step(self.system, self.world(), action).ok_or("cannot happen here")?;
        self.delivered.push(action.clone());
        self.steps.push(next);
        Ok(())
    }

    fn divide(&mut self, groups: Vec<Vec<ServerId>>) {
        self.divisions.push((self.steps.len(), groups.clone()));
        self.groups = groups;
    }

    fn are_apart(&self, letter: &Letter) -> bool {
        self.groups.iter().any(|group| group.contains(&letter.from) != group.contains(&letter.to))
    }

    /// Does what can be done, and says whether that was so.
    fn try_to(&mut self, action: Option<Action>) -> bool {
        action.is_some_and(|action| self.act(&action).is_ok())
    }

    /// The server times out, and with the help of the others it becomes leader.
    fn elect(&mut self, id: ServerId, helpers: &[ServerId]) -> Result<(), String> {
        let sticks = |helper: &ServerId| {
            self.world().server(*helper).node.role().name() == RoleName::Follower
                && self.world().server(*helper).node.is_sticky()
        };
        for helper in helpers.iter().copied().filter(sticks).collect::<Vec<_>>() {
            self.act(&Action::MinimumTimeout(helper))?;
        }
        let circle: Vec<_> = helpers.iter().copied().chain([id]).collect();
        self.hear_of_its_end(id, helpers);
        for _ in 0..MOST_CAMPAIGNS {
            self.act(&Action::ElectionTimeout(id))?;
            while !self.leads(id) && self.goes_on(id, &circle) {}
            if self.leads(id) {
                return Ok(());
            }
        }
        Err("it did not become leader; 'status' before this line shows whose log is newer, or who leads".to_owned())
    }

    fn leads(&self, id: ServerId) -> bool {
        self.world().server(id).leads()
    }

    /// A leader that was deposed, and does not know, hears of it: who is asked in an older term says so.
    fn hear_of_its_end(&mut self, id: ServerId, others: &[ServerId]) {
        if !self.leads(id) {
            return;
        }
        let term = self.world().server(id).node.term();
        let is_later = |other: &&ServerId| term < self.world().server(**other).disk.durable.term();
        let Some(&other) = others.iter().find(is_later) else { return };
        let told = self.append(id, other);
        self.try_to(told);
        let stale = |letter: &Letter| letter.message == Message::Stale && (letter.from, letter.to) == (other, id);
        let stale = self.due(&[id, other], stale);
        self.try_to(stale);
        while self.try_to(self.flush(&[id])) {}
    }

    /// One flush or message of an election; whether there was one.
    fn goes_on(&mut self, candidate: ServerId, circle: &[ServerId]) -> bool {
        let concerns = |letter: &Letter| {
            letter.from == candidate && is_request(letter) || letter.to == candidate && is_reply(letter)
        };
        let next = self.flush(circle).or_else(|| self.due(circle, concerns));
        self.try_to(next)
    }

    /// What the leader has to say reaches the others, and their answers reach it.
    fn replicate(&mut self, leader: ServerId, followers: &[ServerId]) {
        let circle: Vec<_> = followers.iter().copied().chain([leader]).collect();
        loop {
            let answer =
                |letter: &Letter| letter.to == leader && is_answer(letter) || letter.message == Message::TimeoutNow;
            let appends = || followers.iter().find_map(|&follower| self.append(leader, follower));
            let next = self.flush(&circle).or_else(|| self.due(&circle, answer)).or_else(appends);
            if !self.try_to(next) {
                return;
            }
        }
    }

    fn flush(&self, circle: &[ServerId]) -> Option<Action> {
        circle.iter().find(|id| !self.world().server(**id).unsynced.is_empty()).map(|&id| Action::Flush(id))
    }

    /// A message of its sender's present term that was not delivered yet, and that changes something.
    fn due(&self, circle: &[ServerId], concerns: impl Fn(&Letter) -> bool) -> Option<Action> {
        let world = self.world();
        let is_due = |letter: &Letter| {
            let among = circle.contains(&letter.from) && circle.contains(&letter.to);
            among && concerns(letter) && letter.term == world.server(letter.from).node.term()
        };
        let letters = world.network.iter().filter(|letter| is_due(letter));
        letters.map(|letter| Action::Deliver(Arc::clone(letter))).find(|action| self.is_new(action))
    }

    fn is_new(&self, action: &Action) -> bool {
        !self.delivered.contains(action) && self.changes_something(action)
    }

    fn changes_something(&self, action: &Action) -> bool {
        let apart = matches!(action, Action::Deliver(letter) if self.are_apart(letter));
        !apart && self.system.after(self.world(), action).is_some()
    }

    /// All that a follower has not acknowledged.
    fn append(&self, leader: ServerId, follower: ServerId) -> Option<Action> {
        let node = &self.world().server(leader).node;
        let Role::Leader { progress, .. } = node.role() else { return None };
        let matched = progress.get(follower)?.matched;
        let is_rest = |letter: &Letter| match &letter.message {
            Message::AppendRequest { entries, commit, .. } => {
                let span = (entries.previous().index, entries.last());
                (letter.from, letter.to, letter.term) == (leader, follower, node.term())
                    && (span, *commit) == ((matched, node.log().last()), node.commit())
            }
            _ => false,
        };
        let rest = network::parts(self.world(), false).find(is_rest);
        rest.map(|letter| Action::Deliver(Arc::new(letter))).filter(|action| self.changes_something(action))
    }

    fn parse_groups(&self, words: &[&str]) -> Result<Vec<Vec<ServerId>>, String> {
        let groups: Vec<_> =
            words.split(|word| *word == "|").map(|group| self.servers(group)).collect::<Result<_, _>>()?;
        let mut named = groups.concat();
        named.sort_unstable();
        if named.iter().copied().eq(self.world().ids()) && 1 < groups.len() {
            Ok(groups)
        } else {
            Err("it names every server once, with '|' between groups, as in 'partition 1 | 2 3'".to_owned())
        }
    }

    fn server(&self, word: &str) -> Result<ServerId, String> {
        let id = word.parse().ok().map(ServerId::new).filter(|id| self.world().ids().any(|other| other == *id));
        id.ok_or_else(|| format!("'{word}' is no server; there are 1 to {}", self.world().servers.len()))
    }

    fn servers(&self, words: &[&str]) -> Result<Vec<ServerId>, String> {
        words.iter().map(|word| self.server(word)).collect()
    }
}

fn is_request(letter: &Letter) -> bool {
    matches!(letter.message, Message::PreVoteRequest { .. } | Message::VoteRequest { .. })
}

fn is_reply(letter: &Letter) -> bool {
    matches!(letter.message, Message::PreVoteReply { .. } | Message::VoteReply { .. } | Message::Stale)
}

fn is_answer(letter: &Letter) -> bool {
    matches!(
        letter.message,
        Message::AppendReply { .. } | Message::RepairRequest { .. } | Message::AppendRefusal { .. }
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
