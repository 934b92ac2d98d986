//! The architecture, as far as the text of `src` shows it: modules use only those listed before them.
//!
//! A module is a file, and its listing is in the file that declares it. What is used is read from
//! the paths that begin with `crate::`; that a method is written in a later module, no path shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// No function is longer than a screen.
const LONGEST_FUNCTION: usize = 60;

/// A file of `src` that is no test.
struct Module {
    /// Without comments, without what stands in quotes, and without the tests in it.
    code: String,
    /// In the order in which they are declared; those for tests are left out.
    children: Vec<String>,
}

/// The names from the crate's root down to a module.
type Route = Vec<String>;

type Modules = BTreeMap<Route, Module>;

/// Every file of `src` with its text, by its path from there.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of src can be read") {
            let path = entry.expect("its entries can be, too").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).expect("it was found there").to_string_lossy().replace('\\', "/");
                sources.insert(name, fs::read_to_string(path).expect("a source is text"));
            }
        }
    }
    sources
}

/// From `a/b.rs`, and from `a/b/mod.rs`.
fn route(name: &str) -> Route {
    let name = name.trim_end_matches(".rs");
    let name = name.strip_suffix("mod").or(name.strip_suffix("lib")).unwrap_or(name);
    name.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Those that are declared, from the root down, for more than tests.
fn modules<'a>(sources: impl IntoIterator<Item = (&'a str, &'a str)>) -> Modules {
    let all = sources.into_iter().map(|(name, text)| {
        let code = without_tests(&without_words(text));
        let children = code.lines().filter_map(declared).collect();
        (route(name), Module { code, children })
    });
    let mut all: Modules = all.collect();
    let (mut open, mut modules) = (vec![Route::new()], Modules::new());
    while let Some(route) = open.pop() {
        let module = all.remove(&route).unwrap_or_else(|| panic!("no file holds the module {}", route.join("::")));
        open.extend(module.children.iter().map(|child| [&route[..], std::slice::from_ref(child)].concat()));
        modules.insert(route, module);
    }
    modules
}

/// The module that a line declares.
fn declared(line: &str) -> Option<String> {
    let words = line.trim_end().strip_suffix(';')?;
    let (before, name) = words.rsplit_once("mod ")?;
    (before.is_empty() || before.starts_with("pub")).then(|| name.to_owned())
}

/// The same text, in which comments and what stands in quotes are blanks.
fn without_words(text: &str) -> String {
    let (mut code, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(letter) = rest.chars().next() {
        let length = words_at(rest).unwrap_or(0);
        if length == 0 {
            // An identifier may end in `r`, which then opens no raw string.
            let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
            let taken = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len()).max(letter.len_utf8());
            code.push_str(&rest[..taken]);
            rest = &rest[taken..];
        } else {
            let blank = |letter| if letter == '\n' { '\n' } else { ' ' };
            code.extend(rest[..length].chars().map(blank));
            rest = &rest[length..];
        }
    }
    code
}

/// How long the comment or the literal is that begins here.
fn words_at(text: &str) -> Option<usize> {
    let until = |start: usize, end: &str| text[start..].find(end).map_or(text.len(), |at| start + at + end.len());
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(until(2, "*/"));
    }
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        return raw[hashes..].starts_with('"').then(|| until(2 + hashes, &format!("\"{}", "#".repeat(hashes))));
    }
    if let Some(quoted) = text.strip_prefix('"') {
        return Some(1 + closing(quoted, '"'));
    }
    // A quote that opens no letter opens a lifetime.
    let mut letters = text.strip_prefix('\'')?.chars();
    let (first, second) = (letters.next()?, letters.next()?);
    (first == '\\' || second == '\'').then(|| 1 + closing(&text[1..], '\''))
}

/// Up to the quote that no backslash hides.
fn closing(text: &str, quote: char) -> usize {
    let mut is_hidden = false;
    for (at, letter) in text.char_indices() {
        if letter == quote && !is_hidden {
            return at + 1;
        }
        is_hidden = letter == '\\' && !is_hidden;
    }
    text.len()
}

/// Code without what is compiled for tests alone; those may look anywhere.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut parts = code.split(MARK);
    let kept = parts.next().unwrap_or_default().to_owned();
    parts.fold(kept, |kept, part| kept + &part[item(part)..])
}

/// How long the item is that stands first: up to its semicolon, or the brace that closes it.
fn item(code: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (letter == ';' || letter == '}') {
            return at + 1;
        }
    }
    code.len()
}

/// All paths from the crate's root that the code names, each part of a list by itself.
fn paths(code: &str) -> Vec<Route> {
    let mut paths = Vec::new();
    for (at, root) in code.match_indices("crate::") {
        branches(&code[at + root.len()..], &mut Route::new(), &mut paths);
    }
    paths
}

/// Adds the paths of one tree, and says how long its text is.
fn branches(code: &str, stem: &mut Route, paths: &mut Vec<Route>) -> usize {
    if !code.starts_with('{') {
        let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
        let length = code.find(|letter| !is_name(letter)).unwrap_or(code.len());
        stem.push(code[..length].to_owned());
        let further = code[length..].strip_prefix("::").filter(|rest| !rest.starts_with('<'));
        let length = match further {
            Some(rest) => length + 2 + branches(rest, stem, paths),
            None => {
                paths.push(stem.clone());
                length
            }
        };
        stem.pop();
        return length;
    }
    let mut at = 1;
    loop {
        at += code[at..].find(|letter: char| !letter.is_whitespace() && letter != ',').unwrap_or(code.len() - at);
        if code[at..].is_empty() || code[at..].starts_with('}') {
            return (at + 1).min(code.len());
        }
        at += branches(&code[at..], stem, paths).max(1);
    }
}

/// What is wrong with the order of these modules, in words.
fn faults(modules: &Modules) -> Vec<String> {
    let mut faults = Vec::new();
    for (user, module) in modules {
        if module.code.contains("super::") {
            faults.push(format!("{}: modules are named from the crate's root, not by `super`", user.join("::")));
        }
        for path in paths(&module.code) {
            let mut used = path.clone();
            while !modules.contains_key(&used) {
                used.pop();
            }
            if let Some(why) = fault(modules, user, &used) {
                faults.push(format!("{}: `crate::{}`: {why}", user.join("::"), path.join("::")));
            }
        }
    }
    faults.dedup();
    faults
}

/// Why the one may not use the other, if so. Whoever declares modules may use them; among those that
/// are declared together the order counts.
fn fault(modules: &Modules, user: &Route, used: &Route) -> Option<String> {
    let common = user.iter().zip(used).take_while(|(one, other)| one == other).count();
    let (Some(inner), above) = (user.get(common), &user[..common]) else { return None };
    let Some(sibling) = used.get(common) else {
        return Some("whoever declares a module uses it, and not the other way round".to_owned());
    };
    let listed = &modules[above].children;
    let place = |name: &String| listed.iter().position(|child| child == name);
    (place(inner) <= place(sibling)).then(|| format!("`{sibling}` is not listed before `{inner}`"))
}

#[test]
fn modules_use_only_those_listed_before_them() {
    let sources = sources();
    let texts = sources.iter().filter(|(name, _)| *name != "main.rs");
    let modules = modules(texts.map(|(name, text)| (name.as_str(), text.as_str())));
    assert!(80 < modules.len(), "found only {} modules", modules.len());
    let faults = faults(&modules);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The faults of a crate of two rooms, whose second has two modules, when one file has this text.
fn faults_with(name: &str, text: &str) -> Vec<String> {
    let mut sources = BTreeMap::from([
        ("lib.rs", "mod disk;\nmod room;\n#[cfg(test)]\nmod tests;\n"),
        ("disk.rs", ""),
        ("room/mod.rs", "mod early;\npub(crate) mod late;\npub(crate) use late::Door;\n"),
        ("room/early.rs", "use crate::disk::Disk;\n"),
        ("room/late.rs", "use crate::{disk, room::early::{self, Early}};\n"),
        ("tests.rs", ""),
    ]);
    sources.insert(name, text);
    faults(&modules(sources))
}

#[test]
fn what_is_in_order_is_not_complained_of() {
    let harmless = [
        ("room/early.rs", "/// As [`crate::room::late::Door`] has it.\nuse crate::disk::{Disk, Sector};"),
        ("room/early.rs", "const LATER: &str = \"crate::room::late::Door\";"),
        ("room/early.rs", "const LATER: &str = r#\"\"crate::room::late::Door\"#;"),
        ("room/early.rs", "#[cfg(test)]\nmod tests {\n    use crate::room::late::Door;\n    fn test() {}\n}\n"),
        ("room/early.rs", "fn quoted<'a>(text: &'a str) -> bool { text.contains('\"') } // \" crate::room::late"),
        ("disk.rs", "#[cfg(test)]\nuse crate::room::Door;\n"),
        ("tests.rs", "use crate::room::late::Door;"),
    ];
    for (name, text) in harmless {
        assert_eq!(faults_with(name, text), Vec::<String>::new(), "{name}: {text}");
    }
}

#[test]
fn a_circle_is_noticed() {
    let wrong = [
        // To a later module of its room, in every way to write it.
        ("room/early.rs", "use crate::room::late::Door;", "`late` is not listed before `early`"),
        ("room/early.rs", "use crate::{disk,\n    room::late};", "`late` is not listed before `early`"),
        ("room/early.rs", "fn f() { crate::room::late::Door::<u8>::open() }", "`late` is not listed before `early`"),
        ("room/early.rs", "use super::late::Door;", "not by `super`"),
        ("room/early.rs", "fn f(quote: char) { quote == '\"'; crate::room::late::g() }", "`late` is not listed before"),
        // To the page that declares it, which hands on what comes later.
        ("room/early.rs", "use crate::room::Door;", "not the other way round"),
        // To a later room.
        ("disk.rs", "use crate::room::late::Door;", "`room` is not listed before `disk`"),
        ("disk.rs", "#[cfg(test)]\nmod tests {}\nuse crate::room::Door;", "`room` is not listed before `disk`"),
    ];
    for (name, text, why) in wrong {
        let faults = faults_with(name, text);
        assert!(faults.len() == 1 && faults[0].contains(why), "{name}: {text}: {faults:?}");
    }
}

/// Longer than a screen, with the reason.
const LONG_FUNCTIONS: [(&str, &str, &str); 1] =
    [("inductive/conjuncts.rs", "row", "a table: one row for each conjunct")];

/// From the line that opens a function to the one that closes it, by their indentation.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let opens = |line: &str| {
        let (before, rest) = line.trim_start().split_once("fn ")?;
        let is_start = before.split_whitespace().all(|word| word.starts_with("pub") || word == "const");
        let name: String = rest.chars().take_while(|&letter| letter.is_alphanumeric() || letter == '_').collect();
        (is_start && !name.is_empty()).then_some(name)
    };
    let length = |start: usize| {
        let indent = lines[start].len() - lines[start].trim_start().len();
        let closes = |line: &&str| [";", "}"].contains(&line.trim_start()) && line.find(['}', ';']) == Some(indent);
        if lines[start].ends_with(['}', ';']) {
            1
        } else {
            1 + lines[start..].iter().take_while(|line| !closes(line)).count()
        }
    };
    let starts = (0..lines.len()).filter_map(|start| opens(lines[start]).map(|name| (name, start)));
    starts.map(|(name, start)| (name, length(start))).collect()
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut long = Vec::new();
    let mut count = 0;
    for (file, text) in sources() {
        for (name, length) in functions(&text) {
            count += 1;
            let is_allowed = LONG_FUNCTIONS.iter().any(|(known, function, _)| *known == file && *function == name);
            if (LONGEST_FUNCTION < length) != is_allowed {
                long.push(format!("src/{file}: `{name}` has {length} lines"));
            }
        }
    }
    assert!(1000 < count, "found only {count} functions");
    assert!(long.is_empty(), "too long, or no longer too long to be listed:\n{}", long.join("\n"));
}
