//! The parsers of what is in a data directory.

mod record;

mod directory;

mod log;

use crate::fuzz::{Parser, of};

/// All of them.
pub(crate) fn parsers() -> Vec<Box<dyn Parser>> {
    let records = [of::<record::Records>(), of::<record::Batches>(), of::<record::Slots>()];
    let logs = [of::<log::Segments>(), log::logs(), of::<log::FormerLogs>()];
    let notes = [of::<directory::Identities>(), of::<directory::Groups>(), of::<directory::AllPins>()];
    let named = [of::<directory::FileNames>()];
    records.into_iter().chain(logs).chain(notes).chain(named).chain(super::snapshot::parsers::parsers()).collect()
}
