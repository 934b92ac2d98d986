//! Pages in a real browser, where one is installed: Chromium without a window.
//!
//! Where there is none, each test says so and ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Names under which Chromium is installed; the variable `CHROMIUM` may name another.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// How long a page may take, by its own clock.
const BUDGET_MS: u32 = 3000;

fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&folders).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    let found = named.into_iter().chain(on_path).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: no Chromium is installed");
    }
    found
}

/// The page after its scripts have run, as text.
fn dom(browser: &Path, address: &str) -> String {
    let profile = tempfile::tempdir().expect("there is room");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--virtual-time-budget={BUDGET_MS}"))
        .arg(address)
        .output()
        .expect("the browser starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a page is UTF-8")
}

fn page_of(trace: &str) -> String {
    let arguments = ["show", trace, "-o", "html"];
    let output = Command::new(env!("CARGO_BIN_EXE_rafttree-checker")).args(arguments).output().expect("it starts");
    String::from_utf8(output.stdout).expect("a page is UTF-8")
}

/// What a page shows at this link after these keys.
fn after_keys(browser: &Path, trace: &str, link: &str, keys: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("page.html");
    let pressed: String = keys
        .iter()
        .map(|key| format!("document.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}' }}));"))
        .collect();
    let page = page_of(trace).replace("</body>", &format!("<script>{pressed}</script></body>"));
    std::fs::write(&file, page).expect("it can be written");
    dom(browser, &format!("file://{}{link}", file.display()))
}

/// The step that a page has chosen.
fn chosen(dom: &str) -> &str {
    let (_, rest) = dom.split_once("<body data-step=\"").expect("the script has run");
    rest.split('"').next().expect("it ends")
}

#[test]
fn a_chart_is_stepped_through_with_keys_and_links() {
    let Some(browser) = browser() else { return };
    let cases: [(&str, &[&str], &str); 6] = [
        ("", &[], "0"),
        ("", &["ArrowRight", "ArrowDown", "ArrowRight", "ArrowLeft"], "2"),
        ("#step-7", &[], "7"),
        ("#step-7", &["ArrowUp"], "6"),
        ("#step-7", &["Home", "ArrowLeft"], "0"),
        ("", &["End", "ArrowRight"], "13"),
    ];
    for (link, keys, step) in cases {
        let dom = after_keys(&browser, "vote_again", link, keys);
        assert_eq!(chosen(&dom), step, "{link} {keys:?}");
        let marked = dom.contains("class=\"step chosen\"");
        assert_eq!(marked, step != "0", "{link} {keys:?}");
        assert!(dom.contains(&format!("step {step} of 13")), "{link} {keys:?}");
    }
    let last = after_keys(&browser, "vote_again", "#step-13", &[]);
    assert!(
        last.contains("<li class=\"bad\">BROKEN: C2 VoteOnce</li>"),
        "what the step changed stands beside the chart"
    );
    assert!(last.contains("<td class=\"changed\">"), "and what is new is marked");
}

/// The explorer, for as long as a test needs it.
struct Explorer {
    process: Child,
    address: String,
}

impl Explorer {
    fn start(of: &[&str]) -> Explorer {
        let mut process = Command::new(env!("CARGO_BIN_EXE_rafttree-checker"))
            .args([&["explore", "--address", "127.0.0.1:0"], of].concat())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where");
        let address = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
        Explorer { address: address.trim_end_matches('/').to_owned(), process }
    }
}

impl Drop for Explorer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The link of the element with this id.
fn link(dom: &str, id: &str) -> String {
    let (_, rest) = dom.split_once(&format!("id=\"{id}\" href=\"")).unwrap_or_else(|| panic!("no {id}: {dom}"));
    rest.split('"').next().expect("it ends").replace("&amp;", "&")
}

#[test]
fn the_explorer_is_clicked_through() {
    let Some(browser) = browser() else { return };
    let explorer = Explorer::start(&["vote_again"]);
    let at = |path: &str| dom(&browser, &format!("{}{path}", explorer.address));
    let start = at("/");
    assert!(start.contains("election_timeout 1</a>") && start.contains("<span>step 0</span>"), "{start}");
    let first = at(&link(&start, "follow"));
    assert!(
        first.contains("<span>step 1</span>") && first.contains("sends 1-&gt;2 term 0 pre_vote_request"),
        "{first}"
    );
    assert_eq!(link(&first, "back"), "/");
    let end = at(&link(&first, "end"));
    assert!(end.contains("BROKEN: C2 VoteOnce") && end.contains("<span>step 13</span>"), "{end}");
}

#[test]
fn the_quotient_is_clicked_through() {
    let Some(browser) = browser() else { return };
    let explorer = Explorer::start(&["--quotient", "--mutant", "vote_again"]);
    let at = |path: &str| dom(&browser, &format!("{}{path}", explorer.address));
    let start = at("/");
    assert!(
        start.contains("States of the quotient") && start.contains("campaign 1, promised votes by 2 3</a>"),
        "{start}"
    );
    let end = at(&link(&start, "end"));
    assert!(end.contains("BROKEN: C2 VoteOnce") && !end.contains("id=\"follow\""), "{end}");
    let concrete = at(&link(&end, "concrete"));
    assert!(concrete.contains("vote_granted") && concrete.contains("BROKEN: C2 VoteOnce"), "{concrete}");
}
