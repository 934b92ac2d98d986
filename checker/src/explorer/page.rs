//! The explorer's page: the chart so far, and what can happen next, as links. It has no script.

use std::fmt::Write as _;

use crate::explorer::walk::{Choice, Place, Walk};
use crate::explorer::walked::{GOALS, Walked};
use crate::trace::render::{Chart, drawn_with_links, xml};

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
pub(crate) fn page<W: Walked>(walk: &Walk<W>, place: &Place<W>, note: Option<&str>) -> String {
    let links: Vec<_> = (1..=place.path.len()).map(|length| link(&place.path[..length])).collect();
    let chart = drawn_with_links(&walk.chart(place), &links);
    let note = note.map_or(String::new(), |note| format!("<p class=\"note\">{}</p>\n", xml(note)));
    let state = xml(&walk.system.whole(&walk.state(place)));
    framed(
        &walk.title,
        &format!(
            "<main>{chart}</main>\n<aside>\n{note}{}{}{}{}<details><summary>the whole state</summary><pre>{state}</pre></details>\n</aside>\n",
            ways(walk, place),
            about::<W>(&place.path),
            choices::<W>(&place.path, &walk.choices(place)),
            goals(&place.path)
        ),
    )
}

/// What is walked through, if that has to be said, and how it looks in the concrete system.
fn about<W: Walked>(path: &[usize]) -> String {
    if W::ABOUT.is_empty() {
        return String::new();
    }
    let link = format!("/concrete?path={}", numbers(path));
    format!(
        "<p><small>{} <a id=\"concrete\" href=\"{link}\">A run of the concrete system that leads here.</a></small></p>\n",
        xml(W::ABOUT)
    )
}

/// A run of the concrete system that leads to a place of another one.
pub(crate) fn concrete(path: &[usize], chart: &Chart) -> String {
    let links: Vec<_> = (1..=chart.steps.len()).map(|step| format!("#step-{step}")).collect();
    let (chart, back) = (drawn_with_links(chart, &links), xml(&link(path)));
    framed(
        "in the concrete system",
        &format!("<main>{chart}</main>\n<aside><nav><a id=\"back\" href=\"{back}\">back</a></nav></aside>\n"),
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
fn ways<W: Walked>(walk: &Walk<W>, place: &Place<W>) -> String {
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
fn choices<W: Walked>(path: &[usize], all: &[Choice]) -> String {
    let mut out = String::from("<h2>What can happen next</h2>\n");
    let (changing, idle): (Vec<_>, Vec<_>) = all.iter().partition(|choice| !choice.told.changes.is_empty());
    let breaking: Vec<_> = changing.iter().filter(|choice| !choice.told.broken.is_empty()).copied().collect();
    out.push_str(&list(path, "would break a property", &breaking));
    for group in W::GROUPS {
        let of_group: Vec<_> =
            changing.iter().filter(|it| it.told.group == *group && it.told.broken.is_empty()).copied().collect();
        out.push_str(&list(path, group, &of_group));
    }
    if !idle.is_empty() {
        let _ = writeln!(out, "<details><summary>{} that change nothing</summary>", idle.len());
        out.push_str(&list(path, "", &idle));
        out.push_str("</details>\n");
    }
    out
}

fn list(path: &[usize], heading: &str, choices: &[&Choice]) -> String {
    if choices.is_empty() {
        return String::new();
    }
    let mut out = if heading.is_empty() { String::new() } else { format!("<h3>{heading}</h3>\n") };
    out.push_str("<ul class=\"choices\">\n");
    for Choice { number, told } in choices {
        let path: Vec<_> = path.iter().copied().chain([*number]).collect();
        let broken: String = told.broken.iter().map(|name| format!(" <b class=\"bad\">{name}</b>")).collect();
        let changes = xml(&told.changes.join("; "));
        let _ = writeln!(
            out,
            "<li><a href=\"{}\">{}</a>{broken}<small>{changes}</small></li>",
            xml(&link(&path)),
            xml(&told.action)
        );
    }
    out + "</ul>\n"
}

/// Links that run on.
fn goals(path: &[usize]) -> String {
    let path = numbers(path);
    let links: Vec<_> = GOALS
        .iter()
        .map(|(name, words, _)| {
            format!("<li><a id=\"run-{name}\" href=\"/run?until={name}&amp;path={path}\">{words}</a></li>")
        })
        .collect();
    format!("<h2>Run to the first state in which</h2>\n<ul>{}</ul>\n", links.concat())
}
