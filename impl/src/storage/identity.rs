//! The identity of a server: its group, its id, and the incarnation of its disk.

use std::fmt;
use std::str::FromStr;

use rafttree_model::ServerId;

/// Names a group of servers, for ever. Servers of different groups do not talk to each other.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClusterId([u8; 16]);

/// Names the life of one data directory: drawn at random when the directory is initialised.
///
/// A server whose disk was wiped or copied has forgotten or repeated votes; this is how its
/// peers can tell.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Incarnation([u8; 16]);

/// The owner of a data directory, as `init` writes it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Identity {
    /// The group.
    pub cluster: ClusterId,
    /// The server.
    pub id: ServerId,
}

/// A text that is not an id of 32 hexadecimal digits.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not an id: write 32 hexadecimal digits, such as 0123456789abcdef0123456789abcdef")]
pub struct InvalidId(String);

impl ClusterId {
    /// A new group's id, drawn at random.
    pub fn random() -> ClusterId {
        ClusterId(rand::random())
    }
}

impl Incarnation {
    /// A new directory's incarnation, drawn at random.
    pub fn random() -> Incarnation {
        Incarnation(rand::random())
    }
}

/// Sixteen bytes, written as 32 hexadecimal digits.
macro_rules! hexadecimal {
    ($name:ident) => {
        impl $name {
            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> $name {
                $name(bytes)
            }

            /// The id's bytes.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<$name, InvalidId> {
                parse(text).map($name).ok_or_else(|| InvalidId(text.to_owned()))
            }
        }
    };
}

hexadecimal!(ClusterId);
hexadecimal!(Incarnation);

/// 32 hexadecimal digits as bytes.
fn parse(text: &str) -> Option<[u8; 16]> {
    let is_hexadecimal = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hexadecimal.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(u128::to_be_bytes)
}

/// The ids as a sentence has them.
pub(crate) fn listed(servers: &[ServerId]) -> String {
    let servers: Vec<String> = servers.iter().map(ServerId::to_string).collect();
    servers.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_as_they_are_written() {
        let id = ClusterId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(
            "000102030405060708090a0b0c0d0e0F".parse(),
            Ok(Incarnation([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]))
        );
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in ["", "12", "+00102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0g"] {
            let refused = text.parse::<ClusterId>().unwrap_err().to_string();
            assert!(refused.contains(text) && refused.contains("32 hexadecimal digits"), "{refused}");
        }
    }
}
