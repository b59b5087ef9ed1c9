use proptest::prelude::*;

use super::*;
use crate::upload::{MAX_PART_SIZE, MIN_PART_SIZE};

fn upload(length: Option<u64>) -> TusUpload {
    let id: AssetId = "019c0000-0000-7000-8000-000000000001".parse().unwrap();
    let target = Target {
        asset_id: id,
        key: format!("users/alice/{id}").parse().unwrap(),
        version: Version::FIRST,
        upload_id: "upload-1".parse().unwrap(),
    };
    let new = NewTusUpload {
        owner: "alice".parse().unwrap(),
        job: None,
        told: String::new(),
        form: Form::Whole(target),
        length,
        size: length.map_or(SizeRange::at_most(1 << 40), SizeRange::exactly),
    };
    TusUpload::create(new, None, Timestamp::from_seconds(1_769_847_330))
}

fn lock(holder: &str) -> Lock {
    Lock { holder: holder.to_owned(), until: Timestamp::from_seconds(1_769_847_340) }
}

fn append(upload: &TusUpload, body: u64) -> TusUpload {
    let upload = upload.locked(lock("me"));
    upload.appended(upload.plan(body).unwrap(), "me", body)
}

#[test]
fn parts_grow_until_ten_thousand_hold_the_largest_upload() {
    assert_eq!(part_target(1), MIN_PART_SIZE);
    assert_eq!(part_target(1_000), MIN_PART_SIZE);
    assert!(part_target(1_001) > MIN_PART_SIZE);
    assert_eq!(part_target(9_000), 64 * MIB);
    assert_eq!(part_target(10_000), 64 * MIB);
    assert_eq!(max_upload_bytes() / (1024 * MIB), 274);
}

#[test]
fn what_is_less_than_a_part_waits() {
    let upload = upload(Some(12 * MIB));
    let first = append(&upload, 4 * MIB);
    assert_eq!((first.offset(), first.tail_len(), first.next_part), (4 * MIB, 4 * MIB, 1));
    assert_eq!(first.plan(MIB - 1), Ok(Store::Segment));
    assert_eq!(first.plan(MIB), Ok(Store::Part(1)));
    let second = append(&first, 4 * MIB);
    assert_eq!((second.offset(), second.tail_len(), second.next_part), (8 * MIB, 0, 2));
    assert_eq!(second.plan(4 * MIB), Ok(Store::Part(2)), "the last part may be of any size");
    assert_eq!(second.plan(4 * MIB + 1), Err(AppendFault::BeyondLength));
    assert_eq!(second.plan(0), Ok(Store::Nothing));
}

#[test]
fn nothing_is_one_part_of_nothing() {
    assert_eq!(upload(Some(0)).plan(0), Ok(Store::Part(1)));
    assert_eq!(upload(None).plan(0), Ok(Store::Nothing));
    assert_eq!(append(&upload(Some(0)), 0).plan(0), Ok(Store::Nothing), "and just one");
}

#[test]
fn a_length_that_comes_late_ends_the_upload() {
    let upload = append(&upload(None), 7);
    assert_eq!(upload.with_length(Some(6)), Err(AppendFault::LengthTooShort));
    assert_eq!(upload.with_length(Some(1 << 41)), Err(AppendFault::LengthRefused));
    let known = upload.with_length(Some(7)).unwrap();
    assert_eq!(known.with_length(Some(8)), Err(AppendFault::LengthChanged));
    assert_eq!(known.plan(0), Ok(Store::Part(1)), "the tail is written");
}

#[test]
fn a_number_that_may_still_be_written_is_never_used_again() {
    let begun = upload(Some(4)).locked(lock("dead"));
    let taken = begun.locked(lock("alive"));
    assert_eq!(taken.plan(4), Ok(Store::Part(2)));
    let failed = taken.unlocked(Store::Part(2));
    assert_eq!((failed.plan(4), failed.skipped.clone()), (Ok(Store::Part(3)), vec![1, 2]));
    assert_eq!(taken.unlocked(Store::Segment).plan(4), Ok(Store::Part(2)));
    let done = failed.locked(lock("me")).appended(Store::Part(3), "me", 4);
    let part = |number, size| UploadedPart { number, size, etag: "a".parse().unwrap() };
    let counted = done.counted(vec![part(1, 9), part(3, 4)]).unwrap();
    assert_eq!(counted.iter().map(|part| part.number).collect::<Vec<_>>(), [3]);
    assert!(done.counted(vec![part(1, 4)]).is_err());
    assert!(done.counted(vec![part(3, 3)]).is_err());
}

#[test]
fn many_segments_become_one() {
    let mut upload = upload(None);
    for _ in 0..MAX_SEGMENTS {
        upload = append(&upload, 1);
    }
    assert_eq!(upload.plan(1), Ok(Store::Merge));
    let merged = append(&upload, 1);
    assert_eq!((merged.tail().len(), merged.tail_len()), (1, MAX_SEGMENTS as u64 + 1));
    assert_eq!((merged.tail()[0].at, merged.offset()), (0, MAX_SEGMENTS as u64 + 1));
}

#[test]
fn progress_is_told_at_first_and_then_by_tenths() {
    let after = |offset, before| TusUpload { offset, ..upload(Some(1_000)) }.progress_since(before);
    assert_eq!(after(1, 0), Some(1));
    assert_eq!(after(99, 1), None);
    assert_eq!(after(100, 99), Some(10));
    assert_eq!(after(1_000, 500), Some(99));
    assert_eq!(after(0, 0), None);
    assert_eq!(TusUpload { offset: 5, ..upload(None) }.progress_since(0), Some(1));
    assert_eq!(TusUpload { offset: 9, ..upload(None) }.progress_since(5), None);
}

#[test]
fn partial_uploads_under_a_part_are_joined_with_their_neighbours() {
    let piece = |source, range| Piece { source, range };
    assert_eq!(plan_join(&[0, 0]), Some(vec![Step::Read(vec![])]));
    assert_eq!(plan_join(&[1, 2]), Some(vec![Step::Read(vec![piece(0, 0..1), piece(1, 0..2)])]));
    let size = 6 * MIB;
    assert_eq!(
        plan_join(&[MIB, size, 3]),
        Some(vec![
            Step::Read(vec![piece(0, 0..MIB), piece(1, 0..4 * MIB)]),
            Step::Read(vec![piece(1, 4 * MIB..size), piece(2, 0..3)]),
        ])
    );
    let copies = plan_join(&[11 * 1024 * MIB, 1]).unwrap();
    assert!(copies.iter().rev().skip(1).all(|step| matches!(step, Step::Copy(_))));
    assert_eq!(copies.len(), 45);
    assert_eq!(plan_join(&[u64::MAX, 1]), None);
    assert_eq!(plan_join(&vec![1; 5_000]), None);
}

proptest! {
    #[test]
    fn a_plan_is_all_bytes_in_order_in_parts_that_s3_takes(
        sizes in prop::collection::vec(prop_oneof![0..20 * MIB, 0..600 * MIB, 0..20_000 * MIB], 0..12)
    ) {
        let plan = plan_join(&sizes).unwrap();
        let mut at = vec![0; sizes.len()];
        let mut last = 0;
        for step in &plan {
            let pieces = match step {
                Step::Copy(piece) => vec![piece.clone()],
                Step::Read(pieces) => { prop_assert!(step.len() <= MIN_PART_SIZE); pieces.clone() }
            };
            for piece in pieces {
                prop_assert!(piece.source >= last);
                prop_assert_eq!(piece.range.start, at[piece.source]);
                at[piece.source] = piece.range.end;
                last = piece.source;
            }
        }
        prop_assert_eq!(&at, &sizes);
        prop_assert!(plan.len() <= 10_000 && !plan.is_empty());
        prop_assert!(plan.iter().all(|step| step.len() <= MAX_PART_SIZE));
        prop_assert!(plan.iter().rev().skip(1).all(|step| step.len() >= MIN_PART_SIZE));
    }

    #[test]
    fn whatever_the_chunks_parts_are_large_enough_and_nothing_is_lost(
        chunks in prop::collection::vec(1..MAX_APPEND_BYTES, 1..60)
    ) {
        let length = chunks.iter().sum();
        let (mut upload, mut parts) = (upload(Some(length)), Vec::new());
        for (n, &chunk) in chunks.iter().enumerate() {
            let store = upload.plan(chunk).unwrap();
            if let Store::Part(number) = store {
                let size = upload.tail_len() + chunk;
                prop_assert!(size >= MIN_PART_SIZE || n + 1 == chunks.len());
                parts.push(UploadedPart { number, size, etag: "a".parse().unwrap() });
            }
            upload = upload.locked(lock("me")).appended(store, "me", chunk);
        }
        prop_assert!(upload.is_whole() && upload.tail().is_empty());
        prop_assert_eq!(upload.counted(parts.clone()).unwrap(), parts);
    }
}
