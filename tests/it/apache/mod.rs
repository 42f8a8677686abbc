//! What only Apache Kafka has: leaders that move, transactions, a log that ends in control records.

mod leaders;
mod transactions;
