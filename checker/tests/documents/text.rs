//! The documents of the workspace, and the commands that they name.

use std::fs;
use std::path::{Path, PathBuf};

/// A document of the workspace.
pub(crate) struct Document {
    /// Where it is, seen from the root of the workspace.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The root of the workspace: the crates lie side by side in it.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate has a workspace around it")
}

/// All documents: in the root, in the crates, and in the crates' `docs`.
pub(crate) fn documents() -> Vec<Document> {
    let folders = ["", "model", "impl", "impl/docs", "checker", "checker/docs", "benches"];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(root().join(folder)).ok()).flatten();
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    let documents = paths.filter(|path| path.extension().is_some_and(|it| it == "md")).map(|path| Document {
        text: fs::read_to_string(&path).expect("a document can be read"),
        path: path.strip_prefix(root()).expect("it lies in the root").to_owned(),
    });
    let documents: Vec<_> = documents.collect();
    assert!(10 < documents.len(), "found only {} documents", documents.len());
    documents
}

impl Document {
    /// Code as a reader would copy it: the lines of blocks without their comments, and what stands
    /// between backticks or behind the colon of a comment that names what printed a table.
    pub(crate) fn code(&self) -> Vec<String> {
        let (mut code, mut prose, mut in_block) = (Vec::new(), String::new(), false);
        for line in self.text.lines() {
            if line.starts_with("```") {
                in_block = !in_block;
            } else if in_block {
                code.push(line.split(" #").next().unwrap_or_default().trim().to_owned());
            } else if let Some(comment) = line.strip_prefix("<!-- ") {
                code.extend(comment.trim_end_matches("-->").split([':', ';']).map(|part| part.trim().to_owned()));
            } else {
                prose.push_str(line);
                prose.push(' ');
            }
        }
        code.extend(prose.split('`').skip(1).step_by(2).map(str::to_owned));
        code
    }

    /// The arguments of each call of this program.
    pub(crate) fn calls(&self, program: &str) -> Vec<Vec<String>> {
        let code = self.code();
        let calls = code.iter().filter_map(|line| line.split_once(program)).filter(|(_, rest)| rest.starts_with(' '));
        calls.map(|(_, rest)| words(rest)).collect()
    }
}

/// The words of a command line, as a shell would take them apart.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        let quoted = number % 2 == 1;
        if quoted { words.push(part.to_owned()) } else { words.extend(part.split_whitespace().map(str::to_owned)) }
    }
    words
}
