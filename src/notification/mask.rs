//! What is left of personal data for those who may not see it.

use serde::Deserialize;

/// The kinds of personal data, each with its Korean custom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mask {
    /// `홍길동` → `홍*동`, `김영` → `김*`
    Name,
    /// `01012345678` → `010-****-5678`
    Phone,
    /// `hong@example.com` → `ho***@example.com`
    Email,
    /// Down to 읍/면/동, where an address has one.
    Address,
    /// The last four digits of an account or a card.
    Account,
    /// `203.0.113.15` → `203.0.*.15`
    Ip,
    /// Nothing is left: free text, identifiers.
    Hidden,
}

impl Mask {
    /// What may be shown; nothing where the text is not of its kind, for then nobody knows what it holds.
    #[must_use]
    pub fn apply(self, text: &str) -> Option<String> {
        let text = text.trim();
        match self {
            Mask::Name => name(text),
            Mask::Phone => phone(text),
            Mask::Email => email(text),
            Mask::Address => address(text),
            Mask::Account => account(text),
            Mask::Ip => ip(text),
            Mask::Hidden => None,
        }
    }
}

fn name(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    match letters.as_slice() {
        [] => None,
        [_] => Some("*".to_owned()),
        [first, _] => Some(format!("{first}*")),
        [first, middle @ .., last] => Some(format!("{first}{}{last}", "*".repeat(middle.len()))),
    }
}

fn phone(text: &str) -> Option<String> {
    let written_as_one =
        text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ' ' | '+' | '(' | ')' | '.' | '*'));
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '*').collect();
    // Korean numbers abroad: +82 10 … is 010 …
    let digits = match digits.strip_prefix("82") {
        Some(rest) if text.starts_with('+') => format!("0{}", rest.trim_start_matches('0')),
        _ => digits,
    };
    if !written_as_one || !(9..=12).contains(&digits.len()) {
        return None;
    }
    // Seoul's code has two digits, 0504 and its like four; all others three.
    let code = match digits.len() {
        12 => 4,
        _ if digits.starts_with("02") => 2,
        _ => 3,
    };
    let (code, rest) = digits.split_at(code);
    let (middle, last) = rest.split_at(rest.len() - 4);
    Some(format!("{code}-{}-{last}", "*".repeat(middle.len())))
}

fn email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let letters = local.chars().count();
    if letters == 0 || domain.is_empty() || domain.contains(char::is_whitespace) {
        return None;
    }
    // Of a name of one or two letters two would be all.
    let kept: String = local.chars().take(if letters > 2 { 2 } else { 1 }).collect();
    Some(format!("{kept}***@{domain}"))
}

fn address(text: &str) -> Option<String> {
    let mut kept = Vec::new();
    for word in text.split_whitespace() {
        // Above 동 an address is made of 도, 시, 군, 구; the first other word may be a street, a house, a name.
        let region = word.ends_with(['도', '시', '군', '구']);
        let town = word.ends_with(['읍', '면', '동']);
        if !(region || town) || word.chars().any(|c| c.is_ascii_digit()) {
            break;
        }
        kept.push(word);
        if town {
            break;
        }
    }
    (!kept.is_empty()).then(|| kept.join(" "))
}

fn account(text: &str) -> Option<String> {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    // Of a short number four digits would be too much of it.
    (digits.len() >= 8).then(|| format!("****{}", digits[digits.len() - 4..].iter().collect::<String>()))
}

fn ip(text: &str) -> Option<String> {
    let octets: Vec<&str> = text.split('.').collect();
    let octet = |text: &&str| text.parse::<u8>().is_ok() || *text == "*";
    match octets.as_slice() {
        [a, b, c, d] if [a, b, c, d].into_iter().all(octet) => Some(format!("{a}.{b}.*.{d}")),
        _ => None,
    }
}
