//! `/metrics`: names, types, help and labels, on which dashboards and alerts are built.

use std::collections::BTreeMap;

use tombolo_tests::build;
use tombolo_tests::serving::Serving;
use tombolo_tests::{metrics, scenario};

use crate::expect::expect;
use crate::names::Names;

/// What is a count of everything that this test does, or measured, has no value here; a gauge has.
fn scrape(text: &str) -> String {
    let mut names = Names::default();
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (what, rest) = comment.split_once(' ').unwrap();
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            current = name;
            let family = families.entry(name).or_default();
            match what {
                "HELP" => family.help = rest,
                "TYPE" => family.kind = rest,
                other => panic!("a comment {other}"),
            }
        } else if !line.is_empty() {
            let name = line.split(['{', ' ']).next().unwrap();
            // A histogram's samples have longer names than it has itself.
            let family = if name.starts_with(current) {
                current
            } else {
                name
            };
            families.entry(family).or_default().samples.push(line);
        }
    }
    let mut written = String::new();
    for (name, family) in families {
        written.push_str(&format!("# {name}: {} {:?}\n", family.kind, family.help));
        for sample in family.samples(name) {
            written.push_str(&format!("{sample}\n"));
        }
        written.push('\n');
    }
    names.name(&written)
}

#[derive(Default)]
struct Family<'t> {
    kind: &'t str,
    help: &'t str,
    samples: Vec<&'t str>,
}

impl Family<'_> {
    /// The samples by their labels, which have no order of their own; of a histogram each once, with
    /// its buckets.
    fn samples(&self, family: &str) -> Vec<String> {
        let mut samples: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for sample in &self.samples {
            let (series, value) = sample.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split(',');
            let mut labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
            labels.sort_unstable();
            let bucket = labels.iter().position(|label| label.starts_with("le="));
            let bucket = bucket.map(|position| labels.remove(position));
            let labels = match labels.is_empty() {
                true => name.to_owned(),
                false => format!("{name}{{{}}}", labels.join(",")),
            };
            let varies = family == "tombolo_store_revision"
                || family == "tombolo_task_running"
                || family.starts_with("tombolo_task_last_");
            let is_told = self.kind == "gauge" && !varies;
            let value = if is_told { value } else { "<n>" };
            let bounds = samples.entry(format!("{labels} {value}")).or_default();
            bounds.extend(bucket.map(|bound| bound.trim_start_matches("le=")));
        }
        let written = samples
            .into_iter()
            .map(|(series, bounds)| match bounds.is_empty() {
                true => series,
                false => format!("{series} le {}", bounds.join(" ")),
            });
        written.collect()
    }
}

#[test]
fn what_is_scraped() {
    let server = Serving::start_simulated();
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc(backend, "10.1.0.0/16");
    scenario::refused(backend.ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/8")]));
    backend.sts("GetCallerIdentity").unwrap();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::active_fleet(studio, &build, "server", "");
    scenario::refused(scenario::request_connection(studio, backend, &fleet, &vpc));
    scenario::authorize(backend, studio, &vpc);
    scenario::connect(studio, backend, &fleet, &vpc);
    expect("metrics.txt", &scrape(&metrics::read(server.metrics())));
}
