//! What of an event's fields a sight sees: the one place where data is left out or masked.

use serde_json::{Map, Value};

use super::{
    PartnerNo, Sight,
    catalogue::{Class, Entry, Lines, Sheet},
    fields,
    format::whole,
    mask::Mask,
};

/// The event's field that says whose it is.
const PARTNER: &str = "partnerNo";

/// What the event's fields distinguish; a sight is reduced to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Distinguishes {
    /// Operators and partners, or partners among each other, see different things.
    pub partners: bool,
    /// Something is masked without the right to personal data.
    pub personal: bool,
    /// Something is not in the catalogue.
    pub unlisted: bool,
}

/// The data of one sight, and what its texts may use besides.
#[derive(Clone, Default)]
pub struct Seen {
    pub data: Map<String, Value>,
    pub computed: Map<String, Value>,
    /// Operators see all parts; a partner the event's, if it is its own.
    pub partner: Option<PartnerNo>,
}

/// An event's fields and what is known of them.
pub struct Fields<'e> {
    pub entry: &'e Entry,
    pub fields: &'e Map<String, Value>,
}

/// Who looks, as far as classes care.
#[derive(Clone, Copy)]
struct Eyes {
    operator: bool,
    /// An operator, or the partner that the event names: what is said of it as a whole is said of this one.
    named: bool,
    /// An operator, or a partner that the event names or that has a line in it.
    owns: bool,
    personal: bool,
}

impl Eyes {
    /// What the catalogue does not list may be anything.
    fn sees_unlisted(self) -> bool {
        self.operator && self.personal
    }
}

impl<'e> Fields<'e> {
    fn lines(&self) -> Vec<&'e Map<String, Value>> {
        let fields = self.fields;
        self.entry.lines.as_ref().map(|lines| lines.of(fields)).unwrap_or_default()
    }

    fn partner(&self) -> Option<PartnerNo> {
        partner_of(self.fields)
    }

    fn owns(&self, partner: PartnerNo) -> bool {
        let lines = self.lines();
        if lines.is_empty() {
            return self.partner() == Some(partner);
        }
        lines.into_iter().any(|line| partner_of(line) == Some(partner))
    }

    /// The sight with everything forgotten that makes no difference to this event.
    #[must_use]
    pub fn reduce(&self, distinguishes: Distinguishes, sight: Sight) -> Sight {
        let owns = sight.partner.is_none_or(|partner| self.owns(partner));
        let unlisted = distinguishes.unlisted && sight.partner.is_none();
        let personal = sight.personal && owns && (distinguishes.personal || unlisted);
        let partner = sight.partner.filter(|_| distinguishes.partners);
        Sight { partner, personal, lang: sight.lang }
    }

    #[must_use]
    pub fn distinguishes(&self) -> Distinguishes {
        let mut found = Distinguishes { partners: self.partner().is_some(), ..Distinguishes::default() };
        let lines = self.entry.lines.as_ref();
        for (name, value) in self.fields {
            if lines.is_some_and(|lines| lines.holds(name) || lines.total == *name) {
                found.partners = true;
            } else {
                look_for(&self.entry.sheet, name, value, &mut found);
            }
        }
        if let Some(of) = lines {
            for line in self.lines() {
                line.iter().for_each(|(name, value)| look_for(&of.sheet, name, value, &mut found));
            }
        }
        found
    }

    /// The fields by class for `sight`.
    #[must_use]
    pub fn seen(&self, sight: Sight) -> Seen {
        let owns = sight.partner.is_none_or(|partner| self.owns(partner));
        let named = sight.partner.is_none() || sight.partner == self.partner();
        let eyes = Eyes { operator: sight.partner.is_none(), named, owns, personal: sight.personal };
        let partner = match sight.partner {
            None => self.partner(),
            Some(partner) => Some(partner).filter(|_| owns),
        };
        // Without a line the sum is a field like any other, where it has a class.
        let has_parts = |of: &&Lines| !self.lines().is_empty() || self.entry.sheet.class(&of.total).is_none();
        let Some(of) = self.entry.lines.as_ref().filter(has_parts) else {
            return Seen { data: reduced(&self.entry.sheet, "", self.fields, eyes), computed: Map::new(), partner };
        };
        // Lines and their sum are written anew; in any other form they would say what belongs to others.
        let rest = self.fields.iter().filter(|(name, _)| !of.holds(name) && of.total != **name);
        let rest: Map<String, Value> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut seen = Seen { data: reduced(&self.entry.sheet, "", &rest, eyes), computed: Map::new(), partner };
        self.add_lines(of, sight, eyes, &mut seen);
        seen
    }

    fn add_lines(&self, of: &Lines, sight: Sight, eyes: Eyes, seen: &mut Seen) {
        let mine = |line: &&Map<String, Value>| sight.partner.is_none_or(|partner| partner_of(line) == Some(partner));
        let lines: Vec<&Map<String, Value>> = self.lines().into_iter().filter(mine).collect();
        let told = || of.total_from.iter().find_map(|field| fields::get(self.fields, field).and_then(whole));
        // Absurd amounts must not overflow; a line without one leaves the sum unknown.
        let add = |sum: i128, line: &&Map<String, Value>| sum.checked_add(amount(line)?);
        let summed = || lines.iter().try_fold(0, add).filter(|_| !lines.is_empty());
        let total = if eyes.operator { told().or_else(summed) } else { summed() };
        if let Some(total) = total.and_then(|total| i64::try_from(total).ok()) {
            seen.data.insert(of.total.clone(), total.into());
        }
        if let [first, others @ ..] = lines.as_slice() {
            if let Some(name) = fields::get(first, "productName").filter(|_| of.sheet.class("productName").is_some()) {
                seen.computed.insert("firstProductName".to_owned(), name.clone());
            }
            if !others.is_empty() {
                seen.computed.insert("more".to_owned(), others.len().into());
            }
            let lines = lines.iter().map(|line| Value::Object(reduced(&of.sheet, "", line, eyes))).collect();
            seen.data.insert(of.name.clone(), Value::Array(lines));
        }
    }
}

fn partner_of(object: &Map<String, Value>) -> Option<PartnerNo> {
    object.get(PARTNER).and_then(|value| serde_json::from_value(value.clone()).ok())
}

/// A line's own amount, else price times count.
fn amount(line: &Map<String, Value>) -> Option<i128> {
    let number = |field: &str| fields::get(line, field).and_then(whole);
    number("amount").or_else(|| number("salePrice")?.checked_mul(number("orderCnt")?))
}

/// The object by class. A class is for a scalar or a list of scalars: where something else stands nobody knows what it
/// holds, and it counts as unlisted.
fn reduced(sheet: &Sheet, above: &str, object: &Map<String, Value>, eyes: Eyes) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in object {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let kept = match sheet.class(&path) {
            _ if value.is_null() => None,
            Some(class) if is_simple(value) => by_class(class, value, eyes),
            Some(Class::Personal(_)) => Some(value.clone()).filter(|_| eyes.personal && eyes.owns),
            None if sheet.reaches_into(&path) => inside(sheet, &path, value, eyes),
            _ => Some(value.clone()).filter(|_| eyes.sees_unlisted()),
        };
        if let Some(kept) = kept {
            out.insert(name.clone(), kept);
        }
    }
    out
}

fn inside(sheet: &Sheet, path: &str, value: &Value, eyes: Eyes) -> Option<Value> {
    match value {
        Value::Object(object) => {
            let object = reduced(sheet, path, object, eyes);
            (!object.is_empty()).then_some(Value::Object(object))
        }
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().filter_map(|item| inside(sheet, path, item, eyes)).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        other => Some(other.clone()).filter(|_| eyes.sees_unlisted()),
    }
}

fn is_simple(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| !item.is_array() && !item.is_object()),
        Value::Object(_) => false,
        _ => true,
    }
}

fn by_class(class: Class, value: &Value, eyes: Eyes) -> Option<Value> {
    let shown = match class {
        Class::Plain => true,
        Class::Operators => eyes.operator,
        Class::Link => value.as_str().is_some_and(is_link),
        Class::Personal(mask) if eyes.owns && !eyes.personal => return masked(mask, value),
        Class::Owner => eyes.named,
        Class::Personal(_) => eyes.owns,
    };
    shown.then(|| value.clone())
}

fn masked(mask: Mask, value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => mask.apply(text).map(Value::String),
        Value::Number(number) => mask.apply(&number.to_string()).map(Value::String),
        _ => None,
    }
}

/// A page of the back office or of the web: nothing that would run as a script, nothing that leaves the site unseen.
#[must_use]
pub fn is_link(text: &str) -> bool {
    let web = text.starts_with("https://") || text.starts_with("http://");
    let own = text.starts_with('/') && !text.starts_with("//");
    (web || own) && !text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\')
}

fn look_for(sheet: &Sheet, path: &str, value: &Value, found: &mut Distinguishes) {
    match (sheet.class(path), value) {
        (_, Value::Null) => {}
        (Some(Class::Plain | Class::Link), value) if is_simple(value) => {}
        (Some(Class::Operators | Class::Owner), value) if is_simple(value) => found.partners = true,
        (Some(Class::Personal(_)), _) => {
            found.personal = true;
            found.partners = true;
        }
        (None, Value::Object(object)) if sheet.reaches_into(path) => {
            object.iter().for_each(|(name, value)| look_for(sheet, &format!("{path}.{name}"), value, found));
        }
        (None, Value::Array(items)) if sheet.reaches_into(path) => {
            items.iter().for_each(|item| match item {
                Value::Object(_) | Value::Array(_) => look_for(sheet, path, item, found),
                _ => found.unlisted = true,
            });
        }
        _ => found.unlisted = true,
    }
}
