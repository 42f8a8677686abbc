//! Who may publish over HTTP, read from sections of the file or from the lines of a variable.

use toml::{Table, Value};

use crate::{
    identity::{Malls, Publisher, Publishers, TokenHash},
    notification::MallNo,
};

/// `name=orders key_sha256=… malls=1001,1002 everyone=on;…`, or sections `[[publishers]]` with the same words.
pub fn publishers(value: &Value) -> Result<Publishers, String> {
    let written: Vec<Table> = match value {
        Value::Array(sections) => {
            sections.iter().map(|section| section.as_table().cloned()).collect::<Option<_>>().ok_or_else(wanted)?
        }
        Value::String(text) => {
            let lines =
                text.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.map(words).collect::<Option<_>>().ok_or_else(wanted)?
        }
        _ => return Err(wanted()),
    };
    let (mut publishers, mut wrong): (Vec<Publisher>, Vec<String>) = (Vec::new(), Vec::new());
    for (n, words) in written.iter().enumerate() {
        let again = |one: &Publisher| publishers.iter().any(|other| other.name == one.name || other.key == one.key);
        match publisher(words) {
            Err(what) => wrong.push(format!("publisher {} {what}", n + 1)),
            Ok(one) if again(&one) => {
                wrong.push(format!("publisher {} has the name or the key of one before it", n + 1))
            }
            Ok(one) => publishers.push(one),
        }
    }
    if wrong.is_empty() { Ok(Publishers::new(publishers)) } else { Err(format!("{}: {}", wanted(), wrong.join(", "))) }
}

fn wanted() -> String {
    "name=orders key_sha256=(64 hexadecimal digits) malls=1001,1002 (or *) everyone=on, with ; between publishers, \
     or the same words in sections [[publishers]]"
        .to_owned()
}

/// One line, as the table that a section is.
fn words(line: &str) -> Option<Table> {
    let mut table = Table::new();
    for word in line.split_whitespace() {
        let (key, value) = word.split_once('=')?;
        if table.insert(key.to_owned(), Value::String(value.to_owned())).is_some() {
            return None;
        }
    }
    Some(table)
}

/// What is wrong never shows what stands there: it may be a key instead of its hash.
fn publisher(words: &Table) -> Result<Publisher, &'static str> {
    if words.keys().any(|key| !["name", "key_sha256", "malls", "everyone"].contains(&key.as_str())) {
        return Err("says something that is none of these words");
    }
    let text = |key: &str| words.get(key).and_then(Value::as_str).map(str::trim);
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&letter);
    let name = text("name").filter(|name| (1..=64).contains(&name.len()) && name.chars().all(is_name));
    let key = text("key_sha256").and_then(|hash| TokenHash::from_hex(hash).ok());
    let everyone = match words.get("everyone") {
        None => Some(false),
        Some(value) => super::parse::switch(value).ok(),
    };
    Ok(Publisher {
        name: name.ok_or("has no good name: letters, digits, -, _ and . of ASCII")?.to_owned(),
        key: key.ok_or("has no key_sha256: the SHA-256 of its key, not the key")?,
        malls: words.get("malls").and_then(malls).ok_or("has no good malls")?,
        everyone: everyone.ok_or("says of everyone neither on nor off")?,
    })
}

fn malls(value: &Value) -> Option<Malls> {
    let one = |value: &Value| match value {
        Value::Integer(number) => u64::try_from(*number).ok().and_then(|number| MallNo::new(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    if value.as_str().is_some_and(|text| text.trim() == "*") {
        return Some(Malls::All);
    }
    let malls: Vec<MallNo> = match value {
        Value::String(text) => text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>()?,
        Value::Array(numbers) => numbers.iter().map(one).collect::<Option<_>>()?,
        other => vec![one(other)?],
    };
    (!malls.is_empty()).then_some(Malls::Some(malls))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0617e92eea2e85e8a737c096d9132cca93d9fe39550043a56eb27bb046f1d345";

    #[test]
    fn sections_and_lines_say_the_same() {
        let file = format!(
            "[[publishers]]\nname = 'orders'\nkey_sha256 = '{HASH}'\nmalls = [1001, 1002]\neveryone = true\n\
             [[publishers]]\nname = 'excel'\nkey_sha256 = '{}'\nmalls = '*'\n",
            HASH.replace('0', "1")
        );
        let sections = file.parse::<Table>().unwrap()["publishers"].clone();
        let lines = format!(
            "name=orders key_sha256={HASH} malls=1001,1002 everyone=on;\n# all malls\n name=excel malls=* key_sha256={}",
            HASH.replace('0', "1")
        );
        let (one, other) = (publishers(&sections).unwrap(), publishers(&Value::String(lines)).unwrap());
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert_eq!(format!("{one:?}").matches("Publisher {").count(), 2);
        assert!(!format!("{one:?}").contains(HASH), "nothing shows a hash");
        assert_eq!(format!("{:?}", publishers(&Value::String(String::new())).unwrap()), "Publishers([])");
    }

    #[test]
    fn what_is_wrong_is_said_without_what_stands_there() {
        let good = format!("name=a key_sha256={HASH} malls=1");
        for (bad, said) in [
            ("name=a key_sha256=my-secret-key malls=1".to_owned(), "publisher 1 has no key_sha256"),
            (format!("name=a key_sha256={HASH}"), "no good malls"),
            (format!("name=a key_sha256={HASH} malls="), "no good malls"),
            (format!("name=a key_sha256={HASH} malls=01"), "no good malls"),
            (format!("name=a key_sha256={HASH} malls=1,*"), "no good malls"),
            (format!("key_sha256={HASH} malls=1"), "no good name"),
            (format!("name=ü key_sha256={HASH} malls=1"), "no good name"),
            (format!("{good} everyone=perhaps"), "everyone"),
            (format!("{good} key=my-secret-key"), "none of these words"),
            (format!("{good} name=b"), "name=orders"),
            ("my-secret-key".to_owned(), "name=orders"),
            (format!("{good};name=b malls=1 key_sha256={HASH}"), "publisher 2 has the name or the key"),
            (
                format!("name=a;{good};name=c nmae=x"),
                "publisher 1 has no key_sha256: the SHA-256 of its key, not the key, publisher 3 says",
            ),
        ] {
            let complaint = publishers(&Value::String(bad.clone())).unwrap_err();
            assert!(complaint.contains(said) && !complaint.contains("my-secret"), "{bad}: {complaint}");
        }
        for value in [Value::Integer(1), Value::Array(vec![Value::Integer(1)])] {
            publishers(&value).unwrap_err();
        }
    }
}
