//! How many new streams a second one operator, or one address, may open: a loop of reconnects costs others nothing.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

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

    /// From which address a request comes, as far as that is known.
    pub fn address(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let trusted = &self.0.trusted;
        (!trusted.is_empty()).then(|| one_of_many(proxies::address(peer, headers, trusted)))
    }

    /// Whether one more may open.
    pub fn allow(&self, admin: AdminNo, address: Option<IpAddr>) -> bool {
        self.0.operators.allows(admin) && address.is_none_or(|address| self.0.addresses.allows(address))
    }
}

/// Whoever has one address of the sixth version has a network of them.
fn one_of_many(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}
