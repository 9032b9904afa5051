//! What is verified: a request as it arrived.

use ::http::HeaderMap;

/// A request as it arrived, before anything of it is verified.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// `POST`
    pub method: &'a str,
    /// The path as it arrived, still encoded.
    pub path: &'a str,
    /// The query as it arrived, without the question mark.
    pub query: &'a str,
    /// The host that HTTP/2 carries outside of the headers.
    pub authority: Option<&'a str>,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> SignedRequest<'a> {
    /// The values of a header, `host` also when HTTP/2 carries it as the authority.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let values = self.headers.get_all(name);
        let authority = self.authority.filter(|_| name == "host");
        let authority = authority.filter(|_| !self.headers.contains_key("host"));
        let values = values.into_iter().map(|value| value.as_bytes());
        values.chain(authority.map(str::as_bytes))
    }
}
