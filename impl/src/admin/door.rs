//! The socket: who asks, who answers, and for how long either waits.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rafttree_model::{Position, ServerId};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::timeout;

use super::status::ServerStatus;
use crate::api::node::{Node, WeakNode};

const SOCKET: &str = "admin.sock";

/// The longest line that is read.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// The longest path that the system takes for a socket, of those that differ in it.
const MAX_PATH_BYTES: usize = 100;

/// Time for a server to answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// Connections that are served at a time.
const MAX_CONNECTIONS: usize = 16;

/// Time for a question to arrive, and for an answer to be taken.
const LINE_DEADLINE: Duration = Duration::from_secs(15);

/// A request to a server.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(tag = "request", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// How it stands.
    Status,
    /// Leadership is to be transferred to this peer.
    Transfer {
        /// The peer.
        to: ServerId,
    },
    /// Leadership is to be given up.
    StepDown,
    /// A snapshot is to be made.
    Snapshot,
}

/// The server's answer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// How it stands.
    Status(Box<ServerStatus>),
    /// What was asked for is done.
    Done,
    /// A snapshot is durable.
    Snapshotted {
        /// The last entry in it.
        last: Position,
    },
    /// What was asked for did not happen.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Why no server has answered, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AskError(String);

/// What the server of this handle answers, as long as it is there.
pub(crate) async fn answer(node: WeakNode, request: Request) -> Answer {
    let Some(node) = node.upgrade() else { return Answer::Failed { reason: "the server has stopped".to_owned() } };
    answer_by(node, request).await.unwrap_or_else(|reason| Answer::Failed { reason })
}

async fn answer_by(node: Node, request: Request) -> Result<Answer, String> {
    let said = |error: crate::api::error::Error| error.to_string();
    match request {
        Request::Status => Ok(Answer::Status(Box::new(node.status().await.map_err(said)?.into()))),
        Request::Transfer { to } => node.transfer_to(to).await.map_err(said).map(|()| Answer::Done),
        Request::StepDown => node.step_down().await.map_err(said).map(|()| Answer::Done),
        Request::Snapshot => {
            let last = node.make_snapshot().await.map_err(|error| error.to_string())?;
            Ok(Answer::Snapshotted { last })
        }
    }
}

/// The open door. Its socket stays behind in the directory: whoever removed it at the end, when
/// the lock is free again, could remove that of the next server.
pub(crate) struct Door {
    listener: UnixListener,
}

impl Door {
    /// Opens the door. The caller holds the directory's lock, so a socket that is already there
    /// was left by a server that died.
    pub(crate) fn open(directory: &Path) -> io::Result<Door> {
        let path = directory.join(SOCKET);
        let open = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let (short, _open) = short_path(directory)?;
            let listener = UnixListener::bind(short)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600)).map(|()| listener)
        };
        let listener = open().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(Door { listener })
    }

    /// Answers whoever asks, for ever.
    pub(crate) async fn serve<A: Future<Output = Answer> + Send + 'static>(
        &self,
        answer: impl Fn(Request) -> A + Clone + Send + 'static,
    ) {
        let (mut tasks, mut connections) = (JoinSet::new(), Vec::new());
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let is_idle = Arc::new(AtomicBool::new(true));
                        let task = tasks.spawn(converse(stream, answer.clone(), is_idle.clone()));
                        admit(&mut connections, Connection { task, is_idle });
                        // Each is heard before the next comes in, for whom it might have to leave.
                        yield_now().await;
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = tasks.join_next() => {}
            }
        }
    }
}

/// One connection that is served.
struct Connection {
    task: AbortHandle,
    /// Whether nothing that was asked on it is being answered.
    is_idle: Arc<AtomicBool>,
}

/// Serves one more. If that is one too many, the oldest that is idle ends, or else the oldest of all:
/// whoever comes is let in.
fn admit(connections: &mut Vec<Connection>, newcomer: Connection) {
    connections.retain(|connection| !connection.task.is_finished());
    if MAX_CONNECTIONS <= connections.len() {
        let idle = connections.iter().position(|connection| connection.is_idle.load(Ordering::Relaxed));
        connections.remove(idle.unwrap_or(0)).task.abort();
    }
    connections.push(newcomer);
}

/// Answers one connection, line by line.
async fn converse<A: Future<Output = Answer>>(
    mut stream: UnixStream,
    answer: impl Fn(Request) -> A,
    is_idle: Arc<AtomicBool>,
) {
    loop {
        let (reader, mut writer) = stream.split();
        let Ok(Ok(Some(line))) = timeout(LINE_DEADLINE, read_line(reader)).await else { return };
        is_idle.store(false, Ordering::Relaxed);
        let answer = match serde_json::from_str(&line) {
            Ok(request) => answer(request).await,
            Err(error) => Answer::Failed { reason: format!("this request is not understood: {error}") },
        };
        is_idle.store(true, Ordering::Relaxed);
        let Ok(Ok(())) = timeout(LINE_DEADLINE, writer.write_all(&to_line(&answer))).await else { return };
    }
}

/// Asks the server of this directory how it stands.
///
/// # Errors
///
/// As for [`ask`].
pub async fn status(directory: &Path) -> Result<ServerStatus, AskError> {
    match ask(directory, &Request::Status).await? {
        Answer::Status(status) => Ok(*status),
        Answer::Failed { reason } => Err(AskError(reason)),
        _ => Err(AskError("the server answered another question".to_owned())),
    }
}

/// Asks the server of this directory, and waits for its answer, but not for ever.
///
/// # Errors
///
/// If no server answers.
pub async fn ask(directory: &Path, request: &Request) -> Result<Answer, AskError> {
    let place = directory.display();
    match timeout(ANSWER_DEADLINE, exchange(directory, request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if !directory.is_dir() => {
            Err(AskError(format!("{place} is no data directory: {error}; check the path")))
        }
        Ok(Err(error)) => Err(AskError(format!(
            "no server answers for {place}: {error}; start it (`rafttree serve {place} ...`, or the service that it is of)"
        ))),
        Err(_) => Err(AskError(format!(
            "the server of {place} has not answered for {} s: it may be stopped (SIGSTOP), or its disk may hang",
            ANSWER_DEADLINE.as_secs()
        ))),
    }
}

async fn exchange(directory: &Path, request: &Request) -> io::Result<Answer> {
    let (path, _open) = short_path(directory)?;
    let mut stream = UnixStream::connect(path).await?;
    stream.write_all(&to_line(request)).await?;
    let line = read_line(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(serde_json::from_str(&line)?)
}

/// One line; there is nothing after it until it is answered.
async fn read_line(reader: impl tokio::io::AsyncRead + Unpin) -> io::Result<Option<String>> {
    BufReader::new(reader.take(MAX_LINE_BYTES)).lines().next_line().await
}

fn to_line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("requests and answers have no keys but strings");
    line.push(b'\n');
    line
}

/// The socket's path in a form that is short enough for the system, as long as the file is open.
fn short_path(directory: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = directory.join(SOCKET);
    if path.as_os_str().len() <= MAX_PATH_BYTES {
        return Ok((path, None));
    }
    if !cfg!(target_os = "linux") {
        return Err(io::Error::other("the path of its socket is too long for this system: use a shorter directory"));
    }
    let opened = File::open(directory)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd())), Some(opened)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(request: Request) -> Answer {
        match request {
            Request::StepDown => Answer::Done,
            other => Answer::Failed { reason: format!("{other:?}") },
        }
    }

    async fn ask_through_door(directory: &Path) -> Result<Answer, AskError> {
        let door = Door::open(directory).unwrap();
        tokio::select! {
            () = door.serve(answer) => unreachable!("a door is open until it is dropped"),
            answer = ask(directory, &Request::StepDown) => answer,
        }
    }

    #[tokio::test]
    async fn a_question_is_answered_however_long_the_path() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("d".repeat(90)).join("e".repeat(90));
        fs::create_dir_all(&deep).unwrap();
        for directory in [root.path(), &deep] {
            assert!(matches!(ask_through_door(directory).await, Ok(Answer::Done)));
        }
    }

    #[tokio::test]
    async fn who_asks_nothing_keeps_nobody_out() {
        let directory = tempfile::tempdir().unwrap();
        let door = Door::open(directory.path()).unwrap();
        let ask_in_a_crowd = async {
            let mut idle = Vec::new();
            for _ in 0..10 * MAX_CONNECTIONS {
                let mut stream = UnixStream::connect(directory.path().join(SOCKET)).await.unwrap();
                stream.write_all(b"{\"request\"").await.unwrap();
                idle.push(stream);
            }
            timeout(LINE_DEADLINE / 3, ask(directory.path(), &Request::StepDown)).await.expect("nobody waits")
        };
        tokio::select! {
            () = door.serve(answer) => unreachable!("a door is open until it is dropped"),
            answer = ask_in_a_crowd => assert!(matches!(answer, Ok(Answer::Done))),
        }
    }

    #[tokio::test]
    async fn the_oldest_idle_connection_ends_first() {
        let mut tasks = JoinSet::new();
        let mut connection = |is_idle| Connection {
            task: tasks.spawn(std::future::pending::<()>()),
            is_idle: Arc::new(AtomicBool::new(is_idle)),
        };
        let all: Vec<_> = (0..MAX_CONNECTIONS).map(|at| connection([3, 5].contains(&at))).collect();
        let handles: Vec<_> = all.iter().map(|connection| connection.task.clone()).collect();
        let mut served = all;
        let mut ended = Vec::new();
        for _ in 0..3 {
            admit(&mut served, connection(false));
            yield_now().await;
            ended.extend(
                (0..handles.len()).filter(|at| handles[*at].is_finished() && !ended.contains(at)).collect::<Vec<_>>(),
            );
        }
        assert_eq!((ended, served.len()), (vec![3, 5, 0], MAX_CONNECTIONS));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_does_not_end_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let door = Door::open(directory.path()).unwrap();
        let begin = async {
            let mut stream = UnixStream::connect(directory.path().join(SOCKET)).await.unwrap();
            stream.write_all(b"{\"request\"").await.unwrap();
            timeout(2 * LINE_DEADLINE, stream.read(&mut [0])).await.expect("the connection ends").unwrap()
        };
        tokio::select! {
            () = door.serve(answer) => unreachable!("a door is open until it is dropped"),
            read = begin => assert_eq!(read, 0),
        }
    }

    #[tokio::test]
    async fn what_a_dead_server_left_behind_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(directory.path().join(SOCKET)).unwrap());
        let refused = ask(directory.path(), &Request::Status).await.unwrap_err().to_string();
        assert!(refused.contains("no server answers") && refused.contains("rafttree serve"), "{refused}");
        assert!(matches!(ask_through_door(directory.path()).await, Ok(Answer::Done)));
    }

    #[tokio::test]
    async fn a_directory_that_does_not_exist_is_named() {
        let refused = ask(Path::new("nowhere"), &Request::Status).await.unwrap_err().to_string();
        assert!(refused.contains("nowhere is no data directory"), "{refused}");
    }

    #[tokio::test]
    async fn nonsense_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let door = Door::open(directory.path()).unwrap();
        let ask_nonsense = async {
            let mut stream = UnixStream::connect(directory.path().join(SOCKET)).await.unwrap();
            stream.write_all(b"hello\n").await.unwrap();
            read_line(&mut stream).await.unwrap().unwrap()
        };
        tokio::select! {
            () = door.serve(answer) => unreachable!("a door is open until it is dropped"),
            line = ask_nonsense => assert!(line.contains("not understood"), "{line}"),
        }
    }
}
