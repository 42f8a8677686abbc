//! Where the demo's broker listens: where it was last time, else Kafka's usual port, else any; never where somebody answers.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{net::TcpStream, time::timeout};

/// The port that every Kafka client's example names.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9092);
/// On loopback an answer takes microseconds.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// An address, and whether it is another than one would expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    pub address: SocketAddr,
    /// The one that was taken by somebody else.
    pub instead_of: Option<SocketAddr>,
}

/// Chooses. Asks before it binds: some systems let two programs bind one port, and give the clients to the newer one.
pub async fn choose(data_dir: &Path) -> Chosen {
    let last = std::fs::read_to_string(file(data_dir)).ok().and_then(|text| text.trim().parse::<SocketAddr>().ok());
    let mut taken = None;
    for address in last.into_iter().chain([USUAL]) {
        if !somebody_answers(address).await {
            return Chosen { address, instead_of: taken };
        }
        taken = taken.or(Some(address));
    }
    Chosen { address: SocketAddr::new(USUAL.ip(), 0), instead_of: taken }
}

/// Writes down where it listens, for `allim publish`, `allim tail` and the next start.
pub fn remember(data_dir: &Path, address: SocketAddr) -> io::Result<()> {
    std::fs::write(file(data_dir), format!("{address}\n"))
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("kafka.address")
}

async fn somebody_answers(address: SocketAddr) -> bool {
    matches!(timeout(ANSWERS_WITHIN, TcpStream::connect(address)).await, Ok(Ok(_)))
}
