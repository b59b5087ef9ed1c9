//! What is kept by owner: contents, tickets, connections.

use std::time::Duration;

use sluice_core::{
    ids::ConnectionId,
    ports::{ConnectionRepository, ContentIndex, TicketRepository},
    time::Timestamp,
};

use crate::{build, time::CountingIds};

/// Runs on an empty index.
pub async fn content_index_contract(index: &impl ContentIndex) {
    let (alice, bob) = (build::owner("alice"), build::owner("bob"));
    let (content, other_content) = (build::digest(b"one"), build::digest(b"two"));
    let [a, b, c] = [1, 2, 3].map(CountingIds::nth);

    assert_eq!(index.keeper(&alice, content).await.unwrap(), None);
    assert_eq!(index.claim(&alice, content, a).await.unwrap(), a);
    assert_eq!(index.claim(&alice, content, a).await.unwrap(), a, "a second call gives the same");
    assert_eq!(index.claim(&alice, content, b).await.unwrap(), a, "who was first stays");
    assert_eq!(index.keeper(&alice, content).await.unwrap(), Some(a));

    assert_eq!(index.keeper(&bob, content).await.unwrap(), None, "each owner has an index of their own");
    assert_eq!(index.claim(&bob, content, c).await.unwrap(), c);
    assert_eq!(index.keeper(&alice, other_content).await.unwrap(), None);

    assert_eq!(index.replace(&alice, content, b, c).await.unwrap(), a, "b isn't the keeper");
    assert_eq!(index.replace(&alice, content, a, b).await.unwrap(), b);
    assert_eq!(index.replace(&alice, content, a, b).await.unwrap(), b, "a second call gives the same");
    assert_eq!(index.replace(&alice, content, a, c).await.unwrap(), b, "who replaced first stays");
    assert_eq!(index.keeper(&alice, content).await.unwrap(), Some(b));
    assert_eq!(index.replace(&alice, other_content, a, c).await.unwrap(), c, "nobody has to be replaced");

    let raced = build::digest(b"raced");
    let claim = |asset| index.claim(&alice, raced, asset);
    let (of_a, of_b, of_c) = tokio::join!(claim(a), claim(b), claim(c));
    let keeper = index.keeper(&alice, raced).await.unwrap().expect("one of them");
    assert_eq!([of_a.unwrap(), of_b.unwrap(), of_c.unwrap()], [keeper; 3]);
}

/// Runs on an empty repository.
pub async fn ticket_repository_contract(tickets: &impl TicketRepository) {
    let (alice, bob) = (build::owner("alice"), build::owner("bob"));
    let now = Timestamp::from_millis(1_769_847_330_250);
    let expires_at = now.plus(Duration::from_mins(1));
    let just_before = Timestamp::from_millis(expires_at.as_millis() - 1);
    let ticket = |name: &str| build::digest(name.as_bytes());

    assert_eq!(tickets.redeem(ticket("never issued"), now).await.unwrap(), None);
    tickets.issue(ticket("one"), &alice, expires_at).await.unwrap();
    tickets.issue(ticket("two"), &bob, expires_at).await.unwrap();
    assert_eq!(tickets.redeem(ticket("one"), now).await.unwrap(), Some(alice.clone()));
    assert_eq!(tickets.redeem(ticket("one"), now).await.unwrap(), None, "a ticket is good once");
    assert_eq!(tickets.redeem(ticket("two"), just_before).await.unwrap(), Some(bob));

    tickets.issue(ticket("late"), &alice, expires_at).await.unwrap();
    assert_eq!(tickets.redeem(ticket("late"), expires_at).await.unwrap(), None);

    tickets.issue(ticket("raced"), &alice, expires_at).await.unwrap();
    let redeem = || tickets.redeem(ticket("raced"), now);
    let (one, two, three) = tokio::join!(redeem(), redeem(), redeem());
    let winners: Vec<_> = [one, two, three].into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(winners, [alice], "of many takers one wins");
}

/// Runs on an empty repository.
pub async fn connection_repository_contract(connections: &impl ConnectionRepository) {
    let (alice, bob) = (build::owner("alice"), build::owner("bob"));
    // API Gateway's ids end in an equals sign
    let [phone, laptop, other] =
        ["Lx8cWeSsoAMCJdA=", "Lx8cXdzMIAMCKfQ=", "M#b/1+="].map(|id| id.parse::<ConnectionId>().unwrap());
    let expires_at = Timestamp::from_seconds(4_000_000_000);
    let of = async |owner| {
        let mut theirs = connections.of_owner(owner).await.unwrap();
        theirs.sort_unstable();
        theirs
    };

    assert_eq!(connections.owner_of(&phone).await.unwrap(), None);
    assert_eq!(of(&alice).await, []);
    connections.remove(&phone).await.expect("removing what isn't there is success");

    for (connection, owner) in [(&phone, &alice), (&laptop, &alice), (&other, &bob), (&phone, &alice)] {
        connections.add(connection, owner, expires_at).await.unwrap();
    }
    assert_eq!(of(&alice).await, [phone.clone(), laptop.clone()]);
    assert_eq!(of(&bob).await, [other.clone()]);
    assert_eq!(connections.owner_of(&phone).await.unwrap(), Some(alice.clone()));
    assert_eq!(connections.owner_of(&other).await.unwrap(), Some(bob.clone()));

    for _ in 0..2 {
        connections.remove(&phone).await.unwrap();
        assert_eq!(of(&alice).await, [laptop.clone()]);
        assert_eq!(connections.owner_of(&phone).await.unwrap(), None);
    }
    let (one, two) = tokio::join!(connections.remove(&laptop), connections.remove(&laptop));
    one.and(two).expect("two may notice the same end");
    assert_eq!((of(&alice).await, of(&bob).await), (vec![], vec![other]));
}
