//! Logs that are read offline, and damaged ones.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;

use crate::cluster::{Cluster, run};

const LOG: &str = "log-0000000000000001";

/// Where the first batch begins, and how long a block is.
const BEGIN: u64 = 17 * 4096;

fn garble(directory: &str, offset: u64) {
    let log = fs::OpenOptions::new().write(true).open(format!("{directory}/{LOG}")).unwrap();
    log.write_all_at(&[0x55; 512], offset).unwrap();
}

fn verify(directory: &str) -> (Option<i32>, serde_json::Value) {
    let ended = run(&["log", "verify", directory, "-o", "json"]);
    (ended.status.code(), serde_json::from_slice(&ended.stdout).unwrap_or_default())
}

#[test]
fn a_log_is_read_while_its_server_runs_and_when_it_has_ended() {
    let mut cluster = Cluster::new(1);
    let directory = cluster.directory(1);
    cluster.launch(1);
    let fence = cluster.wait_for_leader_after(0).fence;
    let (code, running) = verify(&directory);
    assert!(code == Some(0) && running["in_use"] == true && running["sound"] == true, "{running}");
    cluster.kill(1);
    let before = fs::read(format!("{directory}/{LOG}")).unwrap();
    let (code, ended) = verify(&directory);
    assert!(code == Some(0) && ended["in_use"] == false && ended["term"] == fence, "{ended}");
    assert_eq!(ended["last"]["index"], fence);
    let dumped = run(&["log", "dump", &directory, "-o", "json"]);
    let lines: Vec<serde_json::Value> =
        String::from_utf8_lossy(&dumped.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, 2 * fence, "two batches for an election");
    assert!(lines[0]["records"].to_string().contains(r#""record":"vote""#), "{lines:?}");
    let text = run(&["log", "dump", &directory]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("entry 1@1, blank"), "{text:?}");
    assert!(fs::read(format!("{directory}/{LOG}")).unwrap() == before, "it only reads");
}

#[test]
fn damage_is_named_with_an_exit_code_of_its_own() {
    let mut cluster = Cluster::new(1);
    let directory = cluster.directory(1);
    cluster.launch(1);
    let fence = cluster.wait_for_leader_after(0).fence;
    let asked = run(&["step-down", &directory]);
    assert!(asked.status.success(), "{asked:?}");
    cluster.wait_for_leader_after(fence);
    cluster.kill(1);

    // The first entry: its slot names it.
    garble(&directory, BEGIN + 4096);
    let (code, said) = verify(&directory);
    assert!(code == Some(65) && said["sound"] == false, "{said}");
    assert_eq!(
        (&said["unsound"][0]["condition"], &said["unsound"][0]["lost"]["first"]["index"]),
        (&"damaged".into(), &1.into())
    );
    let serve = |cluster: &Cluster| cluster.serve(1, &directory).stdin(Stdio::null()).output().unwrap();
    let ended = serve(&cluster);
    assert_eq!(ended.status.code(), Some(65), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("entry 1@1"), "{ended:?}");

    // Its slot as well, in the second of the last pages of slots, which are for even numbers and for odd ones.
    let slots = BEGIN + 991 * 4096;
    garble(&directory, slots);
    let ended = serve(&cluster);
    assert_eq!((ended.status.code(), verify(&directory).0), (Some(66), Some(66)), "{ended:?}");
}
