//! That pictures show the run: every message with its ends, every format whole, and nothing that could
//! be taken for markup.

use std::path::Path;

use serde_json::Value;

use crate::trace::kept::{KEPT, named};
use crate::trace::language::NOT_SENT;
use crate::trace::render::chart::Chart;
use crate::trace::render::layout::Layout;
use crate::trace::render::names::label;
use crate::trace::render::schedule::Line;
use crate::trace::render::svg::escaped;
use crate::trace::render::{Picture, html, svg};

/// A little of everything: a crash, a loss, a repetition, a partition, and what is not on disk.
const SMALL: &str = "# A <small> \"run\" & its 'picture'; 100% #1\nservers 2\nelect 1 by 2\n\
    deliver 1->2 pre_vote_request\npartition 1 | 2\npropose 1\ncrash 1\nheal\nelection_timeout 2\ncrash 2\n";

fn small() -> Chart {
    Chart::parse("small", SMALL).expect("it can be played")
}

/// Every trace that is kept, as a chart.
fn charts() -> Vec<Chart> {
    let charted =
        KEPT.iter().map(|(_, name, text)| Chart::parse(name, text).unwrap_or_else(|why| panic!("{name}: {why}")));
    charted.collect()
}

/// Whether a text is one well-formed element of XML; of such as are written here, without CDATA.
fn element(text: &str) -> Result<(), String> {
    let (mut open, mut rest, mut count) = (Vec::new(), text.trim(), 0);
    while !rest.is_empty() {
        if count > 0 && open.is_empty() {
            return Err(format!("it goes on after its end: {rest:.40}"));
        }
        let Some(tag) = rest.strip_prefix('<') else {
            let (words, after) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
            characters(words)?;
            rest = after;
            continue;
        };
        count += 1;
        let (tag, after) = tag.split_once('>').ok_or("a tag does not end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let opened: Option<&str> = open.pop();
            if opened != Some(name) {
                return Err(format!("</{name}> ends {opened:?}"));
            }
            continue;
        }
        let (is_empty, tag) = tag.strip_suffix('/').map_or((false, tag), |tag| (true, tag));
        let (name, attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        attributes_of(attributes).map_err(|why| format!("<{name}>: {why}"))?;
        if !is_empty {
            open.push(name);
        }
    }
    open.is_empty().then_some(()).ok_or(format!("{open:?} do not end"))
}

/// Text in which every `&` begins an entity.
fn characters(words: &str) -> Result<(), String> {
    let is_entity = |rest: &str| ["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|known| rest.starts_with(known));
    let unknown = words.split('&').skip(1).find(|rest| !is_entity(rest));
    unknown.map_or(Ok(()), |rest| Err(format!("&{rest:.10} is no entity")))
}

fn attributes_of(text: &str) -> Result<(), String> {
    let (mut rest, mut names) = (text.trim(), Vec::new());
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").ok_or(format!("'{rest}' is no attribute"))?;
        let (value, after) = value.split_once('"').ok_or(format!("{name} does not end"))?;
        characters(value)?;
        if value.contains('<') || names.contains(&name) || !name.chars().all(|it| it.is_alphanumeric() || it == '-') {
            return Err(format!("{name}: '{value}'"));
        }
        names.push(name);
        rest = after.trim_start();
    }
    Ok(())
}

#[test]
fn what_is_not_well_formed_is_noticed() {
    for good in ["<a/>", "<a b=\"1\">x &amp; y<c/></a>", "<a><b></b></a>"] {
        assert_eq!(element(good), Ok(()), "{good}");
    }
    let wrong = [
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a b=1/>",
        "<a b=\"1\" b=\"2\"/>",
        "<a>x & y</a>",
        "<a><b></a></b>",
        "<a b=\"<\"/>",
    ];
    for wrong in wrong {
        assert!(element(wrong).is_err(), "{wrong}");
    }
}

/// Each is compared with a file that people have looked at; `RAFTTREE_BLESS=1` writes them anew.
#[test]
fn a_small_run_in_each_format_is_as_it_was_when_it_was_looked_at() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    for picture in Picture::ALL {
        let (file, text) = (folder.join("small").with_extension(picture.extension()), picture.of(&small()));
        if std::env::var_os("RAFTTREE_BLESS").is_some() {
            std::fs::write(&file, text).expect("it can be written");
        } else {
            let kept = std::fs::read_to_string(&file).expect("it is kept");
            assert!(text == kept, "{}: see RAFTTREE_BLESS", file.display());
        }
    }
}

/// The five that the README shows.
#[test]
fn kept_pictures_are_what_is_drawn() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures");
    let files = std::fs::read_dir(&folder).expect("there are pictures").map(|file| file.expect("a file").path());
    let mut count = 0;
    for file in files {
        let name = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = named(&name).unwrap_or_else(|| panic!("{name} is no trace that is kept"));
        let drawn = Picture::Svg.of(&Chart::parse(&name.replace('_', " "), text).expect("it can be played"));
        if std::env::var_os("RAFTTREE_BLESS").is_some() {
            std::fs::write(&file, drawn).expect("it can be written");
        } else {
            assert!(drawn == std::fs::read_to_string(&file).expect("it is text"), "{name}: see RAFTTREE_BLESS");
        }
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn every_message_has_both_ends_or_is_lost() {
    let mut counts = [0; 3];
    for chart in charts() {
        let title = &chart.title;
        for message in &chart.messages {
            let sent = message.sent.unwrap_or_else(|| panic!("{title}: nobody sent {}", message.words()));
            assert_eq!(chart.steps[sent - 1].server, message.from, "{title}: {} leaves in {sent}", message.words());
            for &step in &message.received {
                let arrival = &chart.steps[step - 1];
                assert_eq!(arrival.action, format!("deliver {}", message.words()), "{title}");
                assert!(sent < step && arrival.server == message.to, "{title}: {} comes too early", message.words());
            }
            counts[message.received.len().min(2)] += 1;
        }
        let deliveries = chart.steps.iter().filter(|step| step.verb == "deliver").count();
        let arrivals: usize = chart.messages.iter().map(|message| message.received.len()).sum();
        assert_eq!(arrivals, deliveries, "{title}: each delivery ends one arrow");
    }
    assert!(counts.iter().all(|count| 0 < *count), "lost, once, again: {counts:?}");
}

/// What a story says below an action is what the chart has as sent there.
#[test]
fn what_is_sent_is_what_the_trace_says_is_sent() {
    for chart in charts() {
        for step in &chart.steps {
            let sends = step.changes.iter().filter_map(|change| change.strip_prefix("sends "));
            for said in sends {
                let (ends, message) = said.split_once(" term ").expect("a message has a term");
                let (from, to) = ends.split_once("->").expect("a message has two ends");
                let is_it = |arrow: &&crate::trace::render::arrows::Arrow| {
                    arrow.sent == Some(step.step) && arrow.from.to_string() == from
                };
                let of_step: Vec<_> = chart.messages.iter().filter(is_it).collect();
                let others = chart.servers - 1;
                let is_told = match to {
                    "all" => {
                        (1..=chart.servers as u32).filter(|to| of_step.iter().any(|it| it.to == *to)).count() == others
                    }
                    _ => of_step
                        .iter()
                        .any(|it| it.to.to_string() == to && format!("{} {}", it.term, it.message) == message),
                };
                assert!(is_told, "{}, step {}: {said}", chart.title, step.step);
            }
        }
    }
}

#[test]
fn what_nobody_sent_is_marked() {
    let text = "election_timeout 1\ndeliver 2->1 pre_vote_granted\n";
    let chart = Chart::parse("unsent", text).expect("it can be played");
    let arrow = chart.messages.iter().find(|message| message.sent.is_none()).expect("there is one");
    assert_eq!(arrow.received, [2]);
    assert!(!chart.steps[1].sent && Picture::Text.of(&chart).contains(NOT_SENT));
    assert!(Picture::Svg.of(&chart).contains("class=\"arrow unsent\""));
    assert!(Picture::Mermaid.of(&chart).contains("sent by nobody here"));
    assert!(Picture::Shiviz.of(&chart).contains("server1 {\"server1\":2}\n"), "it knows of nobody else");
}

#[test]
fn pictures_are_well_formed_and_show_every_step() {
    for chart in charts().iter().chain([&small()]) {
        let drawn = svg::drawn(chart);
        element(&drawn).unwrap_or_else(|why| panic!("{}: {why}", chart.title));
        assert_eq!(drawn.matches("class=\"step\"").count(), chart.steps.len(), "{}", chart.title);
        let lost = chart.messages.iter().filter(|message| message.is_lost()).count();
        assert_eq!(drawn.matches("class=\"arrow lost\"").count(), lost, "{}", chart.title);
        let arrivals: usize = chart.messages.iter().map(|message| message.received.len()).sum();
        let afterwards = chart.afterwards.iter().map(|line| Line::of(line, chart.servers));
        let messages = afterwards.filter(|line| matches!(line, Line::Message { .. })).count();
        assert_eq!(drawn.matches("marker-end").count(), arrivals + messages, "{}", chart.title);
        let page = html::page(chart);
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("http"), "{}", chart.title);
        assert!(page.contains(&drawn) && !page.contains(" src="), "{}", chart.title);
    }
}

#[test]
fn rows_do_not_overlap() {
    for chart in charts() {
        let layout = Layout::of(&chart);
        for (at, row) in layout.rows.iter().enumerate() {
            let end = layout.rows.get(at + 1).map_or(layout.lanes_bottom, |next| next.top);
            assert!(row.top <= row.box_top && row.box_top + row.box_height < end, "{}: step {}", chart.title, at + 1);
            assert!(row.arrival() < row.departure(), "{}: step {}", chart.title, at + 1);
        }
        assert!(layout.lanes_bottom < layout.afterwards_top && layout.afterwards_top < layout.height);
    }
}

#[test]
fn data_in_a_page_is_the_chart_and_ends_no_script() {
    let mut chart = small();
    chart.title = "</script><script>alert(1)</script>".to_owned();
    let page = html::page(&chart);
    assert_eq!(page.matches("</script>").count(), 2);
    let (_, data) = page.split_once("id=\"data\">").expect("there is data");
    let data: Value = serde_json::from_str(data.split("</script>").next().expect("it ends")).expect("it is JSON");
    assert_eq!(data, serde_json::json!(chart));
}

#[test]
fn no_words_are_taken_for_markup() {
    let (markup, mermaid) = (Picture::Svg.of(&small()), Picture::Mermaid.of(&small()));
    assert!(markup.contains("A &lt;small&gt; &quot;run&quot; &amp; its &#39;picture&#39;; 100% #1"), "{markup}");
    assert_eq!(escaped("\u{1}"), "\u{fffd}", "no character of XML");
    let body = mermaid.split_once("sequenceDiagram").expect("it is one").1;
    for line in body.lines() {
        let code = ["#35;", "#59;", "#lt;", "#gt;", "#amp;", "#37;"]
            .iter()
            .fold(line.to_owned(), |line, code| line.replace(code, ""));
        let words = code.split_once(": ").map_or("", |(_, words)| words);
        assert!(!words.contains([';', '#', '<', '>', '%']), "{line}");
    }
}

/// As Apalache defines it: each state has every variable, and its index.
#[test]
fn a_trace_of_states_has_every_variable_in_each() {
    for chart in charts() {
        let value: Value = serde_json::from_str(&Picture::Itf.of(&chart)).expect("it is JSON");
        let variables = value["vars"].as_array().expect("there are variables");
        let states = value["states"].as_array().expect("there are states");
        assert_eq!(states.len(), chart.steps.len() + 1, "{}", chart.title);
        for (at, state) in states.iter().enumerate() {
            assert_eq!(state["#meta"]["index"], at, "{}", chart.title);
            let state = state.as_object().expect("a state is a record");
            assert_eq!(state.len(), variables.len() + 1, "{}", chart.title);
            assert!(variables.iter().all(|name| state.contains_key(name.as_str().expect("a name"))), "{}", chart.title);
            assert_eq!(state["term"]["#map"].as_array().map(Vec::len), Some(chart.servers), "{}", chart.title);
        }
        let sent = |step| chart.messages.iter().filter(move |it| it.sent.is_some_and(|sent| sent <= step));
        let arrived = |step| sent(step).filter(|it| it.received.first().is_some_and(|first| *first <= step)).count();
        let last = chart.steps.len();
        let under_way = states[last]["inFlight"]["#set"].as_array().map(Vec::len);
        assert_eq!(under_way, Some(sent(last).count() - arrived(last)), "{}", chart.title);
    }
}

/// As ShiViz demands it: two lines for an event, its own clock rises by one each time, and of others it
/// knows what they had when they sent.
#[test]
fn clocks_say_what_was_seen() {
    for chart in charts() {
        let log = Picture::Shiviz.of(&chart);
        let mut lines = log.lines();
        assert_eq!(lines.next(), Some(r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*})"));
        assert_eq!(lines.next(), Some(""), "one execution");
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 2 * chart.steps.len(), "{}", chart.title);
        let clocks: Vec<Value> = lines
            .chunks(2)
            .map(|event| serde_json::from_str(event[1].split_once(' ').expect("host and clock").1).expect("it is JSON"))
            .collect();
        let of = |step: usize, server: u32| clocks[step - 1][format!("server{server}")].as_u64().unwrap_or(0);
        for (at, step) in chart.steps.iter().enumerate() {
            let earlier = chart.steps[..at].iter().filter(|it| it.server == step.server).count() as u64;
            assert_eq!(of(step.step, step.server), earlier + 1, "{}, step {}", chart.title, step.step);
        }
        for message in &chart.messages {
            for (&received, sent) in message.received.iter().zip(message.sent) {
                assert!(of(sent, message.from) <= of(received, message.from), "{}: {}", chart.title, message.words());
            }
        }
    }
}

#[test]
fn a_repeated_lost_or_divided_message_is_seen() {
    let chart = small();
    let again = chart.messages.iter().filter(|message| message.received.len() == 2).count();
    assert_eq!(again, 1);
    assert_eq!(
        chart.steps.iter().filter_map(|step| step.partition.clone()).collect::<Vec<_>>(),
        [vec![vec![1], vec![2]], vec![]]
    );
    assert_eq!(chart.steps.iter().filter_map(|step| step.line.as_deref()).collect::<Vec<_>>(), ["elect 1 by 2"]);
    let drawn = Picture::Svg.of(&chart);
    for part in ["arrow again", "arrow lost", ">partition 1 | 2<", ">heal<", "class=\"crash\"", "cell term-1 volatile"]
    {
        assert!(drawn.contains(part), "{part}");
    }
}

#[test]
fn messages_have_short_names() {
    let names = [
        ("pre_vote_request last 0@0", "request pre-vote"),
        ("vote_request last 0@0", "request vote"),
        ("vote_granted", "vote granted"),
        ("pre_vote_denied", "pre-vote denied"),
        ("append after 1@1 [] commit 0", "heartbeat"),
        ("append after 0@0 [1@1 2@1/1 3@2] commit 1", "append [1@1..3@2]"),
        ("append parts of [1@1 2@1/1] commit up to 0", "append [1@1 2@1/1]"),
        ("appended up to 2", "holds to 2"),
        ("append_refused missing 3 hint 1@1", "lacks 3"),
        ("repair_request up to 1", "repair after 1"),
        ("install_snapshot last 2@1", "snapshot 2@1"),
        ("timeout_now", "timeout now"),
        ("stale", "stale"),
    ];
    for (words, name) in names {
        assert_eq!(label(words), name);
    }
    for chart in charts() {
        for message in chart.messages {
            assert!(label(&message.message).len() <= 30, "{}", message.words());
        }
    }
}

#[test]
fn what_follows_for_ever_is_drawn_in_the_lanes() {
    assert_eq!(Line::of("  3->1 term 0 stale", 3), Line::Message { from: 3, to: 1, words: "term 0 stale" });
    assert_eq!(Line::of("  2 heartbeat timeout", 3), Line::Event { server: 2, words: "heartbeat timeout" });
    for words in ["round 1", "1: follows nobody", "", "  4->1 term 0 stale", "  ... and so on", "1 of them"] {
        assert_eq!(Line::of(words, 3), Line::Words(words));
    }
}

#[test]
fn traces_are_found_by_name() {
    assert!(named("figure_8").is_some_and(|text| text.contains("mutant figure_8")));
    assert_eq!(named("counterexamples/figure_8.txt"), named("figure_8"));
    assert_eq!(named("scenarios/figure_8"), None);
    assert_eq!(named("figure_9"), None);
}
