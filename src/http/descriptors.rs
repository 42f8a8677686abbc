//! As many connections as the system grants descriptors for, with some left for everything else.

/// Raises the limit as far as it goes. Three quarters of it are connections at most: one more than there are descriptors
/// cannot be refused with a word.
#[must_use]
pub fn connections(wanted: usize) -> usize {
    let Ok(descriptors) = rlimit::increase_nofile_limit(u64::MAX) else { return wanted };
    let most = usize::try_from(descriptors / 4 * 3).unwrap_or(usize::MAX);
    if most < wanted {
        tracing::info!(
            descriptors,
            connections = most,
            wanted,
            "fewer connections than wanted: `ulimit -n` bounds them"
        );
    }
    wanted.min(most)
}
