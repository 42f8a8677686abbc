//! Who sees an event that names nobody: audience terms with places for the event's own numbers.

use std::{collections::HashSet, fmt};

use serde_json::{Map, Value};

use super::When;
use crate::notification::{Audience, BadAudience, MallNo, NotAnId, PartnerNo, Term, fields};

/// The mall of the notification, wherever it was named.
const MALL: &str = "mallNo";
/// Before a field of each line.
const EACH_LINE: &str = "lines[].";

/// Why no audience came of it. The words name fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAudience {
    #[error("the event names no audience, and its type has no rule for it")]
    NoRule,
    #[error("the event names no audience, and the rule of its type needs `{0}`, which is missing")]
    Missing(String),
    #[error("the event names no audience, and the rule of its type needs `{0}` to be {NotAnId}")]
    NotANumber(String),
    #[error("the audience is malformed: {0}")]
    Malformed(#[from] BadAudience),
}

/// `mall:{mallNo}:partner:{lines[].partnerNo}?`: one term, or one for each line; optional with a `?`.
#[derive(Debug, Clone)]
pub struct Rule {
    pattern: Pattern,
    optional: bool,
    /// For which events it is; none: for all.
    when: Option<When>,
}

impl Rule {
    pub fn parse(text: &str, when: Option<When>) -> Result<Rule, String> {
        let (pattern, optional) = match text.strip_suffix('?') {
            Some(pattern) => (pattern, true),
            None => (text, false),
        };
        let pattern = Pattern::parse(pattern)?;
        if pattern.places().filter(|place| place.starts_with(EACH_LINE)).count() > 1 {
            return Err("a term may name one field of the lines, not two".to_owned());
        }
        pattern.filled("1").parse::<Term>().map_err(|error| error.to_string())?;
        Ok(Rule { pattern, optional, when })
    }

    /// Whether it looks at lines.
    #[must_use]
    pub fn needs_lines(&self) -> bool {
        self.pattern.places().any(|place| place.starts_with(EACH_LINE))
    }

    /// For which events it is; none: for all.
    #[must_use]
    pub fn when(&self) -> Option<&When> {
        self.when.as_ref()
    }

    /// Fields of the event that stand in it, those of lines as `lines[].x`.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.pattern.places()
    }

    /// Fields without which it finds nobody.
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        self.pattern.places().filter(|place| !self.optional && !place.starts_with(EACH_LINE))
    }

    fn terms(&self, event: &Subject<'_>) -> Result<Vec<Term>, NoAudience> {
        let mut texts = vec![String::new()];
        for piece in &self.pattern.0 {
            match piece {
                Piece::Text(text) => texts.iter_mut().for_each(|term| term.push_str(text)),
                Piece::Place(place) => {
                    let numbers = event.numbers(place)?;
                    if numbers.is_empty() {
                        return if self.optional { Ok(Vec::new()) } else { Err(NoAudience::Missing(place.clone())) };
                    }
                    texts = texts
                        .iter()
                        .flat_map(|term| numbers.iter().map(move |number| format!("{term}{number}")))
                        .collect();
                }
            }
        }
        texts.iter().map(|term| term.parse().map_err(NoAudience::Malformed)).collect()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.pattern, if self.optional { "?" } else { "" })
    }
}

/// The event as rules see it.
pub struct Subject<'e> {
    pub mall: Option<MallNo>,
    pub fields: &'e Map<String, Value>,
    pub lines: Vec<&'e Map<String, Value>>,
}

impl Subject<'_> {
    /// Typed before they become part of a term: no text of the event can smuggle another term in.
    fn numbers(&self, place: &str) -> Result<Vec<u64>, NoAudience> {
        if place == MALL {
            return Ok(self.mall.map(MallNo::get).into_iter().collect());
        }
        let values: Vec<&Value> = match place.strip_prefix(EACH_LINE) {
            Some(field) => self.lines.iter().filter_map(|line| fields::get(line, field)).collect(),
            None => fields::get(self.fields, place).into_iter().collect(),
        };
        // Of some thousand lines each may name another one.
        let (mut numbers, mut known) = (Vec::new(), HashSet::new());
        for value in values {
            let number = number(value).map_err(|NotAnId| NoAudience::NotANumber(place.to_owned()))?;
            if known.insert(number) {
                numbers.push(number);
            }
        }
        Ok(numbers)
    }
}

/// Every id has the same range, so any of the id types reads it.
fn number(value: &Value) -> Result<u64, NotAnId> {
    serde_json::from_value::<PartnerNo>(value.clone()).map(PartnerNo::get).map_err(|_| NotAnId)
}

/// The audience that the rules of a type give an event.
pub fn audience(rules: &[Rule], event: &Subject<'_>) -> Result<Audience, NoAudience> {
    let mut of_this_event =
        rules.iter().filter(|rule| rule.when.as_ref().is_none_or(|when| when.holds(event.fields))).peekable();
    if of_this_event.peek().is_none() {
        return Err(NoAudience::NoRule);
    }
    let mut terms = Vec::new();
    for rule in of_this_event {
        terms.extend(rule.terms(event)?);
    }
    Ok(Audience::new(terms)?)
}

/// All that keeps the rules of a type from giving an event an audience; nothing where they do.
pub fn complaints(rules: &[Rule], event: &Subject<'_>) -> Vec<NoAudience> {
    let each: Vec<NoAudience> = rules.iter().filter_map(|rule| rule.terms(event).err()).collect();
    if each.is_empty() { audience(rules, event).err().into_iter().collect() } else { each }
}

/// A text with `{places}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(String),
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').ok_or("`{` is not closed by `}`")?;
            if place.is_empty() || place.contains('{') || before.contains('}') {
                return Err("`{…}` has to name a field".to_owned());
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Place(place.to_owned()));
            rest = after;
        }
        if rest.contains('}') {
            return Err("`}` closes nothing".to_owned());
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Pattern(pieces))
    }

    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Place(place) => Some(place.as_str()),
            Piece::Text(_) => None,
        })
    }

    fn filled(&self, with: &str) -> String {
        self.0.iter().map(|piece| if let Piece::Text(text) = piece { text } else { with }).collect()
    }

    /// With the event's own values, or nothing if one is missing or is neither text nor number.
    #[must_use]
    pub fn fill(&self, event: &Map<String, Value>) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Place(place) => match fields::get(event, place)? {
                    Value::String(text) if !text.trim().is_empty() => out.push_str(text),
                    Value::Number(number) => out.push_str(&number.to_string()),
                    _ => return None,
                },
            }
        }
        Some(out)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Place(place) => write!(f, "{{{place}}}"),
        })
    }
}
