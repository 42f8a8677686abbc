//! From which page a request comes, and whether that page may come in: our own and listed ones, compared as a whole.

use http::{HeaderMap, header};

use super::problem::Problem;

/// What browsers say of a request's origin also where they send no `Origin`.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// A page that may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// A listed origin (`https://admin.example.com`), else our own host (`localhost:8080`): with a ticket of one no
    /// other can begin anything. Whether our own was asked for with `Origin` (a POST) or without (an `EventSource`)
    /// makes no difference.
    pub name: String,
    /// It said who it is, or its browser did for it.
    named: bool,
}

impl Page {
    /// The page of a request, or that it may not come in.
    pub fn of(headers: &HeaderMap, allowed: &[String]) -> Result<Page, Problem> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) => {
                let origin = origin.to_str().map_err(|_| Problem::OriginRefused)?;
                if ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme) == Some(host)) {
                    Ok(Page { name: host.to_owned(), named: true })
                } else if allowed.iter().any(|one| one == origin) {
                    Ok(Page { name: origin.to_owned(), named: true })
                } else {
                    Err(Problem::OriginRefused)
                }
            }
            // An image or a link of another page: it could read nothing, but it would come with the cookie and take a
            // seat. Scripts of other pages send an origin.
            (None, _) => match headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()) {
                None | Some(b"none") => Ok(Page { name: host.to_owned(), named: false }),
                Some(b"same-origin") => Ok(Page { name: host.to_owned(), named: true }),
                Some(_) => Err(Problem::OriginRefused),
            },
            (Some(_), Some(_)) => Err(Problem::OriginRefused),
        }
    }

    /// Before something is done for a cookie, which a browser sends along for whatever page: who asks has to be known.
    pub fn may_act_with_a_cookie(&self) -> Result<(), Problem> {
        if self.named { Ok(()) } else { Err(Problem::OriginRefused) }
    }
}
