//! Endpoints by the digest of their token.

use std::time::Duration;

use sluice_core::{
    gate::{Principal, Roots},
    ports::{Endpoint, EndpointTokenRepository},
    time::Timestamp,
};

use crate::build;

/// Runs on a repository without endpoints.
pub async fn endpoint_repository_contract(endpoints: &impl EndpointTokenRepository) {
    let now = Timestamp::from_millis(1_769_847_330_250);
    let token = |name: &str| build::digest(name.as_bytes());
    let of = |owner: &str, roots: &str| Endpoint {
        principal: Principal {
            owner: build::owner(owner),
            roots: Roots::new(roots.split(',').filter(|root| !root.is_empty())),
        },
        opens_until: now.plus(Duration::from_hours(1)),
        expires_at: now.plus(Duration::from_hours(168)),
    };
    let (alice, bob) = (of("alice", "stores/42,stores/*,system"), of("bob", ""));
    assert_eq!(endpoints.endpoint(token("never kept"), now).await.unwrap(), None);
    endpoints.keep(token("one"), &alice).await.unwrap();
    endpoints.keep(token("two"), &bob).await.unwrap();
    let just_before = Timestamp::from_millis(alice.expires_at.as_millis() - 1);
    for at in [now, just_before] {
        let found = endpoints.endpoint(token("one"), at).await.unwrap();
        assert_eq!(found, Some(alice.clone()), "as often as it is asked for");
    }
    assert_eq!(endpoints.endpoint(token("two"), now).await.unwrap(), Some(bob));
    assert_eq!(endpoints.endpoint(token("one"), alice.expires_at).await.unwrap(), None, "it has expired");
    assert_eq!(endpoints.endpoint(token("One"), now).await.unwrap(), None);
}
