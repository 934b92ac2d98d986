//! Every parser of bytes from outside, fed with encodings that were changed.

use super::hexadecimal::hexadecimal;
use super::lines;
use super::mutation::mutated;
use super::report::{Counts, Violation};
use super::scale::Scale;
use super::server::guarded;
use crate::fuzz::{Draw, Parser};
use crate::simulate::{Digest, Random};
use crate::{machine, record, storage, transport};

/// Of so many changed encodings one keeps its checksums as they are, once they were made right.
const UNREPAIRED: u64 = 3;

/// One campaign over all parsers.
pub(super) struct Bytes<'a> {
    pub(super) seed: u64,
    pub(super) scale: Scale,
    pub(super) counts: &'a mut Counts,
    pub(super) digest: &'a mut Digest,
}

/// All parsers, in an order that no seed changes.
pub(super) fn parsers() -> Vec<Box<dyn Parser>> {
    let rooms = [transport::parsers::parsers(), storage::parsers::parsers(), machine::parsers::parsers()];
    rooms.into_iter().flatten().chain(lines::parsers()).chain(record::parsers::parsers()).collect()
}

/// The parsers that have accepted nothing that was changed, or refused nothing: these were not tested.
pub(super) fn untested(counts: &Counts) -> Vec<&'static str> {
    let is_untested = |name: &&str| [ACCEPTED, REFUSED].iter().any(|what| counts.of(&counted(name, what)) == 0);
    parsers().iter().map(|parser| parser.name()).filter(is_untested).collect()
}

const ACCEPTED: &str = "accepted";

const REFUSED: &str = "refused";

fn counted(parser: &str, what: &str) -> String {
    format!("{parser}: {what}")
}

impl Bytes<'_> {
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        for (number, parser) in (0..).zip(parsers()) {
            // Each has numbers of its own: one more parser changes nothing for the others.
            let mut random = Random::stream(self.seed, 100 + number);
            self.attack(&*parser, &mut random).map_err(|it| it.after(format!("bytes for {}", parser.name())))?;
        }
        Ok(())
    }

    fn attack(&mut self, parser: &dyn Parser, random: &mut Random) -> Result<(), Violation> {
        let mut other = self.example(parser, random)?;
        for _ in 0..self.scale.encodings {
            let bytes = self.example(parser, random)?;
            for _ in 0..self.scale.changes {
                let mut input = mutated(random, &bytes, &other);
                if random.below(UNREPAIRED) != 0 {
                    parser.repair(&mut input);
                }
                self.feed(parser, &input)?;
            }
            other = bytes;
        }
        Ok(())
    }

    /// A valid encoding, which is accepted as it is.
    fn example(&mut self, parser: &dyn Parser, random: &mut Random) -> Result<Vec<u8>, Violation> {
        let mut numbers = || random.number();
        let bytes = guarded(|| parser.example(&mut Draw::new(&mut numbers)).map_err(Violation::new))?;
        self.counts.add(counted(parser.name(), "encodings"));
        self.digest.add_bytes(&bytes);
        Ok(bytes)
    }

    fn feed(&mut self, parser: &dyn Parser, input: &[u8]) -> Result<(), Violation> {
        self.digest.add_bytes(input);
        let judged = guarded(|| parser.judge(input).map_err(Violation::new));
        let accepted = judged.map_err(|violation| Violation { history: vec![hexadecimal(input)], ..violation })?;
        self.digest.add(accepted.into());
        self.counts.add("inputs");
        self.counts.add(counted(parser.name(), if accepted { ACCEPTED } else { REFUSED }));
        Ok(())
    }
}
