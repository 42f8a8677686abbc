//! What is known of each type of event: who sees it, what of it, and how it reads. A data file, checked when loaded.

mod file;
mod rule;
mod schema;
mod sheet;
mod template;
mod when;
mod written;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
};

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::{Audience, MallNo, event::Severity};

pub use rule::{NoAudience, Pattern, Rule};
pub use sheet::{Class, Lines, Sheet};
pub use template::{Labels, Template, Values, index};
pub use when::When;

/// The types we come with.
static BUILT_IN: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::parse(include_str!("../catalogue.toml")).expect("a test loads the catalogue that is built in")
});

/// The type of the old console producer's plain texts.
pub const LEGACY_TEXT: &str = "legacy.text";

/// Everything that is wrong with a catalogue, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueError {
    /// Each names the type and what to change.
    pub complaints: Vec<String>,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the catalogue cannot be used: {}", self.complaints.join("; "))
    }
}

impl std::error::Error for CatalogueError {}

/// The words of a type in one language.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The first of which every field is there; the last needs none.
    pub title: Vec<Template>,
    /// Joined by ` · `. Of each part the first of which every field is there; a part of which none is vanishes.
    pub body: Vec<Vec<Template>>,
}

/// All that is known of one type.
#[derive(Debug, Clone)]
pub struct Entry {
    pub category: String,
    pub severity: Severity,
    pub audience: Vec<Rule>,
    pub texts: [Texts; 2],
    /// Newest replaces the shown; without a key nothing is replaced.
    pub collapse_key: Option<Pattern>,
    /// No badge, no sound.
    pub silent: bool,
    /// In the timeline; else live only.
    pub kept: bool,
    /// The running state of a job, sent as `job` frames.
    pub job: bool,
    /// No running state, but of one key with some: the end of a job.
    pub ends_job: bool,
    /// Fields that say when it happened, when it is of no use any more, and who did it.
    pub occurred: Option<String>,
    pub expires: Option<String>,
    pub actor: Option<String>,
    /// The field that names the partner whose admin the actor is.
    pub actor_partner: Option<String>,
    /// How long it is of use, where neither the producer nor a field says until when.
    pub lifetime: Option<SignedDuration>,
    /// How long the timeline keeps it, where the type has a rule of its own.
    pub retention: Option<SignedDuration>,
    /// Events that say that the item of their key is settled, and the field with the name of who settled it.
    pub closes: Option<When>,
    pub handled_by: Option<String>,
    pub sheet: Sheet,
    pub lines: Option<Lines>,
    pub example: Map<String, Value>,
}

/// The catalogue. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Catalogue(Arc<Types>);

#[derive(Debug)]
struct Types {
    known: HashMap<Arc<str>, Arc<Entry>>,
    unknown: Arc<Entry>,
}

impl Catalogue {
    /// The types we come with.
    #[must_use]
    pub fn builtin() -> Catalogue {
        BUILT_IN.clone()
    }

    /// Reads the text of a catalogue file and checks all of it.
    pub fn parse(toml: &str) -> Result<Catalogue, CatalogueError> {
        Catalogue(Arc::new(Types { known: HashMap::new(), unknown: Arc::new(file::unknown()) })).with(toml)
    }

    /// This catalogue and the types of another file, which wins where both know one.
    pub fn with(&self, toml: &str) -> Result<Catalogue, CatalogueError> {
        let mut known = self.0.known.clone();
        known.extend(file::parse(toml)?.into_iter().map(|(name, entry)| (Arc::from(name), Arc::new(entry))));
        find_ends_of_jobs(&mut known);
        Ok(Catalogue(Arc::new(Types { known, unknown: Arc::clone(&self.0.unknown) })))
    }

    /// The types in alphabetical order.
    #[must_use]
    pub fn types(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self.0.known.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    #[must_use]
    pub fn knows(&self, type_name: &str) -> bool {
        self.0.known.contains_key(type_name)
    }

    /// What is known of a type; of an unknown one how to show it plainly.
    #[must_use]
    pub fn entry(&self, type_name: &str) -> &Arc<Entry> {
        self.0.known.get(type_name).unwrap_or(&self.0.unknown)
    }

    /// The name as every notification of the type shares it.
    #[must_use]
    pub fn shared_name(&self, type_name: &str) -> Arc<str> {
        self.0.known.get_key_value(type_name).map_or_else(|| Arc::from(type_name), |(name, _)| Arc::clone(name))
    }

    /// Whether the timeline keeps notifications of this type.
    #[must_use]
    pub fn keeps(&self, type_name: &str) -> bool {
        self.entry(type_name).kept
    }

    /// The data of an event that looks real; of an unknown type nothing.
    #[must_use]
    pub fn example(&self, type_name: &str) -> Option<&Map<String, Value>> {
        self.0.known.get(type_name).map(|entry| &entry.example)
    }

    /// Who sees an event that names no audience itself.
    pub fn audience(
        &self,
        type_name: &str,
        mall: Option<MallNo>,
        fields: &Map<String, Value>,
    ) -> Result<Audience, NoAudience> {
        let entry = self.entry(type_name);
        rule::audience(&entry.audience, &entry.subject(mall, fields))
    }

    /// All that keeps it from having one, for whoever has to mend it.
    #[must_use]
    pub fn complaints(&self, type_name: &str, mall: Option<MallNo>, fields: &Map<String, Value>) -> Vec<NoAudience> {
        let entry = self.entry(type_name);
        rule::complaints(&entry.audience, &entry.subject(mall, fields))
    }
}

impl Entry {
    fn subject<'e>(&self, mall: Option<MallNo>, fields: &'e Map<String, Value>) -> rule::Subject<'e> {
        let lines = self.lines.as_ref().map(|lines| lines.of(fields)).unwrap_or_default();
        rule::Subject { mall, fields, lines }
    }
}

/// A job ends with a type that has its key and is no running state itself.
fn find_ends_of_jobs(known: &mut HashMap<Arc<str>, Arc<Entry>>) {
    let running = |entry: &&Arc<Entry>| entry.job;
    let keys: Vec<Pattern> = known.values().filter(running).filter_map(|entry| entry.collapse_key.clone()).collect();
    for entry in known.values_mut() {
        let ends = !entry.job && entry.collapse_key.as_ref().is_some_and(|key| keys.contains(key));
        if ends != entry.ends_job {
            Arc::make_mut(entry).ends_job = ends;
        }
    }
}
