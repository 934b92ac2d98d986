//! `replay` and `explore`: one run, told, or all of them in a browser.

use std::path::PathBuf;

use crate::cli::options::SystemArgs;
use crate::console::Usage;
use crate::trace::counterexample::told_in;
use crate::trace::language;
use crate::trace::scenario::Scenario;
use crate::verdict;

/// Serves the states to a browser.
pub(crate) fn explore(args: &SystemArgs, address: &str, from: Option<&PathBuf>) -> Result<u8, Usage> {
    use std::net::ToSocketAddrs;
    let resolved = address.to_socket_addrs().map_err(|why| Usage(format!("'{address}' is no address: {why}")))?;
    // Asked first, so that a taken port is an error in words.
    std::net::TcpListener::bind(resolved.collect::<Vec<_>>().as_slice())
        .map_err(|why| Usage(format!("cannot serve at {address}: {why}; choose another with --address")))?;
    let chosen = args.chosen()?;
    let mut system = told_in(chosen.exhibit.as_ref(), chosen.parts[0]);
    if let Some(path) = from {
        let scenario = read(path)?;
        let played = scenario.play(&scenario.system()).map_err(Usage)?;
        system.start = played.last().clone();
    }
    say!("Stateright's Explorer shows the system at http://{address}/ (end it with Ctrl-C)");
    system.serve(address);
    Ok(0)
}

/// Plays a file, and tells what happens.
pub(crate) fn play(file: &PathBuf, json: bool) -> Result<u8, Usage> {
    let scenario = read(file)?;
    let system = scenario.system();
    let played = scenario.play(&system).map_err(Usage)?;
    let broken = verdict::names(played.last().broken);
    if json {
        let steps: Vec<_> = played.steps.iter().map(|(action, _)| action.to_string()).collect();
        say!(
            "{:#}",
            serde_json::json!({"steps": steps, "broken": broken, "end": language::Picture(played.last()).to_string()})
        );
    } else {
        say!("{}\nin the end:\n{}", played.story(), language::Picture(played.last()));
    }
    Ok(u8::from(!broken.is_empty()))
}

fn read(path: &PathBuf) -> Result<Scenario, Usage> {
    let text =
        if path.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    let text = text.map_err(|why| Usage(format!("cannot read {}: {why}", path.display())))?;
    Scenario::parse(&text).map_err(|why| Usage(format!("{}: {why}", path.display())))
}
