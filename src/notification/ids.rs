//! The numbers of malls, partners and admins: typed, so that nothing is ever matched by text or prefix.

use std::{fmt, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The largest number accepted: what a signed 64-bit column and every client's long can hold.
const LARGEST: u64 = i64::MAX.unsigned_abs();

/// Why a text or a number is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a decimal number from 1 to 9223372036854775807, without sign or leading zero")]
pub struct NotAnId;

fn parse(text: &str) -> Result<NonZeroU64, NotAnId> {
    let digits = text.as_bytes();
    if digits.is_empty() || digits[0] == b'0' || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NotAnId);
    }
    checked(text.parse().map_err(|_| NotAnId)?)
}

fn checked(number: u64) -> Result<NonZeroU64, NotAnId> {
    match NonZeroU64::new(number) {
        Some(number) if number.get() <= LARGEST => Ok(number),
        _ => Err(NotAnId),
    }
}

/// Producers write the same number as `12034` and as `"12034"` (the partner's in particular): both are read.
struct NumberOrText;

impl de::Visitor<'_> for NumberOrText {
    type Value = NonZeroU64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NotAnId}")
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<NonZeroU64, E> {
        checked(number).map_err(E::custom)
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<NonZeroU64, E> {
        u64::try_from(number).map_err(|_| E::custom(NotAnId)).and_then(|n| self.visit_u64(n))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<NonZeroU64, E> {
        parse(text).map_err(E::custom)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// Fails for zero and for what a signed 64-bit number cannot hold.
            pub fn new(number: u64) -> Result<$name, NotAnId> {
                checked(number).map($name)
            }
            /// The number itself.
            #[must_use]
            pub fn get(self) -> u64 {
                self.0.get()
            }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<$name, NotAnId> {
                parse(text).map($name)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u64(self.get())
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                deserializer.deserialize_any(NumberOrText).map($name)
            }
        }
    };
}

id!(
    /// A shopping mall.
    MallNo
);
id!(
    /// A partner (supplier), who may sell in several malls.
    PartnerNo
);
id!(
    /// One admin of any kind: an operator of malls or the admin of a partner.
    AdminNo
);
