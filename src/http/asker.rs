//! Who asks something for a page: a page that may come in, and a token whose owner is known.

use std::sync::Arc;

use http::{header, request::Parts};

use super::{Doors, extract, origin::Page, problem::Problem};
use crate::{identity::Token, notification::Viewer};

pub struct Asker {
    pub page: Page,
    pub token: Token,
    pub viewer: Arc<Viewer>,
}

impl Asker {
    /// A script reads the answer, so an ill account service is a 503 here. A cookie comes along with whatever page.
    pub async fn of(parts: &Parts, doors: &Doors) -> Result<Asker, Problem> {
        let page = Page::of(&parts.headers, &doors.settings.allowed_origins)?;
        let token = extract::token(parts, &doors.cookie)?;
        if parts.method != http::Method::GET && !parts.headers.contains_key(header::AUTHORIZATION) {
            page.may_act_with_a_cookie()?;
        }
        let viewer = doors.identity.who(&token).await?;
        Ok(Asker { page, token, viewer })
    }
}
