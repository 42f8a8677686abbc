//! The blocks of an event stream, read by the letter of the standard; fuzzing reads with the same.

/// One dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `message` where the stream names none.
    pub name: String,
    pub data: String,
    /// The id of this very block, if it has one.
    pub id: Option<String>,
    pub retry: Option<u64>,
}

impl Event {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.data))
    }
}

/// Takes the first whole block from what has arrived, with the end of its last line.
pub fn take_block(text: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = text.windows(2).position(|w| w == b"\n\n")?;
    let block = text[..end + 1].to_vec();
    text.drain(..end + 2);
    Some(block)
}

/// One block; the server writes LF only, so anything else in a line is part of its value, and would be seen.
pub fn parse(block: &[u8]) -> Option<Event> {
    let block = std::str::from_utf8(block).expect("UTF-8");
    assert!(!block.contains('\r'), "a bare CR ends a line in every browser: {block:?}");
    let mut event = Event { name: "message".into(), data: String::new(), id: None, retry: None };
    let mut any = false;
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.name = value.to_owned(),
            "id" => event.id = Some(value.to_owned()),
            "retry" => event.retry = value.parse().ok(),
            "data" => {
                if any {
                    event.data.push('\n');
                }
                any = true;
                event.data.push_str(value);
            }
            "" => {}
            other => panic!("a field that nobody knows: {other:?} in {block:?}"),
        }
    }
    any.then_some(event)
}
