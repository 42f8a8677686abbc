//! The key that all nodes of a cluster share: given, kept in the data folder, or made for this process alone.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::tickets;

/// In the data folder.
const FILE: &str = "cluster.key";
/// Less can be guessed; settings complain about it before it comes here.
const LEAST: usize = 32;

/// Secret bytes, which nothing shows.
pub struct ClusterKey(Box<[u8]>);

impl ClusterKey {
    /// Any text; every node that is given the same one has the same key.
    #[must_use]
    pub fn given(text: &str) -> ClusterKey {
        ClusterKey(text.trim().as_bytes().into())
    }

    /// For the demo: made at the first start, and the same one after a restart.
    pub fn kept_in(folder: &Path) -> io::Result<ClusterKey> {
        let file = folder.join(FILE);
        match fs::read_to_string(&file) {
            Ok(text) if text.trim().len() >= LEAST => Ok(ClusterKey::given(&text)),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "too short to be a key; remove it for a new one")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = BASE64_URL_SAFE_NO_PAD.encode(tickets::random::<32>());
                write_for_us_alone(&file, &text)?;
                Ok(ClusterKey::given(&text))
            }
            Err(error) => Err(error),
        }
    }

    /// Where nobody named one: what it seals nobody else can open, and nobody after the end of this process.
    #[must_use]
    pub fn of_this_process() -> ClusterKey {
        ClusterKey(tickets::random::<32>().into())
    }

    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(not shown)")
    }
}

/// Beside it first and then renamed: a crash in between leaves no half key.
fn write_for_us_alone(file: &Path, text: &str) -> io::Result<()> {
    let beside = file.with_extension("key.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut half = options.open(&beside)?;
    writeln!(half, "{text}")?;
    half.sync_all()?;
    fs::rename(beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_is_made_once_for_us_alone_and_a_broken_one_is_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        let first = ClusterKey::kept_in(folder.path()).unwrap();
        assert!(first.expose().len() >= LEAST);
        assert_eq!(ClusterKey::kept_in(folder.path()).unwrap().expose(), first.expose());
        assert_eq!(format!("{first:?}"), "ClusterKey(not shown)");
        let other = tempfile::tempdir().unwrap();
        assert_ne!(ClusterKey::kept_in(other.path()).unwrap().expose(), first.expose());
        assert_ne!(ClusterKey::of_this_process().expose(), ClusterKey::of_this_process().expose());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(folder.path().join(FILE), "short\n").unwrap();
        assert!(ClusterKey::kept_in(folder.path()).unwrap_err().to_string().contains("too short"));
    }
}
