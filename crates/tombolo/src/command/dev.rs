//! `tombolo dev`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tombolo_admin::admin_socket;
use tombolo_admin::message::{CreateAccessKey, CreateAccount, ListAccounts, Mode};
use tombolo_admin::service::AdminService;
use tombolo_api::admission::AdmissionSettings;
use tombolo_api::operation::Settings;
use tombolo_domain::account::{AccountName, UserName};
use tombolo_domain::cidr::AddressPlan;
use tombolo_domain::id::{AccessKeyId, AccountId, Region};
use tombolo_domain::quota::Quotas;
use tombolo_fleet::write_private;
use tombolo_network::EngineKind;
use tombolo_network::MAX_MTU;

use crate::cli::{DevArguments, NetworkChoice};
use crate::config::{self, Players};
use crate::directory::DataDirectory;
use crate::output;
use crate::report::hinted;
use crate::server::{Server, ServerOptions};
use crate::stop::Stop;

/// What `tombolo dev --json` prints when it is ready: a contract with scripts.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Where the API is.
    pub(crate) endpoint: String,
    /// The profiles' Region.
    pub(crate) region: Region,
    /// The file with the profiles.
    pub(crate) aws_config_file: String,
    /// The admin socket.
    pub(crate) admin_socket: String,
    /// Whether packets flow.
    pub(crate) network: EngineKind,
    /// The accounts.
    pub(crate) accounts: Accounts,
}

/// The accounts of `tombolo dev`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Accounts {
    /// Has fleets.
    pub(crate) studio: Profile,
    /// Has VPCs.
    pub(crate) backend: Profile,
}

/// An account with its access key. It has no `Debug`, so that no log gets the secret.
#[derive(Serialize, Deserialize)]
pub(crate) struct Profile {
    /// Its 12 digits.
    pub(crate) id: AccountId,
    /// The access key's public half.
    pub(crate) access_key_id: AccessKeyId,
    /// The access key's secret half.
    pub(crate) secret_access_key: String,
}

pub(super) async fn run(arguments: DevArguments) -> Result<()> {
    only_this_machine(arguments.listen)?;
    let players = arguments
        .players
        .map(Players::routed)
        .transpose()
        .with_context(|| "--players names an address that cannot be one")?;
    let mut stop = Stop::listen()?;
    let directory = match &arguments.dir {
        Some(path) => DataDirectory::take(path)?,
        None => DataDirectory::fresh()?,
    };
    // The command line gives the list at least its default.
    let region = arguments
        .regions
        .first()
        .cloned()
        .context("name a Region with --region")?;
    let mut server = Server::start(ServerOptions {
        directory,
        listen: arguments.listen,
        tls: None,
        network: arguments.network,
        mtu: MAX_MTU,
        sandbox: config::Sandbox::default().settings(),
        players: players.clone(),
        settings: Settings {
            regions: arguments.regions,
            address_plan: AddressPlan::default(),
            quotas: Quotas::default(),
            public: players.as_ref().map(Players::public),
        },
        admission: AdmissionSettings::default(),
        mode: Mode::Dev,
        metrics: None,
    })
    .await?;
    // From here on there may be something to take away, whatever fails.
    let ran = match announce(&server, region, arguments.network, arguments.format.json).await {
        Ok(()) => server.run_until(&mut stop).await,
        Err(error) => Err(error),
    };
    tracing::info!("stopping; removing the network and all processes");
    let taken = server.teardown().await;
    ran.and(taken)
}

/// Refuses an address that other machines reach: `tombolo dev` speaks plain HTTP.
fn only_this_machine(listen: SocketAddr) -> Result<()> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    Err(hinted(
        format!("--listen {listen}: plain HTTP on an address that other machines reach"),
        format!(
            "listen on 127.0.0.1:{}, or run `tombolo serve` with a certificate ([tls] in its \
             configuration)",
            listen.port()
        ),
    ))
}

async fn announce(server: &Server, region: Region, asked: NetworkChoice, json: bool) -> Result<()> {
    let admin = server.admin();
    let accounts = Accounts {
        studio: profile(admin, "studio").await?,
        backend: profile(admin, "backend").await?,
    };
    let aws_config = server.directory().aws_config();
    let profiles = aws_config_of(&accounts, &region, server.endpoint());
    write_private(&aws_config, profiles.as_bytes())
        .with_context(|| format!("writing {}", aws_config.display()))?;
    let directory = server.directory().path();
    let ready = Ready {
        endpoint: server.endpoint().to_owned(),
        region,
        aws_config_file: aws_config.display().to_string(),
        admin_socket: admin_socket(directory).display().to_string(),
        network: server.network(),
        accounts,
    };
    if json {
        output::json(&ready)
    } else {
        output::line(greeting(&ready, asked, directory))
    }
}

/// The account of that name and its access key, made at the first start.
async fn profile(admin: &AdminService, name: &str) -> Result<Profile> {
    let name: AccountName = name.parse()?;
    let accounts = admin.list_accounts(ListAccounts {}).await?;
    let account = match accounts.into_iter().find(|account| account.name == name) {
        Some(account) => account,
        None => admin.create_account(CreateAccount { name }).await?,
    };
    let key = match admin.reveal_access_key(account.id).await? {
        Some(key) => key,
        None => {
            let user: UserName = "admin".parse()?;
            let request = CreateAccessKey {
                account: account.id.to_string(),
                user,
            };
            admin.create_access_key(request).await?
        }
    };
    Ok(Profile {
        id: account.id,
        access_key_id: key.access_key_id,
        secret_access_key: key.secret_access_key,
    })
}

/// The file that the AWS CLI and SDKs read as `AWS_CONFIG_FILE`.
fn aws_config_of(accounts: &Accounts, region: &Region, endpoint: &str) -> String {
    let profile = |name: &str, profile: &Profile| {
        format!(
            "[profile {name}]\n\
             aws_access_key_id = {}\n\
             aws_secret_access_key = {}\n\
             region = {region}\n\
             endpoint_url = {endpoint}\n",
            profile.access_key_id, profile.secret_access_key,
        )
    };
    format!(
        "# Written by `tombolo dev` at every start.\n\n{}\n{}",
        profile("studio", &accounts.studio),
        profile("backend", &accounts.backend)
    )
}

fn greeting(ready: &Ready, asked: NetworkChoice, directory: &Path) -> String {
    let network = match (ready.network, asked) {
        (EngineKind::Ebpf, _) => "ebpf: packets flow",
        (EngineKind::Simulated, NetworkChoice::Simulated) => {
            "simulated, as asked for: NO packets flow"
        }
        (EngineKind::Simulated, NetworkChoice::Auto | NetworkChoice::Ebpf) => {
            "simulated: NO packets flow, `tombolo doctor` says why"
        }
    };
    let Ready {
        endpoint,
        region,
        aws_config_file,
        accounts,
        ..
    } = ready;
    let (studio, backend) = (accounts.studio.id, accounts.backend.id);
    let directory = directory.display();
    format!(
        "Tombolo is ready at {endpoint} (Region {region}, network {network}).\n\
         Accounts: studio {studio}, for fleets; backend {backend}, for VPCs.\n\
         In another shell, paste:\n\n  \
         export AWS_CONFIG_FILE={aws_config_file}\n  \
         export TOMBOLO_DIR={directory}\n\n\
         and try: aws gamelift list-fleets --profile studio\n\
         Ctrl-C ends it."
    )
}
