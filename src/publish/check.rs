//! `allim publish --check`: what would become of a record, and whom it would reach. Nothing is sent and nobody is asked.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde_json::Value;

use super::{command::NotPublished, event::key_for};
use crate::{
    ingest::{
        Decoder, RawRecord,
        wrong::{self, Wrong},
    },
    notification::{
        Coordinates, Epoch, Lang, Notification, PartnerNo, Prepared, Shape, Sight, Term, Viewer, event::Event,
        json::read_object,
    },
};

/// The largest number there is: nobody has it.
const UNNAMED: u64 = i64::MAX.unsigned_abs();
/// As the file that is no file.
const STDIN: &str = "-";

/// How records are read here, and who lives in the demo; elsewhere nobody is known.
pub struct Check {
    pub decoder: Decoder,
    pub cast: Vec<Viewer>,
}

impl Check {
    /// Each file is the value of a record, byte for byte. Its headers, if it has any, stand beside it in a file of the same
    /// name that ends with `.headers`, one `name=value` a line.
    pub fn files(&self, files: &[PathBuf], out: &mut impl Write) -> Result<(), NotPublished> {
        // Of what is larger than a record may be, only that it is.
        let most = u64::try_from(self.decoder.max_record_bytes).unwrap_or(u64::MAX).saturating_add(1).max(16 << 20);
        let mut refused = 0;
        for file in files {
            let (value, headers) = match read(file, most) {
                Ok(read) => read,
                Err(why) => {
                    writeln!(out, "{why}")?;
                    refused += 1;
                    continue;
                }
            };
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let shown = self.one(&value, &headers);
            let said = shown.as_ref().map_or_else(String::as_str, String::as_str);
            write!(out, "{}: {said}", file.display())?;
            refused += usize::from(shown.is_err());
        }
        if refused == 0 { Ok(()) } else { Err(NotPublished::WouldBeRefused { refused, of: files.len() }) }
    }

    /// Lines about one record: who would see it, else what is wrong with it.
    fn one(&self, value: &[u8], headers: &[(&str, &str)]) -> Result<String, String> {
        let coordinates = Coordinates { epoch: Epoch(0), partition: 0, offset: 0 };
        let headers = headers.iter().map(|(name, text)| (*name, Some(text.as_bytes()))).collect();
        // No bytes and headers that stand for them: data that lies elsewhere.
        let value = Some(value).filter(|value| !value.is_empty());
        let raw = RawRecord { coordinates, timestamp: Timestamp::now(), key: None, headers, value };
        let remarks = self.remarks(&raw);
        let read = self.decoder.decode(&raw).map_err(|rejected| rejected.to_string());
        let read = read.and_then(|notification| {
            let prepared = Prepared::new(&notification, &self.decoder.catalogue);
            prepared.map(|prepared| (notification, prepared)).map_err(|why| format!("{}: {why}", why.code()))
        });
        match read {
            Ok((notification, prepared)) => {
                let mut lines = self.shown(&notification, &prepared);
                lines.extend(remarks.iter().map(|wrong| format!("but       {}", said(wrong))));
                Ok(in_lines("would be shown", &lines))
            }
            Err(why) => {
                let lines: Vec<String> = remarks.iter().map(said).collect();
                Err(in_lines(&format!("would be a dead letter: {why}"), &lines))
            }
        }
    }

    /// Field by field, where the value is an object. The decoder is kinder: what is no link, say, is left out.
    fn remarks(&self, raw: &RawRecord<'_>) -> Vec<Wrong> {
        let Some(Ok(mut object)) = raw.value.map(read_object) else { return Vec::new() };
        let header = |name: &str| raw.headers.iter().find(|(one, _)| *one == name);
        let has = |name: &str| header(name).is_some();
        let content_type = header("content-type").and_then(|(_, value)| *value).map(String::from_utf8_lossy);
        let shape = match Shape::of_headers(&content_type.unwrap_or_default().to_ascii_lowercase(), has) {
            // Its members are headers.
            Shape::Binary => return Vec::new(),
            Shape::Plain if object.contains_key("specversion") => Shape::Structured,
            shape => shape,
        };
        if has("audience") || has("ce_audience") {
            // It wins over whatever stands in the value.
            object.insert("audience".to_owned(), "everyone".into());
        }
        wrong::all(&object, shape, &self.decoder)
    }

    fn shown(&self, notification: &Notification, prepared: &Prepared) -> Vec<String> {
        let entry = self.decoder.catalogue.entry(&notification.type_name);
        let mut properties = vec![entry.category.clone(), word(&prepared.severity())];
        properties.extend(prepared.is_silent().then(|| "silent".to_owned()));
        properties.push(if prepared.is_kept() { "kept" } else { "live only" }.to_owned());
        let unknown = if self.decoder.catalogue.knows(&notification.type_name) { "" } else { ", not in the catalogue" };
        let event = Event::read(notification.record()).unwrap_or_default();
        let terms: Vec<String> = notification.audience.terms().iter().map(Term::to_string).collect();
        let id = match &event.envelope.id {
            Some(_) => format!("{}   the same `source` and `id` again are a repeat", notification.id),
            None => "none: sent twice it is shown twice".to_owned(),
        };
        let key = key_for(notification.mall, &notification.audience);
        let mut lines = vec![
            format!("type      {}   {}{unknown}", notification.type_name, properties.join(", ")),
            format!("id        {id}"),
            format!("audience  {}", terms.join(", ")),
            format!("key       {}", key.as_deref().unwrap_or("none: its order does not matter")),
        ];
        lines.extend(prepared.collapse_key().map(|key| format!("replaces  what was shown under {key}")));
        lines.extend(texts(notification, prepared));
        lines.extend(self.people(notification));
        lines
    }

    fn people(&self, notification: &Notification) -> Vec<String> {
        let (sees, not): (Vec<_>, Vec<_>) = self
            .cast
            .iter()
            .map(|viewer| (viewer, notification.audience.why_not(viewer, notification.mall)))
            .partition(|(_, why_not)| why_not.is_none());
        let named = |viewer: &Viewer| format!("{} {}", viewer.admin, viewer.name).trim_end().to_owned();
        let sees: Vec<String> = sees.into_iter().map(|(viewer, _)| named(viewer)).collect();
        let not = not.into_iter().filter_map(|(viewer, why)| Some(format!("{} ({})", named(viewer), why?.code())));
        let not: Vec<String> = not.collect();
        let line =
            |word: &str, people: Vec<String>| (!people.is_empty()).then(|| format!("{word}{}", people.join(", ")));
        [line("seen by   ", sees), line("not by    ", not)].into_iter().flatten().collect()
    }
}

/// What different eyes would read: an operator, one without the right to personal data, the partners it is for.
fn texts(notification: &Notification, prepared: &Prepared) -> Vec<String> {
    /// Of an order with very many lines.
    const MOST_PARTNERS: usize = 5;
    let terms = notification.audience.terms();
    let eyes = |partner, personal| Sight { partner, personal, lang: Lang::Ko };
    let partners = terms.iter().filter_map(|term| match term {
        Term::MallPartner(_, partner) | Term::Partner(partner) => Some((format!("partner {partner}"), *partner)),
        // One whom the event does not name.
        Term::MallPartners(_) | Term::Everyone => Some(("partners".to_owned(), PartnerNo::new(UNNAMED).ok()?)),
        Term::Mall(_) | Term::Operator(_) => None,
    });
    let partners = partners.take(MOST_PARTNERS).map(|(who, number)| (who, eyes(Some(number), false)));
    let of_partners = |term: &Term| matches!(term, Term::MallPartner(..) | Term::MallPartners(_) | Term::Partner(_));
    let operators = [("operator", eyes(None, true)), ("without personal data", eyes(None, false))];
    let operators =
        operators.into_iter().filter(|_| !terms.iter().all(of_partners)).map(|(who, sight)| (who.to_owned(), sight));
    let mut read: Vec<(String, String)> = Vec::new();
    for (who, sight) in operators.chain(partners) {
        let wire: Value = serde_json::from_str(&prepared.json(prepared.reduce(sight))).unwrap_or_default();
        let words = ["title", "body"].map(|name| wire[name].as_str().unwrap_or_default());
        let text = words.join("  ").trim_end().replace(char::is_control, " ");
        if read.iter().all(|(_, known)| *known != text) {
            read.push((who, text));
        }
    }
    read.into_iter().map(|(who, text)| format!("reads     {who}: {text}")).collect()
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

fn said(wrong: &Wrong) -> String {
    let pointer = if wrong.pointer.is_empty() { "the value" } else { &wrong.pointer };
    format!("{pointer}: {} ({})", wrong.detail, wrong.code)
}

fn in_lines(first: &str, lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{first}\n{lines}")
}

type Headers = Vec<(String, String)>;

fn read(file: &Path, most: u64) -> Result<(Vec<u8>, Headers), NotPublished> {
    let unreadable = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| NotPublished::NoFile(path, error)
    };
    if file == Path::new(STDIN) {
        let mut value = Vec::new();
        io::stdin().take(most).read_to_end(&mut value).map_err(unreadable(file))?;
        return Ok((value, Headers::new()));
    }
    let mut value = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(most).read_to_end(&mut value));
    read.map_err(unreadable(file))?;
    let beside = file.with_extension("headers");
    let written = match fs::read_to_string(&beside) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unreadable(&beside)(error)),
    };
    let mut headers = Headers::new();
    for line in written.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) =
            line.split_once('=').ok_or_else(|| NotPublished::BadHeaders(beside.display().to_string()))?;
        headers.push((name.to_owned(), value.to_owned()));
    }
    Ok((value, headers))
}
