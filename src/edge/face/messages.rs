//! Messages: everyone may post them, as everyone may write points; reading them requires the same permission as any
//! reading.

use crate::edge::identity;
use crate::edge::problem::Problem;
use crate::edge::reply::Reply;
use crate::edge::room::Body;
use crate::edge::write::Stored;
use crate::edge::{Exchange, StreamId, internal, other_version};
use appnet::envelope;
use appnet::message_in::{MAX_MESSAGE_BYTES, MessageIn};
use appnet::message_view;
use appnet::message_view::MessageView;
use appnet::paging;
use appnet::paging::{MessageParts, message_id, page_of};
use appnet::points::Annotations;
use protocol::command::{Command, Page, Read, take_shards};

use super::{answer, invalid};

pub(in crate::edge) async fn post_message(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    // Every page may read the answer here, even the one that its origin may not write.
    let admitted = exchange.admit(id).await?;
    let Body { bytes, room } = exchange.body(MAX_MESSAGE_BYTES).await?;
    let message = MessageIn::parse(&bytes).map_err(|error| invalid(&error))?;
    drop(bytes);
    let identity = message.batch_id.as_deref().map(|id| identity::of_message(id, &message.content()));
    let shown = MessageParts::of(exchange.query_string());
    let echoed = shown.annotations.then(|| message.annotations.clone());
    let (said, annotations) = (message.said, Body::of(message.annotations.into_bytes(), room)?);
    // Where messages cannot be read, none is kept.
    let is_kept = admitted.config.layout.shards() == 1 && admitted.config.messages_s > 0;
    let format = Annotations { head: &said, is_kept };
    let Stored { outcome, first } = exchange.store(id, admitted, identity, annotations, &format).await?;
    let (number, view) = (first.map(|first| first.to_string()), exchange.message_view(id));
    let (text, annotations) = (said.text.as_deref(), echoed.as_deref());
    let (is_for_people, no_html) = (!said.is_machine_only, shown.no_html);
    let view = MessageView { id: number.as_deref(), text, is_for_people, no_html, annotations, ..view };
    Ok(answer(&envelope::data(&view.to_json(), &rejections(&outcome)?)))
}

pub(in crate::edge) async fn list_messages(exchange: &Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let page = paging::page(exchange.query_string()).map_err(|error| invalid(&error))?;
    let messages = exchange.messages(id, page).await?;
    let shown = MessageParts::of(exchange.query_string());
    let page = message_view::page(&messages, &exchange.message_view(id), shown);
    Ok(answer(&page.map_err(|error| other_version(&error))?))
}

pub(in crate::edge) async fn read_message(exchange: &Exchange, id: &StreamId, message: &str) -> Result<Reply, Problem> {
    const NO_SUCH_MESSAGE: Problem = Problem::NotFound("there is no message with this id, or it is no longer kept");
    let number = message_id(message).ok_or(NO_SUCH_MESSAGE)?;
    let messages = exchange.messages(id, page_of(number)).await?;
    let shown = MessageParts::of(exchange.query_string());
    let single = message_view::single(&messages, &exchange.message_view(id), shown);
    Ok(answer(&single.map_err(|error| other_version(&error))?.ok_or(NO_SUCH_MESSAGE)?))
}

impl Exchange {
    /// Home has all messages; a stream with several shards has none.
    pub(super) async fn messages(&self, id: &StreamId, page: Page) -> Result<Vec<u8>, Problem> {
        let (credential, what) = (self.face_credential(), Read::Messages(page));
        let read = self.command(id, &Command::Read { credential, what }).await;
        let mut messages = read.map_err(|problem| match problem {
            Problem::Unauthorized(_) => Problem::Unauthorized(
                "Call requires authentication: this request requires the channel's read key, as a bearer token or as access_token",
            ),
            problem => problem,
        })?;
        take_shards(&mut messages).map_err(|error| other_version(&error))?;
        Ok(messages)
    }

    pub(super) fn message_view<'a>(&'a self, id: &'a StreamId) -> MessageView<'a> {
        MessageView { channel: id.as_str(), origin: self.origin(), at_s: self.now_ms / 1000, ..MessageView::default() }
    }
}

/// The `meta` of a message with rejected points.
fn rejections(outcome: &[u8]) -> Result<String, Problem> {
    let outcome = json::value::parse(outcome).map_err(|error| internal(&error))?;
    let (accepted, rejected, errors) = (&outcome["accepted"], &outcome["rejected"], &outcome["errors"]);
    let has_any = rejected.as_u64().is_some_and(|count| count > 0);
    let told = || format!(r#","accepted":{accepted},"rejected":{rejected},"errors":{errors}"#);
    Ok(if has_any { told() } else { String::new() })
}
