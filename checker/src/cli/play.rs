//! `replay` and `explore`: one run, told, or all of them in a browser.

use std::path::{Path, PathBuf};

use crate::cli::options::SystemArgs;
use crate::console::Usage;
use crate::trace::counterexample::offered_in;
use crate::trace::language;
use crate::trace::scenario::{Played, Scenario};
use crate::verdict;

/// Serves the states to a browser.
pub(crate) fn explore(args: &SystemArgs, address: &str, from: Option<&PathBuf>) -> Result<u8, Usage> {
    use std::net::ToSocketAddrs;
    let resolved = address.to_socket_addrs().map_err(|why| Usage(format!("'{address}' is no address: {why}")))?;
    // Asked first, so that a taken port is an error in words.
    std::net::TcpListener::bind(resolved.collect::<Vec<_>>().as_slice())
        .map_err(|why| Usage(format!("cannot serve at {address}: {why}; choose another with --address")))?;
    let chosen = args.chosen()?;
    let mut system = offered_in(chosen.mutant.as_ref(), chosen.parts[0]);
    if let Some(path) = from {
        system.start = played(path)?.last().clone();
    }
    say!("Stateright's Explorer shows the system at http://{address}/ (end it with Ctrl-C)");
    system.serve(address);
    Ok(0)
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
