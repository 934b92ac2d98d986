//! Small files of a data directory, written as a whole: text, for people too.
//!
//! The first line names the file's kind and format, the last one holds a checksum over all lines
//! before it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::storage::StorageError;
use crate::storage::error::Attempt;

/// The version of these files.
const FORMAT: u32 = 1;

/// Writes a note so that a crash leaves either none or all of it.
pub(super) fn write(directory: &Path, name: &str, lines: &str) -> Result<(), StorageError> {
    place(directory, name, seal(name, lines).as_bytes())
}

/// Reads a note, if there is one; `parse` makes a value of its lines.
pub(super) fn read<T>(
    directory: &Path,
    name: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, StorageError> {
    let path = directory.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => check_format(&text, name, &path)
            .and_then(|()| open(&text, name).and_then(parse).map(Some).ok_or_else(|| damaged(&path))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(damaged(&path)),
        Err(error) => Err(error).attempt("read", &path),
    }
}

/// Writes a whole file so that a crash leaves either none or all of it.
pub(super) fn place(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
    let temporary = directory.join(format!("{name}.new"));
    let mut file = File::create(&temporary).attempt("create", &temporary)?;
    file.write_all(bytes).attempt("write", &temporary)?;
    file.sync_all().attempt("flush", &temporary)?;
    let path = directory.join(name);
    fs::rename(&temporary, &path).attempt("rename the new file to", &path)?;
    sync_directory(directory)
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
