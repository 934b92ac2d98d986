//! Counterexamples to induction, for people to read.

use rafttree_model::{Effects, Entry, Index, Node, Output, Record};

use crate::inductive::class::Class;
use crate::inductive::conjuncts::Cause;
use crate::inductive::history::{Terms, entry};
use crate::inductive::judge::Judge;
use crate::inductive::mutants::Code;
use crate::inductive::work::Finding;
use crate::trace::language::{self, Words};
use crate::world::{Place, Tag};

/// The finding, line by line: history, server, event, what became of it, what it breaks.
pub(crate) fn story(finding: &Finding, code: Code) -> Vec<String> {
    let Finding { history, node, cause, broken, .. } = finding;
    let mut lines = vec!["history: for each term the log of its leader, as terms of entries".to_owned()];
    lines.extend(history.leaders().map(|(term, log)| format!("    leader of term {term}: {log}")));
    if history.leaders().next().is_none() {
        lines.push("    no term has had a leader".to_owned());
    }
    lines.push("one server, in a state that the invariant allows:".to_owned());
    lines.push(format!("    {}", server(node)));
    lines.push(match cause {
        Cause::Event(event) => language::event(node.id(), event),
        Cause::Restart => format!("crash {} and start again", node.id()),
    });
    lines.extend(consequences(finding, code).into_iter().map(|line| format!("    {line}")));
    lines.extend(broken.iter().map(|it| format!("    BROKEN: {} {}", it.id(), it.says())));
    lines
}

/// All that there is to say of a server.
pub(crate) fn server(node: &Node) -> String {
    let vote = node.vote().map_or("no vote".to_owned(), |vote| format!("votes {vote}"));
    let (id, term, commit) = (node.id(), node.term(), node.commit());
    let (log, base) = (Terms::of(node.log()), node.log().base());
    let behind = if base.index == Index::ZERO { String::new() } else { format!(" behind {base}") };
    format!("{id}: {}, term {term}, {vote}, log {log}{behind}, commits {commit}", language::role(node.role()))
}

fn consequences(finding: &Finding, code: Code) -> Vec<String> {
    let Finding { history, node, log, cause, .. } = finding;
    let class = Class::new(history, 0, 0);
    let mut judge = Judge::new(code);
    judge.judge(&class, node, log, cause);
    let (became, effects) = judge.became();
    let Some(became) = became else { return vec!["the server panics".to_owned()] };
    [vec![server(became)], records(effects), outputs(became, effects)].concat()
}

fn records(effects: &Effects<Tag>) -> Vec<String> {
    let record = |record: &Record<Tag>| match record {
        Record::Term(term) => format!("writes: term {term}"),
        Record::Vote(candidate) => format!("writes: vote for {candidate}"),
        Record::Truncate { keep } => format!("writes: every entry after {keep} is removed"),
        Record::Append(entry) => format!("writes: entry {}", entry.position),
        Record::Compact { through } => format!("writes: every entry up to {through} is compacted"),
        Record::Restore { last } => format!("writes: a snapshot that ends with {last} replaces the log"),
        Record::Repair(entry) => format!("writes: entry {} is repaired", entry.position),
    };
    effects.records().iter().map(record).collect()
}

fn outputs(node: &Node, effects: &Effects<Tag>) -> Vec<String> {
    let sent = |when: &'static str| {
        move |output: &Output| match output {
            Output::Send(envelope) => {
                let letter = envelope.with_entries(|range| {
                    let held = node.log().positions();
                    let entries: Vec<Entry<Tag>> = held.map(|position| entry(Place::of(position))).collect();
                    let within = |it: &Entry<Tag>| {
                        range.previous.index < it.position.index && it.position.index <= range.last.index
                    };
                    rafttree_model::Slice::new(range.previous, entries.into_iter().filter(within).collect())
                });
                letter.map(|letter| format!("{when}: sends {}", Words(&letter)))
            }
            Output::Committed(index) => Some(format!("{when}: entries up to {index} are committed")),
            _ => None,
        }
    };
    let early = effects.early().iter().filter_map(sent("at once"));
    early.chain(effects.after_sync().iter().filter_map(sent("after the flush"))).collect()
}
