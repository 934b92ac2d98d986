//! A directory for each run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::artifacts::runs::{Run, Runs};
use crate::cli::show;
use crate::console::Usage;
use crate::trace::render::Picture;

/// Makes one, and says which: the name of the preset or of the mutant with the first number that is free.
pub(crate) fn write(parent: &Path, runs: &Runs, value: &Value) -> Result<PathBuf, Usage> {
    let folder = made(parent, &runs.name).map_err(|why| Usage(format!("cannot write {}: {why}", parent.display())))?;
    show::write(&folder.join("verdict.json"), &format!("{value:#}\n"))?;
    let text: Vec<_> = runs.runs.iter().map(Run::text).collect();
    show::write(&folder.join("report.txt"), &text.join("\n"))?;
    let violated = runs.violated().and_then(|run| run.scenario.as_ref());
    if let Some(scenario) = violated {
        show::write(&folder.join("counterexample.txt"), scenario)?;
        let chart = show::charted(&runs.name, scenario)?;
        for picture in [Picture::Html, Picture::Svg] {
            let file = folder.join("counterexample").with_extension(picture.extension());
            show::write(&file, &picture.of(&chart))?;
        }
    }
    Ok(folder)
}

fn made(parent: &Path, name: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(parent)?;
    for number in 1.. {
        let folder = parent.join(format!("{name}-{number}"));
        match fs::create_dir(&folder) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => return Err(why),
            Ok(()) => return Ok(folder),
        }
    }
    unreachable!("some number is free")
}
