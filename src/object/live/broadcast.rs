//! Sends readers what is new, at most once a second: commits start it, and it stops when the stream is quiet.
//! Readers with the same query and the same cursor share one answer, computed and encoded once.
//!
//! With several shards, home polls the others while it has readers, as it does not learn of their commits: once a
//! second while something arrives, and less and less often while nothing does.

use std::rc::Rc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use worker::Delay;
use worker::js_sys::JsString;

use crate::clock::now_ms;
use crate::object::line::Rank;
use crate::object::shard::call;
use crate::object::stream::{Shared, internal, to_json};
use answers::live::Message;
use answers::look::Look;
use memory::{NoRoom, Share, reserve};
use protocol::command::{Command, Credential, Read, take_shards};
use protocol::live_params::{LiveCursor, LiveQuery};
use protocol::live_part::{encode, split};
use protocol::params::QueryText;
use protocol::refusal::Refusal;

use super::{Live, STREAM_GONE, TRY_AGAIN, close};

/// The interval at which readers get news.
const TELL_MS: i64 = 1_000;
/// While other shards have nothing new, the pauses between polls double up to this: it is how late readers can
/// learn of the first point after a quiet time. An open tab on 64 quiet shards costs 63 / 15 calls per second
/// instead of 63.
const MAX_PAUSE_MS: i64 = 15_000;
/// After this long without news, readers' cursors are attached to their sockets: before an idle object hibernates,
/// which it does after ten seconds.
const QUIET_MS: i64 = 2_500;
/// How many groups are queried concurrently if there are several shards.
const GROUPS_AT_ONCE: usize = 8;
/// How many shards are called concurrently.
const CALLS_AT_ONCE: usize = 8;

/// The query of a group of readers, and the cursor up to which they were sent data.
pub(super) type Group = (Rc<LiveQuery>, LiveCursor);

impl Shared {
    /// There may be news: starts the task that sends it, unless it runs or there are no readers.
    pub(in crate::object) fn stir(self: &Rc<Self>) {
        let mut live = self.readers();
        live.is_stirred = true;
        if !live.readers.is_empty() && !std::mem::replace(&mut live.is_running, true) {
            let shared = Rc::clone(self);
            self.state.wait_until(async move { shared.tell_all().await });
        }
    }

    async fn tell_all(&self) {
        loop {
            loop {
                // A value of its own: nothing is borrowed while it waits.
                let rest_ms = self.live.borrow_mut().rest_ms(now_ms());
                let Some(rest_ms) = rest_ms else { break };
                wait(rest_ms).await;
            }
            {
                let mut live = self.live.borrow_mut();
                (live.is_stirred, live.told_ms) = (false, now_ms());
            }
            let has_news = self.tell().await;
            let is_done = {
                let mut live = self.live.borrow_mut();
                live.pause_ms = pause_ms(live.pause_ms, has_news);
                live.readers.is_empty() || !(live.is_stirred || self.has_other_shards())
            };
            if is_done {
                break;
            }
        }
        let told_ms = {
            let mut live = self.live.borrow_mut();
            live.is_running = false;
            live.told_ms
        };
        wait(QUIET_MS).await;
        let mut live = self.live.borrow_mut();
        live.drop_old_snapshot(now_ms());
        // Otherwise cursors of readers that got news since are attached later.
        if live.is_marked && !live.is_running && live.told_ms == told_ms {
            live.attach_all(true);
        }
    }

    pub(super) fn has_other_shards(&self) -> bool {
        self.record().is_ok_and(|record| record.config.layout.shards() > 1)
    }

    /// Sends each reader what is new to it; returns whether anything was.
    async fn tell(&self) -> bool {
        let mut has_news = false;
        let mut groups: Vec<Group> = Vec::new();
        for reader in &self.live.borrow().readers {
            let is_known = |(query, cursor): &Group| Rc::ptr_eq(query, &reader.query) && *cursor == reader.cursor;
            if !groups.iter().any(is_known) {
                groups.push((Rc::clone(&reader.query), reader.cursor.clone()));
            }
        }
        // One after the other, so that one message is in memory at a time and others have their turn. With several
        // shards, a few groups are queried concurrently.
        let at_once = if self.has_other_shards() { GROUPS_AT_ONCE } else { 1 };
        for groups in groups.chunks(at_once) {
            let messages = self.look_all(groups, Rank::Holder, now_ms()).await;
            for (group, message) in groups.iter().zip(messages) {
                has_news |= message.as_ref().is_ok_and(|message| !message.is_empty);
                self.tell_one(group, message);
            }
            wait(0).await;
        }
        has_news
    }

    fn tell_one(&self, group: &Group, message: Result<Message, Refusal>) {
        let counted = message.and_then(|message| match reserve(Share::Live, message.json.capacity()) {
            Ok(room) => Ok((message, room)),
            Err(NoRoom) => Err(Refusal::QueryTooLarge(String::new())),
        });
        match counted {
            Ok((message, _room)) => self.live.borrow_mut().tell_group(group, &message),
            Err(Refusal::NoSuchStream) => self.live.borrow_mut().close_group(group, STREAM_GONE),
            // The next upgrade says why.
            Err(Refusal::QueryTooLarge(_) | Refusal::InvalidRequest(_)) => {
                self.live.borrow_mut().close_group(group, TRY_AGAIN);
            }
            // If a shard can't be reached, the readers wait.
            Err(_) => self.live.borrow_mut().is_stirred = true,
        }
    }

    /// The message for each group of readers.
    pub(super) async fn look_all<'a>(
        &self,
        groups: &'a [Group],
        rank: Rank,
        now_ms: i64,
    ) -> Vec<Result<Message, Refusal>> {
        let new = |(query, cursor): &'a Group| Look::new(query, cursor.clone(), now_ms);
        let mut looks: Vec<_> = groups.iter().map(new).collect();
        loop {
            let asking: Vec<(usize, QueryText)> =
                (0..).zip(&looks).filter_map(|(at, look)| Some((at, look.as_ref().ok()?.ask()?))).collect();
            if asking.is_empty() {
                break;
            }
            let (places, asks): (Vec<usize>, Vec<QueryText>) = asking.into_iter().unzip();
            let parts = self.ask_all(asks, rank).await;
            for (index, at) in places.into_iter().enumerate() {
                if let Ok(look) = &mut looks[at] {
                    let taken = parts.as_ref().map_err(Refusal::clone).and_then(|parts| take(look, parts, index));
                    if let Err(refusal) = taken {
                        looks[at] = Err(refusal);
                    }
                }
            }
        }
        looks.into_iter().map(|look| look?.message().ok_or(Refusal::Internal)).collect()
    }

    /// The answers of all shards to some queries.
    async fn ask_all(&self, asks: Vec<QueryText>, rank: Rank) -> Result<Vec<Vec<u8>>, Refusal> {
        let ((stream, _), shards) = (self.place()?, self.record()?.config.layout.shards());
        let mut answers = Vec::new();
        if shards > 1 {
            let what = Read::Live(asks.clone());
            let command = to_json(&Command::Read { credential: Credential::Owner, what });
            let one = async |shard: u16| call(&self.env, &format!("{stream}/{shard}"), &command).await;
            let mut calls = stream::iter((1..shards).map(one)).buffer_unordered(CALLS_AT_ONCE);
            while let Some(answer) = calls.next().await {
                let mut answer = answer?;
                take_shards(&mut answer).map_err(|error| internal(&error))?;
                answers.push(answer);
            }
        }
        answers.push(encode(&self.look(&asks, rank).await?));
        Ok(answers)
    }
}

/// Adds all shards' answers to the query at an index.
fn take(look: &mut Look<'_>, answers: &[Vec<u8>], index: usize) -> Result<(), Refusal> {
    for answer in answers {
        let parts = split(answer).map_err(|error| internal(&error))?;
        look.take(parts.get(index).ok_or(Refusal::Internal)?)?;
    }
    look.end_round()
}

impl Live {
    /// Waits until the next send, at most a second: a commit of this shard ends a longer pause.
    fn rest_ms(&mut self, now_ms: i64) -> Option<i64> {
        self.drop_old_snapshot(now_ms);
        let pause_ms = if self.is_stirred { TELL_MS } else { self.pause_ms };
        let rest_ms = (self.told_ms + pause_ms).saturating_sub(now_ms);
        (rest_ms > 0).then(|| rest_ms.min(TELL_MS))
    }

    fn tell_group(&mut self, (query, cursor): &Group, message: &Message) {
        if !message.is_empty && !self.is_marked {
            self.attach_all(false);
        }
        let (text, cursor_text): (JsString, Rc<str>) = (message.json.as_str().into(), message.cursor.text().into());
        self.readers.retain_mut(|reader| {
            if !Rc::ptr_eq(&reader.query, query) || reader.cursor != *cursor {
                return true;
            }
            if message.is_empty {
                reader.cursor.clone_from(&message.cursor);
                return true;
            }
            Self::tell(reader, &text, &message.cursor, &cursor_text)
        });
    }

    fn close_group(&mut self, (query, cursor): &Group, code: u16) {
        self.readers.retain_mut(|reader| {
            let is_other = !Rc::ptr_eq(&reader.query, query) || reader.cursor != *cursor;
            if !is_other {
                close(&reader.socket, code);
            }
            is_other
        });
    }
}

/// The next pause, after one with or without news.
fn pause_ms(pause_ms: i64, has_news: bool) -> i64 {
    if has_news { TELL_MS } else { (2 * pause_ms).clamp(TELL_MS, MAX_PAUSE_MS) }
}

async fn wait(ms: i64) {
    Delay::from(Duration::from_millis(ms.unsigned_abs())).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_shards_are_polled_less_often_until_one_has_news() {
        let mut live = Live { pause_ms: TELL_MS, ..Live::default() };
        let asked_after = |live: &mut Live, has_news| {
            let (begun_ms, mut now_ms) = (live.told_ms, live.told_ms);
            while let Some(rest_ms) = live.rest_ms(now_ms) {
                assert!(rest_ms <= TELL_MS, "a commit of home is told within a second");
                now_ms += rest_ms;
            }
            live.told_ms = now_ms;
            live.pause_ms = pause_ms(live.pause_ms, has_news);
            now_ms - begun_ms
        };
        let pauses: Vec<i64> = (0..7).map(|_| asked_after(&mut live, false)).collect();
        assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
        live.is_stirred = true;
        assert_eq!(asked_after(&mut live, true), 1_000);
        live.is_stirred = false;
        assert_eq!(asked_after(&mut live, false), 1_000);
        assert_eq!(asked_after(&mut live, false), 2_000);
    }
}
