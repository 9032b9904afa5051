//! Bodies in signed chunks (`aws-chunked`), whose chunks are limited in size.
//!
//! `s3s` buffers a whole chunk before it verifies and passes on any of it, and the client alone says
//! how long a chunk is, up to 4 GiB. This parses the chunks' headers as they arrive, and ends a body
//! with an error before a chunk that is too large to be buffered. Amazon S3 API Reference, "Signature calculations for the
//! Authorization header: Transferring payload in multiple chunks", has the form.

use http::HeaderMap;

/// The largest chunk, in bytes, however much memory there is for bodies. Clients send 64 KiB to 1 MiB.
pub(crate) const MAX_CHUNK_SIZE: u64 = 16 << 20;

/// The longest header of a chunk, in bytes: eight digits, a signature and the line's end are 91.
const MAX_HEADER_LENGTH: usize = 128;

/// The most digits of a chunk's size, as `s3s` reads them.
const MAX_SIZE_DIGITS: usize = 8;

/// Whether a body is in chunks, as its head says.
pub(crate) fn is_chunked(headers: &HeaderMap) -> bool {
    let hashes = headers.get_all("x-amz-content-sha256");
    hashes
        .iter()
        .any(|value| value.as_bytes().starts_with(b"STREAMING-"))
}

/// Why a body is refused. The message, which the client sees, never quotes the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a piece of it has {size} bytes, and the most is {most}")]
    TooLarge { size: u64, most: u64 },
    #[error("the header of a piece of it is not one of at most eight hexadecimal digits")]
    Header,
    #[error("a piece of it does not end where its header says")]
    End,
}

/// What the next byte of a body belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// A chunk's header, of which these bytes have arrived.
    Header(Vec<u8>),
    /// A chunk's data, of which so many bytes are to come.
    Data(u64),
    /// The line end after a chunk, of which so many bytes are to come.
    End(usize),
    /// The trailers after the last chunk, whose size `s3s` limits.
    Trailers,
}

/// A parser of chunks that keeps no data.
#[derive(Debug)]
pub(crate) struct ChunkParser {
    state: State,
    /// The size of the chunk that is arriving.
    size: u64,
    /// The size that a chunk may have.
    most: u64,
    begun: u64,
}

impl ChunkParser {
    /// A parser of a body whose chunks have at most `most` bytes, and [`MAX_CHUNK_SIZE`].
    pub(crate) fn new(most: usize) -> Self {
        ChunkParser {
            state: State::Header(Vec::new()),
            size: 0,
            most: (most as u64).min(MAX_CHUNK_SIZE),
            begun: 0,
        }
    }

    /// How many chunks have begun to arrive.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    /// How many bytes of the chunk that is arriving are buffered until all of it is there.
    pub(crate) fn buffered(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes of a body.
    ///
    /// # Errors
    /// The body is not in chunks, or one is too large.
    pub(crate) fn parse(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while let [first, rest @ ..] = bytes {
            match &mut self.state {
                State::Header(line) => {
                    line.push(*first);
                    bytes = rest;
                    if *first == b'\n' {
                        self.size = size(line, self.most)?;
                        self.begun += 1;
                        self.state = match self.size {
                            0 => State::Trailers,
                            size => State::Data(size),
                        };
                    } else if line.len() >= MAX_HEADER_LENGTH {
                        return Err(Malformed::Header);
                    }
                }
                State::Data(left) => {
                    let arrived =
                        usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    bytes = &bytes[arrived..];
                    *left -= arrived as u64;
                    if *left == 0 {
                        self.state = State::End(2);
                    }
                }
                State::End(left) => {
                    if *first != b"\r\n"[2 - *left] {
                        return Err(Malformed::End);
                    }
                    bytes = rest;
                    *left -= 1;
                    if *left == 0 {
                        self.size = 0;
                        self.state = State::Header(Vec::new());
                    }
                }
                State::Trailers => return Ok(()),
            }
        }
        Ok(())
    }
}

/// The size in a chunk's header. Stricter than `s3s`, so that no header has two readings.
fn size(line: &[u8], most: u64) -> Result<u64, Malformed> {
    let line = line.strip_suffix(b"\r\n").ok_or(Malformed::Header)?;
    let digits = line.split(|&b| b == b';').next().unwrap_or_default();
    let is_size =
        (1..=MAX_SIZE_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_size);
    let size = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    match size.ok_or(Malformed::Header)? {
        size if size > most => Err(Malformed::TooLarge { size, most }),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<State, Malformed> {
        let mut parser = ChunkParser::new(usize::MAX);
        for part in parts {
            parser.parse(part)?;
        }
        Ok(parser.state)
    }

    #[test]
    fn a_chunk_that_is_too_large_is_refused_by_its_header() {
        let most = format!("{MAX_CHUNK_SIZE:x}\r\n");
        assert_eq!(parse([most.as_bytes()]), Ok(State::Data(MAX_CHUNK_SIZE)));
        let more = format!("{:X}\r\n", MAX_CHUNK_SIZE + 1);
        let too_large = |size| {
            Err(Malformed::TooLarge {
                size,
                most: MAX_CHUNK_SIZE,
            })
        };
        assert_eq!(parse([more.as_bytes()]), too_large(MAX_CHUNK_SIZE + 1));
        assert_eq!(
            parse([b"1\r\nx\r\nFFFFFFFF\r\n".as_slice()]),
            too_large(0xffff_ffff)
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
            assert_eq!(parse([line.as_bytes()]), Err(Malformed::Header), "{line:?}");
        }
        assert_eq!(parse([b"5\n".as_slice()]), Err(Malformed::Header));
        let endless = [b'0'; MAX_HEADER_LENGTH];
        assert_eq!(parse([endless.as_slice()]), Err(Malformed::Header));
        assert_eq!(parse([b"1\r\nxy".as_slice()]), Err(Malformed::End));
    }

    proptest! {
        #[test]
        fn what_clients_send_passes_however_it_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..600), 0..5),
            is_signed: bool,
            cut in 1_usize..97,
        ) {
            let signature = format!(";chunk-signature={}", "a".repeat(64));
            let signature = if is_signed { signature.as_str() } else { "" };
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend(format!("{:x}{signature}\r\n", chunk.len()).into_bytes());
                body.extend(chunk);
                body.extend(b"\r\n");
            }
            body.extend(format!("0{signature}\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n").bytes());
            prop_assert_eq!(parse(body.chunks(cut)), Ok(State::Trailers));
        }
    }
}
