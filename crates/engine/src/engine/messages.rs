//! Points in the order of the log, as messages: those that the log still has.

use appnet::messages::Annotated;
use appnet::posted::is_for_people;
use ingest::frame::{Frame, LabelSet};
use model::labels::Labels;
use model::point::Point;
use protocol::command::Page;
use store::frames;
use store::log::LogRow;
use store::sql::{Sql, StoreError};

use super::Engine;

impl<S: Sql> Engine<S> {
    /// A page of messages as JSON, newest first.
    pub fn messages_json(&self, page: &Page) -> Result<String, StoreError> {
        let wanted = usize::from(page.count.unsigned_abs());
        let (since, before) = (page.since.unwrap_or_default(), page.before.unwrap_or(u64::MAX));
        let mut found = Vec::new();
        let is_oldest_first = page.count < 0;
        let mut take = |row: &LogRow| {
            let most = wanted + 1 - found.len();
            let messages = self.messages_of(row, (since, before), most, page)?;
            found.extend(messages.into_iter().map(|message| (message, row.at_ms)));
            Ok::<_, StoreError>(found.len() > wanted)
        };
        if is_oldest_first {
            for row in self.log.rows_from(since) {
                if row.first >= Some(before) || take(row)? {
                    break;
                }
            }
        } else {
            for row in self.log.rows_before(before).rev() {
                if take(row)? || row.first <= Some(since) {
                    break;
                }
            }
        }
        let has_more = found.len() > wanted;
        found.truncate(wanted);
        if page.count < 0 {
            found.reverse();
        }
        let mut out = String::from("{\"messages\":[");
        for (index, (message, at_ms)) in found.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            message.push_json(&mut out, *at_ms);
        }
        let accepted = self.accepted();
        let more = if has_more { "true" } else { "false" };
        out.extend(["],\"more\":", more, ",\"accepted\":", &accepted.to_string(), "}"]);
        Ok(out)
    }

    /// At most this many messages of a row with ids after and before these, in the order of the page. Reads one frame
    /// at a time, and no more of it than needed, as a row may have the points of thousands of messages.
    fn messages_of(
        &self,
        row: &LogRow,
        (since, before): (u64, u64),
        most: usize,
        page: &Page,
    ) -> Result<Vec<Annotated>, StoreError> {
        let Some(mut first) = row.first else { return Ok(Vec::new()) };
        let bytes = self.row_bytes(row.seq)?;
        let mut frames_of_row = Vec::new();
        for bytes in frames::decode(&bytes)? {
            let frame = Frame::parse(bytes)?;
            let behind = first + frame.outcome.accepted;
            let is_wanted = !frame.is_gap() && (page.machine || is_for_people(frame.posted));
            if is_wanted && behind > since + 1 && first < before {
                frames_of_row.push((first, bytes));
            }
            first = behind;
        }
        let is_oldest_first = page.count < 0;
        if !is_oldest_first {
            frames_of_row.reverse();
        }
        let mut found = Vec::new();
        for (first, bytes) in frames_of_row {
            let mut messages = self.messages_of_frame(first, &Frame::parse(bytes)?, (since, before))?;
            if !is_oldest_first {
                messages.reverse();
            }
            found.extend(messages);
            if found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        Ok(found)
    }

    fn messages_of_frame(
        &self,
        first: u64,
        frame: &Frame<'_>,
        (since, before): (u64, u64),
    ) -> Result<Vec<Annotated>, StoreError> {
        if !frame.posted.is_empty() {
            let mut points = Vec::new();
            self.each_labelled(frame, |labels, point| points.push((labels.clone(), *point)))?;
            if let Some(message) = Annotated::posted(first, frame.posted, &points) {
                // It is one message, whatever its size, because it was posted as one.
                return Ok(if (since + 1..before).contains(&first) { vec![message] } else { Vec::new() });
            }
        }
        let (mut messages, mut number) = (Vec::<Annotated>::new(), first);
        self.each_labelled(frame, |labels, point| {
            if !messages.last_mut().is_some_and(|last| last.push(labels, point)) {
                // Points beyond the page were only needed to find where this message begins.
                messages.retain(|message| message.id > since);
                let mut message = Annotated::new(number);
                message.push(labels, point);
                messages.push(message);
            }
            number += 1;
        })?;
        messages.retain(|message| (since + 1..before).contains(&message.id));
        Ok(messages)
    }

    /// Hands on each point of a frame with its labels.
    pub(super) fn each_labelled(
        &self,
        frame: &Frame<'_>,
        mut each: impl FnMut(&Labels, &Point),
    ) -> Result<(), StoreError> {
        let new: Vec<Labels> = frame.label_sets.iter().map(|labels| Labels::from_canonical(labels)).collect();
        Ok(frame.each_point(|set, point| match set {
            LabelSet::New(set) => each(&new[set], point),
            LabelSet::Known(series) => each(&self.dictionary.labels_of(series), point),
        })?)
    }
}
