//! `show`: a trace as a picture, or in the format of another tool.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::console::Usage;
use crate::trace::kept;
use crate::trace::render::{Chart, Picture};

/// Which trace, and as what.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// A scenario or a counterexample: a file, '-' for standard input, or the name of one that is kept
    /// with the checker, such as figure_8.
    trace: PathBuf,
    /// What to write it as.
    #[arg(short, long = "output", value_enum, default_value_t = Picture::Text)]
    output: Picture,
    /// Where to write it, instead of standard output.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Whether a picture is wanted of what is replayed, and as what.
#[derive(Args)]
pub(crate) struct PictureArgs {
    /// Draw the run; of the traces of a group their last steps, up to what is wrong.
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Picture>,
    /// Where to write the picture; without it, it is printed instead of what is said otherwise.
    #[arg(long, value_name = "FILE", requires = "output")]
    to: Option<PathBuf>,
}

impl PictureArgs {
    /// Draws this, if a picture is wanted.
    pub(crate) fn draw(&self, chart: impl FnOnce() -> Result<Chart, Usage>) -> Result<(), Usage> {
        let Some(output) = self.output else { return Ok(()) };
        put(&output.of(&chart()?), self.to.as_deref())
    }

    /// Whether the picture is printed, and nothing else.
    pub(crate) fn is_printed(&self) -> bool {
        self.output.is_some() && self.to.is_none()
    }
}

/// Prints or writes the picture.
pub(crate) fn show(args: &ShowArgs) -> Result<u8, Usage> {
    let (title, text) = found(&args.trace)?;
    put(&args.output.of(&charted(&title, &text)?), args.to.as_deref())?;
    Ok(0)
}

fn put(picture: &str, to: Option<&Path>) -> Result<(), Usage> {
    match to {
        Some(path) => write(path, picture)?,
        None => say!("{}", picture.trim_end_matches('\n')),
    }
    Ok(())
}

/// The chart of a trace's text.
pub(crate) fn charted(title: &str, text: &str) -> Result<Chart, Usage> {
    Chart::parse(title, text).map_err(|why| Usage(format!("{title}: {why}")))
}

/// Writes a file, or says why not.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Usage> {
    std::fs::write(path, text).map_err(|why| Usage(format!("cannot write {}: {why}", path.display())))
}

/// A trace's title and text.
pub(crate) fn found(trace: &Path) -> Result<(String, String), Usage> {
    let name = trace.to_string_lossy();
    if name == "-" {
        let text = std::io::read_to_string(std::io::stdin());
        return Ok(("standard input".to_owned(), text.map_err(|why| Usage(format!("cannot read: {why}")))?));
    }
    let title = trace.file_stem().map_or(name.clone(), |stem| stem.to_string_lossy()).replace('_', " ");
    match std::fs::read_to_string(trace) {
        Ok(text) => Ok((title, text)),
        Err(why) => {
            let text = kept::named(&name)
                .ok_or_else(|| Usage(format!("cannot read {name}: {why}; no trace that is kept has this name")))?;
            Ok((title, text.to_owned()))
        }
    }
}
