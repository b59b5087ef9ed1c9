//! Which clients meet in a seed. Each scene has its own random numbers, so that one that is left out changes no other.

use std::{rc::Rc, time::Duration};

use sluice_testing::{build, simulator::Chance};

use crate::{
    clients::{Client, File, Hint, Scene, send::Manner},
    contents::{Content, DIRECT_LIMIT, Sort},
};

/// The fewest scenes of a seed.
pub const FEWEST: usize = 3;
/// The most.
pub const MOST: usize = 5;

/// How many scenes a seed has.
pub fn count(seed: u64) -> usize {
    FEWEST + Chance::of_seed(seed ^ 0xC0DE).index(MOST - FEWEST + 1)
}

/// Starts the scene of this number.
pub fn start(scene: &Rc<Scene>, seed: u64, number: usize) {
    let chance = Chance::of_seed(seed.wrapping_mul(31).wrapping_add(number as u64 + 1));
    let client = Client {
        scene: scene.clone(),
        name: format!("client {number}"),
        owner: build::owner(if chance.one_in(6) { "bob" } else { "alice" }),
        chance: chance.clone(),
    };
    match chance.below(10) {
        0..3 => alone(client, number),
        3..6 => twins(&client, number),
        _ => replaced(client, number),
    }
}

/// Files that many have.
const COMMON: [&str; 2] = ["the cat", "the dog"];

/// Some file.
fn file(chance: &Chance, name: &str) -> File {
    let sort = match chance.below(12) {
        0 => Sort::BrokenPicture,
        1..7 => Sort::Picture,
        _ => Sort::Text,
    };
    let large = chance.one_in(3);
    // at times what others send as well, under a name of its own
    let content = if chance.one_in(4) {
        Content::new(COMMON[chance.index(COMMON.len())], Sort::Picture, false)
    } else {
        Content::new(name, sort, large)
    };
    let large = content.bytes.len() as u64 > DIRECT_LIMIT;
    let hint = match chance.below(8) {
        0..3 => Hint::True,
        // S3 itself refuses one PUT of other bytes than were announced
        3 if large => Hint::False,
        _ => Hint::None,
    };
    File { name: format!("{name}.{}", content.extension()), content, hint }
}

fn manner(chance: &Chance) -> Manner {
    Manner { leaves_it_to_s3: chance.one_in(3), cancels: chance.one_in(6) }
}

/// One client sends one file.
fn alone(client: Client, number: usize) {
    let (file, manner) = (file(&client.chance, &format!("f{number}")), manner(&client.chance));
    client.go(async move |client: Client| client.send(&file, None, manner).await.map(drop));
}

/// The same file is sent twice at about the same time, under the same name or another.
fn twins(client: &Client, number: usize) {
    let first = file(&client.chance, &format!("t{number}"));
    let mut second = first.clone();
    if client.chance.one_in(2) {
        second.name = format!("other-{}", first.name);
    }
    for (which, file) in [first, second].into_iter().enumerate() {
        let mut twin = client.clone();
        twin.name = format!("{}/{which}", client.name);
        let (pause, manner) =
            (client.chance.span(Duration::ZERO, Duration::from_secs(20)), manner(&client.chance));
        let waits = which > 0 && client.chance.one_in(2);
        twin.go(async move |client: Client| {
            if waits {
                client.engine().sleep(pause).await;
            }
            client.send(&file, None, manner).await.map(drop)
        });
    }
}

/// A file is sent, and then replaced by others.
fn replaced(client: Client, number: usize) {
    let first = file(&client.chance, &format!("u{number}"));
    let count = 1 + client.chance.index(2);
    let others = (0..count)
        .map(|at| {
            let mut other = file(&client.chance, &format!("u{number}-{at}"));
            if client.chance.one_in(8) {
                // the very same bytes
                other = File { name: format!("again-{}", first.name), ..first.clone() };
            }
            (other, manner(&client.chance))
        })
        .collect();
    let pause = client.chance.span(Duration::ZERO, Duration::from_mins(2));
    client.go(async move |client: Client| client.send_and_replace(first, others, pause).await);
}
