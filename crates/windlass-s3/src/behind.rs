//! The way back where a bucket keeps versions, and where it is not known who wrote: nothing is taken away before what stands
//! behind it is known.

use crate::{
    back::{Go, Step},
    delete::MAYBE,
    error::Error,
    manifest::{Item, State},
    run::{Job, is_same},
};
use windlass_objects::Object;

/// What stands behind what is to go.
pub(crate) enum Behind {
    /// What it was shows again when these versions are gone, in this order.
    Shows(Vec<String>),
    /// This version is what it was, below others that are not ours.
    Kept(String),
    /// Nobody keeps what it was.
    Gone,
}

impl Item {
    /// It was left alone on the way there, as far as that is known.
    pub(crate) fn is_left(&self) -> bool {
        self.etag.is_none()
            && (self.state == State::Left
                || self.state == State::Conflict
                    && self.note.as_ref().is_some_and(|note| note.contains(MAYBE)))
    }
}

impl Job<'_> {
    /// The delete markers that hide exactly `wanted`, the oldest first; none where something else is behind them. A delete that
    /// was repeated makes more than one.
    pub(crate) async fn hiding(&self, bucket: &str, wanted: &Object) -> Result<Vec<String>, Error> {
        let layers = self.client.stack(bucket, &wanted.key).await?;
        let count = layers.iter().take_while(|layer| layer.is_marker).count();
        if !layers.get(count).is_some_and(|layer| layer.is(wanted)) {
            return Ok(Vec::new());
        }
        Ok(layers.into_iter().take(count).rev().map(|layer| layer.version).collect())
    }

    /// What is below what was written; `ours` stands at the destination now. A write that was repeated makes more than one version.
    pub(crate) async fn behind(&self, item: &Item, ours: Option<&Object>) -> Result<Behind, Error> {
        let layers = self.client.stack(self.to(), &item.entry.to).await?;
        let of_us = |layer: &&crate::client::Layer| {
            !layer.is_marker
                && (Some(&layer.version) == item.version.as_ref() || ours.is_some_and(|ours| layer.is(ours)))
        };
        let count = layers.iter().take_while(of_us).count();
        let next = layers.get(count);
        let going = |count: usize| layers[..count].iter().rev().map(|layer| layer.version.clone()).collect();
        let Some(there) = &item.entry.there else {
            let is_hidden = next.is_none_or(|layer| layer.is_marker);
            return Ok(if count > 0 && is_hidden { Behind::Shows(going(count)) } else { Behind::Gone });
        };
        if count > 0 && next.is_some_and(|layer| layer.is(there)) {
            return Ok(Behind::Shows(going(count)));
        }
        // It was equal to what overwrote it.
        if count > 1 && layers[count - 1].is(there) {
            return Ok(Behind::Shows(going(count - 1)));
        }
        let kept = layers.iter().find(|layer| layer.is(there));
        Ok(kept.map_or(Behind::Gone, |layer| Behind::Kept(layer.version.clone())))
    }

    /// Of what was left alone: nothing, where it is sure that no try of ours wrote it.
    pub(crate) async fn of_left(
        &self,
        item: &Item,
        now: Option<&Object>,
        is_forced: bool,
    ) -> Result<Step, Error> {
        let there = item.entry.there.as_ref();
        if is_same(now, there) {
            return Ok(Step::Nothing);
        }
        let is_doubtful = item.note.as_ref().is_some_and(|note| note.contains(MAYBE));
        let hold = self.hold_key(&item.entry.to);
        // What stands there is surely somebody else's: what was set aside before that was seen is no reason to touch it.
        let is_kept = (is_doubtful || now.is_none())
            && there.is_some()
            && self.sets_aside()
            && self.client.head(self.to(), &hold, None).await?.is_some();
        if !is_doubtful && !is_kept {
            return Ok(Step::Nothing);
        }
        if is_forced && is_kept {
            return Ok(Step::Go(Go { from_hold: true, ..Go::default() }));
        }
        if is_forced
            && self.manifest.head().to_versions
            && there.is_some()
            && let Behind::Kept(version) = self.behind(item, None).await?
        {
            return Ok(Step::Go(Go { on_top: Some(version), ..Go::default() }));
        }
        let kept = if is_kept { format!("; what it was is kept: `{hold}`") } else { String::new() };
        let what = if is_doubtful { format!("it was written to; {MAYBE}") } else { "it was deleted".into() };
        Ok(Step::Conflict(format!("{what}{kept}")))
    }
}
