//! What was given: the file's keys, overridden by the environment's variables, before anybody asks what they mean.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{
    complaint::{self, Complaint, Complaints, shown, shown_as_written},
    table::{self, SETTINGS, Setting},
};

/// The variables of the environment that are ours; a test makes its own.
pub type Environment = BTreeMap<String, String>;

/// Read in the folder where the server is started, if it is there.
pub const USUAL_FILE: &str = "allim.toml";

/// A value and who gave it.
#[derive(Debug, Clone)]
pub struct Given {
    pub value: Value,
    /// `ALLIM_LISTEN`, or `listen in allim.toml`.
    pub name: String,
}

/// Everything that was given, by key, and the complaints so far.
#[derive(Debug, Default)]
pub struct AllGiven {
    pub by_key: BTreeMap<&'static str, Given>,
    pub complaints: Vec<Complaint>,
}

impl AllGiven {
    /// Reads the file that was named, else the usual one if it is there, and the variables.
    #[must_use]
    pub fn read(named: Option<&Path>, folder: &Path, environment: &Environment) -> AllGiven {
        let mut given = AllGiven::default();
        let usual = folder.join(USUAL_FILE);
        match named {
            Some(file) => given.read_file(&folder.join(file), &file.display().to_string()),
            None if usual.exists() => given.read_file(&usual, USUAL_FILE),
            None => {}
        }
        given.read_environment(folder, environment);
        given
    }

    fn complain(&mut self, name: impl Into<String>, found: impl Into<String>, wanted: impl Into<String>) {
        self.complaints.push(Complaint { name: name.into(), found: found.into(), wanted: wanted.into() });
    }

    fn read_file(&mut self, file: &Path, called: &str) {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return self.complain(called, error.to_string(), "wanted is a file that can be read"),
        };
        match text.parse::<Table>() {
            Ok(table) => self.walk(&table, "", called),
            Err(error) => {
                // The error's own text would show the line, and the line may hold a secret.
                let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(""));
                let line = before.matches('\n').count() + 1;
                let message = error.message().replace('\n', ", ");
                self.complain(called, format!("line {line} is no TOML: {message}"), "wanted is `key = value`");
            }
        }
    }

    fn walk(&mut self, table: &Table, section: &str, file: &str) {
        for (name, value) in table {
            let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            let written = format!("{key} in {file}");
            let is_section = SETTINGS.iter().any(|known| known.key.starts_with(&format!("{key}.")));
            match (table::find(&key), value) {
                (Some(setting), value) => {
                    self.by_key.insert(setting.key, Given { value: value.clone(), name: written });
                }
                (None, Value::Table(inner)) if is_section => self.walk(inner, &key, file),
                (None, _) if is_section => {
                    self.complain(written, "a single value", format!("wanted is a section [{key}]"));
                }
                (None, Value::Table(_)) => {
                    let sections = SETTINGS.iter().filter_map(|known| known.key.rsplit_once('.')).map(|(name, _)| name);
                    let wanted = match complaint::nearest(&key, sections) {
                        Some(near) => format!("did you mean [{near}]?"),
                        None => "docs/settings.md lists all".to_owned(),
                    };
                    self.complain(written, "there is no such section", wanted);
                }
                (None, _) => self.complain(written, "there is no such setting", complaint::did_you_mean(&key)),
            }
        }
    }

    fn read_environment(&mut self, folder: &Path, environment: &Environment) {
        let mut known: Vec<String> = Vec::new();
        for setting in SETTINGS {
            let variable = setting.variable();
            let file_variable = format!("{variable}_FILE");
            let (text, file) =
                (environment.get(&variable), environment.get(&file_variable).filter(|_| setting.may_be_in_a_file()));
            match (text, file) {
                (Some(_), Some(_)) => {
                    self.complain(&file_variable, format!("{variable} is set too"), "wanted is one of the two");
                }
                (Some(text), None) => self.give(setting, variable.clone(), text.clone()),
                (None, Some(file)) => self.read_secret(setting, &file_variable, &folder.join(file)),
                (None, None) => {}
            }
            known.push(variable);
            if setting.may_be_in_a_file() {
                known.push(file_variable);
            }
        }
        let ours = environment.keys().filter(|variable| variable.starts_with("ALLIM_"));
        for unknown in ours.filter(|variable| !known.contains(variable)) {
            let wanted = match complaint::nearest(unknown, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => "docs/settings.md lists all".to_owned(),
            };
            self.complain(unknown, "there is no such variable", wanted);
        }
    }

    fn read_secret(&mut self, setting: &'static Setting, variable: &str, file: &Path) {
        match fs::read_to_string(file) {
            // An editor or `echo` leaves a line end behind that nobody means.
            Ok(text) => self.give(setting, variable.to_owned(), text.trim_end().to_owned()),
            Err(error) => {
                let found = format!("{}: {error}", shown(&file.display().to_string(), false));
                self.complain(variable, found, "wanted is a file that can be read");
            }
        }
    }

    fn give(&mut self, setting: &'static Setting, name: String, text: String) {
        self.by_key.insert(setting.key, Given { value: Value::String(text), name });
    }
}

/// Asks for one setting after the other, and collects what is wrong with them.
pub struct Reader {
    given: AllGiven,
}

impl Reader {
    #[must_use]
    pub fn new(given: AllGiven) -> Reader {
        Reader { given }
    }

    /// The value, read by `parse`, whose error says what is wanted; else the default. None where there is neither, or
    /// where a complaint was written down instead.
    pub fn get<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Result<T, String>) -> Option<T> {
        let setting = table::find(key).expect("every key that is asked for stands in the table");
        if let Some(given) = self.given.by_key.get(key) {
            return match parse(&given.value) {
                Ok(value) => Some(value),
                Err(wanted) => {
                    let found = match &given.value {
                        Value::String(text) if text.trim().is_empty() => "empty".to_owned(),
                        Value::String(text) => shown(text, setting.is_secret()),
                        Value::Table(_) => "a section".to_owned(),
                        other if setting.is_secret() => format!("a value of type {}, not shown", other.type_str()),
                        other => shown(&other.to_string(), false),
                    };
                    let name = given.name.clone();
                    self.complain(name, found, format!("wanted is {wanted}"));
                    None
                }
            };
        }
        match setting.default {
            table::Fallback::Is(text) => {
                Some(parse(&Value::String(text.to_owned())).expect("every default is a good value"))
            }
            table::Fallback::Means(_) => None,
        }
    }

    /// The same for who asks once more: of what could not be read everything is said already.
    pub fn again<T>(&self, key: &str, parse: impl Fn(&Value) -> Result<T, String>) -> Option<T> {
        if let Some(given) = self.given.by_key.get(key) {
            return parse(&given.value).ok();
        }
        match table::find(key)?.default {
            table::Fallback::Is(text) => parse(&Value::String(text.to_owned())).ok(),
            table::Fallback::Means(_) => None,
        }
    }

    /// How its owner wrote the setting; None where nobody gave it. True also for one that was complained about.
    #[must_use]
    pub fn written(&self, key: &str) -> Option<&str> {
        self.given.by_key.get(key).map(|given| given.name.as_str())
    }

    /// For what only several settings together make wrong.
    pub fn complain(&mut self, name: impl Into<String>, found: impl Into<String>, wanted: impl Into<String>) {
        self.given.complain(name, found, wanted);
    }

    /// All complaints, or for each given setting its key, the value fit to be shown, and who gave it.
    pub fn finish(self) -> Result<Vec<Origin>, Complaints> {
        if !self.given.complaints.is_empty() {
            return Err(Complaints(self.given.complaints));
        }
        let origin = |(key, given): (&&'static str, &Given)| {
            let secret = table::find(key).is_some_and(Setting::is_secret);
            let value = match &given.value {
                _ if secret => "(not shown)".to_owned(),
                Value::String(text) => shown(text, false),
                other => shown_as_written(&other.to_string()),
            };
            Origin { key, value, name: given.name.clone() }
        };
        Ok(self.given.by_key.iter().map(origin).collect())
    }
}

/// Where a value that is no default comes from, fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub key: &'static str,
    pub value: String,
    pub name: String,
}

/// `folder` joined and made absolute, since nobody sees in a log where one stood.
#[must_use]
pub fn absolute(folder: &Path, path: &str) -> PathBuf {
    let joined = folder.join(path);
    std::path::absolute(&joined).unwrap_or(joined)
}
