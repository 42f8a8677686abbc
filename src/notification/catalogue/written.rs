//! The catalogue as it is written in TOML, key by key.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::When;
use crate::notification::{event::Severity, mask::Mask};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub labels: BTreeMap<String, BTreeMap<String, InBoth<String>>>,
    pub types: BTreeMap<String, Type>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InBoth<T> {
    pub ko: T,
    pub en: T,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub fn all(&self) -> &[String] {
        match self {
            OneOrMore::One(text) => std::slice::from_ref(text),
            OneOrMore::More(texts) => texts,
        }
    }
}

/// A body: one text, or parts of which each is a text or several to choose from.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Parts {
    One(String),
    More(Vec<OneOrMore>),
}

/// A term of an audience, for every event of the type or only for some.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Whom {
    Always(String),
    Sometimes { to: String, when: When },
}

/// Whether an event settles the item of its key: each of its type, or those whose fields say so.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Closes {
    Whether(bool),
    When(When),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Type {
    pub category: String,
    pub severity: Severity,
    #[serde(default)]
    pub audience: Vec<Whom>,
    pub title: InBoth<OneOrMore>,
    pub body: Option<InBoth<Parts>>,
    pub collapse_key: Option<String>,
    #[serde(default)]
    pub silent: bool,
    pub kept: Option<bool>,
    #[serde(default)]
    pub job: bool,
    pub occurred: Option<String>,
    pub expires: Option<String>,
    pub lifetime: Option<String>,
    pub retention: Option<String>,
    pub actor: Option<String>,
    pub actor_partner: Option<String>,
    pub closes: Option<Closes>,
    pub handled_by: Option<String>,
    pub fields: Classes,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    pub lines: Option<LinesOf>,
    pub example: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Classes {
    pub plain: Vec<String>,
    pub links: Vec<String>,
    pub operators: Vec<String>,
    pub owner: Vec<String>,
    pub personal: BTreeMap<String, Mask>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinesOf {
    pub from: Vec<String>,
    pub name: String,
    pub total: String,
    #[serde(default)]
    pub total_from: Vec<String>,
    pub fields: Classes,
}
