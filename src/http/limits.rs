//! How many new streams a second one operator, or one address, may open: a loop of reconnects costs others nothing.

use std::{net::IpAddr, sync::Arc};

use http::HeaderMap;

use super::{
    proxies::{self, Network},
    rate::PerSecond,
};
use crate::notification::AdminNo;

/// A cheap clone.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    operators: PerSecond<AdminNo>,
    addresses: PerSecond<IpAddr>,
    /// Without any, a whole office may be one address, and so may everybody behind a proxy: none is counted.
    trusted: Vec<Network>,
}

impl Limits {
    pub fn new(per_operator: usize, per_address: usize, trusted: Vec<Network>) -> Limits {
        let (operators, addresses) = (PerSecond::new(per_operator), PerSecond::new(per_address));
        Limits(Arc::new(Inner { operators, addresses, trusted }))
    }

    /// Whether one more may open.
    pub fn allow(&self, admin: AdminNo, peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
        let Inner { operators, addresses, trusted } = &*self.0;
        let address = peer.filter(|_| !trusted.is_empty()).map(|peer| proxies::address(peer, headers, trusted));
        operators.allows(admin) && address.is_none_or(|address| addresses.allows(address))
    }
}
