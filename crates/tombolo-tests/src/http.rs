//! HTTP/1.1 as bytes: it sends whatever it is told, also what a decent client never would.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request, before or after it was signed.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// The path and query as they go over the wire.
    pub target: String,
    /// Without `Content-Length`, which is written from the body.
    pub headers: Vec<(String, String)>,
    /// As it goes over the wire.
    pub body: Vec<u8>,
}

/// A reply.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without body.
    pub fn new(method: &str, target: &str) -> Self {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Takes a header away, whatever its case.
    pub fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// What goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What [`Connection::skim`] saw of a reply.
#[derive(Debug, Clone, Copy)]
pub struct Skimmed {
    /// The status, such as 200.
    pub status: u16,
    /// Whether the server keeps the connection.
    pub keeps: bool,
}

/// A connection that is used for one request after the other.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Connection {
            stream: BufReader::new(stream),
        })
    }

    /// Sends `request` as it is and reads one reply.
    ///
    /// # Errors
    /// The connection ended before the reply did, or what came is not HTTP/1.1.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Response> {
        // A server may answer and close before it has read everything, so the answer counts more
        // than that not everything could be written.
        let written = self.stream.get_mut().write_all(request);
        match self.read() {
            Ok(response) => Ok(response),
            Err(error) => Err(written.err().unwrap_or(error)),
        }
    }

    /// Sends `request` as it is, and reads over the reply without keeping it: a load generator
    /// shares the machine with what it loads.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    pub fn skim(&mut self, request: &[u8]) -> io::Result<Skimmed> {
        self.stream.get_mut().write_all(request)?;
        let mut line = Vec::with_capacity(128);
        self.raw_line(&mut line)?;
        let status = std::str::from_utf8(&line)
            .ok()
            .and_then(|line| line.get(9..12)?.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("status line {line:?}")))?;
        // HTTP/1.0 ends a connection with its reply.
        let mut skimmed = Skimmed {
            status,
            keeps: line.starts_with(b"HTTP/1.1"),
        };
        let mut length = 0;
        loop {
            self.raw_line(&mut line)?;
            let Some(colon) = line.iter().position(|&byte| byte == b':') else {
                break;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                let value = std::str::from_utf8(value)
                    .ok()
                    .and_then(|value| value.parse().ok());
                length = value.ok_or_else(|| invalid(format!("content-length {line:?}")))?;
            } else if name.eq_ignore_ascii_case(b"connection") {
                skimmed.keeps &= !value.eq_ignore_ascii_case(b"close");
            }
        }
        io::copy(&mut self.stream.by_ref().take(length), &mut io::sink())?;
        Ok(skimmed)
    }

    /// As [`exchange`](Self::exchange) for a HEAD, whose reply says how long a body is and has none.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    pub fn exchange_head(&mut self, request: &[u8]) -> io::Result<Response> {
        self.stream.get_mut().write_all(request)?;
        self.read_head()
    }

    fn raw_line(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        line.clear();
        match self.stream.read_until(b'\n', line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn read(&mut self) -> io::Result<Response> {
        let mut response = self.read_head()?;
        // Not Modified says how long the body would have been (RFC 9110, 15.4.5).
        let length = match response.status {
            304 => None,
            _ => response.header("content-length"),
        };
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        response.body = vec![0; length];
        self.stream.read_exact(&mut response.body)?;
        Ok(response)
    }

    fn read_head(&mut self) -> io::Result<Response> {
        let status_line = self.line()?;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("status line {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| invalid(format!("header {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Response {
            status,
            headers,
            body: Vec::new(),
        })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// Sends one request on a connection of its own.
///
/// # Errors
/// As [`Connection::open`] and [`Connection::exchange`].
pub fn send(server: SocketAddr, request: &Request) -> io::Result<Response> {
    Connection::open(server)?.exchange(&request.to_bytes())
}

/// Sends one HEAD on a connection of its own.
///
/// # Errors
/// As [`Connection::open`] and [`Connection::exchange`].
pub fn send_head(server: SocketAddr, request: &Request) -> io::Result<Response> {
    Connection::open(server)?.exchange_head(&request.to_bytes())
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
