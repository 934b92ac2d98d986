//! `rafttree local`: a cluster of real processes on this machine, to see elections happen.

mod command;

mod options;

mod news;

mod screen;

use std::collections::VecDeque;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::time::Duration;

use crossterm::event::KeyEvent;
use rafttree::ServerId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, interval, sleep_until};

use crate::cluster::{self, Cluster, Happening, Life, USAGE_EXIT_CODE};
use crate::control::done;
use crate::failure::Failure;
use crate::options::Format;
use crate::output::{LAST_LINES_TIMEOUT, Printer};
use crate::report::{News, Report, Row};
use crate::signals::{Asked, Signals};
use command::{LocalCommand, Who};
use news::{ClusterNews, Line};
use rafttree::admin::Request;
use screen::{Screen, Wish};

#[cfg(test)]
pub(crate) use options::LOCAL_EXAMPLES;
pub(crate) use options::LocalOptions;

/// How often the table on a terminal is brought up to date.
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);

/// A command that needs a leader is given up after so many election timeouts, and not before
/// [`MIN_PATIENCE`].
const PATIENCE_IN_TIMEOUTS: u32 = 60;
const MIN_PATIENCE: Duration = Duration::from_secs(10);

/// Input of the keyboard, or in its place.
enum Input {
    Line(String),
    Key(KeyEvent),
    End,
}

/// Where the output goes.
enum View {
    Lines(Printer),
    Screen(Screen),
}

/// The cluster, and what was asked of it.
struct Local {
    cluster: Cluster,
    view: View,
    /// T, in which elections are measured.
    timeout: Duration,
    queue: VecDeque<LocalCommand>,
    /// When the first command of the queue got there.
    waits_since: Instant,
    /// The last server that said that it leads, unless it has said since that it does not, or
    /// was stopped.
    leader: Option<ServerId>,
    /// Since when there is no leader, if that is so and known.
    leaderless_since: Option<Instant>,
    /// Whether it was told what to do, so that the end of its input is its end.
    has_obeyed: bool,
    input_ended: bool,
}

/// Runs the cluster until its commands are done, its time is over, or it is told to end.
pub(crate) async fn run(options: LocalOptions, output: Format) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let temporary = match options.directory {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("rafttree-").tempdir().map_err(Failure::operation)?),
    };
    let root = options.directory.as_deref().or(temporary.as_ref().map(|directory| directory.path()));
    let root = root.expect("a directory is given or temporary");
    let (sender, happenings) = unbounded_channel();
    let cluster = Cluster::new(root, options.servers, options.timing, sender)?;
    let (printer, written) = Printer::start(output, |lines| ClusterNews::Unread { lines });
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && output == Format::Text;
    let view = if is_terminal {
        View::Screen(Screen::open().map_err(Failure::operation)?)
    } else {
        View::Lines(printer.clone())
    };
    let inputs = read_inputs(is_terminal);
    let mut local = Local {
        cluster,
        view,
        timeout: options.timing.election_timeout,
        queue: options.script.into(),
        waits_since: Instant::now(),
        leader: None,
        leaderless_since: Some(Instant::now()),
        has_obeyed: false,
        input_ended: false,
    };
    let (result, patience) = tokio::select! {
        result = local.run(happenings, inputs, options.run_for) => (result, Duration::MAX),
        () = signals.next() => (Ok(()), LAST_LINES_TIMEOUT),
    };
    local.cluster.kill_all().await?;
    printer.close();
    tokio::select! {
        () = written.wait_within(patience) => {}
        () = signals.next() => {}
    }
    result.and(printer.check().map_err(Failure::unread))
}

impl Local {
    async fn run(
        &mut self,
        mut happenings: UnboundedReceiver<Happening>,
        mut inputs: UnboundedReceiver<Input>,
        run_for: Option<Duration>,
    ) -> Result<(), Failure> {
        let ids: Vec<ServerId> = self.cluster.servers.iter().map(|server| server.id()).collect();
        for id in ids {
            self.cluster.start(id).await?;
        }
        let end = run_for.map(|time| Instant::now() + time);
        let mut refresh = interval(REFRESH_INTERVAL);
        let mut asked = Asked::new()?;
        loop {
            while let Some(command) = self.next_command() {
                if command == LocalCommand::Quit {
                    return Ok(());
                }
                self.obey(command).await?;
            }
            if self.input_ended && self.has_obeyed && self.queue.is_empty() && end.is_none() {
                return Ok(());
            }
            tokio::select! {
                Some(happening) = happenings.recv() => self.on_happening(happening).await?,
                Some(input) = inputs.recv() => self.on_input(input)?,
                _ = refresh.tick() => self.refresh()?,
                () = asked.next() => self.status().await?,
                () = at(end) => return self.at_end(),
                () = at(self.end_of_patience()) => return Err(self.no_leader()),
            }
        }
    }

    /// The next command that can be obeyed now.
    fn next_command(&mut self) -> Option<LocalCommand> {
        let command = *self.queue.front()?;
        if command.needs_leader() && self.leader.is_none() {
            return None;
        }
        self.waits_since = Instant::now();
        self.queue.pop_front()
    }

    fn enqueue(&mut self, command: LocalCommand) {
        if self.queue.is_empty() {
            self.waits_since = Instant::now();
        }
        self.queue.push_back(command);
    }

    fn end_of_patience(&self) -> Option<Instant> {
        let patience = MIN_PATIENCE.max(PATIENCE_IN_TIMEOUTS * self.timeout);
        self.queue.front().map(|_| self.waits_since + patience)
    }

    fn no_leader(&self) -> Failure {
        let command = self.queue.front().map(ToString::to_string).unwrap_or_default();
        let seconds = self.waits_since.elapsed().as_secs();
        Failure::Operation(format!(
            "`{command}` needs a leader, and there was none for {seconds} s: a majority of the servers must be up"
        ))
    }

    fn at_end(&self) -> Result<(), Failure> {
        match self.queue.front() {
            None => Ok(()),
            Some(command) => Err(Failure::Operation(format!("the time was over before `{command}` was done"))),
        }
    }

    /// Does what was asked. On a terminal a failure is shown, elsewhere it is the end.
    async fn obey(&mut self, command: LocalCommand) -> Result<(), Failure> {
        self.has_obeyed = true;
        if command != LocalCommand::WaitLeader {
            self.tell(ClusterNews::Obeyed { command: command.to_string() })?;
        }
        match (self.perform(command).await, &self.view) {
            (Err(failure), View::Screen(_)) => self.tell(ClusterNews::Failed { reason: failure.to_string() }),
            (result, _) => result,
        }
    }

    async fn perform(&mut self, command: LocalCommand) -> Result<(), Failure> {
        match command {
            LocalCommand::Kill(who) => {
                let id = self.resolve(who)?;
                self.leaves(id);
                self.cluster.server(id)?.kill().await.map(|_| ())
            }
            LocalCommand::Pause(who) => {
                let id = self.resolve(who)?;
                self.cluster.server(id)?.pause()?;
                self.leaves(id);
                Ok(())
            }
            LocalCommand::Resume(who) => {
                let id = self.resolve(who)?;
                self.cluster.server(id)?.resume()
            }
            LocalCommand::Restart(who) => {
                let id = self.resolve(who)?;
                self.leaves(id);
                self.cluster.start(id).await
            }
            LocalCommand::Transfer(to) => self.ask_leader(Request::Transfer { to }).await,
            LocalCommand::StepDown => self.ask_leader(Request::StepDown).await,
            LocalCommand::Status => self.status().await,
            LocalCommand::WaitLeader | LocalCommand::Quit => Ok(()),
        }
    }

    fn resolve(&mut self, who: Who) -> Result<ServerId, Failure> {
        let id = match who {
            Who::Server(id) => id,
            Who::Leader => self.leader.ok_or_else(|| Failure::Operation("there is no leader".to_owned()))?,
        };
        self.cluster.server(id).map(|server| server.id())
    }

    /// Asks the leader to lead no longer.
    async fn ask_leader(&mut self, request: Request) -> Result<(), Failure> {
        let leader = self.resolve(Who::Leader)?;
        if let Request::Transfer { to } = request {
            self.cluster.server(to)?;
            self.cluster.wait_for_answer(leader, to).await?;
        }
        self.leaves(leader);
        let result = self.cluster.ask(leader, request).await.and_then(done);
        if result.is_err() {
            self.leader = Some(leader);
        }
        result
    }

    async fn status(&mut self) -> Result<(), Failure> {
        self.cluster.refresh().await;
        let servers = self.rows();
        self.tell(ClusterNews::Servers { servers })
    }

    /// This server does not lead from now on, so elections are measured from now on.
    fn leaves(&mut self, id: ServerId) {
        if self.leader == Some(id) {
            self.leader = None;
            self.leaderless_since = Some(Instant::now());
        }
    }

    async fn on_happening(&mut self, happening: Happening) -> Result<(), Failure> {
        match happening {
            Happening::Said(life, news) => self.on_news(life, news),
            Happening::Complained(Life { id, .. }, line) => self.tell(ClusterNews::Complained { id, line }),
            Happening::Answered(life, status) => {
                if let Some(server) = self.cluster.living(life) {
                    server.status = Some(status);
                }
                Ok(())
            }
            Happening::Ended(life) => {
                let Some(server) = self.cluster.living(life) else { return Ok(()) };
                let Some(how) = server.bury().await else { return Ok(()) };
                self.leaves(life.id);
                self.tell(ClusterNews::Ended { id: life.id, how: how.to_string() })?;
                match how.code() {
                    Some(USAGE_EXIT_CODE) => Err(refused(life.id)),
                    _ => Ok(()),
                }
            }
        }
    }

    fn on_news(&mut self, life: Life, news: News) -> Result<(), Failure> {
        let id = life.id;
        self.print(Line::Server(Report { id, news: news.clone() }))?;
        let Some(server) = self.cluster.living(life) else { return Ok(()) };
        match news {
            _ if !server.is_up() => {}
            News::Changed { status } => server.status = Some(status),
            News::Leading { fence } => return self.on_elected(id, fence),
            News::Lost { .. } => self.leaves(id),
            _ => {}
        }
        Ok(())
    }

    fn on_elected(&mut self, leader: ServerId, term: u64) -> Result<(), Failure> {
        self.leader = Some(leader);
        let seconds = self.leaderless_since.take().map(|since| since.elapsed().as_secs_f64());
        let milliseconds = seconds.map(|seconds| seconds * 1000.0);
        let timeouts = seconds.map(|seconds| seconds / self.timeout.as_secs_f64());
        self.tell(ClusterNews::Elected { leader, term, milliseconds, timeouts })
    }

    fn on_input(&mut self, input: Input) -> Result<(), Failure> {
        match input {
            Input::Line(line) if line.trim().is_empty() => {}
            Input::Line(line) => {
                let command = line.parse().map_err(Failure::Usage)?;
                self.enqueue(command);
            }
            Input::Key(key) => return self.on_key(key),
            Input::End => self.input_ended = true,
        }
        Ok(())
    }

    fn on_key(&mut self, key: KeyEvent) -> Result<(), Failure> {
        let View::Screen(screen) = &mut self.view else { return Ok(()) };
        let selected = screen.selected;
        match screen.wish(key) {
            Some(Wish::Select(id)) if self.cluster.server(id).is_ok() => screen.selected = id,
            Some(Wish::TogglePause) => {
                let who = Who::Server(selected);
                let is_paused = self.cluster.server(selected)?.is_paused();
                self.enqueue(if is_paused { LocalCommand::Resume(who) } else { LocalCommand::Pause(who) });
            }
            Some(Wish::Command(command)) => self.enqueue(command),
            Some(Wish::Select(_)) | None => {}
        }
        self.refresh()
    }

    fn rows(&self) -> Vec<Row> {
        let row = |server: &cluster::Server| Row {
            id: server.id(),
            state: server.state(),
            pid: server.pid(),
            status: server.status,
        };
        self.cluster.servers.iter().map(row).collect()
    }

    /// Brings the table up to date, and asks for what will be in the next.
    fn refresh(&mut self) -> Result<(), Failure> {
        let rows = self.rows();
        let View::Screen(screen) = &mut self.view else { return Ok(()) };
        self.cluster.ask_all();
        screen.refresh(rows).map_err(Failure::unread)
    }

    fn tell(&mut self, news: ClusterNews) -> Result<(), Failure> {
        self.print(Line::Cluster(news))
    }

    fn print(&mut self, line: Line) -> Result<(), Failure> {
        match &mut self.view {
            View::Lines(printer) => printer.print(&line),
            View::Screen(screen) => screen.note(&line.to_string()),
        }
        .map_err(Failure::unread)
    }
}

/// All servers have the same settings, so no other could start with them either.
fn refused(id: ServerId) -> Failure {
    Failure::Usage(format!("server {id} does not start with these settings, for the reason that it gave above"))
}

/// Never, if there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Keys of a terminal, or lines of what stands in for it. The thread waits for input, so it ends
/// with the process.
fn read_inputs(is_terminal: bool) -> UnboundedReceiver<Input> {
    let (sender, inputs) = unbounded_channel();
    std::thread::spawn(move || if is_terminal { read_keys(&sender) } else { read_lines(&sender) });
    inputs
}

fn read_keys(inputs: &UnboundedSender<Input>) {
    while let Some(key) = screen::next_key() {
        let _ = inputs.send(Input::Key(key));
    }
    let _ = inputs.send(Input::End);
}

fn read_lines(inputs: &UnboundedSender<Input>) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let _ = inputs.send(Input::Line(line));
    }
    let _ = inputs.send(Input::End);
}
