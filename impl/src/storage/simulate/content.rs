//! The bytes of a file in memory: what was never written, or with zeros alone, takes no room, and neither does what is
//! the same in a copy.

use std::ops::Range;
use std::sync::Arc;

const PAGE_BYTES: usize = 4096;

const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// A page without one has zeros.
type Page = Option<Arc<[u8; PAGE_BYTES]>>;

/// The bytes of a file. Clones share them until they are changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// As many as the length needs; behind that they have zeros.
    pages: Arc<Vec<Page>>,
    length: usize,
}

impl Content {
    /// These bytes.
    pub(super) fn of(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.write(bytes, 0);
        content
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Becomes so long, with zeros, if it is shorter.
    pub(super) fn grow(&mut self, length: usize) {
        if self.length < length {
            self.length = length;
            Arc::make_mut(&mut self.pages).resize(length.div_ceil(PAGE_BYTES), None);
        }
    }

    /// Writes bytes, beyond its end as well.
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        self.grow(offset + bytes.len());
        let pages = Arc::make_mut(&mut self.pages);
        for (page, within, from) in parts(offset..offset + bytes.len()) {
            let part = &bytes[from - offset..][..within.len()];
            if pages[page].is_some() || part != &ZEROS[..part.len()] {
                Arc::make_mut(pages[page].get_or_insert_with(|| Arc::new(ZEROS)))[within].copy_from_slice(part);
            }
        }
    }

    /// Reads bytes, as many as there are; how many.
    pub(super) fn read(&self, bytes: &mut [u8], offset: usize) -> usize {
        let count = bytes.len().min(self.length.saturating_sub(offset));
        for (page, within, from) in parts(offset..offset + count) {
            bytes[from - offset..][..within.len()].copy_from_slice(&self.page(page)[within]);
        }
        count
    }

    /// All bytes.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.read(&mut bytes, 0);
        bytes
    }

    /// Whether both have these bytes, and the same ones.
    pub(super) fn agrees(&self, other: &Content, range: Range<usize>) -> bool {
        let are_there = range.end <= self.length.min(other.length);
        are_there && parts(range).all(|(page, within, _)| self.page(page)[within.clone()] == other.page(page)[within])
    }

    /// Takes over these bytes, which the other one has.
    pub(super) fn take_over(&mut self, other: &Content, range: Range<usize>) {
        self.grow(range.end);
        let pages = Arc::make_mut(&mut self.pages);
        for (page, within, _) in parts(range) {
            if within.len() == PAGE_BYTES || other.pages[page].is_none() && pages[page].is_none() {
                pages[page] = other.pages[page].clone();
            } else {
                let place = Arc::make_mut(pages[page].get_or_insert_with(|| Arc::new(ZEROS)));
                place[within.clone()].copy_from_slice(&other.page(page)[within]);
            }
        }
    }

    /// Flips a bit, if the byte is there.
    pub(super) fn flip(&mut self, offset: usize, bit: u8) {
        let mut byte = [0];
        if self.read(&mut byte, offset) == 1 {
            self.write(&[byte[0] ^ 1 << bit], offset);
        }
    }

    fn page(&self, page: usize) -> &[u8; PAGE_BYTES] {
        self.pages[page].as_deref().unwrap_or(&ZEROS)
    }
}

/// The parts of a range that are in one page each: the page, the range within it, and where the part begins.
fn parts(range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
    let last = if range.is_empty() { 0 } else { range.end.div_ceil(PAGE_BYTES) };
    (range.start / PAGE_BYTES..last).map(move |page| {
        let begin = page * PAGE_BYTES;
        let (from, to) = (range.start.max(begin), range.end.min(begin + PAGE_BYTES));
        (page, from - begin..to - begin, from)
    })
}
