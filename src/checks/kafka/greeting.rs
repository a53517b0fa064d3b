//! The first words that are exchanged with a broker, before librdkafka hears the same.
//!
//! librdkafka 2 takes the length of a broker's list of versions for what it says: where there is no list at all, it asks
//! for so much memory that it ends the whole process. Whatever answers zeros is such a server, and is not handed on to it.
//! Everything else that may be wrong librdkafka finds itself, and says better.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// `ApiVersions` in version 3, as librdkafka asks it first: length, key, version, number of the question, who asks, no tags;
/// then what asks, its version, no tags.
const QUESTION: &[u8] = b"\x00\x00\x00\x22\x00\x12\x00\x03\x00\x00\x00\x01\x00\x0ehealth-monitor\x00\x04lib\x041.0\x00";

/// The answer's length, the number of its question, an error, and the length of the list plus one.
const ANSWER: usize = 4 + 4 + 2 + 1;

/// Whether the server answers that all is well and that it has no list of versions. It is not, where it answers otherwise or
/// not at all.
pub(super) async fn has_no_versions(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> bool {
    let mut answer = [0; ANSWER];
    let asked = stream.write_all(QUESTION).await.is_ok() && stream.read_exact(&mut answer).await.is_ok();
    let [_, _, _, _, _, _, _, _, error @ .., length] = answer;
    asked && error == [0, 0] && length == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_as_long_as_it_says() {
        let (length, rest) = QUESTION.split_at(4);
        assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, rest.len());
    }
}
