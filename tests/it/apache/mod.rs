//! What only Apache Kafka has: leaders that move and whose epoch falls, transactions, a log that ends in control records.

mod created_anew;
mod leaders;
mod set_up;
mod topic_settings;
mod transactions;
