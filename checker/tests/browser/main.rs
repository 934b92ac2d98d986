//! Pages in a real browser, where one is installed: Chromium without a window.
//!
//! Where there is none, each test says so and ends.

use std::path::{Path, PathBuf};
use std::process::Command;

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
