//! A look at the certificate of a broker that OpenSSL has refused: why, in the words of rustls.
//!
//! OpenSSL knows the reason, but librdkafka does not ask it. Nothing is sent over this connection, and nothing depends on
//! what is found but a sentence.

use std::{
    net::{TcpStream, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

/// For each of its few steps; a broker that has just shaken hands is near.
const PATIENCE: Duration = Duration::from_secs(1);

const AGAIN: Duration = Duration::from_secs(60);

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Is {
    /// With the names that it is for.
    ForOthers(String),
    Expired,
    NotYetValid,
    OfAnUnknownCa,
}

/// Looks once a minute at most: librdkafka tries again several times a second.
#[derive(Debug, Default)]
pub struct Looks(Mutex<Option<(Instant, String, Option<Is>)>>);

impl Looks {
    /// None: it cannot be looked at, or nothing is wrong with it.
    pub fn what_is_wrong(&self, address: &str, ca_file: Option<&str>) -> Option<Is> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, of, is)) if of == address && at.elapsed() < AGAIN => is.clone(),
            _ => {
                let is = look(address, ca_file);
                *last = Some((Instant::now(), address.to_owned(), is.clone()));
                is
            }
        }
    }
}

fn look(address: &str, ca_file: Option<&str>) -> Option<Is> {
    let (host, _) = address.rsplit_once(':')?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()?;
    let mut roots = RootCertStore::empty();
    let known = ca_file.and_then(|file| CertificateDer::pem_file_iter(file).ok()).into_iter().flatten().flatten();
    roots.add_parsable_certificates(known);
    let provider = Arc::new(ring::default_provider());
    let glance = Arc::new(Glance { roots, provider: Arc::clone(&provider), found: Mutex::new(None) });
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::clone(&glance) as _).with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut socket = TcpStream::connect_timeout(&address.to_socket_addrs().ok()?.next()?, PATIENCE).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.set_write_timeout(Some(PATIENCE)).ok()?;
    // Ends with the error that `Glance` makes of every certificate.
    let _ = connection.complete_io(&mut socket);
    glance.found.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// `kafka.example.com` of `DnsName("kafka.example.com")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// Verifies nothing: it refuses every certificate, and remembers what is wrong with it.
#[derive(Debug)]
struct Glance {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    found: Mutex<Option<Is>>,
}

impl Glance {
    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Option<Is> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let of_a_ca =
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, chain, UnixTime::now(), algorithms);
        let for_us = verify_server_name(&parsed, name);
        if let Err(Error::InvalidCertificate(error)) = &for_us {
            let names = match error {
                CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
                    let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
                    names.join(", ")
                }
                _ => "no name at all".to_owned(),
            };
            return Some(Is::ForOthers(names));
        }
        match of_a_ca {
            Err(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
                Some(Is::Expired)
            }
            Err(Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            )) => Some(Is::NotYetValid),
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Some(Is::OfAnUnknownCa),
            _ => None,
        }
    }
}

impl ServerCertVerifier for Glance {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = self.judge(end_entity, intermediates, server_name);
        Err(Error::General("seen".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("nothing is believed here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("nothing is believed here".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
