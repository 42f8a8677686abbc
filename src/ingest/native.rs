//! What librdkafka tells only through its own interface: the id of a topic, the leader epoch of a record, and how far a
//! partition has been handed out.
//!
//! All `unsafe` of this crate is here. The calls are wrapped so that nothing of librdkafka's outlives them: what it gives
//! us is copied, and whatever it allocated is freed by a guard, also when we return early.

#![expect(
    unsafe_code,
    reason = "the safe interface of rdkafka 0.39 has none of these calls for less; D1 of the design needs them"
)]

use std::{
    ffi::{CStr, CString},
    ptr,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    bindings::{
        rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_request_timeout,
        rd_kafka_DescribeTopics, rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy,
        rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_error, rd_kafka_TopicDescription_topic_id,
        rd_kafka_Uuid_base64str, rd_kafka_Uuid_least_significant_bits, rd_kafka_Uuid_most_significant_bits,
        rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, rd_kafka_error_code,
        rd_kafka_event_DescribeTopics_result, rd_kafka_event_destroy, rd_kafka_event_error,
        rd_kafka_message_leader_epoch, rd_kafka_position, rd_kafka_queue_destroy, rd_kafka_queue_new,
        rd_kafka_queue_poll, rd_kafka_resp_err_t,
    },
    consumer::Consumer as _,
    message::BorrowedMessage,
};

use super::client::Consumer;

/// Why there is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTopicId {
    /// There is no such topic.
    NoTopic,
    /// The brokers did not answer, or not to this question.
    NoAnswer,
}

/// Frees what librdkafka allocated.
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the pointer came from the constructor that belongs to this destructor, and is freed once.
            unsafe { (self.1)(self.0) }
        }
    }
}

/// The id that a topic has from its creation to its end; None where the brokers know none (before 2.8). Blocks.
pub fn topic_id(consumer: &Consumer, topic: &str, timeout: Duration) -> Result<Option<String>, NoTopicId> {
    let name = CString::new(topic).map_err(|_| NoTopicId::NoTopic)?;
    let mut names = [name.as_ptr()];
    let deadline = Instant::now() + timeout;
    let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client lives as long as `consumer`, which is borrowed throughout. Names, options and queue outlive the
    // call that uses them. The queue is polled before it is destroyed, and a late answer to it is freed by librdkafka.
    unsafe {
        let client = consumer.client().native_ptr();
        let queue = Owned(rd_kafka_queue_new(client), rd_kafka_queue_destroy);
        let topics = Owned(
            rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            rd_kafka_TopicCollection_destroy,
        );
        let options =
            Owned(rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS), rd_kafka_AdminOptions_destroy);
        rd_kafka_AdminOptions_set_request_timeout(options.0, millis(timeout), ptr::null_mut(), 0);
        rd_kafka_DescribeTopics(client, topics.0, options.0, queue.0);
        let left = deadline.saturating_duration_since(Instant::now());
        let event = Owned(rd_kafka_queue_poll(queue.0, millis(left)), rd_kafka_event_destroy);
        if event.0.is_null() || rd_kafka_event_error(event.0) != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(NoTopicId::NoAnswer);
        }
        let result = rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            return Err(NoTopicId::NoAnswer);
        }
        let mut count = 0;
        let found = rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if found.is_null() || count == 0 {
            return Err(NoTopicId::NoAnswer);
        }
        // The first of them; it lives as long as the event.
        let description = *found;
        match rd_kafka_error_code(rd_kafka_TopicDescription_error(description)) {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => return Err(NoTopicId::NoTopic),
            _ => return Err(NoTopicId::NoAnswer),
        }
        let id = rd_kafka_TopicDescription_topic_id(description);
        if id.is_null()
            || (rd_kafka_Uuid_most_significant_bits(id) == 0 && rd_kafka_Uuid_least_significant_bits(id) == 0)
        {
            return Ok(None);
        }
        let text = rd_kafka_Uuid_base64str(id);
        Ok((!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned()))
    }
}

/// How many leaders the record's partition had had when it was written; None where the broker does not say.
pub fn leader_epoch(message: &BorrowedMessage<'_>) -> Option<u32> {
    // SAFETY: the message is borrowed, so librdkafka keeps it; the call only reads it.
    let epoch = unsafe { rd_kafka_message_leader_epoch(message.ptr()) };
    u32::try_from(epoch).ok()
}

/// Where the partition goes on behind everything that its consumer was given, control records and aborted ones included;
/// None before it was given anything. The safe call asks librdkafka's own thread for the whole assignment first, and
/// this is asked at every end of the log.
pub fn position(consumer: &Consumer, topic: &str, partition: i32) -> Option<u64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    // SAFETY: client and list are borrowed throughout; the call writes an offset into the list, and keeps nothing.
    let error = unsafe { rd_kafka_position(consumer.client().native_ptr(), list.ptr()) };
    let known = error == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    let offset = list.find_partition(topic, partition)?.offset();
    if let (true, Offset::Offset(next)) = (known, offset) { u64::try_from(next).ok() } else { None }
}
