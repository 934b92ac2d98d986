//! Groups of three real processes that keep traces, one of which is wrong: what `replay` says of them.
//!
//! The servers are this program itself (`server`): the deployed step, or a mutant of it, and a disk that may lose
//! something. The network is the test, which decides what arrives, and when.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod server;

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rafttree_model::{Message, ServerId};
use tempfile::TempDir;

use server::{Fault, Happens, MARK, Said, Told};

/// What a process is told to be, where it is one of the servers.
const TOLD: &str = "RAFTTREE_TEST_SERVER";

/// No test, but the program of the servers.
#[test]
#[ignore = "it is a process that the other tests start"]
fn serves() {
    let told = std::env::var(TOLD).expect("the tests that start it say which server it is");
    server::serve(&serde_json::from_str(&told).unwrap()).unwrap();
}

/// Three processes. Dropping this ends them.
struct Group {
    /// What is wrong with server 3.
    fault: Fault,
    folder: TempDir,
    servers: BTreeMap<u32, Process>,
    mail: VecDeque<Said>,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What `replay` says of the traces of a group, and its exit code.
struct Judged {
    said: String,
    code: Option<i32>,
    /// The last steps, drawn.
    picture: String,
}

impl Group {
    fn start(fault: Fault) -> Group {
        let folder = tempfile::tempdir().unwrap();
        let mut group = Group { fault, folder, servers: BTreeMap::new(), mail: VecDeque::new() };
        (1..=3).for_each(|id| group.launch(id));
        group
    }

    fn launch(&mut self, id: u32) {
        let fault = if id == 3 { self.fault } else { Fault::Nothing };
        let told = Told { id, fault, folder: self.folder.path().to_owned() };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "serves", "--ignored", "--nocapture"])
            .env(TOLD, serde_json::to_string(&told).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        self.servers.insert(id, Process { child, input, output });
        // Whatever happens next happens to a server that has begun its trace.
        self.happens(id, &Happens::MinimumTimeout);
    }

    /// Lets something happen to a server, and takes what it says.
    fn happens(&mut self, id: u32, happens: &Happens) {
        let process = self.servers.get_mut(&id).unwrap();
        writeln!(process.input, "{}", serde_json::to_string(happens).unwrap()).unwrap();
        let mut lines = (&mut process.output).lines().map(Result::unwrap);
        let answer = lines.find_map(|line| line.strip_prefix(MARK).map(str::to_owned));
        let said: Vec<Said> = serde_json::from_str(&answer.expect("the server answers")).unwrap();
        self.mail.extend(said);
    }

    fn election_timeout(&mut self, id: u32) {
        self.happens(id, &Happens::ElectionTimeout);
    }

    /// Lets messages arrive until there are none, but for those that are lost.
    fn deliver(&mut self, mut is_lost: impl FnMut(&Said) -> bool) {
        while let Some(said) = self.mail.pop_front() {
            if !is_lost(&said) {
                self.happens(said.to.number(), &Happens::Receive(said));
            }
        }
    }

    /// Kills a server, and starts it again with what its disk gives back.
    fn restart(&mut self, id: u32) {
        drop(self.servers.remove(&id));
        self.launch(id);
    }

    /// Judges the traces, once no server runs any more.
    fn judged(mut self) -> Judged {
        self.servers.clear();
        let (traces, drawn) = ((1..=3).map(|id| format!("{id}.trace")), self.folder.path().join("drawn.svg"));
        let judged = Command::new(env!("CARGO_BIN_EXE_rafttree-checker"))
            .current_dir(self.folder.path())
            .arg("replay")
            .args(traces)
            .args(["-o", "svg", "--to", "drawn.svg"])
            .output()
            .unwrap();
        let picture = std::fs::read_to_string(drawn).unwrap();
        Judged { said: String::from_utf8(judged.stdout).unwrap(), code: judged.status.code(), picture }
    }
}

/// It is killed.
impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn is_for(said: &Said, from: u32, to: u32) -> bool {
    (said.from, said.to) == (ServerId::new(from), ServerId::new(to))
}

/// Servers 1 and 2 ask server 3, and nobody else, for its vote of one term. It is killed before the second one asks,
/// and hears of no leader.
fn asked_twice(fault: Fault) -> Judged {
    let mut group = Group::start(fault);
    [1, 2].into_iter().for_each(|candidate| group.election_timeout(candidate));
    let mut second = None;
    group.deliver(|it| {
        let is_second = matches!(it.message, Message::VoteRequest { .. }) && is_for(it, 2, 3);
        second = second.take().or(is_second.then(|| it.clone()));
        is_second || says_that_it_leads(it) || is_between_1_and_2(it)
    });
    group.restart(3);
    group.happens(3, &Happens::Receive(second.expect("server 2 asks")));
    group.deliver(|it| says_that_it_leads(it) || is_between_1_and_2(it));
    group.judged()
}

fn says_that_it_leads(said: &Said) -> bool {
    matches!(said.message, Message::AppendRequest { .. })
}

fn is_between_1_and_2(said: &Said) -> bool {
    is_for(said, 1, 2) || is_for(said, 2, 1)
}

/// Server 1 leads, and commits a command together with server 3. That is killed, and then elects server 2, which has
/// never heard of any of it, if it can.
fn committed_and_killed(fault: Fault) -> Judged {
    let mut group = Group::start(fault);
    group.election_timeout(1);
    group.deliver(is_between_1_and_2);
    group.happens(1, &Happens::Propose("a".into()));
    group.deliver(is_between_1_and_2);
    group.restart(3);
    // At first it asks in a term that is over.
    for _ in 0..2 {
        group.election_timeout(2);
        group.deliver(is_between_1_and_2);
    }
    group.judged()
}

#[test]
fn processes_that_are_right_are_accepted() {
    for judged in [asked_twice(Fault::Nothing), committed_and_killed(Fault::Nothing)] {
        assert_eq!(judged.code, Some(0), "{}", judged.said);
        assert!(judged.said.starts_with("ACCEPTED"), "{}", judged.said);
    }
}

#[test]
fn a_process_by_a_mutant_of_the_step_is_named_with_the_property_that_it_breaks() {
    let Judged { said, code, picture } = asked_twice(Fault::VotesAgain);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("server 3 does not do what the checked code does"), "{said}");
    assert!(said.contains("deliver 2->3 term 1 vote_request"), "{said}");
    assert!(said.contains("BROKEN:   C2 VoteOnce"), "{said}");
    assert!(picture.contains("the last step is what the checked code does"), "{picture}");
    assert!(picture.contains("But server 3: the server asked for something else"), "{picture}");
}

#[test]
fn a_process_whose_disk_loses_a_vote_is_named_with_the_property() {
    let Judged { said, code, picture } = asked_twice(Fault::LosesVotes);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("BROKEN:   C2 VoteOnce"), "{said}");
    assert!(picture.contains("BROKEN: C2 VoteOnce") && picture.contains("2-&gt;3 term 1 vote_request"), "{picture}");
}

#[test]
fn a_process_whose_disk_loses_entries_is_named_with_the_property() {
    let Judged { said, code, picture } = committed_and_killed(Fault::LosesEntries);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("BROKEN:   C6 LeaderCompleteness"), "{said}");
    assert!(picture.contains("BROKEN: C6 LeaderCompleteness") && picture.contains("crash 3"), "{picture}");
}
