//! What a server counts, as Prometheus would read it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::http::{self, Request};

/// What the data path has counted: packets by `forwarded WAY` and `dropped REASON`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packets(BTreeMap<String, u64>);

impl Packets {
    /// Reads them at `GET /metrics`.
    ///
    /// # Panics
    /// The server does not answer.
    #[track_caller]
    pub fn read(metrics: SocketAddr) -> Self {
        let text = read(metrics);
        let counters = [("forwarded", "way"), ("dropped", "reason")];
        let counted = counters.into_iter().flat_map(|(what, label)| {
            let name = format!("tombolo_{what}_packets_total");
            let samples = text
                .lines()
                .filter_map(move |line| sample(line, &name, label));
            samples.map(move |(value, packets)| (format!("{what} {value}"), packets))
        });
        Packets(counted.collect())
    }

    /// What has been counted since `earlier`, without what has not moved.
    pub fn since(&self, earlier: &Packets) -> BTreeMap<String, u64> {
        let moved = self.0.iter().map(|(name, now)| {
            let before = earlier.0.get(name).copied().unwrap_or(0);
            (name.clone(), now - before)
        });
        moved.filter(|(_, packets)| *packets != 0).collect()
    }
}

/// All of `GET /metrics`.
///
/// # Panics
/// The server does not answer.
#[track_caller]
pub fn read(metrics: SocketAddr) -> String {
    let request = Request::new("GET", "/metrics").header("host", "localhost");
    let response = http::send(metrics, &request).expect("the server answers");
    assert_eq!(response.status, 200, "{}", response.text());
    response.text()
}

/// The value of the one sample of a metric that begins so, labels included.
///
/// # Panics
/// The server does not answer, or has no such sample.
#[track_caller]
pub fn value(metrics: SocketAddr, sample: &str) -> f64 {
    let text = read(metrics);
    let mut found = text.lines().filter_map(|line| line.strip_prefix(sample));
    let value = found.next().and_then(|rest| rest.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{sample} in\n{text}"))
}

/// The value of `label` and the number, if a line is a sample of the metric `name`.
fn sample(line: &str, name: &str, label: &str) -> Option<(String, u64)> {
    let (labels, number) = line
        .strip_prefix(name)?
        .strip_prefix('{')?
        .split_once("} ")?;
    let (_, value) = labels.split_once(&format!("{label}=\""))?;
    let (value, _) = value.split_once('"')?;
    Some((value.to_owned(), number.parse().ok()?))
}
