//! Into Kafka: the one producer, used by the command line.
