//! Which clients meet in a seed. Each scene has its own random numbers, so that one that is left out changes no other.

use std::{rc::Rc, time::Duration};

use sluice_testing::{build, simulator::Chance};

use crate::{
    clients::{Client, File, Hint, Scene, send::Manner, tus::Course},
    contents::{Content, DIRECT_LIMIT, OTHERS, Sort, extension_of},
    rules::STORE,
};

/// The fewest scenes of a seed.
pub const FEWEST: usize = 2;
/// The most.
pub const MOST: usize = 4;

/// The scene of those who listen: what it takes to tell them is the most of a run's time.
pub const LISTENERS: usize = 100;
/// It is played in one of so many seeds.
const LISTENED: u64 = 8;

/// The scenes of a seed.
pub fn of_seed(seed: u64) -> Vec<usize> {
    let chance = Chance::of_seed(seed ^ 0xC0DE);
    let count = FEWEST + chance.index(MOST - FEWEST + 1);
    let listeners = chance.one_in(LISTENED).then_some(LISTENERS);
    listeners.into_iter().chain(0..count).collect()
}

/// Starts the scene of this number.
pub fn start(scene: &Rc<Scene>, seed: u64, number: usize) {
    let chance = Chance::of_seed(seed.wrapping_mul(31).wrapping_add(number as u64 + 1));
    let client = Client {
        scene: scene.clone(),
        name: format!("client {number}"),
        owner: build::owner(if chance.one_in(6) { "bob" } else { "alice" }),
        roots: "",
        chance: chance.clone(),
    };
    if number == LISTENERS {
        return listeners(&client);
    }
    match chance.below(20) {
        0..3 if scene.rules.limit_sizes() => unsaid(&client, number),
        0..3 => alone(client, number),
        3..7 => twins(&client, number),
        7..12 => replaced(client, number),
        12..15 => by_tus(client, number),
        15 => in_partials(client, number),
        16 => by_job(client, number),
        17 => by_form(client, number),
        18 => by_uppy(client, number),
        _ => bulk(&client, number),
    }
}

/// Files that many have.
const COMMON: [&str; 2] = ["the cat", "the dog"];

/// What files are said to be that are something else.
const SAID: [&str; 4] = ["text/plain", "image/gif", "application/pdf", "application/octet-stream"];

/// Some file.
fn file(chance: &Chance, name: &str) -> File {
    let large = chance.one_in(3);
    file_of(chance, name, large)
}

/// Some file, small or large.
fn file_of(chance: &Chance, name: &str, large: bool) -> File {
    let sort = match chance.below(14) {
        0 => Sort::BrokenPicture,
        1..7 => Sort::Picture,
        7..12 => Sort::Text,
        _ => *chance.pick(&OTHERS),
    };
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
    // most of what is something else is said to be harmless
    let is_disguised = chance.one_in(if OTHERS.contains(&content.sort) { 2 } else { 16 });
    let media_type = if is_disguised { *chance.pick(&SAID) } else { content.media_type() };
    // at times more comes than was said
    let size = Some(content.bytes.len() - if chance.one_in(16) { 5 } else { 0 });
    File {
        name: format!("{name}.{}", extension_of(media_type)),
        content,
        media_type,
        size,
        folder: None,
        hint,
    }
}

fn manner(chance: &Chance) -> Manner {
    Manner { leaves_it_to_s3: chance.one_in(3), cancels: chance.one_in(6) }
}

/// One client sends one file.
fn alone(client: Client, number: usize) {
    let (file, manner) = (file(&client.chance, &format!("f{number}")), manner(&client.chance));
    client.go(async move |client: Client| client.send(&file, None, manner).await.map(drop));
}

/// Files of which no client says how large they are come at once by every door that takes such: together they may be more
/// than there is room for.
fn unsaid(client: &Client, number: usize) {
    for which in 0..3 + client.chance.index(2) {
        let large = client.chance.below(3) > 0;
        let mut file = file_of(&client.chance, &format!("n{number}-{which}"), large);
        file.size = None;
        let mut sender = client.clone();
        sender.name = format!("{}/{which}", client.name);
        let door = client.chance.below(4);
        let course = Course { deferred: true, ..course(&client.chance) };
        sender.go(async move |client: Client| match door {
            0 => client.post_to_s3(&file, None).await,
            1..3 => client.send_by_uppy(&file).await,
            _ => client.send_by_tus(&file, course).await,
        });
    }
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
fn replaced(mut client: Client, number: usize) {
    let mut first = file(&client.chance, &format!("u{number}"));
    if client.chance.one_in(4) {
        // in a store, where not every device may write
        client.roots = STORE;
        first.folder = Some(STORE);
    }
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

/// Two devices of alice's listen, or one.
fn listeners(client: &Client) {
    for which in 0..=client.chance.index(2) {
        let mut device = client.clone();
        device.name = format!("listener {which}");
        device.owner = build::owner("alice");
        let connections = 1 + client.chance.below(3);
        device.go(async move |device: Client| device.listen(connections).await);
    }
}

fn course(chance: &Chance) -> Course {
    Course {
        deferred: chance.one_in(4),
        with_bytes: chance.one_in(2),
        two_devices: chance.one_in(3),
        ends: chance.one_in(6),
        token: None,
    }
}

/// A file comes by tus.
fn by_tus(client: Client, number: usize) {
    let (file, course) = (file(&client.chance, &format!("r{number}")), course(&client.chance));
    client.go(async move |client: Client| client.send_by_tus(&file, course).await);
}

/// A file comes by tus in partial uploads.
fn in_partials(client: Client, number: usize) {
    let (file, count) = (file(&client.chance, &format!("p{number}")), 2 + client.chance.index(2));
    client.go(async move |client: Client| client.send_in_partials(&file, count).await);
}

/// A file is announced, and comes by tus.
fn by_job(client: Client, number: usize) {
    let (file, course) = (file(&client.chance, &format!("j{number}")), course(&client.chance));
    client.go(async move |client: Client| client.send_by_job(&file, &format!("job-{number}"), course).await);
}

/// Files come by a form, or one by a form straight to S3.
fn by_form(client: Client, number: usize) {
    let count = 1 + client.chance.index(3);
    let mut files: Vec<_> = (0..count).map(|at| file(&client.chance, &format!("m{number}-{at}"))).collect();
    if client.chance.one_in(2) {
        files[0].size = None;
    }
    let to_s3 = client.chance.one_in(2);
    client.go(
        async move |client: Client| {
            if to_s3 { client.post_to_s3(&files[0], None).await } else { client.send_form(&files).await }
        },
    );
}

/// A file comes by Uppy.
fn by_uppy(client: Client, number: usize) {
    let file = file(&client.chance, &format!("y{number}"));
    client.go(async move |client: Client| client.send_by_uppy(&file).await);
}

/// Many files at once.
fn bulk(client: &Client, number: usize) {
    for which in 0..8 {
        let file = file(&client.chance, &format!("b{number}-{which}"));
        let mut sender = client.clone();
        sender.name = format!("{}/{which}", client.name);
        sender.go(async move |client: Client| client.send(&file, None, Manner::default()).await.map(drop));
    }
}
