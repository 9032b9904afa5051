//! The `ebpf` engine does what every engine must. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use common::conformance::check;
use tombolo_network::NetworkEngine;
use tombolo_network::ebpf::{self, EbpfConfig, EbpfEngine};

#[tokio::test]
async fn the_ebpf_engine_does_what_every_engine_must() {
    if let Err(error) = ebpf::preflight() {
        panic!("tests with real packets: {error}");
    }
    let directory = tempfile::tempdir().unwrap();
    let config = EbpfConfig::for_directory(directory.path().to_owned()).unwrap();
    let engine = std::sync::Arc::new(EbpfEngine::start(config).await.unwrap());
    let checked = {
        let engine = engine.clone();
        tokio::spawn(async move { check(&*engine).await }).await
    };
    engine.teardown().await.unwrap();
    checked.unwrap();
}
