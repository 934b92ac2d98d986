//! That traces can be followed: what arrives was sent above, and what a file says is what happens.

use std::path::{Path, PathBuf};

use crate::mutants::catalogue;
use crate::properties::Property;
use crate::system::System;
use crate::trace::language::NOT_SENT;
use crate::trace::run::{Step, play};
use crate::trace::scenario::{Played, Scenario};

pub(super) fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("files are kept").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("it is text");
        (file.display().to_string(), text)
    };
    files.into_iter().map(read).collect()
}

fn played(text: &str) -> Result<Played, String> {
    Scenario::parse(text).and_then(|scenario| scenario.play(&scenario.system()))
}

/// As a reader looks for what sent a message: the deliveries of a story that no line above them has
/// sent, but for those that are marked.
fn not_sent(story: &str) -> Vec<&str> {
    let lines: Vec<_> = story.lines().collect();
    let delivered = lines.iter().enumerate().filter_map(|(at, line)| Some((at, line.strip_prefix("deliver ")?)));
    let is_sent = |at: usize, message: &str| {
        lines[..at].iter().filter_map(|line| line.trim().strip_prefix("sends ")).any(|sent| says(sent, message))
    };
    let missing = delivered.filter(|(at, message)| !message.ends_with(NOT_SENT) && !is_sent(*at, message));
    missing.map(|(_, message)| message).collect()
}

/// Whether what was sent is this message, or a log of which it is a part.
fn says(sent: &str, message: &str) -> bool {
    // Where rounds are told apart, both end with one.
    let (log, part) = (without_round(sent), without_round(message));
    sent == message || log.1 == part.1 && is_part(log.0, part.0).unwrap_or(false)
}

fn without_round(message: &str) -> (&str, Option<&str>) {
    message.rsplit_once(" round ").map_or((message, None), |(rest, round)| (rest, Some(round)))
}

fn is_part(sent: &str, message: &str) -> Option<bool> {
    // 1->all term 1 append parts of [1@1 2@1/1] commit up to 1
    let (leader, rest) = sent.split_once("->all ")?;
    let (term, rest) = rest.split_once(" append parts of [")?;
    let (log, most) = rest.split_once("] commit up to ")?;
    // 1->2 term 1 append after 1@1 [2@1/1] commit 0
    let (from, rest) = message.split_once("->")?;
    let (way, rest) = rest.split_once(" append after ")?;
    let (previous, rest) = rest.split_once(" [")?;
    let (part, commit) = rest.split_once("] commit ")?;
    let log: Vec<_> = log.split_whitespace().collect();
    let part: Vec<_> = part.split_whitespace().collect();
    let skipped: usize = previous.split_once('@')?.0.parse().ok()?;
    let before = if skipped == 0 { "0@0" } else { log.get(skipped - 1)?.split('/').next()? };
    let same = leader == from && way.ends_with(term) && before == previous && log[skipped..].starts_with(&part);
    Some(same && commit.parse::<u64>().ok()? <= most.parse().ok()?)
}

#[test]
fn a_message_that_nobody_sent_is_noticed() {
    let story = "    sends 1->2 term 1 vote_request last 0@0\ndeliver 1->2 term 1 vote_request last 0@0\n";
    assert!(not_sent(story).is_empty());
    for other in ["1->3 term 1 vote_request last 0@0", "1->2 term 2 vote_request last 0@0"] {
        assert_eq!(not_sent(&format!("{story}deliver {other}\n")), [other]);
    }
    assert_eq!(not_sent("deliver 1->2 term 0 stale\n    sends 1->2 term 0 stale\n"), ["1->2 term 0 stale"], "later");
    assert!(not_sent(&format!("deliver 1->2 term 0 stale{NOT_SENT}\n")).is_empty());
    let log = "1->all term 2 append parts of [1@1 2@1/1 3@2] commit up to 1";
    for part in ["0@0 [1@1 2@1/1 3@2] commit 1", "1@1 [2@1/1] commit 0", "3@2 [] commit 1"] {
        assert!(says(log, &format!("1->2 term 2 append after {part}")), "{part}");
    }
    for part in ["0@0 [2@1/1] commit 0", "1@2 [2@1/1] commit 0", "2@1 [3@2] commit 2", "3@2 [4@2] commit 0"] {
        assert!(!says(log, &format!("1->2 term 2 append after {part}")), "{part}");
    }
    assert!(!says(log, "1->2 term 1 append after 0@0 [1@1] commit 0"));
    let [of_round, part] =
        ["1->all term 2 append parts of [1@1] commit up to 1", "1->2 term 2 append after 1@1 [] commit 1"];
    let [of_round, other] = [1, 2].map(|round| format!("{of_round} round {round}"));
    assert!(says(&of_round, &format!("{part} round 1")) && !says(&other, &format!("{part} round 1")));
}

/// Deliveries of over-approximated messages in kept files: there are none any more.
const NOT_SENT_IN_FILES: usize = 0;

#[test]
fn what_arrives_in_kept_traces_was_sent_above() {
    let mut marked = 0;
    for (file, text) in [files("scenarios"), files("counterexamples"), files("starts")].concat() {
        let story = played(&text).unwrap_or_else(|why| panic!("{file}: {why}")).story();
        assert_eq!(not_sent(&story), [""; 0], "{file}");
        marked += story.matches(NOT_SENT).count();
    }
    assert_eq!(marked, NOT_SENT_IN_FILES, "deliveries of what was not sent");
}

/// They are written by `catalogue --save checker/counterexamples`, and still break what they broke.
#[test]
fn every_mutant_has_a_counterexample_that_is_kept() {
    let (mutants, files) = (catalogue::mutants(), files("counterexamples"));
    assert_eq!(files.len(), mutants.len(), "one for each mutant");
    for mutant in mutants {
        let named = |(file, _): &&(String, String)| file.ends_with(&format!("/{}.txt", mutant.name));
        let (_, text) = files.iter().find(named).unwrap_or_else(|| panic!("{} is not there", mutant.name));
        assert!(text.starts_with("# breaks ") && text.contains(mutant.caught_by.name()), "{}", mutant.name);
        let played = played(text).unwrap_or_else(|why| panic!("{}: {why}", mutant.name));
        let run = text.split("---\n").next().unwrap_or_default();
        assert_eq!(played.notebook(), run, "{}: write it anew, and read it", mutant.name);
        let in_words = text.lines().any(|line| line.starts_with("#  "));
        assert!(!in_words, "{}: a run in words is not a concrete one", mutant.name);
        let broken = played.last().broken;
        // What breaks liveness is the schedule that follows: `check` tells it anew.
        let is_broken = broken.contains(mutant.caught_by) || mutant.caught_by == Property::Recovery;
        assert!(is_broken, "{}: {broken:?}", mutant.name);
    }
}

#[test]
fn a_counterexample_does_nothing_without_which_it_would_still_be_one() {
    for mutant in catalogue::mutants().iter().filter(|mutant| mutant.caught_by != Property::Recovery) {
        let (_, text) = files("counterexamples")
            .into_iter()
            .find(|(file, _)| file.ends_with(&format!("/{}.txt", mutant.name)))
            .expect("it is kept");
        let scenario = Scenario::parse(&text).expect("it is well-formed");
        let whole = scenario.play(&scenario.system()).expect("it can be played").steps;
        let system = System { watched: mutant.counted(), ..scenario.system() };
        let breaks = |steps: &[Step]| steps.iter().any(|step| step.world.broken.contains(mutant.caught_by));
        // What leads to where the search starts is a story of its own.
        let first = if mutant.part.start().is_some() { whole.len() - 1 } else { 0 };
        for left_out in first..whole.len() {
            let rest = whole.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, step)| step.action.clone());
            let played = play(&system, &rest.collect::<Vec<_>>()).unwrap_or_default();
            let is_concrete = played.iter().all(|step| step.sent);
            assert!(!(is_concrete && breaks(&played)), "{} needs no '{}'", mutant.name, whole[left_out].action);
        }
    }
}

/// Every scenario plays, and what stands below each line is what comes of it. `RAFTTREE_BLESS=1`
/// writes that anew; read it before it is committed.
#[test]
fn every_scenario_tells_what_happens() {
    for (file, text) in files("scenarios") {
        let played = played(&text).unwrap_or_else(|why| panic!("{file}: {why}"));
        assert!(played.last().broken.is_empty(), "{file}: {:?}", played.last().broken);
        if std::env::var_os("RAFTTREE_BLESS").is_some() {
            std::fs::write(&file, played.notebook()).expect("scenarios can be written");
        } else {
            assert_eq!(text, played.notebook(), "{file}: see RAFTTREE_BLESS");
        }
    }
}

/// The trace that is explained to those who read the first one of their lives.
#[test]
fn the_explained_counterexample_is_a_run_of_the_concrete_system() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("there is one");
    let (_, trace) = readme.split_once("it breaks C2 VoteOnce\n\n").expect("it is explained");
    let trace = trace.split("```").next().expect("a block ends");
    let text = format!("mutant vote_again\nproperty C2\n{trace}");
    let played = played(&text).expect("it can be played");
    assert_eq!(played.notebook(), text);
    assert!(played.last().broken.contains(Property::VoteOnce) && played.steps.iter().all(|step| step.sent));
    assert_eq!(not_sent(trace), [""; 0]);
    assert!(!trace.contains(NOT_SENT));
}

/// As such files were written before there was output below each line.
#[test]
fn older_files_are_still_understood() {
    let older = "servers 3\nablate vote_again\n  election_timeout 1 # indented\ndeliver 2->1 pre_vote_granted\n\
        crash 1 keep 2\nelection_timeout 2\ndeliver 1->2 term 0 pre_vote_granted\nflush 2\nminimum_timeout 1\n\
        deliver 2->1 term 1 vote_request last 0@0\nflush 1\n---\nwhatever stands here\n";
    let played = played(older).expect("it can be played");
    assert!(played.last().broken.contains(Property::VoteOnce));
    let notebook = played.notebook();
    assert_eq!(notebook.matches(NOT_SENT).count(), 2, "{notebook}");
    assert!(notebook.contains("\ndeliver 2->1 pre_vote_granted (possible, not sent above)\n"), "{notebook}");
    let again = Scenario::parse(&notebook).and_then(|scenario| scenario.play(&scenario.system()));
    assert_eq!(again.expect("what was written can be read").notebook(), notebook);
}

#[test]
fn servers_that_are_apart_hear_each_other_again_when_that_is_healed() {
    let apart = "elect 1 by 2\npartition 1 2 | 3\nreplicate 1 to 2 3\n";
    let told = played(apart).expect("it can be played");
    assert!(told.last().servers[2].entries.is_empty() && told.last().servers[1].entries.len() == 1);
    let refused = played(&format!("{apart}deliver 1->3 append after 0@0 [1@1] commit 0\n")).map(|_| ());
    assert_eq!(
        refused.expect_err("they are apart"),
        "line 4: deliver 1->3 append after 0@0 [1@1] commit 0: 1 and 3 are apart; 'heal' comes first"
    );
    let healed = played(&format!("{apart}heal\nreplicate 1 to 3\nstatus 3\n")).expect("it can be played");
    assert_eq!(healed.last().servers[2].entries.len(), 1);
    assert!(
        healed.notebook().ends_with("status 3\n    3: follows 1, term 1, no vote, log [1@1], commits 1, all on disk\n")
    );
}

#[test]
fn what_is_wrong_in_a_scenario_is_said_with_its_line_and_what_to_do() {
    let refused = |text: &str| played(text).map(|_| ()).expect_err("it is refused");
    assert!(refused("servers 12").starts_with("line 1: 'servers' takes a number from 1 to 9, as in"));
    assert!(refused("\nmutant nothing").starts_with("line 2: no mutant is called 'nothing'; 'list catalogue' shows"));
    assert!(refused("property C99").starts_with("line 1: no property is called 'C99'; 'list properties' shows"));
    assert!(refused("\n\nflsh 1").starts_with("line 3: 'flsh 1' is no verb and no output of one; a line begins with"));
    assert!(refused("    flsh 1").starts_with("line 1: 'flsh 1' is no verb"), "indented or not");
    assert!(refused("flush 1").starts_with("line 1: flush 1: cannot happen here; what can:\n  election_timeout 1\n"));
    assert!(refused("elect x by 2").contains("'x' is no server; there are 1 to 3"));
    assert!(refused("elect 4 by 2").contains("'4' is no server; there are 1 to 3"));
    assert!(refused("partition 1 | 2").contains("it names every server once, with '|' between groups, as in"));
    assert!(refused("election_timeout 1\ndeliver pre_vote_request").contains("several fit, among them"));
    assert!(refused("elect 1 by 1").contains("it did not become leader; 'status' before this line"));
}
