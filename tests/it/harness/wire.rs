//! A wire between clients and a server that can be cut, and that can go dead without anybody being told.

use std::net::SocketAddr;

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::PATIENCE;

#[derive(Debug, Clone, Copy, Default)]
struct Now {
    cuts: u64,
    dead: bool,
    /// Bytes of clients that went nowhere.
    swallowed: usize,
}

pub struct Wire {
    pub address: SocketAddr,
    now: watch::Sender<Now>,
}

impl Wire {
    pub async fn to(server: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let now = watch::Sender::new(Now::default());
        let joins = now.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(join(client, server, joins.clone()));
            }
        });
        Wire { address, now }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends every connection; the next one is let through.
    pub fn cut(&self) {
        self.now.send_modify(|now| now.cuts += 1);
    }

    /// Waits until somebody said something to a dead line.
    pub async fn swallows(&self) {
        let swallowed = self.now.borrow().swallowed;
        let waits = self.now.subscribe();
        tokio::time::timeout(PATIENCE, { waits }.wait_for(|now| now.swallowed > swallowed))
            .await
            .expect("a word")
            .unwrap();
    }

    /// What is open carries nothing any more, in either direction and for good, and nobody is told; so with what is
    /// opened until it is well again.
    pub fn go_dead(&self, dead: bool) {
        self.now.send_modify(|now| now.dead = dead);
    }
}

async fn join(mut client: TcpStream, server: SocketAddr, now: watch::Sender<Now>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let cuts = now.borrow().cuts;
    let is_cut = async |now: watch::Sender<Now>| _ = now.subscribe().wait_for(|now| now.cuts != cuts).await;
    let dies = async |now: watch::Sender<Now>| _ = now.subscribe().wait_for(|now| now.dead).await;
    tokio::select! {
        biased;
        () = is_cut(now.clone()) => return,
        () = dies(now.clone()) => {}
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
    }
    let swallow = async {
        let mut piece = [0; 4096];
        while let Ok(bytes @ 1..) = client.read(&mut piece).await {
            now.send_modify(|now| now.swallowed += bytes);
        }
    };
    tokio::select! {
        () = is_cut(now.clone()) => {}
        () = swallow => {}
    }
}
