//! Asks the account service whose a token is. Every answer that is not clearly yes or no counts as illness.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{
    Certificate, Client, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue},
    redirect,
};

use super::{Settings, answer, answer::NoViewer, token::Token};
use crate::notification::Viewer;

/// A person with a thousand malls takes half of it; what is longer is no answer to our question.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Shorter than the idle limit of usual servers, so that we seldom pick a connection that they are closing.
const IDLE: Duration = Duration::from_secs(20);

/// Why there is no viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The service knows that this token opens nothing.
    Refused,
    /// It did not answer, or not so that we understand; what it was.
    Ill(&'static str),
}

/// The settings cannot be made into a client.
#[derive(Debug, thiserror::Error)]
#[error("the account service cannot be asked: {0}")]
pub struct CannotAsk(String);

/// A client with its own pool of connections.
#[derive(Debug)]
pub struct AccountService {
    client: Client,
    url: Url,
    header: HeaderName,
    settings: Settings,
}

impl AccountService {
    pub fn new(settings: &Settings) -> Result<AccountService, CannotAsk> {
        // Fails only where one was installed before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url: Url = settings.accounts_url.parse().map_err(|error| CannotAsk(format!("{error}")))?;
        let header: HeaderName =
            settings.token_header.parse().map_err(|_| CannotAsk("the header has no good name".to_owned()))?;
        let mut client = Client::builder()
            // A token goes where the settings say and nowhere else: no redirect, no proxy of the environment.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(settings.concurrent)
            .connect_timeout(settings.timeout);
        if url.scheme() == "http" {
            // Without TLS no roots are wanted, and a small container may have none.
            client = client.tls_certs_only(Vec::<Certificate>::new());
        }
        let client = client.build().map_err(|error| CannotAsk(format!("{error:?}")))?;
        Ok(AccountService { client, url, header, settings: settings.clone() })
    }

    /// One request, without a second try; the caller bounds its time.
    pub async fn ask(&self, token: &Token) -> Result<Viewer, Failed> {
        let credential =
            if self.header == AUTHORIZATION { format!("Bearer {}", token.expose()) } else { token.expose().to_owned() };
        let mut credential = HeaderValue::try_from(credential).map_err(|_| Failed::Refused)?;
        credential.set_sensitive(true);
        let request = self.client.get(self.url.clone()).header(self.header.clone(), credential);
        let sent = request.header(ACCEPT, "application/json").send().await;
        let mut response = sent.map_err(|error| if error.is_connect() { UNREACHABLE } else { BROKEN_OFF })?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => return Err(Failed::Refused),
            _ => return Err(Failed::Ill("status")),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| BROKEN_OFF)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(Failed::Ill("too long"));
            }
            body.extend_from_slice(&chunk);
        }
        answer::viewer(&body, &self.settings.pointers, Timestamp::now()).map_err(|reason| match reason {
            NoViewer::NotAdmitted => Failed::Refused,
            NoViewer::Malformed(field) => Failed::Ill(field),
        })
    }
}

const UNREACHABLE: Failed = Failed::Ill("unreachable");
const BROKEN_OFF: Failed = Failed::Ill("broken off");
