//! The thread that writes a trace.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rafttree_model::chain::Chain;
use rafttree_model::trace::Ending;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// So many chunks wait for the thread at most.
const MAX_WAITING_CHUNKS: usize = 64;

/// Why a trace has ended though its server goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// More was recorded than could be written.
    Overrun,
    /// It could not be written.
    Failed(io::ErrorKind),
}

/// What was to be written was not taken, and nothing will be any more.
pub(super) struct Refused(pub(super) Trouble);

/// Hands recorded bytes to the thread. When this is dropped the thread writes what waits, and the mark of an end.
pub(super) struct Writer {
    chunks: SyncSender<Vec<u8>>,
    /// How the trace ends, where that is known.
    ending: Arc<OnceLock<Ending>>,
    failure: Arc<OnceLock<io::ErrorKind>>,
    ended: oneshot::Receiver<()>,
}

impl Writer {
    /// Starts the thread, which writes at the end of the file.
    pub(super) fn start(file: File, chain: Chain) -> io::Result<Writer> {
        let (chunks, work) = sync_channel(MAX_WAITING_CHUNKS);
        let (end, ended) = oneshot::channel();
        let (ending, failure) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let (how, failed) = (ending.clone(), failure.clone());
        let body = move || {
            let _ended = end;
            run(file, chain, &work, &how, &failed);
        };
        thread::Builder::new().name("rafttree-trace".into()).spawn(body)?;
        Ok(Writer { chunks, ending, failure, ended })
    }

    /// Lets the thread write this.
    pub(super) fn write(&self, recorded: Vec<u8>) -> Result<(), Refused> {
        match self.chunks.try_send(recorded) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.ending.get_or_init(|| Ending::Overrun);
                Err(Refused(Trouble::Overrun))
            }
            Err(TrySendError::Disconnected(_)) => {
                Err(Refused(Trouble::Failed(self.failed().unwrap_or(io::ErrorKind::Other))))
            }
        }
    }

    /// Why the thread has written no more, if it has.
    pub(super) fn failed(&self) -> Option<io::ErrorKind> {
        self.failure.get().copied()
    }

    /// Ends the trace as its server ends.
    pub(super) async fn close(self, patience: Duration) {
        self.ending.get_or_init(|| Ending::Stopped);
        drop(self.chunks);
        // What is not written by then is missing, as if the server had been killed.
        let _ = timeout(patience, self.ended).await;
    }
}

/// Writes chunks until there will be no more. What the file lacks of a chunk that failed is taken away again, so
/// that the mark of the end can be read.
fn run(
    mut file: File,
    mut chain: Chain,
    work: &Receiver<Vec<u8>>,
    ending: &OnceLock<Ending>,
    failure: &OnceLock<io::ErrorKind>,
) {
    let mut frames = Vec::new();
    for recorded in work {
        let (before, length) = (chain, file.stream_position());
        frames.clear();
        seal_all(&mut chain, &recorded, &mut frames);
        if let Err(error) = file.write_all(&frames) {
            tracing::warn!(%error, "the trace cannot be written");
            failure.get_or_init(|| error.kind());
            let _ =
                length.and_then(|length| file.set_len(length)).and_then(|()| end(&mut file, before, Ending::Failed));
            return;
        }
    }
    // Where nobody has said how it ends, the server has panicked: then it breaks off.
    if let Some(ending) = ending.get() {
        let _ = end(&mut file, chain, *ending);
    }
}

fn end(file: &mut File, mut chain: Chain, ending: Ending) -> io::Result<()> {
    let mut frame = Vec::new();
    chain.seal(&ending.body(), &mut frame);
    file.write_all(&frame)
}

/// Makes frames of bodies, each of which stands after its length.
fn seal_all(chain: &mut Chain, mut recorded: &[u8], frames: &mut Vec<u8>) {
    while let Some((length, rest)) = recorded.split_first_chunk() {
        let (body, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        chain.seal(body, frames);
        recorded = rest;
    }
}
