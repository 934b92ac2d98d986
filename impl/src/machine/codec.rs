//! The encoding of commands, answers and snapshots.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a value was not encoded, or bytes are no such value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

impl CodecError {
    pub(super) fn new(problem: &str) -> CodecError {
        CodecError(problem.to_owned())
    }
}

/// The value's bytes.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    postcard::to_stdvec(value).map_err(|error| CodecError(error.to_string()))
}

/// The value of exactly these bytes.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| CodecError(error.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(CodecError(format!("{} bytes are left over", rest.len()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_left_over_are_no_value() {
        let bytes = encode(&("x", 7_u32)).unwrap();
        assert_eq!(decode::<(String, u32)>(&bytes), Ok(("x".into(), 7)));
        assert_eq!(decode::<String>(&bytes), Err(CodecError("1 bytes are left over".into())));
        assert!(decode::<(String, u32)>(&bytes[..1]).is_err());
    }
}
