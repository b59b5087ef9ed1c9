//! What is kept by owner: contents, tickets, connections.

use std::time::Duration;

use sluice_core::{
    change::uncontended,
    ids::OwnerId,
    ports::{Connection, ConnectionRepository, ContentIndex, Saved, TicketRepository},
    time::Timestamp,
};

use crate::{
    build,
    time::{CountingIds, FixedClock},
};

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
    connections_are_found_by_owner_and_by_id(connections).await;
    what_was_added_again_is_not_removed_by_who_read_it_before(connections).await;
    adding_and_removing_at_once_leaves_all_of_a_connection_or_nothing(connections).await;
}

fn since(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_769_847_330_250).plus(Duration::from_millis(millis))
}

fn connection(id: &str, millis: u64) -> Connection {
    Connection { id: id.parse().unwrap(), since: since(millis) }
}

const LATE: i64 = 4_000_000_000;

async fn add(connections: &impl ConnectionRepository, connection: &Connection, owner: &OwnerId) {
    let (clock, expires_at) = (FixedClock::default(), Timestamp::from_seconds(LATE));
    let add = async || connections.add(connection, owner, expires_at).await;
    assert_eq!(uncontended(&clock, add).await.unwrap(), Saved::Yes);
}

async fn of(connections: &impl ConnectionRepository, owner: &OwnerId) -> Vec<Connection> {
    let mut theirs = connections.of_owner(owner).await.unwrap();
    theirs.sort_unstable();
    theirs
}

async fn connections_are_found_by_owner_and_by_id(connections: &impl ConnectionRepository) {
    let (alice, bob) = (build::owner("alice"), build::owner("bob"));
    // API Gateway's ids end in an equals sign
    let phone = connection("Lx8cWeSsoAMCJdA=", 1);
    let laptop = connection("Lx8cXdzMIAMCKfQ=", 2);
    let other = connection("M#b/1+=", 3);

    assert_eq!(connections.owner_of(&phone.id).await.unwrap(), None);
    assert_eq!(of(connections, &alice).await, []);
    connections.remove(&phone.id).await.expect("removing what isn't there is success");
    connections.remove_unless_newer(&phone, &alice).await.expect("here too");

    for (connection, owner) in [(&phone, &alice), (&laptop, &alice), (&other, &bob), (&phone, &alice)] {
        add(connections, connection, owner).await;
    }
    assert_eq!(of(connections, &alice).await, [phone.clone(), laptop.clone()]);
    assert_eq!(of(connections, &bob).await, [other.clone()]);
    assert_eq!(connections.owner_of(&phone.id).await.unwrap(), Some(alice.clone()));
    assert_eq!(connections.owner_of(&other.id).await.unwrap(), Some(bob.clone()));

    for _ in 0..2 {
        connections.remove(&phone.id).await.unwrap();
        assert_eq!(of(connections, &alice).await, [laptop.clone()]);
        assert_eq!(connections.owner_of(&phone.id).await.unwrap(), None);
    }
    let (one, two) = tokio::join!(connections.remove(&laptop.id), connections.remove(&laptop.id));
    one.and(two).expect("two may notice the same end");
    assert_eq!((of(connections, &alice).await, of(connections, &bob).await), (vec![], vec![other]));
}

async fn what_was_added_again_is_not_removed_by_who_read_it_before(connections: &impl ConnectionRepository) {
    let owner = build::owner("twice");
    let (read, again) = (connection("again=", 0), connection("again=", 1));
    add(connections, &read, &owner).await;
    add(connections, &again, &owner).await;
    assert_eq!(of(connections, &owner).await, [again.clone()], "one connection, and its newer time");
    for _ in 0..2 {
        connections.remove_unless_newer(&read, &owner).await.expect("leaving it is success");
        assert_eq!(of(connections, &owner).await, [again.clone()]);
        assert_eq!(connections.owner_of(&read.id).await.unwrap().as_ref(), Some(&owner));
    }
    for _ in 0..2 {
        connections.remove_unless_newer(&again, &owner).await.unwrap();
        assert_eq!(of(connections, &owner).await, []);
        assert_eq!(connections.owner_of(&again.id).await.unwrap(), None);
    }
    // what its end removed may be added again, and what was read later removes what was added earlier
    add(connections, &read, &owner).await;
    connections.remove_unless_newer(&again, &owner).await.unwrap();
    assert_eq!(of(connections, &owner).await, []);
    add(connections, &again, &owner).await;
    connections.remove(&again.id).await.unwrap();
    assert_eq!(
        (of(connections, &owner).await, connections.owner_of(&again.id).await.unwrap()),
        (vec![], None)
    );
}

/// A removal that failed for others in the way is repeated by whoever asked for it.
async fn adding_and_removing_at_once_leaves_all_of_a_connection_or_nothing(
    connections: &impl ConnectionRepository,
) {
    let owner = build::owner("raced");
    for n in 0..10 {
        let id = format!("raced-{n}=");
        let (read, again) = (connection(&id, 0), connection(&id, 1));
        add(connections, &read, &owner).await;
        tokio::join!(
            async { drop(connections.remove_unless_newer(&read, &owner).await) },
            add(connections, &again, &owner),
            async { drop(connections.remove_unless_newer(&read, &owner).await) },
        );
        assert_eq!(of(connections, &owner).await, [again.clone()], "what was added again stays");
        assert_eq!(connections.owner_of(&again.id).await.unwrap().as_ref(), Some(&owner));

        let last = connection(&id, 2);
        tokio::join!(add(connections, &last, &owner), async {
            drop(connections.remove(&again.id).await);
        });
        let listed = of(connections, &owner).await.len();
        let found = usize::from(connections.owner_of(&again.id).await.unwrap().is_some());
        assert!(found <= listed, "what has an owner is among the owner's");
        connections.remove(&again.id).await.unwrap();
        connections.remove_unless_newer(&last, &owner).await.unwrap();
        assert_eq!(of(connections, &owner).await, []);
    }
}
