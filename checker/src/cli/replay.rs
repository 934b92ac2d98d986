//! `replay`: what is written down of a run, through the deployed transitions.

use std::path::{Path, PathBuf};

use rafttree_model::ServerId;
use rafttree_model::trace::Ending;
use serde_json::{Value, json};

use crate::cli::play;
use crate::cli::show::{self, PictureArgs};
use crate::console::{Usage, grouped, seconds, wrap};
use crate::production::{self, Broken, Difference, End, Line, Place, Replayed, Run, Step, Unreadable, Wrong};
use crate::properties::PropertySet;
use crate::trace::render::Chart;
use crate::verdict;

/// Plays a scenario, or replays the traces of a group, whichever the files are.
pub(crate) fn replay(files: &[PathBuf], picture: &PictureArgs, json: bool) -> Result<u8, Usage> {
    let Some(odd) = files.iter().find(|file| !production::is_trace(file)) else {
        return traces(files, picture, json);
    };
    match files {
        [file] if picture.is_printed() => picture.draw(|| scenario(file)).map(|()| 0),
        [file] => {
            picture.draw(|| scenario(file))?;
            play::play(file, json)
        }
        _ => Err(Usage(format!(
            "{} is no trace of a server that ran, and other files are played one at a time: give it alone, or leave it out",
            odd.display()
        ))),
    }
}

fn scenario(file: &Path) -> Result<Chart, Usage> {
    let (title, text) = show::found(file)?;
    show::charted(&title, &text)
}

fn traces(files: &[PathBuf], picture: &PictureArgs, json: bool) -> Result<u8, Usage> {
    let replayed = production::replay(files).map_err(|Unreadable(why)| Usage(why))?;
    picture.draw(|| last_steps(files, &replayed))?;
    match json {
        _ if picture.is_printed() => {}
        true => say!("{:#}", as_json(&replayed)),
        false => tell(&replayed),
    }
    Ok(u8::from(replayed.wrong.is_some()))
}

/// The chart of the last steps, up to what is wrong.
fn last_steps(files: &[PathBuf], replayed: &Replayed) -> Result<Chart, Usage> {
    let film = production::film(files, replayed).map_err(|Unreadable(why)| Usage(why))?;
    let Run { start, steps, base } =
        film.ok_or_else(|| Usage("the traces have no step that could be drawn".to_owned()))?;
    let mut chart = Chart::of(title(replayed.wrong.as_ref()), &start, &steps);
    let named = replayed.servers.iter().map(|line| line.id()).zip(1..).filter(|(id, place)| id.number() != *place);
    chart.remarks.extend(named.map(|(id, place)| format!("server {place} of the picture is server {id} of the group")));
    if base != 0 {
        chart.remarks.push(format!("index 1 of the picture is index {} of the log", base + 1));
    }
    if let Some(Wrong::Differs(difference)) = &replayed.wrong {
        chart.remarks.push("the last step is what the checked code does".to_owned());
        chart.afterwards.push(format!("But server {}: {}.", difference.id, difference.found));
    }
    if let Some(Broken { properties, .. }) = &replayed.consequence {
        chart.afterwards.push(format!("What the others do then breaks {}.", verdict::names(*properties).join(", ")));
    }
    Ok(chart)
}

fn title(wrong: Option<&Wrong>) -> &'static str {
    match wrong {
        Some(Wrong::Differs(_)) => "a server does not do what the checked code does",
        Some(Wrong::Broken(_)) => "the group breaks what must hold",
        Some(Wrong::Unsent { .. }) => "a server hears what nobody has sent",
        None => "the last steps of the group",
    }
}

fn tell(replayed: &Replayed) {
    let Replayed { servers, wrong, consequence, chart, judged, absent, unknown, time, .. } = replayed;
    match wrong {
        Some(Wrong::Differs(difference)) => differs(difference, consequence.as_ref()),
        Some(Wrong::Broken(broken)) => breaks(broken),
        Some(Wrong::Unsent { at }) => unsent(at),
        None => {}
    }
    if wrong.is_some() {
        say!("the last steps before it, each in the lane of its server:");
        chart.iter().for_each(|line| say!("  {line}"));
        say!("");
    }
    let steps: u64 = servers.iter().map(|line| line.steps).sum();
    say!("{}: {} steps of {} servers in {}", word(replayed), grouped(steps), servers.len(), seconds(*time));
    servers.iter().for_each(of_server);
    if !absent.is_empty() {
        let ids: Vec<String> = absent.iter().map(ServerId::to_string).collect();
        say!("  no trace of server {}: what it has said is taken as said", ids.join(", "));
    }
    if *unknown != 0 {
        say!("  {} messages may have been sent when no trace was kept", grouped(*unknown));
    }
    let names: Vec<_> = judged.iter().map(|property| property.name()).collect();
    say!("  {}", wrap(&format!("judged to the end: {}", names.join(", ")), 2));
}

/// No search has ended here, so nothing is COMPLETE: what was recorded was judged, as far as it goes.
fn word(replayed: &Replayed) -> &'static str {
    if replayed.wrong.is_none() { "ACCEPTED" } else { "VIOLATED" }
}

fn of_server(line: &Line) {
    let parts = if line.parts == 1 { "1 part".to_owned() } else { format!("{} parts", line.parts) };
    say!("  server {}: {} steps in {parts}", line.id(), grouped(line.steps));
    for (place, end) in &line.cuts {
        say!("    {place}: {}", ended(*end));
    }
}

/// Why a part ends where it does.
fn ended(end: End) -> String {
    match end {
        End::Cut { left: 0 } => "the trace breaks off behind this: the server was killed, or the file cut".to_owned(),
        End::Cut { left } => {
            format!("the trace breaks off, {left} bytes into the next step: the server was killed, or the file cut")
        }
        End::Marked(Ending::Overrun) => {
            "the trace ends though the server went on: it was written too slowly".to_owned()
        }
        End::Marked(Ending::Failed) => "the trace ends though the server went on: it could not be written".to_owned(),
        End::Marked(Ending::Stopped) => "the trace ends with its server".to_owned(),
    }
}

fn differs(difference: &Difference, consequence: Option<&Broken>) {
    let Difference { id, place, after, call, before, expected, found } = difference;
    say!("server {id} does not do what the checked code does: {place}, {}", since(*after));
    say!("  before:   {before}");
    say!("  happens:  {call}");
    say!("  expected: {}", expected.join("\n            "));
    say!("  found:    {found}");
    if let Some(Broken { properties, at: Step { id, place, after, call } }) = consequence {
        say!(
            "the others, which took it at its word, break what must hold by this step of server {id}, or a little before"
        );
        say!("it: {place}, {}", since(*after));
        say!("  happens:  {call}");
        name(*properties);
    }
    say!(
        "Its code is not what it says, its memory or the trace is damaged, or the trace was changed. Keep the data \
         directory.\n"
    );
}

fn breaks(Broken { properties, at: Step { id, place, after, call } }: &Broken) {
    say!(
        "the group breaks what must hold, by this step of server {id} or a little before it: {place}, {}",
        since(*after)
    );
    say!("  happens:  {call}");
    name(*properties);
    say!("Every server did what the checked code does: look at disks, directories and who was started on them.\n");
}

fn name(broken: PropertySet) {
    broken.iter().for_each(|property| say!("  BROKEN:   {}: {}", property.name(), property.statement()));
}

fn unsent(at: &Step) {
    let Step { id, place, after, call } = at;
    say!("server {id} has heard what nobody has sent: {place}, {}", since(*after));
    say!("  happens:  {call}");
    say!("Something between the servers, or one of the traces, was changed; or a trace is of another run.\n");
}

fn since(nanoseconds: u64) -> String {
    format!("{:.6} s after its start", nanoseconds as f64 / 1e9)
}

fn as_json(replayed: &Replayed) -> Value {
    let server = |line: &Line| {
        let cut = |(place, end): &(_, End)| json!({"at": format!("{place}"), "why": ended(*end)});
        let cuts: Vec<_> = line.cuts.iter().map(cut).collect();
        json!({"id": line.id().number(), "steps": line.steps, "parts": line.parts, "ends": cuts})
    };
    json!({
        "verdict": word(replayed),
        "servers": replayed.servers.iter().map(server).collect::<Vec<_>>(),
        "wrong": replayed.wrong.as_ref().map(wrong_as_json),
        "consequence": replayed.consequence.as_ref().map(broken_as_json),
        "steps_before": replayed.wrong.as_ref().map(|_| &replayed.chart),
        "judged": verdict::names(replayed.judged),
        "absent": replayed.absent.iter().map(|id| id.number()).collect::<Vec<_>>(),
        "unknown_messages": replayed.unknown,
        "seconds": replayed.time.as_secs_f64(),
    })
}

fn place(it: &Place) -> Value {
    json!({"file": it.file.to_string_lossy(), "part": it.part, "step": it.step, "byte": it.offset})
}

fn broken_as_json(Broken { properties, at }: &Broken) -> Value {
    json!({
        "what": "broken", "properties": verdict::names(*properties), "server": at.id.number(),
        "at": place(&at.place), "nanoseconds": at.after, "call": at.call,
    })
}

fn wrong_as_json(wrong: &Wrong) -> Value {
    match wrong {
        Wrong::Differs(it) => json!({
            "what": "differs", "server": it.id.number(), "at": place(&it.place), "nanoseconds": it.after,
            "call": it.call, "before": it.before, "expected": it.expected, "found": it.found,
        }),
        Wrong::Broken(broken) => broken_as_json(broken),
        Wrong::Unsent { at } => json!({
            "what": "not_sent", "server": at.id.number(), "at": place(&at.place), "nanoseconds": at.after, "call": at.call,
        }),
    }
}
