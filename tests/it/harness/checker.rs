//! What somebody saw, and whether that is exactly what they should have seen.

use std::collections::HashSet;

use allim::notification::{Position, Vector};

use super::{publisher::Sent, sse::Event};

/// Everything one person saw, over all their connections.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// The last id, as a browser keeps it.
    pub position: Option<String>,
    /// Where the first hello put them.
    pub start: Option<Vector>,
    /// Notifications in the order they came: title, and the position each carried.
    pub heard: Vec<(String, Position)>,
    pub gaps: Vec<String>,
    pub hellos: Vec<serde_json::Value>,
    pub byes: Vec<serde_json::Value>,
    pub beats: u64,
    /// What the last status of this connection said.
    pub live: Option<bool>,
    pub connects: u64,
    /// Ids that went back in some partition without a gap.
    pub went_back: Vec<(String, String)>,
}

impl Story {
    pub fn note(&mut self, event: &Event) {
        if let Some(id) = &event.id {
            let now = Position::decode(id).unwrap_or_else(|_| panic!("an id that is no position: {id}"));
            if let (Some(before), false) = (&self.position, event.name == "gap")
                && let Ok(was) = Position::decode(before)
                && (was.epoch != now.epoch || !was.next.within(&now.next))
            {
                self.went_back.push((before.clone(), id.clone()));
            }
            if event.name == "hello" && self.start.is_none() {
                self.start = Some(now.next.clone());
            }
            self.position = Some(id.clone());
        }
        match event.name.as_str() {
            "message" => {
                let id = event.id.as_ref().expect("a notification has an id");
                let title = event.json()["title"].as_str().unwrap_or("?").to_owned();
                self.heard.push((title, Position::decode(id).expect("a position")));
            }
            "gap" => self.gaps.push(event.json()["reason"].as_str().unwrap_or("?").to_owned()),
            "hello" => self.hellos.push(event.json()),
            "bye" => self.byes.push(event.json()),
            "beat" => self.beats += 1,
            // `kept` alone says nothing of the log.
            "status" => self.live = event.json()["live"].as_bool().or(self.live),
            _ => {}
        }
    }

    pub fn titles(&self) -> Vec<&str> {
        self.heard.iter().map(|(title, _)| title.as_str()).collect()
    }

    /// What of `sent` this person should have heard, in no order.
    fn due<'a>(&self, sent: &'a [Sent], mine: impl Fn(&str) -> bool) -> Vec<&'a Sent> {
        let Some(start) = &self.start else { return vec![] };
        sent.iter().filter(|s| s.offset >= start.get(s.partition) && mine(&s.audience)).collect()
    }

    /// Has everything (and perhaps something too much).
    pub fn has_all(&self, sent: &[Sent], mine: impl Fn(&str) -> bool) -> bool {
        if self.start.is_none() {
            return false;
        }
        let heard: HashSet<&str> = self.titles().into_iter().collect();
        self.due(sent, mine).iter().all(|s| heard.contains(s.title.as_str()))
    }

    /// No hole, no repeat, nothing foreign, order kept in each partition, no id that goes back, no gap.
    pub fn check(&self, sent: &[Sent], mine: impl Fn(&str) -> bool) {
        let due = self.due(sent, mine);
        let heard = self.titles();
        let unique: HashSet<&str> = heard.iter().copied().collect();
        let wanted: HashSet<&str> = due.iter().map(|s| s.title.as_str()).collect();
        let who = self.summary();
        assert_eq!(self.gaps, Vec::<String>::new(), "a gap: {who}");
        assert_eq!(self.went_back, vec![], "an id went back: {who}");
        let holes: Vec<_> = due.iter().filter(|s| !unique.contains(s.title.as_str())).take(5).collect();
        assert!(holes.is_empty(), "holes {holes:?}: {who}");
        let foreign: Vec<_> = unique.difference(&wanted).take(5).collect();
        assert!(foreign.is_empty(), "foreign {foreign:?}: {who}");
        assert_eq!(unique.len(), heard.len(), "repeats: {who}");
        let mut last = vec![None; 64];
        for title in heard {
            let at = due.iter().find(|s| s.title == title).expect("it was due");
            assert!(last[at.partition] < Some(at.offset), "out of order at {title}: {who}");
            last[at.partition] = Some(at.offset);
        }
    }

    pub fn summary(&self) -> String {
        format!(
            "{} heard over {} connections from {:?}, now at {:?}, gaps {:?}, byes {:?}",
            self.heard.len(),
            self.connects,
            self.start,
            self.position.as_ref().and_then(|p| Position::decode(p).ok()).map(|p| p.next),
            self.gaps,
            self.byes,
        )
    }
}
