//! Why there is no leader, or no progress.

use rafttree::admin::{self, ServerStatus};
use serde_json::json;

use crate::control::StatusOptions;
use crate::failure::Failure;
use crate::options::Format;
use crate::report::{in_words, say};

/// What is known of one server: its status, or why it has not told.
type Known = (String, Result<ServerStatus, String>);

/// Asks the servers of these directories. It fails if something is wrong.
pub(crate) async fn why(options: &StatusOptions, output: Format) -> Result<(), Failure> {
    let mut known = Vec::new();
    for directory in &options.directories {
        let status = admin::status(directory).await.map_err(|error| error.to_string());
        known.push((directory.display().to_string(), status));
    }
    let reasons = reasons(&known);
    match output {
        Format::Text if reasons.is_empty() => say(all_is_well(&known))?,
        Format::Text => reasons.iter().try_for_each(say)?,
        Format::Json => say(json!({ "reasons": reasons }))?,
    }
    let problem = || Failure::Operation(format!("{} reasons why something does not go on", reasons.len()));
    if reasons.is_empty() { Ok(()) } else { Err(problem()) }
}

fn all_is_well(known: &[Known]) -> String {
    let leader = known.iter().find_map(|(_, status)| status.as_ref().ok().filter(|status| leads(status)));
    leader.map_or_else(
        || "nothing is wrong".to_owned(),
        |leader| {
            format!(
                "server {} is {}, a majority follows, and everything is committed",
                leader.server.id,
                in_words(&leader.server)
            )
        },
    )
}

fn leads(status: &ServerStatus) -> bool {
    status.lease_milliseconds.is_some()
}

/// The reasons, the most important first; none if a leader has a majority and has committed its log.
fn reasons(known: &[Known]) -> Vec<String> {
    let silent =
        known.iter().filter_map(|(directory, status)| Some(format!("{directory}: {}", status.as_ref().err()?)));
    let statuses: Vec<_> = known.iter().filter_map(|(_, status)| status.as_ref().ok()).collect();
    let mut reasons: Vec<_> = silent.collect();
    match statuses.iter().find(|status| leads(status)) {
        Some(leader) => reasons.extend(without_progress(leader)),
        None => reasons.extend(without_leader(&statuses)),
    }
    for status in statuses {
        reasons.extend(status.warnings.iter().map(|warning| format!("server {}: {warning}", status.server.id)));
    }
    reasons
}

/// Why a leader's log is not committed.
fn without_progress(leader: &ServerStatus) -> Vec<String> {
    let heard = |peer: &&admin::PeerStatus| {
        peer.answered_milliseconds.is_some_and(|ago| ago < leader.election_timeout_milliseconds)
    };
    let (id, size) = (leader.server.id, leader.peers.len() + 1);
    let silent: Vec<_> = leader.peers.iter().filter(|peer| !heard(peer)).collect();
    let open = leader.server.last.index.number().saturating_sub(leader.server.commit.number());
    let mut reasons = Vec::new();
    if size / 2 < silent.len() {
        reasons.push(format!(
            "server {id} leads, and too few answer it: {} of {size} servers, itself included",
            size - silent.len()
        ));
    }
    if 0 < open && !silent.is_empty() {
        reasons.push(format!("server {id} leads, and {open} entries of its log are not committed yet"));
    }
    reasons.extend(silent.iter().map(|peer| {
        let reason = peer.refused.as_ref().or(peer.unreachable.as_ref());
        let reason = reason.map_or_else(|| "it is connected and says nothing".to_owned(), Clone::clone);
        format!("server {} does not answer server {id}: {reason}", peer.id)
    }));
    reasons
}

/// Why nobody is elected.
fn without_leader(statuses: &[&ServerStatus]) -> Vec<String> {
    let Some(first) = statuses.first() else { return Vec::new() };
    let size = first.peers.len() + 1;
    let mut reasons = vec!["no server that answers here leads".to_owned()];
    if statuses.len() < size {
        reasons.push(format!(
            "{} of the group's {size} servers were asked, and a leader needs {}",
            statuses.len(),
            size / 2 + 1
        ));
    }
    if statuses.iter().all(|status| !status.campaigns) {
        reasons.push("none of them campaigns: nobody waits in `lead`".to_owned());
    }
    for status in statuses {
        reasons.extend(refusal(status));
        reasons.extend(cut_off(status));
    }
    reasons
}

/// Why a server helps nobody to be elected.
fn refusal(status: &ServerStatus) -> Option<String> {
    let heard = status.heard.filter(|heard| heard.milliseconds < status.election_timeout_milliseconds)?;
    let id = status.server.id;
    Some(format!("server {id} refuses to vote: it heard server {} {:.0} ms ago", heard.leader, heard.milliseconds))
}

/// Whom a server does not reach.
fn cut_off(status: &ServerStatus) -> impl Iterator<Item = String> + use<'_> {
    let id = status.server.id;
    let missing = status.peers.iter().filter(|peer| !peer.connected);
    missing.map(move |peer| {
        let reason = peer.refused.as_ref().or(peer.unreachable.as_ref());
        let reason = reason.map_or_else(|| "not connected yet".to_owned(), Clone::clone);
        format!("server {id} does not reach server {}: {reason}", peer.id)
    })
}

#[cfg(test)]
mod tests {
    use rafttree::admin::{Heard, PeerStatus};
    use rafttree::{Index, Position, RoleName, ServerId, Term};

    use super::*;

    fn server(id: u32) -> ServerStatus {
        let last = Position { term: Term::new(1), index: Index::new(9) };
        let server = rafttree_model::Status {
            id: ServerId::new(id),
            role: RoleName::Follower,
            term: Term::new(1),
            vote: None,
            leader: None,
            last,
            commit: last.index,
            transfer: None,
        };
        let peer = |id: u32| PeerStatus {
            id: ServerId::new(id),
            address: format!("n{id}:7000"),
            connected: true,
            refused: None,
            unreachable: None,
            election_timeout_milliseconds: Some(100.0),
            answered_milliseconds: None,
            matched: None,
            next: None,
            needs_snapshot: false,
        };
        ServerStatus {
            server,
            cluster: String::new(),
            address: String::new(),
            pid: 1,
            election_timeout_milliseconds: 100.0,
            lease_milliseconds: None,
            work: String::new(),
            campaigns: true,
            heard: None,
            applied: last.index,
            snapshot: None,
            failed_snapshot: None,
            compacted: Position::default(),
            peers: (1..=3).filter(|&other| other != id).map(peer).collect(),
            flush_milliseconds: None,
            warnings: Vec::new(),
        }
    }

    fn leader(id: u32) -> ServerStatus {
        let mut leader = ServerStatus { lease_milliseconds: Some(80.0), ..server(id) };
        leader.peers.iter_mut().for_each(|peer| peer.answered_milliseconds = Some(3.0));
        leader
    }

    fn reasons_of(statuses: Vec<ServerStatus>) -> Vec<String> {
        reasons(
            &statuses.into_iter().map(|status| (format!("data/{}", status.server.id), Ok(status))).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn where_a_leader_is_heard_nothing_is_wrong() {
        assert_eq!(reasons_of(vec![server(2), leader(1), server(3)]), Vec::<String>::new());
    }

    #[test]
    fn who_sticks_to_a_leader_is_named_with_it() {
        let loyal = ServerStatus { heard: Some(Heard { leader: ServerId::new(1), milliseconds: 80.4 }), ..server(2) };
        let told = reasons_of(vec![loyal, server(3)]);
        assert_eq!(told[1], "2 of the group's 3 servers were asked, and a leader needs 2");
        assert_eq!(told[2], "server 2 refuses to vote: it heard server 1 80 ms ago");
    }

    #[test]
    fn a_group_in_which_nobody_waits_to_lead_elects_nobody() {
        let idle = |id| ServerStatus { campaigns: false, ..server(id) };
        assert!(reasons_of(vec![idle(1), idle(2), idle(3)])[1].starts_with("none of them campaigns"));
    }

    #[test]
    fn a_leader_that_is_not_answered_makes_no_progress() {
        let mut alone = leader(1);
        alone.server.commit = Index::new(7);
        for peer in &mut alone.peers {
            (peer.answered_milliseconds, peer.connected) = (Some(500.0), false);
            peer.unreachable = Some("refuses connections".to_owned());
        }
        assert_eq!(
            reasons_of(vec![alone]),
            [
                "server 1 leads, and too few answer it: 1 of 3 servers, itself included",
                "server 1 leads, and 2 entries of its log are not committed yet",
                "server 2 does not answer server 1: refuses connections",
                "server 3 does not answer server 1: refuses connections",
            ]
        );
    }

    #[test]
    fn a_server_that_does_not_answer_is_told_first() {
        let known = [("data/1".to_owned(), Err("no server answers".to_owned())), ("data/2".to_owned(), Ok(server(2)))];
        assert_eq!(reasons(&known)[..2], ["data/1: no server answers", "no server that answers here leads"]);
    }
}
