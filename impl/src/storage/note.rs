//! Small files of a data directory, written as a whole: text, for people too.
//!
//! The first line names the file's kind and format, the last one holds a checksum over all lines
//! before it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::disk::{Disk, DiskFile as _};
use super::error::{Attempt, StorageError};

/// Nobody but the server's own user reads a file of its directory: whoever knows the cluster's id
/// belongs to the cluster.
const PRIVATE_MODE: u32 = 0o600;

/// The version of these files.
const FORMAT: u32 = 1;

/// No note is longer: of a file that is, so much is read.
const MAX_BYTES: usize = 1 << 20;

/// Writes a note so that a crash leaves either none or all of it.
pub(super) fn write<D: Disk>(disk: &D, name: &str, lines: &str) -> Result<(), StorageError> {
    let new = format!("{name}.new");
    let temporary = disk.path(&new);
    let file = disk.create(&new).attempt("create", &temporary)?;
    file.write_all_at(seal(name, lines).as_bytes(), 0).attempt("write", &temporary)?;
    file.sync_all().attempt("flush", &temporary)?;
    disk.rename(&new, name).attempt("rename the new file to", &disk.path(name))?;
    disk.sync().attempt("flush", &disk.path(""))
}

/// Reads a note, if there is one; `parse` makes a value of its lines.
pub(super) fn read<D: Disk, T>(
    disk: &D,
    name: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, StorageError> {
    let path = disk.path(name);
    let file = match disk.open_to_read(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.attempt("open", &path)?,
    };
    let length = file.len().attempt("measure", &path)?;
    let most = usize::try_from(length).unwrap_or(MAX_BYTES).min(MAX_BYTES);
    let bytes = file.read_up_to(most, 0).attempt("read", &path)?;
    let text = str::from_utf8(&bytes).map_err(|_| damaged(&path))?;
    check_format(text, name, &path)?;
    open(text, name).and_then(parse).map(Some).ok_or_else(|| damaged(&path))
}

/// Opens a file to write it, whether or not it is there already.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(PRIVATE_MODE).open(path)?;
    // What is there already may be what an earlier version began.
    file.set_permissions(Permissions::from_mode(PRIVATE_MODE)).map(|()| file)
}

/// Makes what was created or renamed in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StorageError> {
    File::open(directory).and_then(|file| file.sync_all()).attempt("flush", directory)
}

fn seal(name: &str, lines: &str) -> String {
    let text = format!("rafttree {name} {FORMAT}\n{lines}");
    let checksum = crc32fast::hash(text.as_bytes());
    format!("{text}checksum {checksum:08x}\n")
}

/// The lines between the first and the last, if nothing is wrong with the text.
fn open<'text>(text: &'text str, name: &str) -> Option<&'text str> {
    let (_, rest) = text.split_once('\n')?;
    let lines = &rest[..rest.rfind("checksum ")?];
    (seal(name, lines) == text).then_some(lines)
}

fn check_format(text: &str, name: &str, path: &Path) -> Result<(), StorageError> {
    let first = text.lines().next().and_then(|line| line.strip_prefix("rafttree ")?.strip_prefix(name));
    let found = first.and_then(|rest| rest.trim_start().parse().ok()).ok_or_else(|| damaged(path))?;
    if found == FORMAT {
        return Ok(());
    }
    Err(StorageError::Format { file: path.to_owned(), found, expected: FORMAT })
}

fn damaged(path: &Path) -> StorageError {
    StorageError::Foreign { file: path.to_owned(), problem: "it is damaged, or no such file at all" }
}
