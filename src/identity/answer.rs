//! From the account service's answer to a viewer. What is missing gives no right; what is not understood gives none
//! to anybody.

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Pointers;
use crate::notification::{Lang, MallNo, PartnerNo, Viewer};

/// The only status that is let in.
const ACTIVE: &str = "ACTIVE";
/// Times without a zone are those of Korea, where the service stands; it has no summer time.
const SEOUL: Offset = Offset::constant(9);

/// Why an answer makes nobody a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoViewer {
    /// It says clearly that this one may not come in.
    NotAdmitted,
    /// It cannot be understood; the field at fault. A service that talks nonsense is ill.
    Malformed(&'static str),
}

/// Reads the fields where the pointers say they are.
pub fn viewer(answer: &[u8], pointers: &Pointers, now: Timestamp) -> Result<Viewer, NoViewer> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| NoViewer::Malformed("no JSON"))?;
    let admin = answer.pointer(&pointers.admin_no).ok_or(NoViewer::Malformed("admin number"))?;
    let admin = id(admin, "admin number")?;
    if !pointers.status.is_empty() {
        match answer.pointer(&pointers.status) {
            Some(Value::String(status)) if status == ACTIVE => {}
            Some(Value::String(_)) => return Err(NoViewer::NotAdmitted),
            _ => return Err(NoViewer::Malformed("status")),
        }
    }
    let malls = malls(answer.pointer(&pointers.malls), pointers)?;
    let partner = partner(&answer, &pointers.partner_no)?;
    let expires_at = answer.pointer(&pointers.expires_at).filter(|value| !value.is_null()).map(time).transpose()?;
    if expires_at.is_some_and(|end| end <= now) {
        return Err(NoViewer::NotAdmitted);
    }
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
    let mut viewer = Viewer::new(admin, malls, partner);
    viewer.name = text(&pointers.name).unwrap_or_default().to_owned();
    viewer.sees_personal = answer.pointer(&pointers.permits_private_information) == Some(&Value::Bool(true));
    viewer.lang = text(&pointers.locale).and_then(Lang::from_tag).unwrap_or_default();
    viewer.expires_at = expires_at;
    Ok(viewer)
}

fn id<T: DeserializeOwned>(value: &Value, field: &'static str) -> Result<T, NoViewer> {
    T::deserialize(value).map_err(|_| NoViewer::Malformed(field))
}

/// An array of malls or one mall. None at all means no mall, never every mall.
fn malls(value: Option<&Value>, pointers: &Pointers) -> Result<Vec<MallNo>, NoViewer> {
    let one = |mall: &Value| {
        let number = mall.pointer(&pointers.mall_no).ok_or(NoViewer::Malformed("malls"))?;
        id(number, "malls")
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(malls)) => malls.iter().map(one).collect(),
        Some(mall @ Value::Object(_)) => Ok(vec![one(mall)?]),
        Some(_) => Err(NoViewer::Malformed("malls")),
    }
}

/// An operator sees more than a partner's admin, so a partner without a number must not pass for an operator: absent
/// is the whole partner, or a number that is null.
fn partner(answer: &Value, pointer: &str) -> Result<Option<PartnerNo>, NoViewer> {
    match answer.pointer(pointer) {
        Some(Value::Null) => Ok(None),
        Some(number) => id(number, "partner").map(Some),
        None => {
            let (around, _) = pointer.rsplit_once('/').unwrap_or_default();
            let holds_the_field_itself = around.is_empty();
            match answer.pointer(around) {
                _ if holds_the_field_itself => Ok(None),
                None | Some(Value::Null) => Ok(None),
                Some(_) => Err(NoViewer::Malformed("partner")),
            }
        }
    }
}

/// RFC 3339, or without a zone.
fn time(value: &Value) -> Result<Timestamp, NoViewer> {
    let malformed = NoViewer::Malformed("expiry");
    let text = value.as_str().ok_or(malformed)?;
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let local: DateTime = text.parse().map_err(|_| malformed)?;
    SEOUL.to_timestamp(local).map_err(|_| malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn default_pointers() -> Pointers {
        crate::identity::tests::settings("http://localhost/").pointers
    }

    fn read(answer: &Value, pointers: &Pointers) -> Result<Viewer, NoViewer> {
        viewer(answer.to_string().as_bytes(), pointers, "2026-11-20T00:00:00Z".parse().unwrap())
    }

    fn good() -> Value {
        json!({"adminNo": 70001, "name": "김하늘", "adminStatus": "ACTIVE", "adminRole": "MASTER",
               "malls": [{"mallNo": 1001, "mallName": "온달몰"}], "partner": null, "permitsPrivateInformation": true,
               "locale": "en-US", "expiresAt": "2026-11-20T09:00:01+09:00"})
    }

    /// The good answer with one field replaced, or removed.
    fn with(field: &str, value: Option<Value>) -> Value {
        let mut answer = good();
        let fields = answer.as_object_mut().unwrap();
        match value {
            Some(value) => fields.insert(field.to_owned(), value),
            None => fields.remove(field),
        };
        answer
    }

    #[test]
    fn the_default_shape_and_that_of_the_public_look_up_are_both_read() {
        let viewer = read(&good(), &default_pointers()).unwrap();
        assert_eq!((viewer.admin.get(), viewer.name.as_str(), viewer.partner), (70001, "김하늘", None));
        assert_eq!(viewer.malls(), [MallNo::new(1001).unwrap()]);
        assert!(viewer.sees_personal && viewer.lang == Lang::En && viewer.expires_at.is_some());

        let answer = json!({"id": "hong01", "name": "홍길동", "adminRole": "MASTER", "mall": {"mallNo": 78650, "sno": 1,
            "domains": []}, "partner": {"partnerNo": "12034", "partnerName": "좋은공급사"}, "internal": {"no": "31"}});
        let pointers = Pointers {
            admin_no: "/internal/no".into(),
            status: String::new(),
            malls: "/mall".into(),
            ..default_pointers()
        };
        let viewer = read(&answer, &pointers).unwrap();
        assert_eq!((viewer.admin.get(), viewer.partner.unwrap().get()), (31, 12034));
        assert_eq!(viewer.malls(), [MallNo::new(78650).unwrap()]);
        assert!(!viewer.sees_personal, "what is missing gives no right");
    }

    #[test]
    fn what_is_missing_gives_no_right() {
        let read = |answer: Value| read(&answer, &default_pointers()).unwrap();
        assert!(read(with("malls", None)).malls().is_empty());
        assert!(read(with("malls", Some(Value::Null))).malls().is_empty());
        for no in [None, Some(json!("true")), Some(json!(1)), Some(json!({})), Some(Value::Null)] {
            assert!(!read(with("permitsPrivateInformation", no)).sees_personal);
        }
        assert_eq!(read(with("locale", Some(json!("fr")))).lang, Lang::Ko);
        assert_eq!(read(with("partner", None)).partner, None);
        assert_eq!(read(with("partner", Some(json!({"partnerNo": null})))).partner, None);
        assert_eq!(read(with("expiresAt", None)).expires_at, None);
    }

    #[test]
    fn what_says_no_is_no_and_what_is_garbage_is_illness() {
        let refused = |answer: Value| read(&answer, &default_pointers()).unwrap_err();
        for status in ["WAITING", "LOCKED", "DELETE", "DORMANT", "active", ""] {
            assert_eq!(refused(with("adminStatus", Some(json!(status)))), NoViewer::NotAdmitted, "{status}");
        }
        for past in ["2026-11-20T00:00:00Z", "2026-11-20 08:59:59", "2026-11-20T08:59:59.533767143"] {
            assert_eq!(refused(with("expiresAt", Some(json!(past)))), NoViewer::NotAdmitted, "{past}");
        }
        let garbage = [
            ("adminNo", None),
            ("adminNo", Some(json!(0))),
            ("adminNo", Some(json!("70001 "))),
            ("adminNo", Some(json!(-1))),
            ("adminNo", Some(json!(1.5))),
            ("adminStatus", None),
            ("adminStatus", Some(json!(true))),
            ("malls", Some(json!("1001"))),
            ("malls", Some(json!([1001]))),
            ("malls", Some(json!([{"mallNo": 1001}, {}]))),
            ("malls", Some(json!([{"mallNo": "*"}]))),
            ("malls", Some(json!(true))),
            ("partner", Some(json!({}))),
            ("partner", Some(json!("501"))),
            ("partner", Some(json!({"partnerNo": "all"}))),
            ("partner", Some(json!({"partnerNo": 0}))),
            ("expiresAt", Some(json!(1_763_600_000))),
            ("expiresAt", Some(json!("tomorrow"))),
        ];
        for (field, value) in garbage {
            let found = refused(with(field, value.clone()));
            assert!(matches!(found, NoViewer::Malformed(_)), "{field} {value:?}: {found:?}");
        }
    }
}
