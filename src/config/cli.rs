//! What can be typed behind `allim`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

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
    Publish(Publish),
    /// Listen as an operator, one line per event.
    Tail(Tail),
    /// Say what is wrong with the settings, or where each comes from.
    CheckConfig,
    /// Ask a running server whether it is ready; for container checks.
    Health,
    /// Run the demo's account service alone.
    DemoAccounts {
        /// Where it listens.
        #[arg(default_value = "127.0.0.1:8090")]
        listen: SocketAddr,
    },
}

#[derive(Debug, Clone, Args)]
pub struct Publish {
    /// The event's type, such as order.created.
    #[arg(required_unless_present = "raw")]
    pub kind: Option<String>,
    /// The mall it is about.
    #[arg(long, value_name = "N")]
    pub mall: Option<u64>,
    /// Who shall see it, such as operator:70001; else the catalogue's rule decides.
    #[arg(long, value_name = "AUDIENCE")]
    pub to: Option<String>,
    /// The partner it is about.
    #[arg(long, value_name = "N")]
    pub partner: Option<u64>,
    /// The producer's own title.
    #[arg(long)]
    pub title: Option<String>,
    /// The producer's own text.
    #[arg(long)]
    pub body: Option<String>,
    /// The event's fields as JSON, or @FILE; else the catalogue's example.
    #[arg(long, value_name = "JSON")]
    pub data: Option<String>,
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// This very text as the record's value, as the old console producer did.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["kind", "to", "title", "body", "data"])]
    pub raw: Option<String>,
    /// The record's key; else mall:N, partner:P or operator:N.
    #[arg(long)]
    pub key: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct Tail {
    /// Whose notifications.
    #[arg(long, default_value = "demo-70001")]
    pub token: String,
    /// The server; else the one of the settings.
    #[arg(long)]
    pub url: Option<String>,
    /// Go on behind this position; `earliest` for all that memory has.
    #[arg(long, value_name = "POSITION")]
    pub last_event_id: Option<String>,
}
