//! The first words that are exchanged with a broker, before librdkafka hears the same.
//!
//! librdkafka 2 takes the length of a broker's list of versions for what it says: where there is no list at all, it asks
//! for so much memory that it ends the whole process. Whatever answers zeros is such a server, and is not handed on to it.
//! Everything else that may be wrong librdkafka finds itself, and says better.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// `ApiVersions` in version 3, as librdkafka asks it first: length, key, version, number of the question, who asks, no tags;
/// then what asks, its version, no tags.
const QUESTION: &[u8] = b"\x00\x00\x00\x22\x00\x12\x00\x03\x00\x00\x00\x01\x00\x0ehealth-monitor\x00\x04lib\x041.0\x00";

/// The answer's length, the number of its question, and an error. What follows is the length of the list plus one, in a form
/// of up to five bytes: seven bits in each, the lowest first, and one that says whether another comes.
const HEAD: usize = 4 + 4 + 2;
const LENGTH: usize = 5;

/// Whether the server answers that all is well and that it has no list of versions. It is not, where it answers otherwise or
/// not at all.
pub(super) async fn has_no_versions(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> bool {
    asks(stream).await.unwrap_or(false)
}

async fn asks(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<bool> {
    stream.write_all(QUESTION).await?;
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).await?;
    if !head.ends_with(&[0, 0]) {
        return Ok(false);
    }
    for _ in 0..LENGTH {
        let byte = stream.read_u8().await?;
        if byte & 0x7f != 0 {
            return Ok(false);
        }
        if byte == 0 {
            break;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a server that answers this after the head of its answer.
    async fn told(length: &[u8]) -> bool {
        let (mut monitor, mut server) = tokio::io::duplex(1024);
        let answer = [&[0, 0, 0, 99, 0, 0, 0, 1, 0, 0][..], length].concat();
        server.write_all(&answer).await.unwrap();
        has_no_versions(&mut monitor).await
    }

    #[tokio::test]
    async fn a_list_that_is_missing_is_found_in_every_form() {
        assert!(told(&[0]).await);
        assert!(told(&[0x80, 0]).await);
        assert!(told(&[0x80, 0x80, 0x80, 0x80, 0x80]).await);
        assert!(!told(&[1]).await, "a list that is empty");
        assert!(!told(&[0x80, 1]).await, "a long one");
    }

    #[test]
    fn the_question_is_as_long_as_it_says() {
        let (length, rest) = QUESTION.split_at(4);
        assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, rest.len());
    }
}
