//! The server's loop: what happens, one after the other.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;

use super::state::Server;
use crate::api::command::Command;
use crate::api::error::{Failure, Stopped};
use crate::clock;
use crate::core::driver::Input;
use crate::core::stamp::Stamp;
use crate::machine::apply::{Report, Task};
use crate::storage::Room;
use crate::storage::writer::{DiskReport, Flushed};
use crate::transport::Incoming;

/// When a timer is due, messages that have arrived go first: what was heard matters for what is
/// late. But not for ever.
const MAX_MESSAGES_BEFORE_TIMERS: usize = 64;

/// Commands and reads are taken together, but messages and timers wait for no more of them.
const MAX_COMMANDS_AT_ONCE: usize = 256;

/// Deadlines are met within a fraction of this unless something keeps the process from running.
const STALL_THRESHOLD: Duration = Duration::from_millis(1);

/// Time for the last write of a server that ends, at most.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for the service's code to return when the server ends, at most.
const LAST_APPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for the last of the trace to be written, at most.
const LAST_TRACE_TIMEOUT: Duration = Duration::from_secs(1);

/// An event of the server's loop.
enum Happening {
    Flushed(Option<Flushed>),
    Incoming(Option<Incoming>),
    Asked(Option<Command>),
    Reported(Option<Report>),
    Deadline(io::Result<()>),
}

impl Server {
    /// Serves until it is told to end, or has to.
    pub(super) async fn serve(mut self) -> Stopped {
        let outcome = loop {
            self.publish();
            if let Some(outcome) = self.outcome.take() {
                break outcome;
            }
            match self.next().await {
                Happening::Flushed(flushed) => self.on_flushed(flushed),
                Happening::Incoming(Some(incoming)) => self.on_all_incoming(incoming),
                Happening::Incoming(None) => self.fail(Failure::Panicked),
                Happening::Asked(Some(command)) => self.on_commands(command),
                Happening::Asked(None) => self.outcome = Some(Ok(())),
                Happening::Reported(report) => self.on_report(report),
                Happening::Deadline(Ok(())) => {
                    // Lets what the connections hold be read first.
                    if self.is_late() {
                        yield_now().await;
                    }
                    self.on_deadline();
                }
                Happening::Deadline(Err(error)) => self.fail(Failure::Timer(error)),
            }
        };
        self.end(outcome).await
    }

    /// Closes everything. The lock of the directory is free then, unless the disk hangs.
    async fn end(mut self, outcome: Stopped) -> Stopped {
        self.leading.stop();
        self.network.carrier.close().await;
        self.recorder.close(&mut self.driver, LAST_TRACE_TIMEOUT).await;
        let has_applied = self.requests.close(LAST_APPLY_TIMEOUT).await;
        let patience = match &outcome {
            Err(failure) if matches!(**failure, Failure::DiskStalled(_)) => Duration::ZERO,
            _ => LAST_WRITE_TIMEOUT.min(self.settings.policy.longest_flush),
        };
        if !self.disk.close(patience).await {
            return outcome.and(Err(Arc::new(Failure::DiskStalled(patience))));
        }
        if has_applied { outcome } else { outcome.and(Err(Arc::new(Failure::MachineHangs(LAST_APPLY_TIMEOUT)))) }
    }

    /// Tells everybody what is new.
    fn publish(&mut self) {
        self.renew_lease();
        self.verify();
        let view = self.view();
        self.views.show(view, self.driver.node());
        self.note_slowness();
        self.close_if_possible(view);
    }

    async fn next(&mut self) -> Happening {
        let deadline = self.next_deadline();
        let timer = async {
            match deadline {
                Some(deadline) => self.timer.wait_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            flushed = self.disk.next() => Happening::Flushed(flushed),
            incoming = self.network.incoming.recv() => Happening::Incoming(incoming),
            command = self.commands.recv() => Happening::Asked(command),
            report = self.requests.reports.recv() => Happening::Reported(report),
            due = timer => Happening::Deadline(due),
        }
    }

    fn next_deadline(&self) -> Option<Stamp> {
        let transfer = self.leading.transfer.as_ref().map(|transfer| transfer.until);
        let apply = self.requests.apply.next_deadline();
        [self.driver.next_deadline(clock::now()), apply, transfer, self.closing, self.leading.unclaimed]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether the process was kept from running when a deadline came.
    fn is_late(&self) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline.after(STALL_THRESHOLD) < clock::now())
    }

    fn on_deadline(&mut self) {
        for _ in 0..MAX_MESSAGES_BEFORE_TIMERS {
            let Ok(incoming) = self.network.incoming.try_recv() else { break };
            self.on_incoming(incoming);
        }
        self.handle(Input::Deadline);
        self.requests.apply.tell_due(clock::now());
        if self.leading.transfer.as_ref().is_some_and(|transfer| transfer.until <= clock::now()) {
            self.on_work_that_does_not_end();
        }
        if self.leading.unclaimed.take_if(|until| *until <= clock::now()).is_some() {
            self.end_idle_epoch();
        }
    }

    fn on_flushed(&mut self, flushed: Option<Flushed>) {
        match flushed {
            Some(Ok(DiskReport::Durable)) => self.handle(Input::Flushed),
            Some(Ok(DiskReport::Room(room))) => self.on_room(room),
            Some(Err(error)) => self.fail(Failure::Storage(error)),
            None => self.fail(Failure::Panicked),
        }
    }

    fn on_room(&mut self, room: Room) {
        if self.disk.note_room(room) {
            self.views.changed();
        }
    }

    /// What has arrived by now is heard together, as commands are taken together.
    fn on_all_incoming(&mut self, first: Incoming) {
        self.on_incoming(first);
        for _ in 1..MAX_MESSAGES_BEFORE_TIMERS {
            let Ok(incoming) = self.network.incoming.try_recv() else { break };
            self.on_incoming(incoming);
        }
        self.serve_requests();
    }

    fn on_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Frame(frame) => self.drive(Input::Frame(frame)),
            Incoming::Service(frame) => self.on_service(frame),
            Incoming::Accepted { from, minimum_timeout } => {
                self.note(from, |peer| peer.election_timeout = Some(minimum_timeout));
                self.drive(Input::Accepted(from, minimum_timeout));
            }
            Incoming::Closed { from } => self.drive(Input::Closed(from)),
            Incoming::NobodyListens { at, place } => self.drive(Input::NobodyListens(at, place)),
            Incoming::Connected { to, minimum_timeout } => {
                self.note(to, |peer| {
                    (peer.connected, peer.unreachable) = (true, None);
                    peer.election_timeout = Some(minimum_timeout);
                });
                self.requests.service.connected(to);
                self.drive(Input::Connected(to, minimum_timeout));
            }
            Incoming::Unreachable { peer, why } => {
                tracing::info!(%peer, %why, "no connection");
                self.note(peer, |peer| peer.unreachable = Some(why));
            }
            Incoming::Disconnected { to } => {
                self.note(to, |peer| peer.connected = false);
                self.requests.service.disconnected(to);
                self.drive(Input::Disconnected(to));
            }
            Incoming::Refused { peer, reason } => {
                tracing::warn!(%peer, %reason, "no connection");
                self.note(peer, |peer| peer.refusal = Some(reason));
            }
            Incoming::SnapshotArrived { from, last } => {
                tracing::info!(%from, %last, "a snapshot has arrived");
                self.drive(Input::SnapshotHeld(last));
            }
            Incoming::SnapshotFailed { with, last, why } => {
                tracing::warn!(%with, ?last, %why, "a snapshot was not sent or taken");
                self.check_directory();
            }
            Incoming::AtPeace { with } => self.note(with, |peer| peer.refusal = None),
        }
    }

    /// What was asked by now is seen to together, so that commands which are proposed at a time are sent
    /// and written together.
    fn on_commands(&mut self, first: Command) {
        self.on_command(first);
        for _ in 1..MAX_COMMANDS_AT_ONCE {
            let Ok(command) = self.commands.try_recv() else { break };
            self.on_command(command);
        }
        self.serve_requests();
    }

    fn on_command(&mut self, command: Command) {
        match command {
            // Whoever no longer waits for an answer needs none.
            Command::Status(reply) => drop(reply.send(self.status())),
            Command::Transfer { to, reply } => self.on_transfer(to, reply),
            Command::Verify { epoch, reply } => self.on_verify(&epoch, reply),
            Command::Released(epoch) => self.on_released(&epoch),
            Command::Work(work) => self.on_work(work),
            Command::Propose { command, reply } => {
                self.requests.service.propose(self.driver.node(), command, reply);
            }
            Command::Read(job) => self.requests.service.read(self.driver.node(), job),
            Command::ReadStale(job) => self.requests.tell_machine(Task::Read(job)),
            Command::Snapshot(reply) => self.requests.tell_machine(Task::Snapshot(reply)),
            Command::ShutDown => self.on_shut_down(),
            Command::Halt => drop(self.outcome.get_or_insert(Ok(()))),
        }
    }
}
