//! Takes a digest of all that a search is made of, so that no checkpoint is gone on with by other
//! code than wrote it; and lists the traces that are kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// From here, where they are: a packed crate has the model as one of the versions in its lock file.
const SOURCES: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "build.rs",
    "src",
    "starts",
    "../Cargo.lock",
    "../Cargo.toml",
    "../model/Cargo.toml",
    "../model/src",
];

/// Where traces are kept.
const TRACES: [&str; 2] = ["counterexamples", "scenarios"];

fn main() {
    let mut digest = Digest::default();
    for source in SOURCES.map(Path::new).into_iter().filter(|source| source.exists()) {
        println!("cargo::rerun-if-changed={}", source.display());
        for file in files(source) {
            digest.add(file.to_string_lossy().replace('\\', "/").as_bytes());
            digest.add(&fs::read(&file).expect("a source can be read"));
        }
    }
    digest.add(&compiler());
    // What overflows or is asserted depends on these.
    for setting in ["PROFILE", "OPT_LEVEL", "TARGET"] {
        digest.add(std::env::var(setting).unwrap_or_default().as_bytes());
    }
    println!("cargo::rustc-env=RAFTTREE_CODE={:016x}", digest.0);
    keep_traces();
}

/// Writes a table of all traces that are kept, so that `show` knows them wherever the program is.
fn keep_traces() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate is"));
    let mut table =
        "/// Folder, name and text of each.\npub(crate) const KEPT: &[(&str, &str, &str)] = &[\n".to_owned();
    for folder in TRACES {
        println!("cargo::rerun-if-changed={folder}");
        for file in files(Path::new(folder)) {
            let name = file.file_stem().expect("a file has a name").to_string_lossy();
            table += &format!("    ({folder:?}, {name:?}, include_str!({:?})),\n", root.join(&file));
        }
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where to write")).join("kept.rs");
    fs::write(out, table + "];\n").expect("the table can be written");
}

/// All files from here down, in an order that is the same everywhere.
fn files(place: &Path) -> Vec<PathBuf> {
    if !place.is_dir() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).expect("a directory of sources can be read");
    let mut places: Vec<_> = entries.map(|entry| entry.expect("its entries can be, too").path()).collect();
    places.sort();
    places.iter().flat_map(|place| files(place)).collect()
}

/// What the compiler says of itself.
fn compiler() -> Vec<u8> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Command::new(rustc).arg("-vV").output().expect("the compiler tells its version").stdout
}

/// FNV-1a: each step is a bijection, so that sources that differ in one byte never share a digest.
struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Adds a string of bytes, and where it ends.
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
