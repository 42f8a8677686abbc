//! The settings of every station, read once, with every complaint at once, before any port opens.
