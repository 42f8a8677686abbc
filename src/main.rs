//! Reads the settings, runs what was asked for, and chooses the exit code.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
    process::ExitCode,
};

use allim::{
    app,
    config::{self, Broker, Purpose, Settings, cli},
    demo::accounts::{Accounts, viewers},
    ingest::topics,
    publish::{AT_A_TERMINAL, check::Check, command, tail},
    shutdown::Signals,
    telemetry, timeline,
};
use anyhow::Context;
use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let command = cli.command.unwrap_or(cli::Command::Serve);
    let purpose = match command {
        cli::Command::Serve | cli::Command::CheckConfig { .. } => Purpose::Serve,
        _ => Purpose::Command,
    };
    let settings = match config::load(purpose, cli.config.as_deref(), Path::new("."), &config::environment()) {
        Ok(settings) => settings,
        Err(complaints) => {
            eprintln!("{complaints}");
            return ExitCode::from(config::EXIT_BAD_SETTINGS);
        }
    };
    match run(command, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("allim: {}", in_one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Where whoever should read the answer has gone.
const UNREAD: &str = "the answer could not be printed";

/// Each cause behind what it made impossible, unless that has its words already.
fn in_one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |line, cause| match line.as_str() {
        "" => cause,
        said if said.ends_with(&cause) => line,
        said => format!("{said}: {cause}"),
    })
}

fn run(command: cli::Command, settings: Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let out = &mut io::stdout();
    runtime.block_on(async {
        match command {
            cli::Command::CheckConfig { offline } => {
                write!(out, "{}", settings.report()).context(UNREAD)?;
                if !offline && settings.broker == Broker::Real {
                    let report = topics::report(&settings.ingest).await?;
                    write!(out, "{}", report.text).context(UNREAD)?;
                    anyhow::ensure!(report.can_be_followed, "the topic {} cannot be read", settings.ingest.topic);
                }
                Ok(())
            }
            cli::Command::Serve => app::run(settings).await,
            cli::Command::Publish(order) if !order.check.is_empty() => {
                // Of real people only the account service knows.
                let cast = if settings.is_demo() { viewers() } else { Vec::new() };
                let check = Check { decoder: settings.ingest.decoder(settings.catalogue.clone()), cast };
                Ok(check.files(&order.check, &mut io::stdout())?)
            }
            cli::Command::Publish(order) => {
                let brokers = command::find_brokers(&settings.ingest.bootstrap_servers, &settings.data_dir)?;
                Ok(command::run(
                    &settings.publish(brokers, AT_A_TERMINAL),
                    &order,
                    &settings.catalogue,
                    &mut io::stdout(),
                )
                .await?)
            }
            cli::Command::Tail(order) => {
                let usual = format!("http://{}", settings.http.listen);
                Ok(tail::run(&order, &usual, &mut io::stdout()).await?)
            }
            cli::Command::DeadLetters(order) => {
                let config::Database::Sqlite(file) = &settings.database else {
                    anyhow::bail!("there is no timeline, and so no dead letter: ALLIM_DATABASE_URL is none");
                };
                let brokers = || {
                    let brokers = command::find_brokers(&settings.ingest.bootstrap_servers, &settings.data_dir)?;
                    Ok(settings.publish(brokers, AT_A_TERMINAL))
                };
                Ok(timeline::command::run(&order, file, brokers, &mut BufWriter::new(io::stdout())).await?)
            }
            cli::Command::Health { address } => {
                let address = address.unwrap_or_else(|| telemetry::health::here(settings.http.listen));
                writeln!(out, "{}", telemetry::health::ask(&address).await?).context(UNREAD)?;
                Ok(())
            }
            cli::Command::DemoAccounts { listen } => {
                let mut signals = Signals::new().context("no signal can be received")?;
                let accounts = Accounts::start(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
                writeln!(out, "demo accounts answer at {}; Ctrl-C ends them", accounts.url()).context(UNREAD)?;
                if !listen.ip().is_loopback() {
                    eprintln!(
                        "{listen} is off loopback: a server that asks it lets in whoever knows the demo's tokens"
                    );
                }
                signals.next().await;
                accounts.stop().await;
                Ok(())
            }
        }
    })
}
