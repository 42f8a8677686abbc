//! A token, which nothing shows, and its hash, which is all that we keep of it.

use std::fmt;

use sha2::{Digest, Sha256};

/// Longer ones are somebody's mistake; a signed token with many claims has about half of it.
const LONGEST: usize = 8 * 1024;

/// What a caller proves itself with, as it came.
#[derive(Clone)]
pub struct Token(Box<str>);

/// Empty, too long, or with letters that no request head can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is 1 to {LONGEST} visible letters of ASCII")]
pub struct NotAToken;

impl Token {
    /// Takes it as it came from a header or a cookie, without `Bearer`.
    pub fn new(text: &str) -> Result<Token, NotAToken> {
        let good = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(Token(text.into())) } else { Err(NotAToken) }
    }

    /// Under what its answer is remembered.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// For the account service alone.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// Not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash of a token is 64 hexadecimal digits")]
pub struct NotAHash;

impl TokenHash {
    /// Reads the 64 hexadecimal digits in which others name a token (`tokenSha256` of a signal).
    pub fn from_hex(text: &str) -> Result<TokenHash, NotAHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NotAHash);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or(NotAHash)?;
        }
        Ok(TokenHash(hash))
    }
}

impl fmt::Debug for TokenHash {
    /// A hash finds its operator for whoever has the token's list; a log needs neither.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_token_and_only_what_a_head_can_carry_is_one() {
        let token = Token::new("demo-70001").unwrap();
        assert!(!format!("{token:?} {:?}", token.hash()).contains("demo"));
        for bad in ["", " ", "a b", "a\r\nX: y", "토큰", &"x".repeat(LONGEST + 1)] {
            Token::new(bad).unwrap_err();
        }
    }

    #[test]
    fn a_hash_is_the_one_that_others_compute() {
        // printf demo-70001 | sha256sum
        let hex = "0617e92eea2e85e8a737c096d9132cca93d9fe39550043a56eb27bb046f1d345";
        assert!(TokenHash::from_hex(hex).unwrap() == Token::new("demo-70001").unwrap().hash());
        TokenHash::from_hex(&hex[1..]).unwrap_err();
        TokenHash::from_hex(&hex.replace(&hex[..1], "g")).unwrap_err();
    }
}
