//! `tombolo demo`: the main job, done once and shown, with programs that this binary plays itself.

mod bare;
pub(crate) mod database;
pub(crate) mod game_server;
pub(crate) mod measure;
mod report;
mod stage;
mod steps;
mod story;
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

use stage::Stage;
use steps::step;
use world::World;

/// Shows it. Fails unless real packets did what the closing table says, or none were asked for.
pub(crate) async fn run(arguments: DemoArguments) -> Result<()> {
    let mut stop = Stop::listen()?;
    let setting = Stage::set(arguments.network);
    let mut stage = step("a server starts", "tombolo dev", setting).await?;
    let shown = tokio::select! {
        shown = show(&mut stage, &arguments) => shown,
        () = stop.asked() => Err(anyhow!("interrupted")),
    };
    let mut invited = Ok(());
    if let Ok(closing) = &shown
        && arguments.keep
    {
        invited = output::line(&closing.text).and_then(|()| invite(&stage));
        stop.asked().await;
    }
    let struck = step("everything is taken away again", "SIGTERM", stage.strike()).await;
    let closing = shown?;
    if !arguments.keep {
        output::line(&closing.text)?;
    }
    closing.verdict.and(invited).and(struck)
}

/// What the demo ends with: a text, and whether what was to be shown was shown.
struct Closing {
    text: String,
    verdict: Result<()>,
}

async fn show(stage: &mut Stage, arguments: &DemoArguments) -> Result<Closing> {
    match stage.ready.network {
        EngineKind::Ebpf => show_packets(stage, arguments.keep).await,
        EngineKind::Simulated => show_states(stage, arguments.network).await,
    }
}

async fn show_packets(stage: &mut Stage, keep: bool) -> Result<Closing> {
    let world = World::make(stage, true).await?;
    let proof = world.play(stage).await?;
    let what = "the same measured between two bare namespaces";
    let bare = step(what, "a veth pair and nothing else", bare::measure()).await?;
    if proof.connected.value != database::ENTRY.1 {
        bail!(
            "the database answered {:?} instead of {:?}",
            proof.connected.value,
            database::ENTRY.1
        );
    }
    if keep {
        let asked = real_now().as_microsecond();
        world.connect(stage).await?;
        world.reachable(stage, asked).await?;
    }
    Ok(Closing {
        text: table::closing(&proof, &bare),
        verdict: Ok(()),
    })
}

/// Where no packets flow, nothing is proved, and that is what is said.
async fn show_states(stage: &mut Stage, asked: NetworkChoice) -> Result<Closing> {
    let world = World::make(stage, false).await?;
    world.play_without_packets(stage).await?;
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
fn invite(stage: &Stage) -> Result<()> {
    let config = &stage.ready.aws_config_file;
    let directory = stage.server_directory();
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
