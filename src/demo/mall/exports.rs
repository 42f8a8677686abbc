//! The demo's exports: how one goes on, whose it is, and the file in the end.
//!
//! All that has to be known of an export stands in its number, so that its file is there also after a restart.

use std::{fmt::Write as _, time::Duration};

use jiff::Timestamp;

use crate::{http::File, notification::dates};

/// Rows of a finished one, and of one that is too large.
pub const ROWS: u64 = 48_000;
pub const TOO_MANY_ROWS: u64 = 148_000;
/// Percent at each step of progress.
const PROGRESS: [u64; 5] = [15, 35, 55, 75, 95];
const BETWEEN: Duration = Duration::from_secs(2);

/// One export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Unix seconds.
    pub began: i64,
    pub admin: u64,
    pub mall: u64,
    /// Every third fails.
    pub number: u64,
}

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Queued,
    Running { percent: u64, seconds_left: u64 },
    Completed,
    Failed,
}

impl Export {
    #[must_use]
    pub fn fails(&self) -> bool {
        self.number.is_multiple_of(3)
    }

    /// When it says something, from its beginning: queued, five times how far it is, and how it ended.
    pub fn steps(&self) -> impl Iterator<Item = Duration> + use<> {
        (0..=u32::try_from(PROGRESS.len()).unwrap_or(0) + 1).map(|step| BETWEEN * step)
    }

    #[must_use]
    pub fn state(&self, step: u32) -> State {
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        match step.checked_sub(1).map(|done| PROGRESS.get(done)) {
            None => State::Queued,
            Some(Some(percent)) => {
                let left = u64::try_from(PROGRESS.len() + 1 - step).unwrap_or(0);
                State::Running { percent: *percent, seconds_left: left * BETWEEN.as_secs() }
            }
            Some(None) if self.fails() => State::Failed,
            Some(None) => State::Completed,
        }
    }

    /// `EX-20261120140501-1001-70001-1`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("EX-{}-{}-{}-{}", digits(self.began), self.mall, self.admin, self.number)
    }

    /// The file of an export of this operator's, if there is one under this number.
    #[must_use]
    pub fn file(name: &str, admin: u64) -> Option<File> {
        let parts: Vec<&str> = name.split('-').collect();
        let [mark, began, mall, of, number] = parts[..] else { return None };
        let export = Export {
            began: dates::read(&spaced(began)?)?.as_second(),
            mall: mall.parse().ok()?,
            admin: of.parse().ok()?,
            number: number.parse().ok()?,
        };
        // Written in one way only: what says the same in another way is no number of ours.
        let there = mark == "EX" && export.name() == name && export.admin == admin && !export.fails();
        there.then(|| export.csv())
    }

    /// With a byte order mark, by which Excel knows Korean text.
    fn csv(&self) -> File {
        let mut rows = String::with_capacity(64 * 48_000);
        rows.push_str("\u{feff}주문번호,주문일시,상품명,수량,금액\r\n");
        let products = super::events::PRODUCTS;
        for n in 0..ROWS {
            let at = text(self.began - i64::try_from(ROWS - n).unwrap_or(0) * 36);
            let product = &products[usize::try_from(n * 7 % 11).unwrap_or(0) % products.len()];
            let count = n % 3 + 1;
            let (order, amount) = (at.replace(['-', ' ', ':'], ""), product.price * count);
            let _ = write!(rows, "{order}{:04},{at},{},{count},{amount}\r\n", n % 10_000, product.name);
        }
        File { name: format!("orders_{}.csv", digits(self.began)), content: rows.into_bytes() }
    }
}

/// `2026-11-20 14:05:01`, in Korea.
#[must_use]
pub fn text(unix: i64) -> String {
    let at = Timestamp::from_second(unix).unwrap_or(Timestamp::UNIX_EPOCH);
    dates::rfc3339(at).get(..19).unwrap_or_default().replace('T', " ")
}

/// `20261120140501`.
#[must_use]
pub fn digits(unix: i64) -> String {
    text(unix).replace(['-', ' ', ':'], "")
}

fn spaced(digits: &str) -> Option<String> {
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| &digits[range];
    let (date, time) = ([part(0..4), part(4..6), part(6..8)].join("-"), [part(8..10), part(10..12), part(12..14)]);
    Some(format!("{date} {}", time.join(":")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asked_gets_the_file_and_only_of_what_came_to_an_end() {
        let export = |number| Export { began: 1_795_000_000, admin: 70_001, mall: 1001, number };
        let name = export(1).name();
        let file = Export::file(&name, 70_001).unwrap();
        let text = String::from_utf8(file.content).unwrap();
        assert!(text.starts_with("\u{feff}주문번호,"), "Excel wants the mark");
        assert_eq!(text.lines().count() as u64, ROWS + 1);
        assert!(text.lines().skip(1).all(|row| row.split(',').count() == 5));
        assert_eq!(Export::file(&name, 70_002), None);
        assert_eq!(Export::file(&export(3).name(), 70_001), None, "it failed");
        for bad in ["", "EX", "EX-1-1001-70001-1", &name.replace("-1001-", "-01001-"), &format!("{name}-"), "ä"] {
            assert_eq!(Export::file(bad, 70_001), None, "{bad}");
        }
    }
}
