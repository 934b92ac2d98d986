//! Bytes as text.

/// As many zeros are written out.
const MAX_ZEROS: usize = 16;

/// These bytes as text: two digits a byte, and long runs of zeros by their length.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let runs = bytes.chunk_by(|one, next| (*one == 0) == (*next == 0));
    let text = runs.map(|run| match run {
        [0, ..] if MAX_ZEROS < run.len() => format!(" 00*{} ", run.len()),
        run => run.iter().map(|byte| format!("{byte:02x}")).collect(),
    });
    text.collect()
}

/// The bytes of such a text, if it is one.
pub(super) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        match word.strip_prefix("00*") {
            Some(zeros) => bytes.resize(bytes.len() + zeros.parse::<usize>().ok()?, 0),
            None => bytes.extend(digits(word)?),
        }
    }
    Some(bytes)
}

fn digits(word: &str) -> Option<Vec<u8>> {
    let pairs = word.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_written_are_read_again() {
        let zeros = [0; 40];
        let all = [&[1, 2][..], &zeros, &[255], &zeros[..3], &[7], &zeros[..17]].concat();
        for end in 0..all.len() {
            assert_eq!(bytes_of(&hexadecimal(&all[..end])).as_deref(), Some(&all[..end]));
        }
        assert_eq!(hexadecimal(&all), "0102 00*40 ff00000007 00*17 ");
        assert_eq!(["1", "0g", "00*", "00*x"].map(bytes_of), [None, None, None, None]);
    }
}
