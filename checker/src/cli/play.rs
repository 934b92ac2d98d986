//! `replay` and `explore`: one run, told, or all of them in a browser.

use std::net::{TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::options::{LimitArgs, SystemArgs};
use crate::cli::show;
use crate::console::Usage;
use crate::explorer::{self, NamedQuotient, Walk, Walked};
use crate::presets;
use crate::system::System;
use crate::trace::counterexample::{offered_in, walked_in};
use crate::trace::scenario::{Played, Scenario};
use crate::trace::{kept, language};
use crate::verdict;
use crate::world::PAPER;

/// What is explored, and where it is served.
#[derive(Args)]
pub(crate) struct ExploreArgs {
    #[command(flatten)]
    system: SystemArgs,
    /// Where to serve it.
    #[arg(long, default_value = "127.0.0.1:3000")]
    address: String,
    /// Follow this scenario or counterexample.
    #[arg(long)]
    from: Option<PathBuf>,
    /// Serve Stateright's Explorer instead, which counts states; with --from it begins at the trace's end.
    #[arg(long)]
    stateright: bool,
    /// Walk through the quotient, which the search exhausts, instead of the concrete system: of a preset its first part
    /// of any length. With a mutant it is searched, and what is found can be followed.
    #[arg(long, conflicts_with_all = ["from", "stateright"])]
    quotient: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Serves the states to a browser.
pub(crate) fn explore(args: &ExploreArgs) -> Result<u8, Usage> {
    let ExploreArgs { system, address, .. } = args;
    let resolved = address.to_socket_addrs().map_err(|why| Usage(format!("'{address}' is no address: {why}")))?;
    // Asked first, so that a taken port is an error in words.
    let listener = TcpListener::bind(resolved.collect::<Vec<_>>().as_slice())
        .map_err(|why| Usage(format!("cannot serve at {address}: {why}; choose another with --address")))?;
    if args.stateright {
        drop(listener);
        let chosen = system.chosen()?;
        let mut offered = offered_in(chosen.mutant.as_ref(), chosen.parts[0]);
        if let Some(path) = &args.from {
            offered.start = played(path)?.last().clone();
        }
        say!("Stateright's Explorer shows the system at http://{address}/ (end it with Ctrl-C)");
        offered.serve(address);
        return Ok(0);
    }
    if args.quotient { serve(quotient(args)?, listener) } else { serve(walk(args)?, listener) }
}

fn serve<W: Walked>(walk: Walk<W>, listener: TcpListener) -> Result<u8, Usage> {
    let address = listener.local_addr().map_err(|why| Usage(format!("cannot serve: {why}")))?;
    say!("explore {} at http://{address}/ (end it with Ctrl-C)", walk.title);
    explorer::serve(walk, listener).map_err(|why| Usage(format!("cannot serve at {address}: {why}")))?;
    Ok(0)
}

/// The system of the trace or of the preset.
fn walk(args: &ExploreArgs) -> Result<Walk<System>, Usage> {
    let named = args.system.preset.as_deref().filter(|name| presets::named(name).is_none()).map(PathBuf::from);
    let is_trace = |path: &PathBuf| path.exists() || kept::named(&path.to_string_lossy()).is_some();
    if let Some(path) = args.from.clone().or(named.filter(is_trace)) {
        let (title, text) = show::found(&path)?;
        let wrong = |why| Usage(format!("{}: {why}", path.display()));
        let scenario = Scenario::parse(&text).map_err(wrong)?;
        let system = scenario.system();
        let trace = scenario.play(&system).map_err(wrong)?.steps.into_iter().map(|step| step.action).collect();
        return Ok(Walk { title, system, trace });
    }
    let chosen = args.system.chosen()?;
    let name = chosen.mutant.as_ref().map_or(chosen.preset.name, |mutant| mutant.name);
    let system = walked_in(chosen.mutant.as_ref(), chosen.parts[0]);
    Ok(Walk { title: name.replace('_', " "), system, trace: Vec::new() })
}

/// The quotient of the preset or of the mutant, and what the search finds in it.
fn quotient(args: &ExploreArgs) -> Result<Walk<NamedQuotient>, Usage> {
    let chosen = args.system.chosen()?;
    let name = chosen.mutant.as_ref().map_or(chosen.preset.name, |mutant| mutant.name);
    let ground = chosen.mutant.as_ref().map_or(PAPER, |mutant| mutant.ground);
    let searched = chosen.parts.iter().find_map(|part| part.quotient(ground));
    let mut searched = searched.ok_or_else(|| Usage(format!("nothing of {name} is searched in a quotient")))?;
    let title = format!("{} in its quotient", name.replace('_', " "));
    let Some(mutant) = &chosen.mutant else {
        return Ok(Walk { title, system: NamedQuotient::of(&searched), trace: Vec::new() });
    };
    searched.watched.keep(mutant.counted());
    let (system, found) = (NamedQuotient::of(&searched), args.limits.limits().search().run(&searched, &mut |_| {}));
    let trace = system.named(&searched, &found.path).map_err(Usage)?;
    Ok(Walk { title, system, trace })
}

/// Plays a file, and tells what happens.
pub(crate) fn play(file: &Path, json: bool) -> Result<u8, Usage> {
    let played = played(file)?;
    let (broken, end) = (verdict::names(played.last().broken), language::Picture(played.last()).to_string());
    if json {
        let steps: Vec<_> = played.steps.iter().map(|step| step.action.to_string()).collect();
        let unsent: Vec<_> = played.steps.iter().filter(|step| !step.sent).map(|it| it.action.to_string()).collect();
        say!("{:#}", serde_json::json!({"steps": steps, "not_sent": unsent, "broken": broken, "end": end}));
    } else {
        say!("{}\nin the end:\n{end}", played.notebook());
    }
    Ok(u8::from(!broken.is_empty()))
}

/// A scenario, played; what is wrong is said with the file, the line, and what to do.
fn played(path: &Path) -> Result<Played, Usage> {
    let stdin = path.as_os_str() == "-";
    let text = if stdin { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    let text = text.map_err(|why| Usage(format!("cannot read {}: {why}", path.display())))?;
    let played = Scenario::parse(&text).and_then(|scenario| scenario.play(&scenario.system()));
    played.map_err(|why| Usage(format!("{}: {why}", path.display())))
}
