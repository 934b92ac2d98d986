//! Commands to a local cluster.

use std::fmt;
use std::str::FromStr;

use rafttree::ServerId;

/// One command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LocalCommand {
    Kill(Who),
    Pause(Who),
    Resume(Who),
    Restart(Who),
    Transfer(ServerId),
    StepDown,
    Status,
    WaitLeader,
    Quit,
}

/// The server that a command is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    Leader,
    Server(ServerId),
}

impl LocalCommand {
    /// Whether it is obeyed only when there is a leader.
    pub(super) fn needs_leader(self) -> bool {
        match self {
            LocalCommand::Kill(who)
            | LocalCommand::Pause(who)
            | LocalCommand::Resume(who)
            | LocalCommand::Restart(who) => who == Who::Leader,
            LocalCommand::Transfer(_) | LocalCommand::StepDown | LocalCommand::WaitLeader => true,
            LocalCommand::Status | LocalCommand::Quit => false,
        }
    }
}

impl FromStr for LocalCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<LocalCommand, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        Ok(match *words {
            ["kill", who] => LocalCommand::Kill(who.parse()?),
            ["pause", who] => LocalCommand::Pause(who.parse()?),
            ["resume", who] => LocalCommand::Resume(who.parse()?),
            ["restart", who] => LocalCommand::Restart(who.parse()?),
            ["transfer", to] => LocalCommand::Transfer(server(to)?),
            ["step-down"] => LocalCommand::StepDown,
            ["status"] => LocalCommand::Status,
            ["wait", "leader"] => LocalCommand::WaitLeader,
            ["quit"] => LocalCommand::Quit,
            _ => {
                return Err(format!(
                    "`{text}` is no command: write kill, pause, resume, restart (each with a server's number or \
                     `leader`), transfer (with a number), step-down, status, `wait leader` or quit"
                ));
            }
        })
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Who, String> {
        if text == "leader" {
            return Ok(Who::Leader);
        }
        server(text).map(Who::Server).map_err(|error| format!("{error}, or `leader`"))
    }
}

fn server(text: &str) -> Result<ServerId, String> {
    text.parse().map(ServerId::new).map_err(|_| format!("`{text}` is no server: write its number"))
}

impl fmt::Display for LocalCommand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalCommand::Kill(who) => write!(out, "kill {who}"),
            LocalCommand::Pause(who) => write!(out, "pause {who}"),
            LocalCommand::Resume(who) => write!(out, "resume {who}"),
            LocalCommand::Restart(who) => write!(out, "restart {who}"),
            LocalCommand::Transfer(to) => write!(out, "transfer {to}"),
            LocalCommand::StepDown => write!(out, "step-down"),
            LocalCommand::Status => write!(out, "status"),
            LocalCommand::WaitLeader => write!(out, "wait leader"),
            LocalCommand::Quit => write!(out, "quit"),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Leader => write!(out, "leader"),
            Who::Server(id) => write!(out, "{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_as_they_are_written() {
        for text in [
            "kill leader",
            "kill 2",
            "pause 1",
            "resume 3",
            "restart leader",
            "transfer 2",
            "step-down",
            "status",
            "wait leader",
            "quit",
        ] {
            assert_eq!(text.parse::<LocalCommand>().map(|command| command.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_command_is_refused_with_what_is_one() {
        for text in ["", "kill", "kill all", "transfer leader", "wait", "quit now"] {
            assert!(text.parse::<LocalCommand>().unwrap_err().contains("write"), "{text}");
        }
    }

    #[test]
    fn who_leads_is_no_answer_to_who_shall_lead() {
        let refusal = |text: &str| text.parse::<LocalCommand>().unwrap_err();
        assert_eq!(refusal("transfer leader"), "`leader` is no server: write its number");
        assert_eq!(refusal("kill all"), "`all` is no server: write its number, or `leader`");
    }
}
