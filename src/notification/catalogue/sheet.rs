//! Which field is of which class: who sees it, and how.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::notification::{fields, mask::Mask};

/// Who sees a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Everybody who sees the notification.
    Plain,
    /// Everybody, if it is an address that a browser may follow.
    Link,
    /// Operators, never a partner: the total of an order.
    Operators,
    /// Operators, and the partner whose the event is: the amount of a claim.
    Owner,
    /// Like `Owner`, and masked for those without the right to personal data.
    Personal(Mask),
}

/// The classes of an object's fields, by dotted path.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    classes: HashMap<String, Class>,
    /// Paths of objects of which something inside is listed.
    above: HashSet<String>,
}

impl Sheet {
    /// Says no when the field is there already.
    pub fn insert(&mut self, path: &str, class: Class) -> bool {
        for (dot, _) in path.match_indices('.') {
            self.above.insert(path[..dot].to_owned());
        }
        self.classes.insert(path.to_owned(), class).is_none()
    }

    #[must_use]
    pub fn class(&self, path: &str) -> Option<Class> {
        self.classes.get(path).copied()
    }

    /// Every listed path.
    pub fn all(&self) -> impl Iterator<Item = (&str, Class)> {
        self.classes.iter().map(|(path, class)| (path.as_str(), *class))
    }

    /// Whether something inside the object at `path` is listed.
    #[must_use]
    pub fn reaches_into(&self, path: &str) -> bool {
        self.above.contains(path)
    }
}

/// The parts of an event that belong to partners.
#[derive(Debug, Clone)]
pub struct Lines {
    /// Where they may be; the first place that has any counts.
    pub from: Vec<String>,
    /// What they are called on the wire, whatever form they came in.
    pub name: String,
    /// The field that holds their sum: what the event says for operators, the sum of its own for a partner.
    pub total: String,
    /// Where the event itself says the sum, the best first.
    pub total_from: Vec<String>,
    pub sheet: Sheet,
}

impl Lines {
    #[must_use]
    pub fn of<'e>(&self, event: &'e Map<String, Value>) -> Vec<&'e Map<String, Value>> {
        let places = self.from.iter().map(|place| fields::objects(event, place));
        places.into_iter().find(|lines| !lines.is_empty()).unwrap_or_default()
    }

    /// Whether a top-level field is, or holds, lines in one of the forms.
    #[must_use]
    pub fn holds(&self, field: &str) -> bool {
        self.from.iter().any(|place| place.split(['.', '[']).next() == Some(field))
    }
}
