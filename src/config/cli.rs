//! What can be typed behind `allim`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

use crate::{
    publish::{command, tail},
    timeline,
};

/// Notifications for shopping-mall back offices: from Kafka to every right browser, and to no other.
#[derive(Debug, Parser)]
#[command(name = "allim", version)]
pub struct Cli {
    /// The file of settings; else allim.toml in this folder, if it is there.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do; without one it serves.
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve,
    /// Publish an event as a domain service would.
    Publish(Box<command::Order>),
    /// Listen as an operator, one line per event.
    Tail(tail::Order),
    /// What could not be understood: list it, show it, send it once more.
    #[command(subcommand)]
    DeadLetters(timeline::command::Order),
    /// Say what is wrong with the settings, or where each comes from; of real brokers also what of our topics is not as it
    /// should be, and what that means.
    CheckConfig {
        /// Ask no broker.
        #[arg(long)]
        offline: bool,
    },
    /// Ask a running server whether it is ready; for container checks.
    Health {
        /// Where it listens, such as localhost:8080; else where the settings say.
        #[arg(value_name = "HOST:PORT")]
        address: Option<String>,
    },
    /// Run the demo's account service alone.
    DemoAccounts {
        /// Where it listens.
        #[arg(default_value = "127.0.0.1:8090")]
        listen: SocketAddr,
    },
}
