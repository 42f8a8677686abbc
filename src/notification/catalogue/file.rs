//! From the written catalogue to entries, with every check that lets a mistake show at load and not in a text.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use serde_json::Map;

use super::{
    CatalogueError, Class, Entry, Labels, Lines, Pattern, Rule, Sheet, Template, Texts, When,
    written::{Classes, Closes, File, LinesOf, OneOrMore, Parts, Type, Whom},
};
use crate::notification::{event::Severity, json};

/// What texts may use besides the event's own fields.
const COMPUTED: [&str; 2] = ["firstProductName", "more"];
/// Fields that every type has.
const COMMON: [(&str, Class); 3] = [("mallNo", Class::Plain), ("mallName", Class::Plain), ("link", Class::Link)];

/// Reads and checks; all complaints at once.
pub fn parse(toml: &str) -> Result<BTreeMap<String, Entry>, CatalogueError> {
    let file: File = toml::from_str(toml)
        .map_err(|error| CatalogueError { complaints: vec![error.to_string().trim().to_owned()] })?;
    let tables: BTreeMap<String, Arc<Labels>> = file
        .labels
        .into_iter()
        .map(|(name, table)| {
            (name, Arc::new(table.into_iter().map(|(code, names)| (code, [names.ko, names.en])).collect()))
        })
        .collect();
    let mut complaints = Vec::new();
    let mut entries = BTreeMap::new();
    for (name, written) in file.types {
        let mut checks = Checks { type_name: &name, complaints: &mut complaints };
        let entry = checks.entry(&written, &tables);
        entries.insert(name, entry);
    }
    if complaints.is_empty() { Ok(entries) } else { Err(CatalogueError { complaints }) }
}

/// How a type is shown that no catalogue lists: its own texts, else its name, and its fields to those who may see all.
pub fn unknown() -> Entry {
    let mut sheet = Sheet::default();
    for (field, class) in COMMON {
        sheet.insert(field, class);
    }
    Entry {
        category: "system".to_owned(),
        severity: Severity::Info,
        audience: Vec::new(),
        texts: [Texts::default(), Texts::default()],
        collapse_key: None,
        silent: false,
        kept: true,
        job: false,
        ends_job: false,
        occurred: None,
        expires: None,
        actor: None,
        actor_partner: None,
        lifetime: None,
        retention: None,
        closes: None,
        handled_by: None,
        sheet,
        lines: None,
        example: Map::new(),
    }
}

/// Collects what is wrong with one type.
struct Checks<'c> {
    type_name: &'c str,
    complaints: &'c mut Vec<String>,
}

impl Checks<'_> {
    fn complain(&mut self, what: impl std::fmt::Display) {
        self.complaints.push(format!("type `{}`: {what}", self.type_name));
    }

    fn entry(&mut self, written: &Type, tables: &BTreeMap<String, Arc<Labels>>) -> Entry {
        let version = self.type_name.rsplit_once(".v").map(|(_, version)| version);
        if self.type_name.is_empty() || version.is_some_and(|text| text.parse::<u32>().is_ok()) {
            self.complain("a type is listed by its short name, without `.v1`; so no event would ever find it");
        }
        // Documents and schemas are made under these names, and people type them.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric();
        let begins_so = self.type_name.bytes().next().is_none_or(is_plain);
        if !begins_so || !self.type_name.bytes().all(|byte| is_plain(byte) || b"._-".contains(&byte)) {
            self.complain(
                "a type's name is made of letters, digits, `.`, `-` and `_`, and begins with one of the first two",
            );
        }
        let mut entry = unknown();
        entry.category.clone_from(&written.category);
        entry.severity = written.severity;
        entry.silent = written.silent;
        entry.job = written.job;
        // The running state of a job is out of date as soon as it is written down.
        entry.kept = written.kept.unwrap_or(!written.job);
        if written.job && entry.kept {
            self.complain("`job` types are live only; `kept = true` contradicts it");
        }
        self.classes(&written.fields, &mut entry.sheet);
        entry.lines = written.lines.as_ref().map(|lines| self.lines(lines));
        entry.audience = written.audience.iter().filter_map(|rule| self.rule(rule, &entry)).collect();
        for (field, table) in &written.labels {
            if !tables.contains_key(table) {
                self.complain(format_args!("`labels.{field}` names the table `{table}`, which does not exist"));
            }
        }
        let label = |field: &str| written.labels.get(field).and_then(|table| tables.get(table)).cloned();
        entry.texts = [
            self.texts(written.title.ko.all(), written.body.as_ref().map(|body| &body.ko), &label, &entry),
            self.texts(written.title.en.all(), written.body.as_ref().map(|body| &body.en), &label, &entry),
        ];
        entry.collapse_key = written.collapse_key.as_ref().and_then(|key| self.collapse_key(key, &entry.sheet));
        entry.occurred = self.listed("occurred", written.occurred.as_ref(), &entry.sheet);
        entry.expires = self.listed("expires", written.expires.as_ref(), &entry.sheet);
        entry.actor = self.listed("actor", written.actor.as_ref(), &entry.sheet);
        entry.actor_partner = self.listed("actorPartner", written.actor_partner.as_ref(), &entry.sheet);
        if entry.actor_partner.is_some() && entry.actor.is_none() {
            self.complain("`actorPartner` without `actor`: it says whose admin the actor is");
        }
        entry.lifetime = written.lifetime.as_ref().and_then(|text| self.time("lifetime", text));
        entry.retention = written.retention.as_ref().and_then(|text| self.time("retention", text));
        entry.handled_by = self.listed("handledBy", written.handled_by.as_ref(), &entry.sheet);
        entry.closes = self.closes(written.closes.as_ref(), &entry);
        if let Some(example) = &written.example {
            match json::read_object(example.as_bytes()) {
                Ok(data) => entry.example = data,
                Err(error) => self.complain(format_args!("`example`: {error}")),
            }
        }
        entry
    }

    fn classes(&mut self, written: &Classes, sheet: &mut Sheet) {
        let lists = [
            (&written.plain, Class::Plain),
            (&written.links, Class::Link),
            (&written.operators, Class::Operators),
            (&written.owner, Class::Owner),
        ];
        let listed = lists.into_iter().flat_map(|(fields, class)| fields.iter().map(move |field| (field, class)));
        let personal = written.personal.iter().map(|(field, mask)| (field, Class::Personal(*mask)));
        for (field, class) in listed.chain(personal) {
            if !sheet.insert(field, class) {
                self.complain(format_args!("`{field}` has two classes"));
            }
        }
    }

    fn lines(&mut self, written: &LinesOf) -> Lines {
        let mut sheet = Sheet::default();
        self.classes(&written.fields, &mut sheet);
        if sheet.class("partnerNo").is_none() {
            self.complain("`lines` have to list `partnerNo`: it says whose a line is");
        }
        Lines {
            from: written.from.clone(),
            name: written.name.clone(),
            total: written.total.clone(),
            total_from: written.total_from.clone(),
            sheet,
        }
    }

    fn rule(&mut self, whom: &Whom, entry: &Entry) -> Option<Rule> {
        let (text, when) = match whom {
            Whom::Always(text) => (text, None),
            Whom::Sometimes { to, when } => {
                self.condition("audience", when, |field| entry.sheet.class(field).is_some(), "which has no class");
                (to, Some(when.clone()))
            }
        };
        let rule = match Rule::parse(text, when) {
            Ok(rule) => rule,
            Err(error) => {
                self.complain(format_args!("`audience` term `{text}`: {error}"));
                return None;
            }
        };
        if rule.needs_lines() && entry.lines.is_none() {
            self.complain(format_args!("`audience` term `{text}` speaks of lines, and the type has none"));
        }
        Some(rule)
    }

    fn condition(&mut self, what: &str, when: &When, good: impl Fn(&str) -> bool, else_it: &str) {
        if when.is_idle() {
            self.complain(format_args!("a condition of `{what}` has to name fields, and codes of each"));
        }
        for field in when.fields().filter(|field| !good(field)) {
            self.complain(format_args!("a condition of `{what}` uses `{field}`, {else_it}"));
        }
    }

    fn closes(&mut self, written: Option<&Closes>, entry: &Entry) -> Option<When> {
        let when = match written {
            None | Some(Closes::Whether(false)) => None,
            Some(Closes::Whether(true)) => Some(When::default()),
            Some(Closes::When(when)) => {
                // Whoever sees the notification sees whether it settles something.
                let plain = |field: &str| entry.sheet.class(field) == Some(Class::Plain);
                self.condition("closes", when, plain, "which is not a plain field");
                Some(when.clone())
            }
        };
        if when.is_some() && entry.collapse_key.is_none() {
            self.complain("`closes` without a `collapseKey` says nothing of what is settled");
        }
        if when.is_none() && entry.handled_by.is_some() {
            self.complain("`handledBy` without `closes`: nobody handled anything");
        }
        when
    }

    fn time(&mut self, key: &str, text: &str) -> Option<SignedDuration> {
        let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
        let seconds = match unit {
            "m" => Some(60),
            "h" => Some(60 * 60),
            "d" => Some(24 * 60 * 60),
            _ => None,
        };
        // Ten years are for ever.
        let number = number.parse::<u16>().ok().filter(|number| (1..=3650).contains(number));
        let time = number.zip(seconds).map(|(number, seconds)| SignedDuration::from_secs(i64::from(number) * seconds));
        if time.is_none() {
            self.complain(format_args!("`{key}` is \"{text}\"; it has to be such as 10m, 1h or 30d"));
        }
        time
    }

    fn collapse_key(&mut self, text: &str, sheet: &Sheet) -> Option<Pattern> {
        let key =
            Pattern::parse(text).inspect_err(|error| self.complain(format_args!("`collapseKey`: {error}"))).ok()?;
        for place in key.places() {
            // The key is shown to everybody who sees the notification, and to push providers.
            if sheet.class(place) != Some(Class::Plain) {
                self.complain(format_args!("`collapseKey` uses `{place}`, which is not a plain field"));
            }
        }
        Some(key)
    }

    fn listed(&mut self, what: &str, field: Option<&String>, sheet: &Sheet) -> Option<String> {
        let field = field?;
        if sheet.class(field).is_none() {
            self.complain(format_args!("`{what}` names `{field}`, which has no class"));
        }
        Some(field.clone())
    }

    fn texts(
        &mut self,
        title: &[String],
        body: Option<&Parts>,
        label: &dyn Fn(&str) -> Option<Arc<Labels>>,
        entry: &Entry,
    ) -> Texts {
        let title: Vec<Template> = title.iter().filter_map(|text| self.text("title", text, label, entry)).collect();
        if !title.last().is_some_and(Template::needs_nothing) {
            self.complain("the last `title` has to do without any field outside of `[[…]]`");
        }
        let parts: Vec<&[String]> = match body {
            None => Vec::new(),
            Some(Parts::One(text)) => vec![std::slice::from_ref(text)],
            Some(Parts::More(parts)) => parts.iter().map(OneOrMore::all).collect(),
        };
        let mut part =
            |texts: &[String]| texts.iter().filter_map(|text| self.text("body", text, label, entry)).collect();
        let body = parts.into_iter().map(&mut part).collect();
        Texts { title, body }
    }

    fn text(
        &mut self,
        what: &str,
        text: &str,
        label: &dyn Fn(&str) -> Option<Arc<Labels>>,
        entry: &Entry,
    ) -> Option<Template> {
        let template = Template::parse(text, label)
            .inspect_err(|error| self.complain(format_args!("`{what}` \"{text}\": {error}")))
            .ok()?;
        for gap in template.gaps() {
            let total = entry.lines.as_ref().is_some_and(|lines| lines.total == gap.field);
            let computed = entry.lines.is_some() && COMPUTED.contains(&gap.field.as_str());
            if !total && !computed && entry.sheet.class(&gap.field).is_none() {
                self.complain(format_args!("`{what}` \"{text}\" uses `{}`, which has no class", gap.field));
            }
        }
        for with_groups in [true, false] {
            let outline = template.outline(with_groups);
            if looks_unfinished(&outline) {
                let when = if with_groups { "with" } else { "without" };
                self.complain(format_args!("`{what}` \"{text}\" reads \"{outline}\" {when} its groups"));
            }
        }
        Some(template)
    }
}

/// Empty, or with the remains of something that vanished.
fn looks_unfinished(text: &str) -> bool {
    text.trim() != text
        || text.is_empty()
        || text.contains("  ")
        || text.contains("()")
        || text.contains("( ")
        || text.contains(" )")
        || text.ends_with([':', ',', '·', '(', '-', '–', '/', '~'])
        || text.starts_with([':', ',', '·', ')', '–', '/', '~'])
}
