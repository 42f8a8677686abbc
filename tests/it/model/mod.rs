//! The promise against a small reference, in random worlds: whatever happens, everybody ends where the always-connected do.
//!
//! A world is data ([`plan`]) and is played over real hubs in this process ([`hubs`]) or over two server processes and a
//! broker ([`servers`]). Each event that anybody hears is judged by the [`reference`]. A plan that fails is cut down and
//! printed as text that a test can keep ([`check`]); a run that looked at little fails as well ([`looked`]).

mod check;
mod hubs;
mod looked;
mod plan;
mod reference;
mod servers;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
