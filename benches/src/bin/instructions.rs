//! Instructions a round, counted by valgrind: other load on the machine does not disturb them.
//!
//! `cargo run --release -p rafttree-benches --features peers --bin instructions`
//!
//! The program runs itself under valgrind twice for each figure, with few rounds and with many;
//! the difference is what the rounds cost, whatever it takes to start. What is equal between the
//! libraries and what is not is said in the library part of this package.

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::thread;

#[cfg(feature = "peers")]
use rafttree_benches::Openraft;
use rafttree_benches::{Library, Round, SIZES};

/// Rounds of the short run and of the long one.
const FEW: u64 = 100;
const MANY: u64 = 600;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [] => print_table(),
        [word, rest @ ..] if word == "play" => play(rest),
        [word, ..] => Err(format!("`{word}` is not understood: call without arguments, to get the table").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_table() -> Result<(), Box<dyn Error>> {
    println!("Instructions a round; ratios are ours / theirs. `commit 64` is 64 commands proposed at once.");
    let libraries: Vec<&str> = Library::ALL.iter().map(|library| library.name()).collect();
    print_head(&libraries);
    for round in Round::ALL {
        for servers in SIZES {
            print_row(round, servers, &libraries)?;
        }
    }
    #[cfg(feature = "peers")]
    print_openraft()?;
    Ok(())
}

/// Its election beside ours, apart from the others: they are not counted alike.
#[cfg(feature = "peers")]
fn print_openraft() -> Result<(), Box<dyn Error>> {
    println!("\nAn election of openraft 0.9, triggered at a follower, until nothing is left to do.");
    println!("Not equal: its runtime, tasks and channels are counted too, and it has no PreVote.");
    let libraries = [Library::Rafttree.name(), Openraft::NAME];
    print_head(&libraries);
    SIZES.into_iter().try_for_each(|servers| print_row(Round::Election, servers, &libraries))
}

fn print_head(libraries: &[&str]) {
    print!("{:<23}{:>3}", "round", "n");
    libraries.iter().for_each(|library| print!("{library:>18}"));
    println!("{}", "   ratio".repeat(libraries.len() - 1));
}

fn print_row(round: Round, servers: usize, libraries: &[&str]) -> Result<(), Box<dyn Error>> {
    let counts = thread::scope(|scope| {
        let count = |&library| scope.spawn(move || instructions(library, round, servers));
        let running: Vec<_> = libraries.iter().map(count).collect();
        running.into_iter().map(|thread| thread.join().expect("counting does not panic")).collect::<Result<Vec<_>, _>>()
    })?;
    print!("{:<23}{servers:>3}", round.name());
    counts.iter().for_each(|count| print!("{count:>18}"));
    counts[1..].iter().for_each(|&theirs| print!("{:>8.3}", counts[0] as f64 / theirs as f64));
    println!();
    Ok(())
}

/// How many instructions the round takes, on average.
fn instructions(library: &str, round: Round, servers: usize) -> Result<u64, String> {
    // A batch is many commands already.
    let share = if round.commands() <= 1 { 1 } else { 10 };
    let [few, many] = [FEW / share, MANY / share];
    Ok((collected(library, round, servers, many)? - collected(library, round, servers, few)?) / (many - few))
}

/// How many instructions this program takes to play so many rounds.
fn collected(library: &str, round: Round, servers: usize, rounds: u64) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| format!("this program does not find itself: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["play", library, round.name(), &servers.to_string(), &rounds.to_string()])
        .output()
        .map_err(|error| {
            format!("valgrind, which counts the instructions, does not start: {error} (Debian: apt install valgrind)")
        })?;
    let report = String::from_utf8_lossy(&output.stderr);
    let counted = report.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    counted.filter(|_| output.status.success()).ok_or_else(|| format!("valgrind did not finish:\n{report}"))
}

/// Plays rounds: `play LIBRARY ROUND SERVERS ROUNDS`.
fn play(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [library, round, servers, rounds] = arguments else {
        return Err("`play` takes a library, a round, how many servers and how many rounds".into());
    };
    let round = Round::ALL.into_iter().find(|known| known.name() == round).ok_or("there is no such round")?;
    let servers =
        servers.parse().ok().filter(|servers| (1..=9).contains(servers)).ok_or("a group has 1 to 9 servers")?;
    let rounds: u64 = rounds.parse().map_err(|_| "the number of rounds is a whole number")?;
    match library.as_str() {
        #[cfg(feature = "peers")]
        Openraft::NAME => play_openraft(round, servers, rounds),
        name => play_by_hand(name, round, servers, rounds),
    }
}

fn play_by_hand(name: &str, round: Round, servers: usize, rounds: u64) -> Result<(), Box<dyn Error>> {
    let library = Library::ALL.iter().find(|known| known.name() == name);
    let library = library.ok_or("no such library was built in; raft-rs and openraft need the feature `peers`")?;
    let mut group = library.group(servers);
    let mut leader = Round::prepare(&mut *group);
    for _ in 0..rounds {
        round.play(&mut *group, &mut leader);
    }
    Ok(())
}

#[cfg(feature = "peers")]
fn play_openraft(round: Round, servers: usize, rounds: u64) -> Result<(), Box<dyn Error>> {
    if round != Round::Election || servers == 1 {
        return Err("of openraft elections are measured, in groups of two and more: its leaders do not campaign".into());
    }
    let mut group = Openraft::new(servers);
    for _ in 0..rounds {
        group.elect();
        group.settle();
    }
    Ok(())
}
