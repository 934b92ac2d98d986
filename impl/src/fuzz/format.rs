//! What a format promises, and how that is judged.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::draw::Draw;

/// An encoding of values, and the parser that reads it.
pub(crate) trait Format {
    /// What it encodes: all that must outlive being written and read.
    type Value: PartialEq + Debug;

    /// Its name, in the plural.
    const NAME: &'static str;

    /// Bytes that a value may hold whatever its encoding is.
    const SPARE_BYTES: usize = 4096;

    /// Bytes that a value may hold for each byte of its encoding.
    const FACTOR: usize = 64;

    /// A value.
    fn draw(draw: &mut Draw<'_>) -> Self::Value;

    /// The encoding of a value.
    fn encode(value: &Self::Value) -> Vec<u8>;

    /// The value of these bytes, if they have one.
    fn decode(bytes: &[u8]) -> Option<Self::Value>;

    /// Bytes of memory that a value holds, or that its reader waits for because of it.
    fn held(value: &Self::Value) -> usize;

    /// Makes the checksums right, as far as they can be found.
    fn repair(_: &mut [u8]) {}
}

/// A parser under attack.
pub(crate) trait Parser {
    /// Its name.
    fn name(&self) -> &'static str;

    /// The encoding of some value.
    ///
    /// # Errors
    ///
    /// What is wrong, where that does not read as the value.
    fn example(&self, draw: &mut Draw<'_>) -> Result<Vec<u8>, String>;

    /// Whether these bytes are accepted.
    ///
    /// # Errors
    ///
    /// What is wrong with the value that was made of them.
    fn judge(&self, bytes: &[u8]) -> Result<bool, String>;

    /// Makes the checksums right, as far as they can be found.
    fn repair(&self, bytes: &mut [u8]);
}

/// The parser of this format.
pub(crate) fn of<F: Format + 'static>() -> Box<dyn Parser> {
    Box::new(Of::<F>(PhantomData))
}

struct Of<F>(PhantomData<F>);

impl<F: Format> Parser for Of<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn example(&self, draw: &mut Draw<'_>) -> Result<Vec<u8>, String> {
        let value = F::draw(draw);
        let bytes = F::encode(&value);
        match F::decode(&bytes) {
            Some(read) if read == value => Ok(bytes),
            read => Err(format!("it was written as {value:?} and reads as {read:?}")),
        }
    }

    fn judge(&self, bytes: &[u8]) -> Result<bool, String> {
        let Some(value) = F::decode(bytes) else { return Ok(false) };
        let (held, most) = (F::held(&value), F::SPARE_BYTES + F::FACTOR * bytes.len());
        if most < held {
            return Err(format!("it holds {held} bytes of memory, {most} at most are in proportion"));
        }
        let again = F::decode(&F::encode(&value));
        if again.as_ref() != Some(&value) {
            return Err(format!("it reads as {value:?}, and written again as {again:?}"));
        }
        Ok(true)
    }

    fn repair(&self, bytes: &mut [u8]) {
        F::repair(bytes);
    }
}
