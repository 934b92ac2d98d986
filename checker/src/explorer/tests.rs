//! The explorer over HTTP, as a browser asks for its pages.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

use crate::explorer::seek::run_to;
use crate::explorer::walk::{Place, Walk};
use crate::explorer::walked::{Goal, Walked};
use crate::explorer::{NamedQuotient, page, serve};
use crate::mutants::catalogue;
use crate::quotient::Quotient;
use crate::system::System;
use crate::tests::limits;
use crate::trace::kept;
use crate::trace::run::{self, play};
use crate::trace::scenario::Scenario;

fn walk(trace: &str) -> Walk<System> {
    let scenario = Scenario::parse(kept::named(trace).expect("it is kept")).expect("it is well-formed");
    let system = scenario.system();
    let trace = scenario.play(&system).expect("it can be played").steps.into_iter().map(|step| step.action).collect();
    Walk { title: "a trace".to_owned(), system, trace }
}

fn deployed() -> System {
    System { symmetric: false, ..crate::system::deployed(run::concrete(3)) }
}

/// The quotient of a mutant's bounds, what the search finds in it, and that quotient as it is searched.
fn quotient_of(mutant: &str) -> (Walk<NamedQuotient>, Quotient) {
    let mutant = catalogue::find(mutant).expect("it is in the catalogue");
    let mut searched = mutant.part.quotient(mutant.ground).expect("it is caught in a quotient");
    searched.watched.keep(mutant.counted());
    let (system, found) = (NamedQuotient::of(&searched), limits(1).search().run(&searched, &mut |_| {}));
    let trace = system.named(&searched, &found.path).unwrap_or_else(|why| panic!("{why}"));
    (Walk { title: mutant.name.to_owned(), system, trace }, searched)
}

/// Serves a walk for as long as the tests run.
fn served<W: Walked>(walk: Walk<W>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || serve(walk, listener));
    address
}

/// What is answered: the head, and the body.
fn asked(address: SocketAddr, path: &str) -> (String, String) {
    let path = path.split('#').next().expect("it has a beginning");
    let mut stream = TcpStream::connect(address).expect("it is served");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head.to_owned(), body.to_owned())
}

/// The link of the element with this id.
fn link(page: &str, id: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("id=\"{id}\" href=\""))?;
    Some(rest.split('"').next().expect("it ends").replace("&amp;", "&"))
}

fn state(address: SocketAddr, path: &str) -> Value {
    let (head, body) = asked(address, &path.replacen('/', "/api/state", 1));
    assert!(head.contains("200 OK"), "{head}");
    serde_json::from_str(&body).expect("it is JSON")
}

#[test]
fn every_link_leads_to_a_page_and_back() {
    let address = served(Walk { title: "three servers".to_owned(), system: deployed(), trace: Vec::new() });
    let (head, start) = asked(address, "/");
    assert!(head.contains("200 OK") && head.contains("default-src 'none'"), "{head}");
    assert!(!start.contains("<script"), "it has no script: {head}");
    assert_eq!(link(&start, "back"), None, "there is nothing before the start");
    let choices = start.matches("<li><a href=\"/?path=").count();
    assert_eq!(choices, state(address, "/")["next"].as_array().map_or(0, Vec::len), "each action is a link");
    for found in start.split("<li><a href=\"").skip(1).take(choices) {
        let path = found.split('"').next().expect("it ends");
        let (head, page) = asked(address, path);
        assert!(head.contains("200 OK") && page.contains("class=\"step\" id=\"step-1\""), "{path}: {head}");
        assert_eq!(link(&page, "back").as_deref(), Some("/"), "{path}");
    }
}

#[test]
fn a_place_is_what_its_link_says() {
    let address = served(Walk { title: "three servers".to_owned(), system: deployed(), trace: Vec::new() });
    let mut path = String::from("/?path=");
    for step in 1..=4 {
        let here = state(address, &path);
        let next = here["next"].as_array().expect("something can happen");
        let choice =
            next.iter().find(|it| it["action"] != "heartbeat_timeout 1" && it["changes"] != serde_json::json!([]));
        let choice = choice.expect("something changes");
        path = format!("{path}{}{}", if step == 1 { "" } else { "." }, choice["number"]);
        let there = state(address, &path);
        assert_eq!(there["chart"]["steps"][step - 1]["action"], choice["action"]);
        assert_eq!(there["chart"]["steps"][step - 1]["changes"], choice["changes"], "what was foretold happens");
        assert_eq!(there["path"].as_array().map(Vec::len), Some(step));
    }
    let (_, page) = asked(address, &path);
    let earlier = path.rsplit_once('.').expect("several steps").0;
    let earlier = format!("{earlier}#step-3");
    assert_eq!(link(&page, "back"), Some(earlier.clone()));
    assert!(page.contains(&format!("<a href=\"{earlier}\">")), "a step of the chart links to its place");
}

#[test]
fn a_counterexample_is_followed_to_its_end() {
    let address = served(walk("vote_again"));
    let (mut page, mut steps) = (asked(address, "/").1, 0);
    while let Some(next) = link(&page, "follow") {
        page = asked(address, &next).1;
        steps += 1;
        if steps == 12 {
            assert!(
                page.contains("would break a property") && page.contains("<b class=\"bad\">C2 VoteOnce</b>"),
                "{page}"
            );
        }
    }
    assert_eq!(steps, 13);
    assert!(page.contains("BROKEN: C2 VoteOnce"));
    let start = asked(address, "/").1;
    let end = asked(address, &link(&start, "end").expect("it has an end")).1;
    assert_eq!(end, page, "at once as step by step");
}

#[test]
fn every_kept_trace_can_be_followed() {
    for (folder, name, _) in kept::KEPT {
        let walk = walk(&format!("{folder}/{name}"));
        let start = walk.place(&[]).expect("a start is a place");
        let end = walk.after(&start, &walk.trace).unwrap_or_else(|why| panic!("{name}: {why}"));
        let again = walk.place(&end.path).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(walk.state(&again) == walk.state(&end), "{name}: its link leads there as well");
        assert!(walk.next_of_trace(&end).is_none(), "{name}");
    }
}

#[test]
fn what_leaves_the_trace_cannot_follow_it() {
    let walk = walk("vote_again");
    let start = walk.place(&[]).expect("a start is a place");
    let on_it = walk.after(&start, &walk.trace[..1]).expect("it can happen");
    let number = on_it.path[0];
    let off_it = walk.place(&[number + 1]).expect("something else can happen");
    assert_eq!(walk.next_of_trace(&on_it).map(<[_]>::len), Some(12));
    assert!(walk.next_of_trace(&off_it).is_none());
}

#[test]
fn what_nobody_sent_is_told_from_what_was_sent() {
    let walk = Walk { title: String::new(), system: deployed(), trace: Vec::new() };
    let at = |place: &Place<System>, action: &str| {
        let choices = walk.choices(place);
        let choice = choices.iter().find(|choice| choice.told.action == action);
        choice.map(|choice| (choice.number, choice.told.group, choice.told.sent))
    };
    let start = walk.place(&[]).expect("a start is a place");
    let (number, group, _) = at(&start, "election_timeout 1").expect("it can happen");
    assert_eq!(group, "timeouts");
    let asking = walk.place(&[number]).expect("it leads somewhere");
    let request = at(&asking, "deliver 1->2 term 0 pre_vote_request last 0@0").expect("it was sent");
    let granted = at(&asking, "deliver 2->1 term 0 pre_vote_granted").expect("it is possible");
    assert_eq!((request.1, request.2), ("messages", true));
    assert_eq!((granted.1, granted.2), ("messages that nobody sent here", false));
}

#[test]
fn it_runs_to_the_first_state_that_is_sought() {
    let system = deployed();
    let run = run_to(&system, &system.start, Goal::Leader).expect("a leader is near");
    let steps = play(&system, &run).expect("it can happen");
    let leads = |step: &run::Step| step.world.servers.iter().any(|server| server.leads());
    assert!(steps.last().is_some_and(leads) && !steps[..steps.len() - 1].iter().any(leads), "the first one");
    assert!(steps.iter().all(|step| step.sent), "nothing arrives that was not sent");
    let nobody = run_to(&system, &system.start, Goal::Broken(crate::properties::Property::VoteOnce));
    assert!(nobody.is_none(), "the deployed step breaks nothing");
}

#[test]
fn a_violation_that_is_near_is_run_to() {
    let walk = walk("vote_again");
    let address = served(walk);
    let before = asked(address, "/").1;
    let mut page = before;
    for _ in 0..11 {
        page = asked(address, &link(&page, "follow").expect("it goes on")).1;
    }
    let (head, _) = asked(address, &link(&page, "run-violation").expect("it can be sought"));
    let found = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_else(|| panic!("{head}"));
    assert!(asked(address, found).1.contains("BROKEN: C2 VoteOnce"), "{found}");
}

#[test]
fn what_is_not_there_is_said() {
    let address = served(Walk { title: "<i>".to_owned(), system: deployed(), trace: Vec::new() });
    for (path, why) in [
        ("/?path=999", "step 1 is number 999"),
        ("/?path=0.x", "'x' is no number of an action"),
        ("/run?until=wealth&path=", "'wealth' is nothing to run to"),
        ("/?path=%3Cb%3E", "'&lt;b&gt;' is no number"),
    ] {
        let (head, page) = asked(address, path);
        let page = page.replace("&#39;", "'");
        assert!(head.contains("404 Not Found") && page.contains(why), "{path}: {head}\n{page}");
    }
    assert!(asked(address, "/api/state?path=999").0.contains("404 Not Found"));
    assert!(asked(address, "/").1.contains("<title>&lt;i&gt;</title>"));
    assert_eq!(page::link(&[]), "/");
    assert_eq!(page::link(&[3, 0, 12]), "/?path=3.0.12#step-3");
}

#[test]
fn what_a_search_of_the_quotient_finds_is_followed_to_its_end_and_told_concretely() {
    for mutant in ["vote_again", "vote_for_any_log"] {
        let (walk, searched) = quotient_of(mutant);
        let broken = catalogue::find(mutant).expect("it is in the catalogue").caught_by.name();
        let steps = walk.trace.len();
        let address = served(walk);
        let mut page = asked(address, "/").1;
        for step in 1..=steps {
            let before = page;
            page = asked(address, &link(&before, "follow").unwrap_or_else(|| panic!("{step} of {steps}"))).1;
            let foretold = before.contains(&format!("<b class=\"bad\">{broken}</b>"));
            assert_eq!(foretold, step == steps, "{mutant}: step {step} of {steps}");
        }
        assert_eq!(link(&page, "follow"), None);
        assert!(page.contains(&format!("BROKEN: {broken}")), "{page}");
        let (head, concrete) = asked(address, &link(&page, "concrete").expect("it is told concretely as well"));
        assert!(head.contains("200 OK") && concrete.contains(&format!("BROKEN: {broken}")), "{mutant}: {concrete}");
        assert!(searched.symmetric, "what is searched are states without names");
    }
}

#[test]
fn every_link_of_the_quotient_leads_to_a_page_and_back() {
    let (walk, _) = quotient_of("vote_again");
    let address = served(Walk { trace: Vec::new(), ..walk });
    let start = asked(address, "/").1;
    assert!(start.contains("States of the quotient") && link(&start, "follow").is_none(), "{start}");
    let campaign = state(address, "/")["next"][0].clone();
    assert_eq!(campaign["action"], "campaign 1, promised votes by 2 3", "{campaign}");
    let next = state(address, "/")["next"].as_array().map_or(0, Vec::len);
    for number in 0..next {
        let (head, page) = asked(address, &format!("/?path={number}"));
        assert!(head.contains("200 OK") && page.contains("class=\"step\" id=\"step-1\""), "{number}: {head}");
        assert_eq!(link(&page, "back").as_deref(), Some("/"), "{number}");
    }
    let (head, _) = asked(address, &link(&start, "run-leader").expect("it can be sought"));
    let found = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_else(|| panic!("{head}"));
    let (head, led) = asked(address, &found.replacen("/?", "/concrete?", 1));
    assert!(head.contains("200 OK") && led.contains("leader"), "a run of the concrete system leads there: {led}");
    assert!(asked(address, "/concrete?path=999").0.contains("404 Not Found"));
}
