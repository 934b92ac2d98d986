//! Messages in as few words as fit beside an arrow.

/// The message of these words of the trace language, without term and round: `append after 1@1 [2@1]
/// commit 0` is `append [2@1]`.
pub(crate) fn label(words: &str) -> String {
    let mut rest = words.split_whitespace();
    let first = rest.next().unwrap_or_default();
    let bracket = || words.find('[').zip(words.find(']')).map_or("", |(from, to)| &words[from..=to]);
    let number = || words.split_whitespace().find(|word| word.parse::<u64>().is_ok()).unwrap_or_default();
    match first {
        "pre_vote_request" => "request pre-vote".to_owned(),
        "vote_request" if words.ends_with("transfer") => "request vote!".to_owned(),
        "vote_request" => "request vote".to_owned(),
        "append" if bracket() == "[]" => "heartbeat".to_owned(),
        "append" => format!("append {}", shortened(bracket())),
        "appended" => format!("holds to {}", number()),
        "append_refused" => format!("lacks {}", number()),
        "repair_request" => format!("repair after {}", number()),
        "install_snapshot" => format!("snapshot {}", words.split_whitespace().nth(2).unwrap_or_default()),
        other => other.replace("pre_vote", "pre-vote").replace('_', " "),
    }
}

/// Of many entries the first and the last.
fn shortened(entries: &str) -> String {
    let inner: Vec<_> = entries.trim_matches(['[', ']']).split_whitespace().collect();
    match inner[..] {
        [first, _, .., last] => format!("[{first}..{last}]"),
        _ => entries.to_owned(),
    }
}
