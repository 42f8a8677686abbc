//! How numbers, money and names read in Korean and English sentences.

use serde_json::Value;

use super::Lang;

/// The currency of amounts that name none.
const HOME_CURRENCY: &str = "KRW";

/// `1234567` → `1,234,567`.
#[must_use]
pub fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0 {
        out.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1,234,000원`, `₩1,234,000`; another currency keeps its code.
#[must_use]
pub fn money(amount: i128, currency: Option<&str>, lang: Lang) -> String {
    match (currency.filter(|code| *code != HOME_CURRENCY), lang) {
        (Some(code), _) => format!("{} {code}", grouped(amount)),
        (None, Lang::Ko) => format!("{}원", grouped(amount)),
        (None, Lang::En) if amount < 0 => format!("-₩{}", grouped(-amount)),
        (None, Lang::En) => format!("₩{}", grouped(amount)),
    }
}

/// A whole number from what producers write: `39000`, `39000.0`, `"39000"`. Fractions are rounded; nonsense is nothing.
#[must_use]
pub fn whole(value: &Value) -> Option<i128> {
    /// Up to here every whole number has a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => match number.as_i128() {
            Some(whole) => Some(whole),
            None => number.as_f64().filter(|float| float.abs() <= EXACT).map(|float| {
                #[expect(clippy::cast_possible_truncation, reason = "bounded by EXACT and rounded")]
                let whole = float.round() as i128;
                whole
            }),
        },
        // Not longer than an i64: a longer text of digits is an order number, not an amount.
        Value::String(text) if text.len() <= 19 => {
            let (digits, fraction) = text.split_once('.').unwrap_or((text, "0"));
            fraction.bytes().all(|byte| byte == b'0').then(|| digits.parse().ok())?
        }
        _ => None,
    }
}

/// A pair of Korean particles of which the word before decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Particle {
    /// 은/는
    Topic,
    /// 이/가
    Subject,
    /// 을/를
    Object,
    /// 과/와
    With,
    /// 으로/로
    Towards,
}

/// How a word ends for the ear.
enum Ending {
    Vowel,
    /// ㄹ: a consonant for all particles but 으로/로.
    Rieul,
    Consonant,
    /// Latin letters and all else: nobody can know.
    Unknown,
}

impl Particle {
    /// Reads the name as it stands in templates.
    #[must_use]
    pub fn named(name: &str) -> Option<Particle> {
        Some(match name {
            "은는" => Particle::Topic,
            "이가" => Particle::Subject,
            "을를" => Particle::Object,
            "과와" => Particle::With,
            "으로로" => Particle::Towards,
            _ => return None,
        })
    }

    /// The form that follows `word`.
    #[must_use]
    pub fn after(self, word: &str) -> &'static str {
        let (after_consonant, after_vowel, unknown) = match self {
            Particle::Topic => ("은", "는", "은(는)"),
            Particle::Subject => ("이", "가", "이(가)"),
            Particle::Object => ("을", "를", "을(를)"),
            Particle::With => ("과", "와", "과(와)"),
            Particle::Towards => ("으로", "로", "(으)로"),
        };
        match ending(word) {
            Ending::Vowel => after_vowel,
            Ending::Rieul if self == Particle::Towards => after_vowel,
            Ending::Rieul | Ending::Consonant => after_consonant,
            Ending::Unknown => unknown,
        }
    }
}

fn ending(word: &str) -> Ending {
    // A closing bracket or quotation mark is not read aloud.
    let spoken = word.trim_end_matches([')', ']', '」', '』', '"', '\'', '”', '’', ' ']);
    match spoken.chars().next_back() {
        Some(syllable @ '가'..='힣') => match (u32::from(syllable) - u32::from('가')) % 28 {
            0 => Ending::Vowel,
            8 => Ending::Rieul,
            _ => Ending::Consonant,
        },
        // Read in Korean: 영 일 이 삼 사 오 육 칠 팔 구.
        Some('2' | '4' | '5' | '9') => Ending::Vowel,
        Some('1' | '7' | '8') => Ending::Rieul,
        Some('0' | '3' | '6') => Ending::Consonant,
        _ => Ending::Unknown,
    }
}
