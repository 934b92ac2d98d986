//! How much memory there is, and how much of it is in use, where the system tells.

use std::path::Path;

/// Memory that this process holds; in the system's own words, so that nobody has to know the size
/// of a page.
pub(crate) fn resident_bytes() -> u64 {
    kilobytes(Path::new("/proc/self/status"), "VmRSS:").unwrap_or(0)
}

/// The most that this process may hold before the system ends it: what the machine has, or what a
/// group of processes that this one is in may have, whichever is least.
pub(crate) fn allowed_bytes() -> Option<u64> {
    allowed_under(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
}

/// The same, where the two file systems are elsewhere.
pub(super) fn allowed_under(proc: &Path, cgroup: &Path) -> Option<u64> {
    let machine = kilobytes(&proc.join("meminfo"), "MemTotal:");
    let groups = std::fs::read_to_string(proc.join("self/cgroup")).unwrap_or_default();
    machine.into_iter().chain(groups.lines().filter_map(|line| group_limit(cgroup, line))).min()
}

fn kilobytes(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// The least limit of a group and of those that it is in. A line is a number, the controllers of a
/// hierarchy (none in the second version), and the group's path in it.
fn group_limit(cgroup: &Path, line: &str) -> Option<u64> {
    let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
    let (roots, file) = match controllers {
        // Where both versions are there, the second has a directory of its own.
        "" => ([cgroup.to_owned(), cgroup.join("unified")], "memory.max"),
        of if of.split(',').any(|it| it == "memory") => {
            ([cgroup.join("memory"), cgroup.join(of)], "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // In a container the path may be that of the host, and only its root be there to see.
    let group = Path::new(group.trim_start_matches('/'));
    let places = roots.iter().flat_map(|root| group.ancestors().map(|part| root.join(part).join(file)));
    places.filter_map(|place| std::fs::read_to_string(place).ok()?.trim().parse().ok()).min()
}
