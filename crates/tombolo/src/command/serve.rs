//! `tombolo serve`.

use anyhow::Result;
use tombolo_admin::message::Mode;
use tombolo_api::operation::Settings;

use crate::cli::ServeArguments;
use crate::config::{Config, Players, admission};
use crate::directory::DataDirectory;
use crate::server::{Server, ServerOptions};
use crate::stop::Stop;

pub(super) async fn run(arguments: &ServeArguments) -> Result<()> {
    let config = Config::read(&arguments.config)?;
    let mut stop = Stop::listen()?;
    let mut server = Server::start(ServerOptions {
        directory: DataDirectory::take(&config.directory)?,
        listen: config.listen,
        tls: config.tls,
        network: config.network,
        mtu: config.mtu,
        sandbox: config.sandbox.settings(),
        players: config.players.clone(),
        settings: Settings {
            regions: config.regions,
            address_plan: config.fleet_addresses.plan(),
            quotas: config.quotas,
            public: config.players.as_ref().map(Players::public),
        },
        admission: admission::settings(&config.admission, &config.request_rates),
        mode: Mode::Serve,
        metrics: Some(config.metrics.listen),
    })
    .await?;
    let ran = server.run_until(&mut stop).await;
    tracing::info!("stopping; traffic and server processes continue");
    let stopped = server.stop().await;
    ran.and(stopped)
}
