//! How a file comes in: one PUT or multipart, in which parts, which window of them is signed now, and whether a
//! client's list of parts is the upload that was granted.
//!
//! Sizes and counts are S3's: parts of 5 MiB to 5 GiB (the last may be smaller), at most 10,000 of them, one PUT of at
//! most 5 GiB (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    ids::ETag,
};

/// One mebibyte.
pub const MIB: u64 = 1024 * 1024;
/// The smallest part that S3 takes, unless it is the last.
pub const MIN_PART_SIZE: u64 = 5 * MIB;
/// The largest part that S3 takes, and the largest single PUT.
pub const MAX_PART_SIZE: u64 = 5 * 1024 * MIB;
/// The most parts that S3 takes in one upload.
pub const MAX_PARTS: u64 = 10_000;
/// The largest object that S3 takes (48.8 TiB).
pub const MAX_OBJECT_SIZE: u64 = MAX_PARTS * MAX_PART_SIZE;

/// How long the parts of an upload are waited for: what the bucket's lifecycle rule lets stand (`template.yaml`). A slow
/// client signs new windows all that time.
pub const MULTIPART_TTL: Duration = Duration::from_hours(7 * 24);

/// How many bytes a grant lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeRange {
    min: u64,
    max: u64,
}

impl SizeRange {
    /// Just so many, where the client said how many it will send.
    pub const fn exactly(bytes: u64) -> Self {
        Self { min: bytes, max: bytes }
    }

    /// Up to so many, where it didn't.
    pub const fn at_most(bytes: u64) -> Self {
        Self { min: 0, max: bytes }
    }

    /// The fewest bytes.
    pub const fn min(self) -> u64 {
        self.min
    }

    /// The most bytes.
    pub const fn max(self) -> u64 {
        self.max
    }

    /// How many, if it was said.
    pub const fn exact(self) -> Option<u64> {
        if self.min == self.max { Some(self.max) } else { None }
    }

    /// Whether a file of this size is let in.
    pub const fn holds(self, bytes: u64) -> bool {
        self.min <= bytes && bytes <= self.max
    }
}

impl std::fmt::Display for SizeRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.exact() {
            Some(bytes) => write!(f, "{bytes}"),
            None => write!(f, "{} to {}", self.min, self.max),
        }
    }
}

/// The operator's limits for uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPolicy {
    /// Up to and including this many bytes a file comes by one PUT.
    pub direct_limit: u64,
    /// Bytes of a part, unless the client chose or the file needs more.
    pub part_size: u64,
    /// The smallest part that isn't the last: S3's own, but for stores that take smaller ones.
    pub min_part_size: u64,
    /// The most parts signed in one answer.
    pub batch: u16,
    /// How long a grant is valid.
    pub grant_ttl: Duration,
}

impl Default for UploadPolicy {
    fn default() -> Self {
        Self {
            direct_limit: 10 * MIB,
            part_size: MIN_PART_SIZE,
            min_part_size: MIN_PART_SIZE,
            batch: 500,
            grant_ttl: Duration::from_hours(1),
        }
    }
}

/// What the client would like; S3's limits come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartChoice {
    /// Bytes of a part.
    pub part_size: Option<u64>,
    /// How many parts; the part size follows from it.
    pub num_parts: Option<u64>,
}

/// How a file comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// One PUT.
    Direct,
    /// In parts.
    Multipart(Parts),
}

/// The parts of a multipart upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The file's bytes.
    pub size: u64,
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// How many, 1 to 10,000.
    pub num_parts: u16,
}

impl UploadPolicy {
    /// Plans the upload of `size` bytes. The part size is the client's if it chose one, otherwise the policy's; a
    /// choice below S3's minimum is lifted to it, and every part size grows until 10,000 parts hold the file.
    ///
    /// # Errors
    /// `file_too_large` over what S3 holds; `invalid_field` for a choice that can't hold the file or names more
    /// than 10,000 parts or parts over 5 GiB.
    pub fn plan(&self, size: u64, choice: PartChoice) -> Result<Plan> {
        if size > MAX_OBJECT_SIZE {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "file_too_large",
                format!("{size} bytes are more than the {MAX_OBJECT_SIZE} that S3 holds"),
            ));
        }
        let wanted = self.wanted_part_size(size, choice)?;
        if size <= self.direct_limit.min(MAX_PART_SIZE) {
            return Ok(Plan::Direct);
        }
        let mut part_size = wanted.max(self.min_part_size);
        if self.min_part_size.saturating_mul(MAX_PARTS) < size {
            part_size = part_size.max(grown_part_size(size));
        }
        let num_parts = u16::try_from(size.div_ceil(part_size)).map_err(Error::internal)?;
        Ok(Plan::Multipart(Parts { size, part_size, num_parts }))
    }

    fn wanted_part_size(&self, size: u64, choice: PartChoice) -> Result<u64> {
        let PartChoice { part_size, num_parts } = choice;
        if let Some(bytes) = part_size
            && !(1..=MAX_PART_SIZE).contains(&bytes)
        {
            return Err(Error::invalid_field("client_part_size", "1 to 5,368,709,120 bytes"));
        }
        if let Some(count) = num_parts
            && !(1..=MAX_PARTS).contains(&count)
        {
            return Err(Error::invalid_field("client_num_parts", "1 to 10,000"));
        }
        match (part_size, num_parts) {
            (None, None) => Ok(self.part_size),
            (Some(bytes), None) => Ok(bytes),
            (Some(bytes), Some(count)) if bytes.saturating_mul(count) >= size => Ok(bytes),
            (Some(_), Some(_)) => {
                Err(Error::invalid_field("client_num_parts", "these parts of this size don't hold the file"))
            }
            (None, Some(count)) => match size.div_ceil(count) {
                bytes if bytes <= MAX_PART_SIZE => Ok(bytes),
                _ => Err(Error::invalid_field("client_num_parts", "so few parts would be over 5 GiB each")),
            },
        }
    }

    /// The window of parts to sign: `count` of them from `start`, cut to the policy's batch and to the last part.
    ///
    /// # Errors
    /// `invalid_field` if `start` isn't a part of the upload or `count` is 0.
    pub fn window(&self, start: u64, count: u64, parts: Parts) -> Result<RangeInclusive<u16>> {
        let last = u64::from(parts.num_parts);
        if !(1..=last).contains(&start) {
            return Err(Error::invalid_field("start_part", format!("1 to {last}")));
        }
        if count == 0 {
            return Err(Error::invalid_field("batch_count", format!("1 to {}", self.batch)));
        }
        let end = last.min(start.saturating_add(count.min(u64::from(self.batch)) - 1));
        let narrow = |part: u64| u16::try_from(part).map_err(Error::internal);
        Ok(narrow(start)?..=narrow(end)?)
    }
}

/// The smallest whole number of mebibytes per part with which 10,000 parts hold `size` bytes.
const fn grown_part_size(size: u64) -> u64 {
    size.div_ceil(MAX_PARTS).div_ceil(MIB) * MIB
}

/// A part as its client names it on completion. The names are S3's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTag {
    /// 1 to 10,000.
    #[serde(rename = "PartNumber")]
    pub number: u16,
    /// The receipt that S3 answered to the part's PUT.
    #[serde(rename = "ETag")]
    pub etag: ETag,
}

/// A part as S3 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedPart {
    /// 1 to 10,000.
    #[serde(rename = "PartNumber")]
    pub number: u16,
    /// Its receipt.
    #[serde(rename = "ETag")]
    pub etag: ETag,
    /// Its bytes.
    #[serde(rename = "Size")]
    pub size: u64,
}

impl Parts {
    /// Bytes of part `number`: the part size, and for the last one what is left.
    pub fn size_of(self, number: u16) -> u64 {
        if number == self.num_parts {
            self.size - self.part_size * u64::from(self.num_parts - 1)
        } else {
            self.part_size
        }
    }

    /// Checks a client's list: every part once, in ascending order, none missing.
    ///
    /// # Errors
    /// `parts_repeated`, `parts_out_of_order`, `parts_missing` or `parts_unknown`, naming the first fault.
    pub fn check_list(self, list: &[PartTag]) -> Result<()> {
        check_ascending(list)?;
        if let Some(stray) = list.iter().find(|part| !(1..=self.num_parts).contains(&part.number)) {
            return Err(Error::invalid_parts(
                "parts_unknown",
                format!("part {} isn't one of 1 to {}", stray.number, self.num_parts),
            ));
        }
        if let Some(missing) = (1..=self.num_parts).zip(1..).find_map(|(number, at)| {
            let named = list.get(at - 1).is_some_and(|part| part.number == number);
            (!named).then_some(number)
        }) {
            return Err(Error::invalid_parts(
                "parts_missing",
                format!("part {missing} of {} is missing ({} are named)", self.num_parts, list.len()),
            ));
        }
        Ok(())
    }

    /// Checks what S3 has against a list that passed [`Self::check_list`]: every part there, with the named receipt
    /// and exactly its size.
    ///
    /// # Errors
    /// `parts_missing`, `part_etag_mismatch` or `part_size_mismatch`, naming the first fault.
    pub fn check_uploaded(self, list: &[PartTag], uploaded: &[UploadedPart]) -> Result<()> {
        for have in as_uploaded(list, uploaded) {
            let have = have?;
            let number = have.number;
            let expected = self.size_of(number);
            if have.size != expected {
                return Err(Error::invalid_parts(
                    "part_size_mismatch",
                    format!("part {number} has {} bytes where {expected} are expected", have.size),
                ));
            }
        }
        Ok(())
    }
}

/// Checks the list of an upload whose parts are the client's own choice: not empty, ascending, each once, each as S3 has
/// it, together as many bytes as were granted. S3 itself refuses parts under 5 MiB that aren't the last.
///
/// # Errors
/// As [`Parts::check_list`] and [`Parts::check_uploaded`]; `size_mismatch`.
pub fn check_open_upload(size: SizeRange, list: &[PartTag], uploaded: &[UploadedPart]) -> Result<()> {
    if list.is_empty() {
        return Err(Error::invalid_parts("parts_missing", "no part is named"));
    }
    check_ascending(list)?;
    let mut bytes: u64 = 0;
    for have in as_uploaded(list, uploaded) {
        bytes = bytes.saturating_add(have?.size);
    }
    if !size.holds(bytes) {
        let reason = format!("they hold {bytes} bytes where {size} were granted");
        return Err(Error::invalid_parts("size_mismatch", reason));
    }
    Ok(())
}

/// Checks that every part is named once, in ascending order.
fn check_ascending(list: &[PartTag]) -> Result<()> {
    for pair in list.windows(2) {
        let (before, after) = (pair[0].number, pair[1].number);
        if before == after {
            return Err(Error::invalid_parts("parts_repeated", format!("part {after} is named twice")));
        }
        if before > after {
            return Err(Error::invalid_parts(
                "parts_out_of_order",
                format!("part {after} stands after part {before}; ascending order is expected"),
            ));
        }
    }
    Ok(())
}

/// The parts of a list as S3 has them, with the receipts that are named. Both are ascending, so one walk finds all.
fn as_uploaded<'a>(
    list: &'a [PartTag],
    uploaded: &'a [UploadedPart],
) -> impl Iterator<Item = Result<&'a UploadedPart>> {
    let mut uploaded = uploaded.iter().peekable();
    list.iter().map(move |part| {
        let number = part.number;
        while uploaded.next_if(|have| have.number < number).is_some() {}
        let Some(have) = uploaded.next_if(|have| have.number == number) else {
            return Err(Error::invalid_parts("parts_missing", format!("part {number} was never uploaded")));
        };
        if have.etag != part.etag {
            return Err(Error::invalid_parts(
                "part_etag_mismatch",
                format!("part {number} has another ETag than the one named"),
            ));
        }
        Ok(have)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(size: u64, part_size: Option<u64>, num_parts: Option<u64>) -> Result<Plan> {
        UploadPolicy::default().plan(size, PartChoice { part_size, num_parts })
    }

    fn parts(size: u64, part_size: Option<u64>, num_parts: Option<u64>) -> Parts {
        match plan(size, part_size, num_parts).unwrap() {
            Plan::Multipart(parts) => parts,
            Plan::Direct => panic!("{size} is sent by one PUT"),
        }
    }

    #[test]
    fn ten_mebibytes_are_the_last_that_come_by_one_put() {
        for size in [0, 1, 10 * MIB - 1, 10 * MIB] {
            assert_eq!(plan(size, None, None).unwrap(), Plan::Direct, "{size}");
        }
        let first = parts(10 * MIB + 1, None, None);
        assert_eq!((first.part_size, first.num_parts), (5 * MIB, 3));
        assert_eq!((first.size_of(1), first.size_of(3)), (5 * MIB, 1));
    }

    #[test]
    fn parts_are_what_the_client_chose_within_what_s3_takes() {
        let of = |size, part_size, num_parts| {
            let parts = parts(size, part_size, num_parts);
            (parts.part_size, parts.num_parts)
        };
        assert_eq!(of(50 * MIB, None, Some(10)), (5 * MIB, 10));
        assert_eq!(of(50_000_000, None, Some(10)), (5 * MIB, 10), "parts under 5 MiB are lifted");
        assert_eq!(of(50 * MIB, Some(8 * MIB), None), (8 * MIB, 7));
        assert_eq!(of(10 * 1024 * MIB, None, Some(2000)), (10 * 1024 * MIB / 2000 + 1, 2000));
        assert_eq!(of(100 * MIB, Some(1), None), (5 * MIB, 20));
        for (part_size, num_parts) in [
            (Some(0), None),
            (Some(MAX_PART_SIZE + 1), None),
            (None, Some(0)),
            (None, Some(10_001)),
            (Some(5 * MIB), Some(9)),
        ] {
            assert_eq!(plan(50 * MIB, part_size, num_parts).unwrap_err().code(), "invalid_field");
        }
        assert_eq!(plan(11 * 1024 * MIB, None, Some(2)).unwrap_err().code(), "invalid_field");
    }

    #[test]
    fn the_largest_object_of_s3_fits_and_one_byte_more_does_not() {
        let largest = parts(MAX_OBJECT_SIZE, None, None);
        assert_eq!((largest.part_size, largest.num_parts), (MAX_PART_SIZE, 10_000));
        assert_eq!(plan(MAX_OBJECT_SIZE + 1, None, None).unwrap_err().code(), "file_too_large");
        assert_eq!(plan(u64::MAX, None, None).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(parts(50_000 * MIB, None, None).num_parts, 10_000);
        assert_eq!(parts(50_000 * MIB + 1, None, None).part_size, 6 * MIB);
    }

    #[test]
    fn windows_hold_at_most_a_batch_and_end_at_the_last_part() {
        let policy = UploadPolicy::default();
        let parts = Parts { size: 2000 * MIN_PART_SIZE, part_size: MIN_PART_SIZE, num_parts: 2000 };
        assert_eq!(policy.window(1, 500, parts).unwrap(), 1..=500);
        assert_eq!(policy.window(501, 9_999, parts).unwrap(), 501..=1000);
        assert_eq!(policy.window(1999, 500, parts).unwrap(), 1999..=2000);
        assert_eq!(policy.window(2000, u64::MAX, parts).unwrap(), 2000..=2000);
        for (start, count) in [(0, 1), (2001, 1), (1, 0)] {
            assert_eq!(policy.window(start, count, parts).unwrap_err().code(), "invalid_field");
        }
    }

    fn tags(numbers: &[u16]) -> Vec<PartTag> {
        numbers
            .iter()
            .map(|&number| PartTag { number, etag: format!("e{number}").parse().unwrap() })
            .collect()
    }

    #[test]
    fn a_part_list_is_complete_ascending_and_without_repeats() {
        let parts = Parts { size: 3 * MIN_PART_SIZE, part_size: MIN_PART_SIZE, num_parts: 3 };
        let code = |numbers: &[u16]| parts.check_list(&tags(numbers)).map_err(|error| error.code());
        assert_eq!(code(&[1, 2, 3]), Ok(()));
        assert_eq!(code(&[1, 2, 2]), Err("parts_repeated"));
        assert_eq!(code(&[2, 1, 3]), Err("parts_out_of_order"));
        assert_eq!(code(&[1, 2, 3, 4]), Err("parts_unknown"));
        assert_eq!(code(&[0, 1, 2]), Err("parts_unknown"));
        for missing in [&[][..], &[2, 3], &[1, 3], &[1, 2]] {
            assert_eq!(code(missing), Err("parts_missing"), "{missing:?}");
        }
    }

    #[test]
    fn what_s3_has_is_what_the_list_says() {
        let parts = Parts { size: 2 * MIN_PART_SIZE + 7, part_size: MIN_PART_SIZE, num_parts: 3 };
        let have = |sizes: &[u64]| -> Vec<UploadedPart> {
            (1..)
                .zip(sizes)
                .map(|(number, &size)| UploadedPart {
                    number,
                    etag: format!("e{number}").parse().unwrap(),
                    size,
                })
                .collect()
        };
        let code = |list: &[PartTag], sizes: &[u64]| {
            parts.check_uploaded(list, &have(sizes)).map_err(|error| error.code())
        };
        let list = tags(&[1, 2, 3]);
        assert_eq!(code(&list, &[MIN_PART_SIZE, MIN_PART_SIZE, 7]), Ok(()));
        assert_eq!(code(&list, &[MIN_PART_SIZE, MIN_PART_SIZE]), Err("parts_missing"));
        assert_eq!(code(&list, &[MIN_PART_SIZE, 7, MIN_PART_SIZE]), Err("part_size_mismatch"));
        let mut wrong = list;
        wrong[1].etag = "other".parse().unwrap();
        assert_eq!(code(&wrong, &[MIN_PART_SIZE, MIN_PART_SIZE, 7]), Err("part_etag_mismatch"));
    }

    proptest! {
        #[test]
        fn every_plan_is_one_that_s3_takes(size in 0..=MAX_OBJECT_SIZE, part_size in proptest::option::of(1..=MAX_PART_SIZE)) {
            if let Plan::Multipart(parts) = plan(size, part_size, None).unwrap() {
                let total: u64 = u64::from(parts.num_parts - 1) * parts.part_size + parts.size_of(parts.num_parts);
                prop_assert_eq!(total, size);
                prop_assert!((MIN_PART_SIZE..=MAX_PART_SIZE).contains(&parts.part_size));
                prop_assert!((1..=10_000).contains(&parts.num_parts));
                prop_assert!(parts.size_of(parts.num_parts) >= 1);
            } else {
                prop_assert!(size <= 10 * MIB);
            }
        }

        #[test]
        fn windows_cover_all_parts_once(num_parts in 1_u16..=10_000, batch in 1_u16..=500) {
            let policy = UploadPolicy { batch, ..UploadPolicy::default() };
            let parts = Parts { size: u64::from(num_parts) * MIN_PART_SIZE, part_size: MIN_PART_SIZE, num_parts };
            let mut next = 1;
            while next <= num_parts {
                let window = policy.window(next.into(), 500, parts).unwrap();
                prop_assert_eq!(*window.start(), next);
                prop_assert!(window.clone().count() <= usize::from(batch));
                next = window.end() + 1;
            }
            prop_assert_eq!(next, num_parts + 1);
        }
    }
}
