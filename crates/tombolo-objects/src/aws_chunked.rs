//! Bodies that come in signed pieces (`aws-chunked`), held to pieces of a bounded size.
//!
//! `s3s` collects a piece before it verifies and passes on any of it, and how long a piece is only
//! its client says, up to 4 GiB. This follows the pieces' headers as they come and ends a body whose
//! next piece would be too much to hold. Amazon S3 API Reference, "Signature calculations for the
//! Authorization header: Transferring payload in multiple chunks", has the form.

use axum::body::Body;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue};

/// The largest piece, in bytes. Clients send 64 KiB to 1 MiB.
pub(crate) const LARGEST_PIECE: u64 = 16 << 20;

/// The longest header of a piece, in bytes: eight digits, a signature and the line's end are 91.
const LONGEST_HEADER: usize = 128;

/// The most digits of a piece's size, as `s3s` reads them.
const MOST_DIGITS: usize = 8;

/// Holds the body of a request to pieces of at most [`LARGEST_PIECE`], if it comes in pieces.
pub(crate) fn limit_chunks(headers: &HeaderMap, body: Body) -> Body {
    let hashes = headers.get_all("x-amz-content-sha256");
    let is_in_pieces = |value: &HeaderValue| value.as_bytes().starts_with(b"STREAMING-");
    if !hashes.iter().any(is_in_pieces) {
        return body;
    }
    let mut pieces = Pieces::default();
    Body::from_stream(body.into_data_stream().map(move |bytes| {
        let bytes = bytes?;
        pieces.follow(&bytes).map_err(axum::Error::new)?;
        Ok::<_, axum::Error>(bytes)
    }))
}

/// Why a body goes no further. What is told never repeats what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Malformed {
    #[error("a piece of it has {0} bytes, and the most is {LARGEST_PIECE}")]
    TooLarge(u64),
    #[error("the header of a piece of it is not one of at most eight hexadecimal digits")]
    Header,
    #[error("a piece of it does not end where its header says")]
    End,
}

/// Where a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// In a piece's header, of which this came.
    Header(Vec<u8>),
    /// In a piece, with so many bytes to come.
    Piece(u64),
    /// Behind a piece, with so many bytes of the line's end to come.
    End(usize),
    /// Behind the last piece, where trailers are; `s3s` bounds these.
    Trailers,
}

/// Follows pieces.
#[derive(Debug)]
struct Pieces(At);

impl Default for Pieces {
    fn default() -> Self {
        Pieces(At::Header(Vec::new()))
    }
}

impl Pieces {
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while let [first, rest @ ..] = bytes {
            match &mut self.0 {
                At::Header(line) => {
                    line.push(*first);
                    bytes = rest;
                    if *first == b'\n' {
                        self.0 = match size(line)? {
                            0 => At::Trailers,
                            size => At::Piece(size),
                        };
                    } else if line.len() >= LONGEST_HEADER {
                        return Err(Malformed::Header);
                    }
                }
                At::Piece(left) => {
                    let come =
                        usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    bytes = &bytes[come..];
                    *left -= come as u64;
                    if *left == 0 {
                        self.0 = At::End(2);
                    }
                }
                At::End(left) => {
                    if *first != b"\r\n"[2 - *left] {
                        return Err(Malformed::End);
                    }
                    bytes = rest;
                    *left -= 1;
                    if *left == 0 {
                        *self = Pieces::default();
                    }
                }
                At::Trailers => return Ok(()),
            }
        }
        Ok(())
    }
}

/// The size that a piece's header says. Stricter than `s3s`, so that both read the same.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let line = line.strip_suffix(b"\r\n").ok_or(Malformed::Header)?;
    let digits = line.split(|&b| b == b';').next().unwrap_or_default();
    let is_size =
        (1..=MOST_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_size);
    let size = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    match size.ok_or(Malformed::Header)? {
        size if size > LARGEST_PIECE => Err(Malformed::TooLarge(size)),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn follow<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<At, Malformed> {
        let mut pieces = Pieces::default();
        for part in parts {
            pieces.follow(part)?;
        }
        Ok(pieces.0)
    }

    #[test]
    fn a_piece_that_is_too_large_is_refused_by_its_header() {
        let most = format!("{LARGEST_PIECE:x}\r\n");
        assert_eq!(follow([most.as_bytes()]), Ok(At::Piece(LARGEST_PIECE)));
        let more = format!("{:X}\r\n", LARGEST_PIECE + 1);
        assert_eq!(
            follow([more.as_bytes()]),
            Err(Malformed::TooLarge(LARGEST_PIECE + 1))
        );
        assert_eq!(
            follow([b"1\r\nx\r\nFFFFFFFF\r\n".as_slice()]),
            Err(Malformed::TooLarge(0xffff_ffff))
        );
    }

    #[test]
    fn a_header_that_another_may_read_otherwise_is_refused() {
        for header in [
            "",
            " 5",
            "5 ",
            "+5",
            "0x5",
            "000000005",
            "g",
            "5\r",
            ";chunk-signature=0",
        ] {
            let line = format!("{header}\r\n");
            assert_eq!(
                follow([line.as_bytes()]),
                Err(Malformed::Header),
                "{line:?}"
            );
        }
        assert_eq!(follow([b"5\n".as_slice()]), Err(Malformed::Header));
        let endless = [b'0'; LONGEST_HEADER];
        assert_eq!(follow([endless.as_slice()]), Err(Malformed::Header));
        assert_eq!(follow([b"1\r\nxy".as_slice()]), Err(Malformed::End));
    }

    proptest! {
        #[test]
        fn what_clients_send_passes_however_it_is_cut(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..600), 0..5),
            is_signed: bool,
            cut in 1_usize..97,
        ) {
            let signature = format!(";chunk-signature={}", "a".repeat(64));
            let signature = if is_signed { signature.as_str() } else { "" };
            let mut body = Vec::new();
            for piece in &pieces {
                body.extend(format!("{:x}{signature}\r\n", piece.len()).into_bytes());
                body.extend(piece);
                body.extend(b"\r\n");
            }
            body.extend(format!("0{signature}\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n").bytes());
            prop_assert_eq!(follow(body.chunks(cut)), Ok(At::Trailers));
        }
    }
}
