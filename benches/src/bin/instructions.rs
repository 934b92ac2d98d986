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
    print!("{:<23}{:>3}", "round", "n");
    Library::ALL.iter().for_each(|library| print!("{:>18}", library.name()));
    println!("{}", "   ratio".repeat(Library::ALL.len() - 1));
    for round in Round::ALL {
        for servers in SIZES {
            print_row(round, servers)?;
        }
    }
    Ok(())
}

fn print_row(round: Round, servers: usize) -> Result<(), Box<dyn Error>> {
    let counts = thread::scope(|scope| {
        let count = |&library| scope.spawn(move || instructions(library, round, servers));
        let running: Vec<_> = Library::ALL.iter().map(count).collect();
        running.into_iter().map(|thread| thread.join().expect("counting does not panic")).collect::<Result<Vec<_>, _>>()
    })?;
    print!("{:<23}{servers:>3}", round.name());
    counts.iter().for_each(|count| print!("{count:>18}"));
    counts[1..].iter().for_each(|&theirs| print!("{:>8.3}", counts[0] as f64 / theirs as f64));
    println!();
    Ok(())
}

/// How many instructions the round takes, on average.
fn instructions(library: Library, round: Round, servers: usize) -> Result<u64, String> {
    // A batch is many commands already.
    let share = if round.commands() <= 1 { 1 } else { 10 };
    let [few, many] = [FEW / share, MANY / share];
    Ok((collected(library, round, servers, many)? - collected(library, round, servers, few)?) / (many - few))
}

/// How many instructions this program takes to play so many rounds.
fn collected(library: Library, round: Round, servers: usize, rounds: u64) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| format!("this program does not find itself: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["play", library.name(), round.name(), &servers.to_string(), &rounds.to_string()])
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
    let library = Library::ALL.iter().find(|known| known.name() == library);
    let library = library.ok_or("no such library was built in; raft-rs needs the feature `peers`")?;
    let round = Round::ALL.into_iter().find(|known| known.name() == round).ok_or("there is no such round")?;
    let servers =
        servers.parse().ok().filter(|servers| (1..=9).contains(servers)).ok_or("a group has 1 to 9 servers")?;
    let rounds: u64 = rounds.parse().map_err(|_| "the number of rounds is a whole number")?;
    let mut group = library.group(servers);
    let mut leader = Round::prepare(&mut *group);
    for _ in 0..rounds {
        round.play(&mut *group, &mut leader);
    }
    Ok(())
}
