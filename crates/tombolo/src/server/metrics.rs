//! `GET /metrics` in Prometheus's text format.

mod exposition;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tombolo_api::admission::{Admission, NotAdmitted};
use tombolo_domain::fleet::{FleetStatus, InstanceStatus};
use tombolo_domain::peering;
use tombolo_network::NetworkEngine;
use tombolo_store::typed::Transaction;
use tombolo_store::{Store, keys};
use tombolo_tasks::{TaskStatus, Tasks};

use super::real_now;

/// Bounds of the latency histogram, in seconds: from one read of memory to a slow disk.
const LATENCY: [f64; 12] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0,
];

/// The metrics of this process, and where those come from that are read when asked.
pub(crate) struct Metrics {
    recorded: PrometheusHandle,
    store: Arc<dyn Store>,
    engine: Arc<dyn NetworkEngine>,
    tasks: Tasks,
    admission: Arc<Admission>,
}

impl Metrics {
    /// Makes this process record metrics. Once a process.
    pub(crate) fn install(
        store: Arc<dyn Store>,
        engine: Arc<dyn NetworkEngine>,
        tasks: Tasks,
        admission: Arc<Admission>,
    ) -> Result<Self> {
        let recorded = PrometheusBuilder::new()
            .set_buckets(&LATENCY)
            .context("setting the latency histogram's bounds")?
            .install_recorder()
            .context("starting to record metrics")?;
        describe();
        Ok(Metrics {
            recorded,
            store,
            engine,
            tasks,
            admission,
        })
    }

    /// A router that answers `GET /metrics`.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(render))
            .with_state(Arc::new(self))
    }

    /// Looks at what is not counted as it happens, and gives everything.
    async fn render(&self) -> Result<String> {
        let mut tx = Transaction::new(self.store.clone());
        let connections = tx.peek(&keys::all_connections()).await?;
        let found = connections.iter().map(|one| one.state.code());
        for (state, count) in count(peering::State::CODES, found) {
            gauge!("tombolo_peering_connections", "state" => state).set(count);
        }
        let fleets = tx.peek(&keys::all_fleets()).await?;
        let statuses = FleetStatus::ALL.map(FleetStatus::as_str);
        for (status, count) in count(statuses, fleets.iter().map(|one| one.status.as_str())) {
            gauge!("tombolo_fleets", "status" => status).set(count);
        }
        let instances = tx.peek(&keys::all_instances()).await?;
        let statuses = InstanceStatus::ALL.map(InstanceStatus::as_str);
        let found = instances.iter().map(|one| one.status().as_str());
        for (status, count) in count(statuses, found) {
            gauge!("tombolo_instances", "status" => status).set(count);
        }
        let running = instances.iter().map(|one| u64::from(one.active_processes));
        gauge!("tombolo_server_processes").set(running.sum::<u64>() as f64);
        for task in self.tasks.statuses() {
            record_task(&task);
        }
        for what in NotAdmitted::ALL {
            metrics::counter!("tombolo_not_admitted_total", "reason" => what.as_str())
                .absolute(self.admission.counted(what));
        }
        let bodies = self.admission.bodies();
        gauge!("tombolo_body_memory_bytes").set(bodies.used() as f64);
        gauge!("tombolo_body_memory_limit_bytes").set(bodies.total() as f64);
        let revision = self.store.revision().await?;
        gauge!("tombolo_store_revision").set(revision.0 as f64);

        let counters = self.engine.traffic().await?;
        let coming_and_going = exposition::of(&counters);
        let engine = self.engine.kind().to_string();
        for (way, traffic) in [
            ("local", counters.forwarded_local),
            ("peering", counters.forwarded_peering),
            ("from_outside", counters.from_outside),
            ("to_outside", counters.to_outside),
        ] {
            metrics::counter!(
                "tombolo_forwarded_packets_total", "engine" => engine.clone(), "way" => way
            )
            .absolute(traffic.packets);
            metrics::counter!(
                "tombolo_forwarded_bytes_total", "engine" => engine.clone(), "way" => way
            )
            .absolute(traffic.bytes);
        }
        for (reason, traffic) in counters.dropped {
            let reason = reason.to_string();
            metrics::counter!(
                "tombolo_dropped_packets_total",
                "engine" => engine.clone(), "reason" => reason.clone()
            )
            .absolute(traffic.packets);
            metrics::counter!(
                "tombolo_dropped_bytes_total", "engine" => engine.clone(), "reason" => reason
            )
            .absolute(traffic.bytes);
        }
        for (table, usage) in self.engine.tables().await? {
            let labels = [("engine", engine.clone()), ("table", table)];
            gauge!("tombolo_table_entries", &labels).set(usage.used as f64);
            gauge!("tombolo_table_capacity", &labels).set(usage.capacity as f64);
        }
        metrics::counter!("tombolo_flow_records_lost_total", "engine" => engine)
            .absolute(counters.flow_records_lost);
        Ok(self.recorded.render() + &coming_and_going)
    }
}

/// Records how a loop of the server is.
fn record_task(task: &TaskStatus) {
    let name = task.name;
    metrics::counter!("tombolo_task_runs_total", "task" => name).absolute(task.runs);
    metrics::counter!("tombolo_task_failures_total", "task" => name).absolute(task.failures);
    gauge!("tombolo_task_failures_in_a_row", "task" => name).set(task.failures_in_a_row);
    gauge!("tombolo_task_loops", "task" => name).set(task.members as f64);
    gauge!("tombolo_task_running", "task" => name).set(task.running as f64);
    let in_trouble = if task.trouble.is_some() { 1.0 } else { 0.0 };
    gauge!("tombolo_task_in_trouble", "task" => name).set(in_trouble);
    if let Some(last) = &task.last {
        let started = real_now() - last.started_ago;
        gauge!("tombolo_task_last_start_timestamp_seconds", "task" => name)
            .set(started.as_millisecond() as f64 / 1e3);
        gauge!("tombolo_task_last_duration_seconds", "task" => name).set(last.took.as_secs_f64());
    }
}

/// How many of `found` have each name; names that none has are there with 0, so that a graph does
/// not keep their last value.
fn count(
    names: impl IntoIterator<Item = &'static str>,
    found: impl IntoIterator<Item = &'static str>,
) -> BTreeMap<&'static str, f64> {
    let mut counts: BTreeMap<_, _> = names.into_iter().map(|name| (name, 0.0)).collect();
    for name in found {
        *counts.entry(name).or_default() += 1.0;
    }
    counts
}

async fn render(State(metrics): State<Arc<Metrics>>) -> (StatusCode, String) {
    match metrics.render().await {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => {
            tracing::error!("reading metrics: {error:#}");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n"))
        }
    }
}

fn describe() {
    describe_counter!(
        "tombolo_requests_total",
        "Operations carried out or refused."
    );
    describe_histogram!(
        "tombolo_request_duration_seconds",
        Unit::Seconds,
        "How long operations took, signature and encoding not included."
    );
    describe_counter!(
        "tombolo_http_replies_total",
        "Replies of the API by HTTP status."
    );
    describe_counter!(
        "tombolo_not_admitted_total",
        "Requests and connections that were not admitted, by what they had too much or nothing of."
    );
    describe_gauge!(
        "tombolo_body_memory_bytes",
        Unit::Bytes,
        "Memory of requests' bodies that are being received."
    );
    describe_gauge!(
        "tombolo_body_memory_limit_bytes",
        Unit::Bytes,
        "Memory that there is for them."
    );
    describe_gauge!(
        "tombolo_peering_connections",
        "Peering connections by state."
    );
    describe_gauge!("tombolo_fleets", "Fleets by status.");
    describe_gauge!("tombolo_instances", "Instances of fleets by status.");
    describe_gauge!(
        "tombolo_server_processes",
        "Server processes that run, by what their supervisors last said."
    );
    describe_counter!(
        "tombolo_server_process_crashes_total",
        "Server processes that ended by themselves, and are started again."
    );
    describe_counter!(
        "tombolo_instances_recycled_total",
        "Instances that had ended and were started again."
    );
    describe_gauge!("tombolo_store_revision", "The store's revision.");
    describe_counter!(
        "tombolo_task_runs_total",
        "Runs of a task of the server's background work that have ended."
    );
    describe_counter!("tombolo_task_failures_total", "Runs of a task that failed.");
    describe_gauge!(
        "tombolo_task_failures_in_a_row",
        "How often in a row a task has failed."
    );
    describe_gauge!("tombolo_task_loops", "How many loops a task is.");
    describe_gauge!(
        "tombolo_task_running",
        "How many loops of a task are running."
    );
    describe_gauge!(
        "tombolo_task_in_trouble",
        "1 for a task that failed ten times in a row, or was not heard of for too long."
    );
    describe_gauge!(
        "tombolo_task_last_start_timestamp_seconds",
        Unit::Seconds,
        "When the run of a task began that ended last."
    );
    describe_gauge!(
        "tombolo_task_last_duration_seconds",
        Unit::Seconds,
        "How long the run of a task took that ended last."
    );
    describe_counter!(
        "tombolo_forwarded_packets_total",
        "Packets that the data path forwarded."
    );
    describe_counter!(
        "tombolo_network_repairs_total",
        "Things that were changed behind the server's back, and put right."
    );
    describe_counter!(
        "tombolo_dropped_packets_total",
        "Packets that the data path dropped."
    );
    describe_counter!(
        "tombolo_forwarded_bytes_total",
        Unit::Bytes,
        "Bytes of IPv4 that the data path forwarded."
    );
    describe_counter!(
        "tombolo_dropped_bytes_total",
        Unit::Bytes,
        "Bytes of IPv4 that the data path dropped."
    );
    describe_gauge!(
        "tombolo_table_entries",
        "Entries in a table of the data path."
    );
    describe_gauge!(
        "tombolo_table_capacity",
        "Entries that a table of the data path has room for."
    );
    describe_counter!(
        "tombolo_flow_records_lost_total",
        "Flow records that nobody read in time."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One connection is rejected and later forgotten: its gauge must not stay at 1.
    #[test]
    fn a_state_that_no_connection_has_any_more_is_counted_as_none() {
        let before = count(peering::State::CODES, ["active", "rejected", "expired"]);
        let after = count(peering::State::CODES, ["active"]);
        assert_eq!((before["rejected"], before["expired"]), (1.0, 1.0));
        assert_eq!((after["rejected"], after["expired"]), (0.0, 0.0));
        assert!(before.keys().eq(after.keys()));
    }
}
