//! What follows a run for ever, as a liveness counterexample tells it in words: rounds of timeouts and
//! messages, each message sent and received within its line.

/// One line of it, as it is drawn.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Line<'a> {
    /// A message that arrives.
    Message { from: u32, to: u32, words: &'a str },
    /// What happens to a server.
    Event { server: u32, words: &'a str },
    /// All else.
    Words(&'a str),
}

impl Line<'_> {
    /// What a line says, in a group of so many servers.
    pub(crate) fn of(text: &str, servers: usize) -> Line<'_> {
        let is_server = |id: &u32| (1..=servers as u32).contains(id);
        let number = |word: &str| word.parse().ok().filter(is_server);
        let (first, words) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let ends = first.split_once("->").and_then(|(from, to)| number(from).zip(number(to)));
        match (ends, number(first)) {
            _ if !text.starts_with(' ') => Line::Words(text),
            (Some((from, to)), _) => Line::Message { from, to, words },
            (None, Some(server)) => Line::Event { server, words },
            (None, None) => Line::Words(text),
        }
    }
}
