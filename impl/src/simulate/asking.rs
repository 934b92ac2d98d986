//! Clients in the world: they propose, read, wait, give up and try again.

use std::any::Any;

use rafttree_model::ServerId;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::clients::{Operation, PATIENCE, Waiting, Wish};
use super::faults::MILLISECOND;
use super::mutant::Mutant;
use super::subject::{Call, End};
use super::watched::{Watched, tagged};
use super::world::{Happening, World};
use crate::core::request::{Job, Outcome, Reply};
use crate::machine::apply::Task;
use crate::machine::decode;
use crate::machine::sessions::{Applied, Sent};

/// Between two operations of a client, at most.
const LEISURE: u64 = 60 * MILLISECOND;

impl World<'_> {
    /// A client that has waited long enough gives up.
    pub(super) fn give_up(&mut self, number: usize) {
        let client = &mut self.clients.all[number];
        if client.until <= self.now && client.waiting.take().is_some() {
            self.learn_nothing(number);
            self.go_on(number);
        }
    }

    /// A client tries again, or wants something new.
    pub(super) fn go_on(&mut self, number: usize) {
        if self.clients.all[number].operation.is_none() {
            self.wish(number);
        }
        let server = self.any_id();
        self.ask(number, server);
    }

    /// A client wants something new.
    fn wish(&mut self, number: usize) {
        let (called, floor) = (self.now, self.clients.floor);
        let client = &self.clients.all[number];
        let wish = if client.has_sessions && client.session.is_none() {
            Wish::Open
        } else if self.random.chance(40) {
            Wish::Read
        } else {
            self.clients.tags += 1;
            let command = self.subject.command(&mut self.random);
            let padding = if self.padding != 0 && self.random.chance(10) { self.random.below(self.padding) } else { 0 };
            let client = &mut self.clients.all[number];
            client.number += 1;
            let number = client.has_sessions.then_some(client.number);
            Wish::Command { tag: self.clients.tags, command, padding: padding as usize, number }
        };
        self.clients.all[number].operation = Some(Operation { wish, called, floor });
    }

    /// A client asks a server for what it wants; if that runs.
    fn ask(&mut self, number: usize, id: ServerId) {
        let client = &self.clients.all[number];
        let (Some(operation), Some(running)) =
            (&client.operation, &mut self.group.get_mut(&id).expect("it is one").running)
        else {
            return self.ask_again(number);
        };
        let node = running.driver.node();
        let waiting = match &operation.wish {
            Wish::Read => {
                let (sender, seen) = oneshot::channel();
                let job = Job(Box::new(move |machine| drop(sender.send(look(machine)))));
                if self.mutant == Some(Mutant::ReadsWithoutARound) && node.leader() == Some(id) {
                    self.add_task(id, Task::Read(job));
                } else {
                    running.service.read(node, job);
                }
                Waiting::Read(seen)
            }
            wish => {
                let sent = sent(wish, client.session.filter(|_| self.mutant != Some(Mutant::RetriesWithoutSession)));
                let (sender, answer) = oneshot::channel();
                running.service.propose(node, sent.encode(), Reply { sender, permit: None });
                Waiting::Command(answer)
            }
        };
        let client = &mut self.clients.all[number];
        (client.waiting, client.until) = (Some(waiting), self.now + PATIENCE);
        self.later(PATIENCE, Happening::GiveUp(number));
        self.serve(id);
    }

    fn ask_again(&mut self, number: usize) {
        let leisure = self.moment(LEISURE);
        self.later(leisure, Happening::Client(number));
    }

    /// Takes in what has become of what clients wait for.
    pub(super) fn listen(&mut self) {
        for number in 0..self.clients.all.len() {
            match &mut self.clients.all[number].waiting {
                None => {}
                Some(Waiting::Command(answer)) => match answer.try_recv() {
                    Err(TryRecvError::Empty) => {}
                    Ok(outcome) => self.learn(number, outcome),
                    Err(TryRecvError::Closed) => self.learn(number, Outcome::Unknown),
                },
                Some(Waiting::Read(seen)) => match seen.try_recv() {
                    Err(TryRecvError::Empty) => {}
                    Ok((index, view)) => self.see(number, index, view),
                    Err(TryRecvError::Closed) => {
                        self.clients.all[number].waiting = None;
                        self.learn_nothing(number);
                        self.ask_again(number);
                    }
                },
            }
        }
    }

    /// A client hears what became of its command.
    fn learn(&mut self, number: usize, outcome: Outcome) {
        self.clients.all[number].waiting = None;
        match outcome {
            Outcome::Answer(answer) => match decode(&answer) {
                Ok(applied) => self.is_answered(number, applied),
                Err(error) => self.judge(Err(format!("an answer is none: {error}"))),
            },
            Outcome::NotCommitted => self.is_denied(number),
            Outcome::Unknown => self.learn_nothing(number),
        }
        self.ask_again(number);
    }

    fn is_answered(&mut self, number: usize, applied: Applied) {
        let client = &mut self.clients.all[number];
        let Some(operation) = client.operation.take() else { return };
        let (index, told) = match (&operation.wish, applied) {
            (Wish::Open, Applied::Opened(id)) => {
                client.session = Some(id);
                client.number = 0;
                (id, None)
            }
            (Wish::Command { tag, .. }, Applied::Answer(answer)) => match self.facts.applied.get(tag) {
                Some((index, first)) if *first == answer => (*index, Some(answer)),
                other => {
                    return self
                        .judge(Err(format!("command {tag} is answered {answer:?}, and was applied: {other:?}")));
                }
            },
            (wish, applied) => return self.judge(Err(format!("{wish:?} is answered {applied:?}"))),
        };
        if index <= operation.floor {
            let floor = operation.floor;
            return self.judge(Err(format!("what was asked for after entry {floor} was seen is applied at {index}")));
        }
        self.clients.floor = self.clients.floor.max(index);
        self.figures.answered += 1;
        if let Some(answer) = told {
            let at = self.now;
            self.note_call(number, operation, End::Answered { at, answer });
        }
    }

    /// A read has seen the state after this entry.
    fn see(&mut self, number: usize, index: u64, view: Vec<u8>) {
        let client = &mut self.clients.all[number];
        client.waiting = None;
        let Some(operation) = client.operation.take() else { return };
        if index < operation.floor {
            let floor = operation.floor;
            self.judge(Err(format!(
                "a read sees entry {index}, and entry {floor} had been seen before it was asked for"
            )));
        }
        self.clients.floor = self.clients.floor.max(index);
        self.figures.reads += 1;
        let at = self.now;
        self.note_call(number, operation, End::Answered { at, answer: view });
        self.ask_again(number);
    }

    /// A command is not committed. In a session it is proposed again.
    fn is_denied(&mut self, number: usize) {
        let client = &mut self.clients.all[number];
        let in_session = |wish: &Wish| matches!(wish, Wish::Command { number: Some(_), .. });
        let Some(operation) = client.operation.take_if(|operation| !in_session(&operation.wish)) else { return };
        if let Wish::Command { tag, .. } = operation.wish {
            self.clients.denied.insert(tag);
            self.figures.not_committed += 1;
            self.note_call(number, operation, End::NotCommitted);
        }
    }

    /// Nobody knows what became of it. What is not in a session is not proposed again.
    fn learn_nothing(&mut self, number: usize) {
        let client = &mut self.clients.all[number];
        self.figures.unknown += 1;
        match &client.operation {
            Some(Operation { wish: Wish::Command { number: Some(_), .. }, .. }) => self.figures.retries += 1,
            _ => {
                if let Some(operation) = client.operation.take() {
                    self.note_call(number, operation, End::Unknown);
                }
            }
        }
    }

    /// What clients have not heard of at the end of a run.
    pub(super) fn end_calls(&mut self) {
        for number in 0..self.clients.all.len() {
            if let Some(operation) = self.clients.all[number].operation.take() {
                self.note_call(number, operation, End::Unknown);
            }
        }
    }

    fn note_call(&mut self, number: usize, operation: Operation, end: End) {
        let command = match operation.wish {
            Wish::Command { command, .. } => Some(command),
            Wish::Read => None,
            Wish::Open => return,
        };
        let call = Call { client: number as u64, command, called: operation.called, end };
        if self.story.is_some() {
            let words = call.command.as_ref().map_or("read".to_owned(), |command| self.subject.words(command));
            let end = match &call.end {
                End::Answered { .. } => "answered",
                End::NotCommitted => "not committed",
                End::Unknown => "unknown",
            };
            let called = call.called as f64 / 1e6;
            self.tell(|| format!("client {number}: {words}, called at {called:.3} ms: {end}"));
        }
        self.clients.calls.push(call);
    }
}

fn look(machine: &dyn Any) -> (u64, Vec<u8>) {
    machine.downcast_ref::<Watched>().expect("machines of a simulation are watched").look()
}

/// What stands in the log for a wish.
fn sent(wish: &Wish, session: Option<u64>) -> Sent {
    let Wish::Command { tag, command, padding, number } = wish else { return Sent::Open };
    let command = tagged(*tag, command, *padding).into();
    match (session, *number) {
        (Some(session), Some(number)) => Sent::InSession { session, number, command },
        _ => Sent::Plain(command),
    }
}
