//! `tombolo demo`: the main job, done once and shown, with programs that this binary plays itself.

mod baseline;
pub(crate) mod database;
pub(crate) mod game_server;
pub(crate) mod measure;
mod report;
mod scenario;
mod setup;
mod steps;
mod table;
mod wait;
mod world;

use anyhow::{Context, Result, anyhow, bail};
use tombolo_network::EngineKind;

use crate::cli::{DemoArguments, NetworkChoice};
use crate::output;
use crate::report::hinted;
use crate::server::real_now;
use crate::stop::Stop;

use setup::Setup;
use steps::step;
use world::World;

/// Shows it. Fails unless real packets did what the closing table says, or none were asked for.
pub(crate) async fn run(arguments: DemoArguments) -> Result<()> {
    let mut stop = Stop::listen()?;
    let starting = Setup::make(arguments.network);
    let mut setup = step("a server starts", "tombolo dev", starting).await?;
    let shown = tokio::select! {
        shown = show(&mut setup, &arguments) => shown,
        () = stop.asked() => Err(anyhow!("interrupted")),
    };
    let mut invited = Ok(());
    if let Ok(closing) = &shown
        && arguments.keep
    {
        invited = output::line(&closing.text).and_then(|()| invite(&setup));
        stop.asked().await;
    }
    let torn_down = step(
        "everything is taken away again",
        "SIGTERM",
        setup.teardown(),
    )
    .await;
    let closing = shown?;
    if !arguments.keep {
        output::line(&closing.text)?;
    }
    closing.verdict.and(invited).and(torn_down)
}

/// What the demo ends with: a text, and whether what was to be shown was shown.
struct Closing {
    text: String,
    verdict: Result<()>,
}

async fn show(setup: &mut Setup, arguments: &DemoArguments) -> Result<Closing> {
    match setup.ready.network {
        EngineKind::Ebpf => show_packets(setup, arguments.keep).await,
        EngineKind::Simulated => show_states(setup, arguments.network).await,
    }
}

async fn show_packets(setup: &mut Setup, keep: bool) -> Result<Closing> {
    let world = World::make(setup, true).await?;
    let proof = world.play(setup).await?;
    let what = "the same measured between two bare namespaces";
    let baseline = step(what, "a veth pair and nothing else", baseline::measure()).await?;
    if proof.connected.value != database::ENTRY.1 {
        bail!(
            "the database answered {:?} instead of {:?}",
            proof.connected.value,
            database::ENTRY.1
        );
    }
    if keep {
        let asked = real_now().as_microsecond();
        world.connect(setup).await?;
        world.reachable(setup, asked).await?;
    }
    Ok(Closing {
        text: table::closing(&proof, &baseline),
        verdict: Ok(()),
    })
}

/// Where no packets flow, nothing is proved, and that is what is said.
async fn show_states(setup: &mut Setup, asked: NetworkChoice) -> Result<Closing> {
    let world = World::make(setup, false).await?;
    world.play_without_packets(setup).await?;
    let text = "\nThe network is SIMULATED: the API went through every state, and NO packet flowed.\n\
                For real packets, on Linux: sudo tombolo demo   (`tombolo doctor` says what is missing)";
    let verdict = match asked {
        NetworkChoice::Simulated => Ok(()),
        _ => Err(hinted(
            "this machine cannot show real packets as it is, so the demo proved nothing",
            "run it as root; `tombolo demo --network simulated` is content without packets",
        )),
    };
    Ok(Closing {
        text: text.to_owned(),
        verdict,
    })
}

/// How to play with what `--keep` leaves running.
fn invite(setup: &Setup) -> Result<()> {
    let config = &setup.ready.aws_config_file;
    let directory = setup.server_directory();
    let directory = directory
        .to_str()
        .context("the directory's path is not UTF-8")?;
    output::line(format!(
        "\nEverything runs on, connected. In another shell, paste:\n\n  \
         export AWS_CONFIG_FILE={config}\n  \
         export TOMBOLO_DIR={directory}\n\n\
         and try: aws gamelift describe-vpc-peering-connections --profile studio\n\
         Ctrl-C ends it."
    ))
}
