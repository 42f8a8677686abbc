//! What is wrong with one setting, in one line that never shows a secret.

use std::fmt;

use super::table;

/// More of a value would only hide the name and the wish.
const LONGEST_SHOWN: usize = 80;

/// One line: the setting as its owner wrote it, what stands there, what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// `ALLIM_LISTEN`, or `listen in allim.toml`.
    pub name: String,
    /// Already fit to be shown.
    pub found: String,
    pub wanted: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.name, self.found, self.wanted)
    }
}

/// All that is wrong, so that nobody has to start ten times to learn of ten mistakes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Complaints(pub Vec<Complaint>);

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Complaint::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// A value as it may be shown: quoted in one line, cut, passwords in addresses masked, secrets only counted.
#[must_use]
pub fn shown(value: &str, secret: bool) -> String {
    if secret {
        return format!("{} characters, not shown", value.chars().count());
    }
    let masked = mask(value);
    if masked.chars().count() > LONGEST_SHOWN {
        let start: String = masked.chars().take(LONGEST_SHOWN).collect();
        return format!("{start:?} and more");
    }
    format!("{masked:?}")
}

/// The same for what TOML has already written in one line and with its own quotes: a number, a list.
#[must_use]
pub fn shown_as_written(value: &str) -> String {
    let masked = mask(value);
    if masked.chars().count() <= LONGEST_SHOWN {
        return masked;
    }
    masked.chars().take(LONGEST_SHOWN).chain(" and more".chars()).collect()
}

/// `scheme://user:password@host?password=…` without what may be secret in it. Works on text, since what is no address
/// may hold a password too.
fn mask(value: &str) -> String {
    let (value, query) = match value.split_once('?') {
        Some((value, _)) => (value, "?***"),
        None => (value, ""),
    };
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), value),
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}***@{host}{query}"),
        None => format!("{value}{query}"),
    }
}

/// The known name that was probably meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (distance(name, known), known)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, _)| *distance <= (name.len() / 3).max(2)).map(|(_, known)| known)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// The wish of whoever wrote a key that there is not.
#[must_use]
pub fn did_you_mean(key: &str) -> String {
    let known = || table::SETTINGS.iter().map(|setting| setting.key);
    // `topic` at the top of the file is `kafka.topic` that lost its section.
    let elsewhere = || {
        let last = key.rsplit('.').next().unwrap_or(key);
        known().find(|known| known.rsplit('.').next() == Some(last))
    };
    match nearest(key, known()).or_else(elsewhere) {
        Some(near) => format!("did you mean {near}?"),
        None => "docs/settings.md lists all".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_password_and_no_second_line() {
        assert_eq!(shown("postgres://allim:hunter2@db:5432/allim", false), r#""postgres://***@db:5432/allim""#);
        assert_eq!(shown("postgres://a:p@ss@db", false), r#""postgres://***@db""#);
        assert_eq!(shown("postgres://db/x?user=a&password=p@q", false), r#""postgres://db/x?***""#);
        assert_eq!(shown("allim:hunter2@db", false), r#""***@db""#);
        assert_eq!(shown("two\nlines", false), r#""two\nlines""#);
        assert_eq!(shown("a long secret", true), "13 characters, not shown");
        assert!(shown(&"x".repeat(500), false).len() < 100);
        assert_eq!(shown_as_written(r#"["a:1", "b:2"]"#), r#"["a:1", "b:2"]"#);
        assert!(shown_as_written(&"x".repeat(500)).len() < 100);
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(did_you_mean("kafka.bootstrap_server"), "did you mean kafka.bootstrap_servers?");
        assert_eq!(did_you_mean("lisetn"), "did you mean listen?");
        assert_eq!(did_you_mean("topic"), "did you mean kafka.topic?");
        assert_eq!(did_you_mean("flux_capacitor"), "docs/settings.md lists all");
    }
}
