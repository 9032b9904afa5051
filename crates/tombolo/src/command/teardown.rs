//! `tombolo teardown`.

use std::sync::Arc;

use anyhow::{Context, Error, Result};
use tokio::sync::watch;
use tombolo_admin::program;
use tombolo_domain::host::HostBoot;
use tombolo_domain::id::{BootId, HostId};
use tombolo_network::SimulatedEngine;

use tombolo_store::{MemoryStore, Store};
use tombolo_tasks::Tasks;

use crate::cli::{NetworkChoice, TeardownArguments};
use crate::directory::DataDirectory;
use crate::server::{self, SystemIds};

pub(super) async fn run(arguments: &TeardownArguments) -> Result<()> {
    let directory = DataDirectory::take_existing(&arguments.dir)?;
    let mut failures = Vec::new();
    take_away(&directory, &mut failures).await;
    failures.extend(directory.remove_admin_socket().err());
    let mut failures = failures.into_iter();
    if let Some(first) = failures.next() {
        for error in failures {
            tracing::error!("{error:#}");
        }
        return Err(first);
    }
    if arguments.delete_data {
        directory.delete()?;
    }
    Ok(())
}

/// Takes everything of the directory off the machine that can be found. Network and server processes
/// are found without the store, which may be damaged, or another version's. Goes on after a failure, so
/// that one does not leave everything behind.
async fn take_away(directory: &DataDirectory, failures: &mut Vec<Error>) {
    let ids = Arc::new(SystemIds);
    let empty: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let store = match server::open_unchecked(directory).await {
        Ok(store) => {
            if let Err(error) = server::check_store(directory, &store).await {
                failures.push(unreadable(error));
            }
            store
        }
        Err(error) => {
            failures.push(unreadable(error));
            empty.clone()
        }
    };
    // A host's id is made only where the whole store is there to be asked.
    let host = if failures.is_empty() {
        tombolo_node::identify(directory.path(), &store, &*ids).await
    } else if directory.has_host().unwrap_or(false) {
        tombolo_node::identify(directory.path(), &empty, &*ids).await
    } else {
        Ok(no_host(&ids))
    };
    let host = host.unwrap_or_else(|error| {
        failures.push(error.into());
        no_host(&ids)
    });
    // Whatever way outside there is, nobody is to use it any more.
    let outside = None;
    let engine = async {
        let choice = engine_of(directory)?;
        server::start_engine(choice, directory.path(), outside, Tasks::default()).await
    };
    let engine = engine.await.unwrap_or_else(|error| {
        failures.push(error);
        // Server processes are ended all the same.
        Arc::new(SimulatedEngine::new())
    });
    failures.extend(program::end_all(&store, &engine, &host).await.err());
    let binary = match server::this_executable() {
        Ok(binary) => binary,
        Err(error) => {
            failures.push(error);
            return;
        }
    };
    let context = tombolo_node::Context {
        ids,
        host,
        engine,
        table_capacity: watch::Sender::default(),
        binary,
        directory: directory.path().to_owned(),
        mtu: tombolo_network::MAX_MTU,
        sandbox: tombolo_node::SandboxSettings::default(),
        tasks: Tasks::default(),
        store,
    };
    let taken = tombolo_node::teardown(&context)
        .await
        .context("taking the network and the server processes away");
    failures.extend(taken.err());
}

/// A host that no record is of. Its id is kept nowhere.
fn no_host(ids: &SystemIds) -> HostBoot {
    HostBoot {
        host: HostId::generate(ids),
        boot: BootId::generate(ids),
    }
}

fn unreadable(error: Error) -> Error {
    error.context(
        "not everything of the store could be read: the network and the server processes are taken \
         away without it, and programs of `tombolo run` may be left",
    )
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
