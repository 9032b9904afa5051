//! `tombolo teardown`.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::sync::watch;
use tombolo_admin::program;
use tombolo_tasks::Tasks;

use crate::cli::{NetworkChoice, TeardownArguments};
use crate::directory::DataDirectory;
use crate::server::{self, SystemIds};

pub(super) async fn run(arguments: &TeardownArguments) -> Result<()> {
    let directory = DataDirectory::take_existing(&arguments.dir)?;
    {
        let store = server::open_store(&directory).await?;
        let engine = {
            // Whatever way outside there is, nobody is to use it any more.
            let outside = None;
            server::start_engine(
                engine_of(&directory)?,
                directory.path(),
                outside,
                Tasks::default(),
            )
            .await?
        };
        let ids = Arc::new(SystemIds);
        let host = tombolo_node::identify(directory.path(), &store, &*ids).await?;
        program::end_all(&store, &engine, &host).await?;
        let context = tombolo_node::Context {
            ids,
            host,
            engine,
            table_capacity: watch::Sender::default(),
            binary: server::this_executable()?,
            directory: directory.path().to_owned(),
            mtu: tombolo_network::MAX_MTU,
            sandbox: tombolo_node::SandboxSettings::default(),
            tasks: Tasks::default(),
            store,
        };
        tombolo_node::teardown(&context)
            .await
            .context("taking the network and the server processes away")?;
    }
    directory.remove_admin_socket()?;
    if arguments.delete_data {
        directory.delete()?;
    }
    Ok(())
}

/// The engine that left something in the directory: the `ebpf` one has its file system there.
fn engine_of(directory: &DataDirectory) -> Result<NetworkChoice> {
    let bpf = directory.path().join("bpf");
    let found = bpf
        .try_exists()
        .with_context(|| format!("looking at {}", bpf.display()))?;
    Ok(if found {
        NetworkChoice::Ebpf
    } else {
        NetworkChoice::Simulated
    })
}
