//! What two processes say before they believe each other.
//!
//! The caller and the called greet each other with a magic and a nonce. The caller says who it is and what it
//! searches, with its proof; the called answers likewise, or why it refuses. Whoever cannot prove anything
//! gets no answer.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::search::hosts::frames::{self, Until};
use crate::search::hosts::proof::{Nonce, Proofs, Side};
use crate::search::identity::Identity;

const MAGIC: &[u8; 8] = b"RThosts1";
/// A handshake is a few messages; whoever needs longer is nobody.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any identity has.
const LONGEST: usize = 64 << 10;

/// What a connection is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Line {
    /// Letters of the search.
    Letters,
    /// That its other end is alive.
    Life,
}

/// Who somebody is, and what it searches.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Hello {
    pub(super) process: usize,
    pub(super) line: Line,
    /// All in which processes must agree, by name.
    pub(super) parts: Vec<(String, String)>,
}

/// What the called side says: who it is, from which the caller sees whether they agree.
#[derive(Deserialize, Serialize)]
struct Answer {
    hello: Hello,
    /// Why the caller may not join, if it is something else.
    refused: Option<String>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Failed {
    /// It may be there later.
    Unreachable(io::Error),
    /// It never will.
    Refused(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Unreachable(error)
    }
}

/// Of the side that has called.
pub(super) fn call(stream: &TcpStream, secret: &[u8], ours: &Hello, called: usize) -> Result<(), Failed> {
    let mut until = Until { stream, moment: Instant::now() + PATIENCE };
    let ([mine, theirs], mut until) = (greet(&mut until)?, until);
    let proofs = Proofs::new(secret, &mine, &theirs);
    frames::put(&mut until, &proofs.seal(Side::Caller, &words(ours)))?;
    let answer = frames::get(&mut until, LONGEST).map_err(|error| match error.kind() {
        // Whoever does not believe us says nothing.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            Failed::Refused("it hung up: is the secret the same there?".to_owned())
        }
        _ => Failed::Unreachable(error),
    })?;
    let said = proofs.open(Side::Called, &answer);
    let answer: Option<Answer> = said.and_then(|said| serde_json::from_slice(said).ok());
    let Answer { hello, refused } = answer.ok_or_else(|| Failed::Refused("it does not know the secret".to_owned()))?;
    let elsewhere = (hello.process != called).then(|| format!("there is process {}, not {called}", hello.process));
    match elsewhere.or(differences(ours, &hello)).or(refused) {
        Some(why) => Err(Failed::Refused(why)),
        None => Ok(stream.set_read_timeout(None)?),
    }
}

/// Of the side that was called: who it is, if it may join. `is_expected` says why not, if not.
pub(super) fn answer(
    stream: &TcpStream,
    secret: &[u8],
    ours: &Hello,
    is_expected: impl FnOnce(&Hello) -> Result<(), String>,
) -> Result<Hello, String> {
    let mut until = Until { stream, moment: Instant::now() + PATIENCE };
    let greeted = greet(&mut until).map_err(|error| format!("it is no checker of this version: {error}"));
    let [mine, theirs] = greeted?;
    let proofs = Proofs::new(secret, &theirs, &mine);
    let sealed = frames::get(&mut until, LONGEST).map_err(|error| format!("it said nothing: {error}"))?;
    let said = proofs.open(Side::Caller, &sealed).ok_or("it does not know the secret")?;
    let hello: Hello = serde_json::from_slice(said).map_err(|error| format!("it makes no sense: {error}"))?;
    let unlike = differences(ours, &hello);
    let refused = if unlike.is_none() { is_expected(&hello).err() } else { None };
    let answer = Answer { hello: Hello { line: hello.line, ..ours.clone() }, refused: refused.clone() };
    let sent = frames::put(&mut until, &proofs.seal(Side::Called, &words(&answer)));
    let sent = sent.and_then(|()| stream.set_read_timeout(None)).err().map(|error| error.to_string());
    match unlike.or(refused).or(sent) {
        Some(why) => Err(format!("process {}: {why}", hello.process)),
        None => Ok(hello),
    }
}

/// Both nonces, ours first.
fn greet(stream: &mut (impl Read + Write)) -> io::Result<[Nonce; 2]> {
    let (ours, mut magic, mut theirs): (Nonce, _, Nonce) = (rand::random(), [0; MAGIC.len()], [0; 32]);
    stream.write_all(&[&MAGIC[..], &ours].concat())?;
    stream.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "another protocol"));
    }
    stream.read_exact(&mut theirs)?;
    Ok([ours, theirs])
}

fn words(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("words and numbers can be written")
}

/// In what two processes do not agree, in words.
fn differences(ours: &Hello, theirs: &Hello) -> Option<String> {
    let identity = |hello: &Hello| {
        hello.parts.iter().fold(Identity::default(), |identity, (name, value)| identity.with(name, value))
    };
    let told = identity(ours).differences(&identity(theirs));
    (!told.is_empty()).then(|| format!("it is another search: {}", told.join("; ")))
}
