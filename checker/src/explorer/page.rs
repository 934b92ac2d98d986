//! The explorer's page: the chart so far, and what can happen next, as links. It has no script.

use std::fmt::Write as _;

use crate::explorer::seek::GOALS;
use crate::explorer::walk::{Choice, GROUPS, Place, Walk};
use crate::trace::language::Picture;
use crate::trace::render::{drawn_with_links, xml};

const STYLE: &str = include_str!("page.css");

/// The link to a place, at its last step.
pub(crate) fn link(path: &[usize]) -> String {
    if path.is_empty() { "/".to_owned() } else { format!("/?path={}#step-{}", numbers(path), path.len()) }
}

fn numbers(path: &[usize]) -> String {
    let numbers: Vec<_> = path.iter().map(usize::to_string).collect();
    numbers.join(".")
}

/// A place; with a note, if there is something to say.
pub(crate) fn page(walk: &Walk, place: &Place, note: Option<&str>) -> String {
    let links: Vec<_> = (1..=place.path.len()).map(|length| link(&place.path[..length])).collect();
    let chart = drawn_with_links(&walk.chart(place), &links);
    let note = note.map_or(String::new(), |note| format!("<p class=\"note\">{}</p>\n", xml(note)));
    let state = xml(&Picture(walk.world(place)).to_string());
    framed(
        &walk.title,
        &format!(
            "<main>{chart}</main>\n<aside>\n{note}{}{}{}<details><summary>the whole state</summary><pre>{state}</pre></details>\n</aside>\n",
            ways(walk, place),
            choices(place, &walk.choices(place)),
            goals(place)
        ),
    )
}

/// A page that says what is wrong.
pub(crate) fn refusal(why: &str) -> String {
    framed(
        "not there",
        &format!("<aside><p class=\"note\">{}</p><p><a href=\"/\">to the start</a></p></aside>", xml(why)),
    )
}

fn framed(title: &str, body: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{}</title>
<style>
{STYLE}</style>
</head>
<body>
{body}</body>
</html>
"#,
        xml(title)
    )
}

/// Back, to the start, and along the trace that is followed.
fn ways(walk: &Walk, place: &Place) -> String {
    let mut out = format!("<nav><span>step {}</span> ", place.path.len());
    let mut to = |id: &str, words: &str, path: &[usize]| {
        let _ = write!(out, "<a id=\"{id}\" href=\"{}\">{words}</a> ", xml(&link(path)));
    };
    if let Some((_, before)) = place.path.split_last() {
        to("back", "back", before);
        to("start", "to the start", &[]);
    }
    if let Some(rest) = walk.next_of_trace(place) {
        if let Ok(next) = walk.after(place, &rest[..1]) {
            to("follow", "next step of the trace", &next.path);
        }
        if let Ok(end) = walk.after(place, rest) {
            to("end", "its end", &end.path);
        }
    }
    out + "</nav>\n"
}

/// What would break something first, then by groups; what changes nothing is folded.
fn choices(place: &Place, all: &[Choice]) -> String {
    let mut out = String::from("<h2>What can happen next</h2>\n");
    let (changing, idle): (Vec<_>, Vec<_>) = all.iter().partition(|choice| !choice.changes.is_empty());
    let breaking: Vec<_> = changing.iter().filter(|choice| !choice.broken.is_empty()).copied().collect();
    out.push_str(&list(place, "would break a property", &breaking));
    for group in GROUPS {
        let of_group: Vec<_> =
            changing.iter().filter(|it| it.group == group && it.broken.is_empty()).copied().collect();
        out.push_str(&list(place, group, &of_group));
    }
    if !idle.is_empty() {
        let _ = writeln!(out, "<details><summary>{} that change nothing</summary>", idle.len());
        out.push_str(&list(place, "", &idle));
        out.push_str("</details>\n");
    }
    out
}

fn list(place: &Place, heading: &str, choices: &[&Choice]) -> String {
    if choices.is_empty() {
        return String::new();
    }
    let mut out = if heading.is_empty() { String::new() } else { format!("<h3>{heading}</h3>\n") };
    out.push_str("<ul class=\"choices\">\n");
    for choice in choices {
        let path: Vec<_> = place.path.iter().copied().chain([choice.number]).collect();
        let broken: String = choice.broken.iter().map(|name| format!(" <b class=\"bad\">{name}</b>")).collect();
        let changes = xml(&choice.changes.join("; "));
        let _ = writeln!(
            out,
            "<li><a href=\"{}\">{}</a>{broken}<small>{changes}</small></li>",
            xml(&link(&path)),
            xml(&choice.action)
        );
    }
    out + "</ul>\n"
}

/// Links that run on.
fn goals(place: &Place) -> String {
    let path = numbers(&place.path);
    let links: Vec<_> = GOALS
        .iter()
        .map(|(name, words, _)| {
            format!("<li><a id=\"run-{name}\" href=\"/run?until={name}&amp;path={path}\">{words}</a></li>")
        })
        .collect();
    format!("<h2>Run to the first state in which</h2>\n<ul>{}</ul>\n", links.concat())
}
