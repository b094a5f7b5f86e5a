//! Discard (RFC 863), which takes note of what it throws away.

use std::fmt;
use std::io;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a connection brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discarded {
    /// How many octets.
    pub(crate) octets: u64,
    /// Their SHA-256.
    pub(crate) sha256: [u8; 32],
}

impl fmt::Display for Discarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets, sha256 ", self.octets)?;
        self.sha256.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// Octets read at once.
const PIECE: usize = 256 * 1024;

/// Reads `stream` to its end, or as far as it goes.
pub(crate) async fn discard(mut stream: impl AsyncRead + Unpin) -> (Discarded, io::Result<()>) {
    let mut piece = vec![0; PIECE];
    let mut octets = 0;
    let mut hash = Sha256::new();
    let ended = loop {
        match stream.read(&mut piece).await {
            Ok(0) => break Ok(()),
            Ok(len) => {
                octets += len as u64;
                hash.update(&piece[..len]);
            }
            Err(error) => break Err(error),
        }
    };
    (Discarded { octets, sha256: hash.finalize().into() }, ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counts_and_hashes() {
        let (discarded, ended) = discard(&b"abc"[..]).await;
        assert!(ended.is_ok());
        // The first example of FIPS 180-2, appendix B.
        assert_eq!(
            discarded.to_string(),
            "3 octets, sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[tokio::test]
    async fn what_came_before_a_failure_is_told() {
        let broken = broken_stream();
        let (discarded, ended) = discard(broken).await;
        assert_eq!(discarded.octets, 3);
        assert_eq!(ended.expect_err("reset").kind(), io::ErrorKind::ConnectionReset);
    }

    /// Three octets, then a reset.
    fn broken_stream() -> impl AsyncRead + Unpin {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let pieces = [Ok(&b"abc"[..]), Err(reset)];
        tokio_util::io::StreamReader::new(futures_util::stream::iter(pieces))
    }
}
