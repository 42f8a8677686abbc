//! Texts with gaps: `{{field|formatter}}`, and `[[groups]]` that vanish when a field in them is missing.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::notification::{
    Lang, dates,
    format::{Particle, grouped, money, whole},
};

/// How much of a long text stands in a sentence.
const EXCERPT: usize = 60;

/// What a code is called: `CANCEL` → 취소, Cancellation. One that is called nothing (`false`, say) is worth no word.
pub type Labels = BTreeMap<String, [String; 2]>;

/// What a template is filled from.
pub struct Values<'v> {
    pub lang: Lang,
    pub currency: Option<&'v str>,
    /// The value of a field, as this sight sees it.
    pub find: &'v dyn Fn(&str) -> Option<&'v Value>,
}

/// One text.
#[derive(Debug, Clone)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Gap(Gap),
    Group(Template),
}

#[derive(Debug, Clone)]
pub struct Gap {
    pub field: String,
    format: Format,
    particle: Option<Particle>,
}

#[derive(Debug, Clone)]
enum Format {
    AsItIs,
    /// `1,234`
    Number,
    /// `1,234원`
    Won,
    Date,
    ShortDate,
    /// The beginning of a long text.
    Excerpt,
    Label(Arc<Labels>),
}

impl Template {
    /// `labels` finds the table of a field.
    pub fn parse(text: &str, labels: &dyn Fn(&str) -> Option<Arc<Labels>>) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let start = [rest.find("{{"), rest.find("[[")].into_iter().flatten().min().unwrap_or(rest.len());
            let (plain, marked) = rest.split_at(start);
            if plain.contains("}}") || plain.contains("]]") {
                return Err("a mark is closed that was not opened".to_owned());
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(plain.to_owned()));
            }
            if marked.is_empty() {
                break;
            }
            let (open, close) = if marked.starts_with("{{") { ("{{", "}}") } else { ("[[", "]]") };
            let (inner, after) =
                marked[2..].split_once(close).ok_or_else(|| format!("`{open}` is not closed by `{close}`"))?;
            pieces.push(if open == "{{" {
                Piece::Gap(Gap::parse(inner, labels)?)
            } else if inner.contains("[[") {
                return Err("a group stands inside a group".to_owned());
            } else {
                Piece::Group(Template::group(inner, labels)?)
            });
            rest = after;
        }
        Ok(Template(pieces))
    }

    fn group(text: &str, labels: &dyn Fn(&str) -> Option<Arc<Labels>>) -> Result<Template, String> {
        let group = Template::parse(text, labels)?;
        if group.gaps().next().is_none() {
            return Err("a group without a field never vanishes".to_owned());
        }
        Ok(group)
    }

    /// Every gap, those in groups too.
    pub fn gaps(&self) -> Box<dyn Iterator<Item = &Gap> + '_> {
        Box::new(self.0.iter().flat_map(|piece| match piece {
            Piece::Text(_) => Box::new(std::iter::empty()) as Box<dyn Iterator<Item = &Gap>>,
            Piece::Gap(gap) => Box::new(std::iter::once(gap)),
            Piece::Group(group) => group.gaps(),
        }))
    }

    /// Whether it can be filled from nothing.
    #[must_use]
    pub fn needs_nothing(&self) -> bool {
        !self.0.iter().any(|piece| matches!(piece, Piece::Gap(_)))
    }

    /// The text, or nothing when a field outside the groups is missing.
    #[must_use]
    pub fn fill(&self, values: &Values<'_>) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Gap(gap) => out.push_str(&gap.fill(values)?),
                Piece::Group(group) => out.push_str(&group.fill(values).unwrap_or_default()),
            }
        }
        Some(out)
    }

    /// How it reads with every group there, or with none; each gap is a letter. Loading looks at both.
    #[must_use]
    pub fn outline(&self, with_groups: bool) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Gap(_) => "x".to_owned(),
            Piece::Group(group) if with_groups => group.outline(true),
            Piece::Group(_) => String::new(),
        };
        self.0.iter().map(piece).collect()
    }
}

impl Gap {
    fn parse(text: &str, labels: &dyn Fn(&str) -> Option<Arc<Labels>>) -> Result<Gap, String> {
        let mut words = text.split('|').map(str::trim);
        let field = words.next().unwrap_or_default().to_owned();
        if field.is_empty() || field.contains(['{', '}', '[', ']']) {
            return Err("a gap names no field".to_owned());
        }
        let mut gap = Gap { field, format: Format::AsItIs, particle: None };
        for word in words {
            if gap.particle.is_some() {
                return Err(format!("`{}`: a particle is the last formatter", gap.field));
            }
            gap.format = match word {
                "number" => Format::Number,
                "won" => Format::Won,
                "date" => Format::Date,
                "shortDate" => Format::ShortDate,
                "excerpt" => Format::Excerpt,
                "label" => {
                    let table = labels(&gap.field);
                    Format::Label(table.ok_or_else(|| format!("`{}` has no label table", gap.field))?)
                }
                _ => {
                    gap.particle =
                        Some(Particle::named(word).ok_or_else(|| format!("there is no formatter `{word}`"))?);
                    continue;
                }
            };
        }
        Ok(gap)
    }

    fn fill(&self, values: &Values<'_>) -> Option<String> {
        let value = (values.find)(&self.field)?;
        let word = match &self.format {
            Format::AsItIs => text_of(value)?,
            Format::Number => grouped(whole(value)?),
            Format::Won => money(whole(value)?, values.currency, values.lang),
            Format::Date => dates::long(dates::read(value.as_str()?)?, values.lang),
            Format::ShortDate => dates::short(dates::read(value.as_str()?)?, values.lang),
            Format::Excerpt => excerpt(&text_of(value)?),
            Format::Label(labels) => label(labels, value, values.lang)?,
        };
        match self.particle {
            Some(particle) => Some(format!("{word}{}", particle.after(&word))),
            None => Some(word),
        }
    }
}

fn label(labels: &Labels, value: &Value, lang: Lang) -> Option<String> {
    let code = match value {
        Value::Bool(yes) => yes.to_string(),
        other => text_of(other)?,
    };
    match labels.get(&code) {
        Some(names) => Some(names[index(lang)].clone()).filter(|name| !name.is_empty()),
        // A code that is new to us is better than a hole in the sentence; a bare `true` is not.
        None => Some(code).filter(|_| !value.is_boolean()),
    }
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Where a language stands in a pair.
#[must_use]
pub fn index(lang: Lang) -> usize {
    match lang {
        Lang::Ko => 0,
        Lang::En => 1,
    }
}

/// A scalar as people read it; blank is missing, and a line break within a title is a blank.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let text = text.replace(char::is_control, " ");
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        }
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
