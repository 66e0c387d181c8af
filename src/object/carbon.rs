//! Pushes to a carbon: one batch per task of the alarm (see [`super::alarm`]), on a connection of its own.

use worker::console_error;

use crate::clock::now_ms;
use config::carbon::{CarbonConfig, HostError, allowed_host};
use protocol::refusal::Refusal;

use super::forward::{is_dev, jitter, variable};
use super::stream::{Stream, internal};
use super::tcp;
use engine::{Batch, Lines};

/// How many buckets with nothing to send are looked at in a row.
const MAX_LOOKS: usize = 16;
/// The wait before a retry if this object itself is at fault.
const RETRY_MS: i64 = 30_000;

impl Stream {
    /// Pushes the next buckets that are due.
    pub(super) async fn push_to_carbon(&self) {
        match self.push_batch().await {
            Ok(()) | Err(Refusal::NoSuchStream) => (),
            Err(_) => self.put_off_carbon(),
        }
    }

    /// Pauses pushing for a moment, as something is wrong here.
    pub(super) fn put_off_carbon(&self) {
        let put_off = self.shared.with_engine(|engine| {
            engine.put_off_carbon(now_ms() + RETRY_MS);
            Ok(())
        });
        if let Err(error) = put_off {
            console_error!("carbon: {error}");
        }
    }

    async fn push_batch(&self) -> Result<(), Refusal> {
        for _ in 0..MAX_LOOKS {
            match self.shared.with_engine(|engine| engine.next_lines(now_ms()))? {
                Batch::Send(lines) => return self.send_lines(*lines).await,
                Batch::Again => {}
                Batch::Rest => break,
            }
        }
        Ok(())
    }

    async fn send_lines(&self, mut lines: Lines) -> Result<(), Refusal> {
        let Some(config) = self.shared.record()?.config.carbon else { return Ok(()) };
        // What is sent is durable: a point that was lost with this object would stay in the carbon for ever.
        self.shared.state.storage().sync().await.map_err(|error| internal(&error))?;
        let failure = self.try_to_send(&config, &mut lines).await.err();
        self.shared.with_engine(|engine| engine.settle_lines(&lines, failure.as_deref(), jitter(), now_ms()))
    }

    async fn try_to_send(&self, config: &CarbonConfig, lines: &mut Lines) -> Result<(), String> {
        let allow_list = variable(&self.env, "CARBON_HOSTS");
        let host = allowed_host(config, allow_list.as_deref(), is_dev(&self.env)).map_err(|error| match error {
            // Holders of a read key see the reason, but other streams' hosts are none of their business.
            HostError::NotListed(_) => HostError::NotListed("see the deployment".to_owned()).to_string(),
            error => error.to_string(),
        })?;
        let Some(first) = lines.next_piece() else { return Ok(()) };
        tcp::send(&host, config.port, first, &mut || lines.next_piece()).await
    }
}
