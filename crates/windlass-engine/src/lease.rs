//! Taking the lease. A living owner is never robbed; a dead one is recognised without comparing clocks.

use crate::{Clock, EngineError, Notice, Observer};
use windlass_journal::{Lease, Life, Liveness, Owner, Store, StoreError};

/// Takes the lease, or says who holds it. Returns the dead owner it was taken from, if there was one.
pub(crate) async fn acquire(
    store: &dyn Store,
    clock: &dyn Clock,
    liveness: &dyn Liveness,
    observer: &dyn Observer,
    owner: &Owner,
    ttl_ms: u64,
) -> Result<(Lease, Option<Owner>), EngineError> {
    let seen = store.lease().await?;
    let from = match &seen {
        Some(lease) if lease.held => match look(store, clock, liveness, observer, lease).await? {
            Holder::Lives(lease) => return Err(EngineError::Held(lease)),
            Holder::Dead => Some(lease.owner.clone()),
            Holder::GaveBack => None,
        },
        _ => None,
    };
    let token = seen.map_or(0, |lease| lease.token);
    match store.take(token, owner, ttl_ms, clock.wall_ms()).await {
        Ok(lease) => Ok((lease, from)),
        Err(StoreError::Held(lease)) => Err(EngineError::Held(lease)),
        Err(error) => Err(error.into()),
    }
}

/// What became of the holder of a lease.
enum Holder {
    /// As it is now: while we waited, somebody else may have taken it.
    Lives(Box<Lease>),
    Dead,
    GaveBack,
}

/// Looks whether the holder of `lease` is certainly dead. One that is elsewhere is dead when its heartbeat stands still for
/// its whole time to live, measured by our own clock.
async fn look(
    store: &dyn Store,
    clock: &dyn Clock,
    liveness: &dyn Liveness,
    observer: &dyn Observer,
    lease: &Lease,
) -> Result<Holder, EngineError> {
    match liveness.look(&lease.owner) {
        Life::Alive => Ok(Holder::Lives(Box::new(lease.clone()))),
        Life::Dead => Ok(Holder::Dead),
        Life::Elsewhere => {
            observer.notice(Notice::WaitingForLease(lease.owner.to_string(), lease.ttl_ms));
            clock.sleep(lease.ttl_ms).await;
            let now = store.lease().await?.unwrap_or_else(|| lease.clone());
            Ok(match now.token == lease.token {
                true if !now.held => Holder::GaveBack,
                true if now.beat == lease.beat => Holder::Dead,
                _ => Holder::Lives(Box::new(now)),
            })
        }
    }
}
