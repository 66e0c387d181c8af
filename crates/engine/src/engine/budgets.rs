//! The budgets that a write uses: checked before it is stored, refunded if it is not.

use crate::admission::{Admission, Ask, Charge};
use config::who::Who;
use ingest::outcome::WriteOutcome;
use model::batch_key::BatchKey;
use model::cost::Cost;
use protocol::limited::Budget;
use protocol::refusal::Refusal;
use protocol::writer::Writer;
use store::sql::{Sql, StoreError};

use super::Engine;

impl<S: Sql> Engine<S> {
    /// The answer to the first batch with this key.
    pub fn answered(&mut self, key: &BatchKey, now_ms: i64) -> Result<Option<WriteOutcome>, StoreError> {
        self.answers.find(&self.sql, key, now_ms)
    }

    /// Charges a writer for such an answer.
    pub fn charge_repeated(&mut self, writer: &Writer<'_>, now_ms: i64) {
        let config = &self.record.config;
        self.admission.repeated(writer, &config.limits, config.layout.shards(), now_ms);
    }

    /// Charges a new write, and counts its key among the remembered ones.
    pub fn charge(
        &mut self,
        writer: &Writer<'_>,
        cost: Cost,
        key: Option<BatchKey>,
        now_ms: i64,
    ) -> Result<Charge, Refusal> {
        let ask = Ask { writer, cost, has_key: key.is_some(), held: self.answers.held() };
        if writer.who == Who::Owner && ask.has_key && ask.held.full_until_ms.is_some() {
            return Err(Refusal::Overloaded);
        }
        let config = &self.record.config;
        let most = self.admission.most_open_units(&config.limits, config.layout.shards());
        #[expect(clippy::cast_precision_loss, reason = "costs are far below 2^53")]
        let is_too_large = writer.who == Who::Open && cost.units as f64 > most;
        if is_too_large {
            return Err(Refusal::TooLarge(format!(
                "a request without a write key can cost at most {most} units, not {}: send fewer points at a time, or points with shorter periods",
                cost.units
            )));
        }
        let admit = |admission: &mut Admission| admission.admit(&ask, &config.limits, config.layout.shards(), now_ms);
        let mut admitted = admit(&mut self.admission);
        if let Err(limited) = &admitted
            && limited.hits.iter().any(|hit| hit.budget == Budget::Disk)
        {
            // There may be more room by now.
            self.admission.shrunk_to(self.sql.size_bytes());
            admitted = admit(&mut self.admission);
        }
        let charge = admitted.map_err(|limited| Refusal::Limited(*limited))?;
        if let Some(key) = key {
            self.answers.wait_for(key, writer.who == Who::Open);
        }
        Ok(charge)
    }

    /// Refunds a write that was not stored.
    pub fn refund(&mut self, key: Option<&BatchKey>, charge: &Charge) {
        self.admission.refund(charge);
        if let Some(key) = key {
            self.answers.give_up(key);
        }
    }
}
