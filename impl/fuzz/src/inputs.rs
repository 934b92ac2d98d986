//! The inputs that are kept for each parser, and the directories in which the fuzzer reads and writes them.

mod names;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use rafttree::campaigns::{Target, hexadecimal};

const USAGE: &str = "\
usage: inputs names          prints the parsers
       inputs unpack DIR     writes what is kept, and new encodings, to DIR/PARSER
       inputs pack DIR       prints what is to be kept, of what is in DIR/PARSER";

/// Where the inputs are that are kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/campaigns/tests/kept.txt");

/// So many encodings of its own each parser is given, beside what is kept.
const EXAMPLES: u64 = 64;

/// Longer inputs are left out: what they reach, shorter ones mostly reach as well.
const MAX_BYTES: usize = 64 << 10;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["names"] => names(),
        ["unpack", directory] => unpack(Path::new(directory)),
        ["pack", directory] => pack(Path::new(directory)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    done.map_or_else(
        |error| {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn names() -> io::Result<()> {
    Target::all().iter().for_each(|target| println!("{}", names::name_of(target)));
    Ok(())
}

fn unpack(directory: &Path) -> io::Result<()> {
    let kept = fs::read_to_string(KEPT)?;
    for target in Target::all() {
        let directory = directory.join(names::name_of(&target));
        fs::create_dir_all(&directory)?;
        let inputs = target.inputs_in(&kept).map_err(io::Error::other)?;
        for (number, input) in inputs.iter().enumerate() {
            fs::write(directory.join(format!("kept-{number}")), input)?;
        }
        for seed in 0..EXAMPLES {
            let example = target.example(seed).map_err(io::Error::other)?;
            fs::write(directory.join(format!("example-{seed}")), example)?;
        }
    }
    Ok(())
}

fn pack(directory: &Path) -> io::Result<()> {
    for target in Target::all() {
        let mut inputs = Vec::new();
        for entry in fs::read_dir(directory.join(names::name_of(&target)))? {
            inputs.push(fs::read(entry?.path())?);
        }
        inputs.retain(|input| input.len() <= MAX_BYTES);
        inputs.sort_by_key(|input| (input.len(), input.clone()));
        println!("# {}", target.name());
        inputs.iter().for_each(|input| println!("{}", hexadecimal(input)));
    }
    Ok(())
}
