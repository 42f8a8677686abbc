//! Reads an event stream: bytes in whatever pieces they come, events out.

/// More than any event of ours; what is longer is no event stream.
const LONGEST_LINE: usize = 1024 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Empty for what pages hear as `message`.
    pub name: String,
    pub data: String,
    /// Where the stream stands from here on, if it says so.
    pub id: Option<String>,
    pub retry_ms: Option<u64>,
}

/// A line that is longer than any of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no event stream: a line is longer than {LONGEST_LINE} bytes")]
pub struct TooLong;

/// What has come and is no whole event yet.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    event: Event,
    any: bool,
}

impl Reader {
    /// The events that these bytes complete.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.line.len() + piece.len() > LONGEST_LINE {
                return Err(TooLong);
            }
            self.line.extend_from_slice(piece);
            if self.line.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                events.extend(self.take(line.trim_end_matches(['\r', '\n'])));
            }
        }
        Ok(events)
    }

    fn take(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let any = std::mem::take(&mut self.any);
            let mut event = std::mem::take(&mut self.event);
            event.data.pop(); // each line of data ended with a line end of ours
            return any.then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                self.event.data.push_str(value);
                self.event.data.push('\n');
            }
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" => self.event.retry_ms = value.parse().ok(),
            // A comment, or a word of tomorrow.
            _ => return None,
        }
        self.any = true;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_their_bytes_are_cut() {
        let stream =
            ": hi\n\nretry: 3000\nevent: hello\nid: a\ndata: {}\n\ndata: 주문\ndata:two\r\nid: b\r\n\r\ndata: cut";
        let mut reader = Reader::default();
        let mut events = Vec::new();
        for byte in stream.as_bytes() {
            events.extend(reader.read(&[*byte]).unwrap());
        }
        assert_eq!(events, Reader::default().read(stream.as_bytes()).unwrap());
        assert_eq!(
            events,
            [
                Event { name: "hello".into(), data: "{}".into(), id: Some("a".into()), retry_ms: Some(3000) },
                Event { name: String::new(), data: "주문\ntwo".into(), id: Some("b".into()), retry_ms: None },
            ]
        );
        assert_eq!(Reader::default().read(&vec![b'x'; LONGEST_LINE + 1]), Err(TooLong));
    }
}
