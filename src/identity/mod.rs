//! Who is asking: a token becomes a viewer, or the reason why not.

use std::time::Duration;

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Asked with the token in `token_header`.
    pub accounts_url: String,
    /// The header that carries the token to the account service; `Authorization` sends `Bearer …`, any other the bare token.
    pub token_header: String,
    /// The cookie that browsers send us.
    pub token_cookie: String,
    /// Where in the answer each field stands (JSON pointers).
    pub pointers: Pointers,
    /// How long an answer serves without asking again.
    pub fresh: Duration,
    /// How long it serves while the account service is ill.
    pub stale: Duration,
    /// How long a refusal is remembered, in a cache of its own so that bad tokens push out no good one.
    pub refused: Duration,
    /// One look-up; a person waits behind it.
    pub timeout: Duration,
    /// Look-ups at once: what an ill account service can bind of us, and we of it.
    pub concurrent: usize,
    /// Tokens remembered.
    pub remembered: u64,
}

/// JSON pointers into the account service's answer.
#[derive(Debug, Clone)]
pub struct Pointers {
    pub admin_no: String,
    pub name: String,
    pub status: String,
    /// An array of malls or one mall object.
    pub malls: String,
    /// Within one mall.
    pub mall_no: String,
    /// Null or absent for operators.
    pub partner_no: String,
    pub permits_private_information: String,
    pub locale: String,
    pub expires_at: String,
}
