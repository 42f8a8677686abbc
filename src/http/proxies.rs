//! From which address a request comes, where proxies that are trusted stand in front.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// A network: its address and how many leading bits count.
pub type Network = (IpAddr, u8);

const FORWARDED: &str = "x-forwarded-for";

/// The peer's address; where that is a trusted proxy, the last one that it or one before it names and nobody trusts. Who
/// stands before that says what he likes.
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let lines: Vec<_> =
        headers.get_all(FORWARDED).iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let mut named = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut address = peer.to_canonical();
    while trusted.iter().any(|network| contains(network, address)) {
        match named.next().and_then(|text| read(text.trim())) {
            Some(before) => address = before.to_canonical(),
            None => break,
        }
    }
    address
}

/// Some write the port as well, and some brackets.
fn read(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn contains(&(network, bits): &Network, address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let ignored = width - u32::from(bits);
    network.checked_shr(ignored) == address.checked_shr(ignored)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seen(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let trusted =
            [("10.0.0.0".parse().unwrap(), 8), ("fd00::".parse().unwrap(), 8), ("192.168.1.7".parse().unwrap(), 32)];
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_those_who_are_trusted_are_believed() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9", "anybody may write that header");
        assert_eq!(seen("10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            seen("10.1.2.3", &["1.1.1.1, 198.51.100.1, 10.9.9.9"]),
            "198.51.100.1",
            "what stands before is a claim"
        );
        assert_eq!(seen("10.1.2.3", &["1.1.1.1", "198.51.100.1", "192.168.1.7"]), "198.51.100.1");
        assert_eq!(seen("::ffff:10.1.2.3", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(seen("fd00::1", &["192.168.1.8"]), "192.168.1.8");
        assert_eq!(seen("10.1.2.3", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(seen("10.1.2.3", &["[2001:db8::1]:4711, [fd00::2]"]), "2001:db8::1");
        assert_eq!(seen("10.1.2.3", &["\u{ff}, 198.51.100.1"]), "198.51.100.1");
        for nothing in [&[][..], &["unknown"], &[""], &["10.0.0.1"]] {
            assert!(seen("10.1.2.3", nothing).starts_with("10."), "{nothing:?}");
        }
    }

    #[test]
    fn a_network_of_no_bits_is_everybody() {
        assert!(contains(&("0.0.0.0".parse().unwrap(), 0), "203.0.113.9".parse().unwrap()));
        assert!(!contains(&("0.0.0.0".parse().unwrap(), 0), "2001:db8::1".parse().unwrap()));
        assert!(contains(&("::".parse().unwrap(), 0), "2001:db8::1".parse().unwrap()));
    }
}
