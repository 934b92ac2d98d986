//! Servers that are started as what they are not.

use std::process::{Command, Output, Stdio};

use crate::cluster::{Cluster, number, rafttree, rafttree_id, run};
use crate::nobody_leads;

#[test]
fn a_directory_of_another_server_is_refused() {
    let cluster = Cluster::new(3);
    refused(cluster.serve(1, &cluster.directory(2)).args(["--id", "1"]), 1, &[&cluster.directory(2), "server 2"]);
}

#[test]
fn a_directory_of_another_cluster_is_refused() {
    let cluster = Cluster::new(3);
    let other = rafttree_id();
    let mut command = cluster.serve(1, &cluster.directory(1));
    refused(command.args(["--id", "1", "--init", &other]), 1, &[&cluster.directory(1), &other]);
}

#[test]
fn a_directory_without_identity_is_never_initialised_unasked() {
    let cluster = Cluster::new(3);
    let empty = cluster.named_directory("empty");
    refused(&mut cluster.serve(1, &empty), 1, &[&empty, "`rafttree init`"]);
    std::fs::create_dir(&empty).unwrap();
    refused(&mut cluster.serve(1, &empty), 1, &[&empty, "init"]);
}

#[test]
fn a_directory_in_use_is_refused() {
    let mut cluster = Cluster::new(1);
    cluster.launch(1);
    cluster.wait_for_leader_after(0);
    refused(&mut cluster.serve(1, &cluster.directory(1)), 1, &[&cluster.directory(1)]);
}

#[test]
fn a_directory_is_initialised_once() {
    let cluster = Cluster::new(1);
    let directory = cluster.directory(1);
    let again = run(&["init", &directory, "--cluster", "new", "--id", "1"]);
    assert_refused(&again, 1, &[&directory, "already"]);
}

#[test]
fn other_machines_are_kept_out_unless_asked_for() {
    let cluster = Cluster::new(1);
    let arguments = ["serve", &cluster.directory(1), "--listen", "0.0.0.0:0"];
    assert_refused(&run(&arguments), 1, &["0.0.0.0:0", "insecure"]);
}

#[test]
fn settings_that_make_no_sense_are_a_wrong_usage() {
    let cluster = Cluster::new(1);
    let serve = ["serve", &cluster.directory(1), "--listen", "127.0.0.1:0"];
    assert_refused(&run(&[serve.as_slice(), &["--election-timeout", "1ms"]].concat()), 2, &["1ms", "10ms"]);
    assert_refused(&run(&[serve.as_slice(), &["--election-timeout", "soon"]].concat()), 2, &["--election-timeout"]);
    assert_refused(&run(&[serve.as_slice(), &["--peer", "n2:7000"]].concat()), 2, &["ID=HOST:PORT"]);
}

/// The limit stands for a full disk; the server may not write a byte behind it.
#[test]
fn a_disk_that_fails_ends_the_server() {
    let cluster = Cluster::new(1);
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let serve = cluster.serve(1, &cluster.directory(1));
    let mut limited = Command::new("sh");
    limited.args(["-c", script, "sh"]).arg(serve.get_program()).args(serve.get_args()).stdin(Stdio::null());
    refused(&mut limited, 70, &[&cluster.directory(1), "has no room", "free some space"]);
}

#[test]
fn a_server_that_does_not_run_has_no_status() {
    let cluster = Cluster::new(1);
    let directory = cluster.directory(1);
    assert_refused(&run(&["status", &directory]), 1, &[&directory, "rafttree serve"]);
    assert_refused(&run(&["transfer", &directory, "--to", "2"]), 1, &[&directory]);
}

#[test]
fn a_server_of_another_cluster_is_kept_out_of_the_group() {
    let mut cluster = Cluster::new(3);
    let (foreign, other) = (cluster.named_directory("foreign"), rafttree_id());
    cluster.init(&foreign, 3, &other);
    cluster.launch_as(3, cluster.serve(3, &foreign));
    cluster.launch(1);
    let refusal = cluster.wait_for_line(1, "server 3 is refused", |news| news["event"] == "refused");
    assert_eq!(refusal["peer"], 3);
    let reason = refusal["reason"].as_str().unwrap();
    assert!(reason.contains("another cluster id") && !reason.contains(&other), "{refusal}");
    cluster.wait_for_line(3, "it knows", |news| news["event"] == "refused" && number(&news["peer"]) == 1);

    cluster.launch(2);
    let leading = cluster.wait_for_leader_after(0);
    assert_ne!(leading.server, 3);
    let status = cluster.status(leading.server);
    let peer = status["peers"].as_array().unwrap().iter().find(|peer| peer["id"] == 3).unwrap();
    assert_eq!(peer["connected"], false);
}

#[test]
fn a_server_that_is_restarted_without_its_peers_is_refused() {
    let mut cluster = Cluster::new(3);
    cluster.launch(1);
    cluster.wait_for_line(1, "a status", |news| news["event"] == "changed");
    cluster.kill(1);
    let directory = cluster.directory(1);
    let words = [directory.as_str(), "servers 1, 2, 3", "servers 1:", "the same servers at every start"];
    assert_refused(&run(&["serve", &directory, "--listen", "127.0.0.1:0"]), 1, &words);
    cluster.launch(1);
    cluster.launch(2);
    cluster.wait_for_leader_after(0);
}

/// Either of the two would make a majority of the smaller group, together with the other.
#[test]
fn servers_that_were_given_unequal_groups_refuse_each_other_and_nobody_leads() {
    let mut cluster = Cluster::new(2);
    cluster.launch(1);
    let mut more = cluster.serve(2, &cluster.directory(2));
    more.args(["--peer", "3=127.0.0.1:1"]);
    cluster.launch_as(2, more);
    for (server, peer, theirs, ours) in [(1, 2, "1, 2, 3", "1, 2"), (2, 1, "1, 2", "1, 2, 3")] {
        let refusal = cluster.wait_for_line(server, "the other is refused", |news| news["event"] == "refused");
        assert_eq!(refusal["peer"], peer);
        let reason = refusal["reason"].as_str().unwrap();
        let named = [format!("group of servers {theirs}, this"), format!("one of servers {ours}: give all servers")];
        named.iter().for_each(|words| assert!(reason.contains(words), "`{words}` is not in: {reason}"));
    }
    assert_eq!(nobody_leads(&cluster), []);
}

#[test]
fn output_that_nobody_reads_is_an_error_in_words() {
    let mut cluster = Cluster::new(1);
    cluster.launch(1);
    cluster.wait_for_leader_after(0);
    let (new, old) = (cluster.named_directory("new"), cluster.directory(1));
    for arguments in [&["init", &new, "--cluster", "new", "--id", "1"][..], &["status", &old], &["step-down", &old]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = rafttree(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output();
        assert_refused(&output.unwrap(), 1, &["cannot write to the standard output"]);
    }
}

/// The server does not start, and says why: what, where, what to do.
fn refused(serve: &mut Command, code: i32, words: &[&str]) {
    assert_refused(&serve.output().unwrap(), code, words);
}

fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.starts_with("error: "), "{said}");
    words.iter().for_each(|word| assert!(said.contains(word), "`{word}` is not in: {said}"));
}
