//! The real clock and the real generator of ids.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sluice_core::{
    ids::AssetId,
    ports::{Clock, IdGenerator},
    time::Timestamp,
};
use uuid::Uuid;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// UUIDs version 7, and secrets from the system's source of randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdGenerator for RandomIds {
    fn asset_id(&self) -> AssetId {
        AssetId::new(Uuid::now_v7())
    }

    fn secret(&self) -> String {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the system has a source of randomness");
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_secrets_hold_256_bits() {
        let ids: Vec<_> = (0..1000).map(|_| RandomIds.asset_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        let secret = RandomIds.secret();
        assert_eq!(URL_SAFE_NO_PAD.decode(&secret).unwrap().len(), 32);
        assert_ne!(secret, RandomIds.secret());
    }
}
