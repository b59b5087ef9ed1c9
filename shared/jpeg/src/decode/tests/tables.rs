//! Huffman tables made code by code, and files of blocks coded by them, of which no encoder at hand writes the like:
//! every length of a code beside every size of a value.

use super::*;
use crate::decode::{
    bits::Bits,
    huffman::{Ac, Dc, Definition, Single},
};

/// The end of a block.
const END: u8 = 0x00;
/// 16 zeros.
const ZEROS: u8 = 0xF0;

/// A table, and the code of each symbol with its length.
struct Table {
    definition: Definition,
    codes: [Option<(u32, u32)>; 256],
}

impl Table {
    /// Of symbols with the lengths of their codes, which get their numbers in this order (T.81, C.2).
    fn new(symbols: &[(u8, u32)]) -> Self {
        let mut symbols = symbols.to_vec();
        symbols.sort_by_key(|(_, length)| *length);
        let (mut counts, mut codes) = ([0; 16], [None; 256]);
        let (mut code, mut before) = (0_u32, 0);
        for &(symbol, length) in &symbols {
            code <<= length - before;
            codes[usize::from(symbol)] = Some((code, length));
            counts[length as usize - 1] += 1;
            code += 1;
            before = length;
        }
        let symbols = symbols.iter().map(|(symbol, _)| *symbol).collect();
        Self { definition: Definition { counts, symbols }, codes }
    }

    /// Gives `symbols` codes of any lengths up to 16. All ones is no code (C.2).
    fn any(mut symbols: Vec<u8>, choices: &mut Choices) -> Self {
        for at in (1..symbols.len()).rev() {
            symbols.swap(at, choices.below(at + 1));
        }
        // Leaves of a tree that are split until there are enough. The more often it is the youngest one's turn, the
        // longer the codes become.
        let lean = choices.below(8);
        let mut lengths = vec![0_u32];
        while lengths.len() <= symbols.len() {
            let open: Vec<usize> = (0..lengths.len()).filter(|at| lengths[*at] < 16).collect();
            let turn = if choices.below(8) < lean { open.len() - 1 } else { choices.below(open.len()) };
            let leaf = open[turn];
            lengths[leaf] += 1;
            lengths.push(lengths[leaf]);
        }
        let longest = lengths.iter().copied().max().unwrap();
        lengths.remove(lengths.iter().position(|length| *length == longest).unwrap());
        Self::new(&symbols.into_iter().zip(lengths).collect::<Vec<_>>())
    }

    /// DHT, of the class and number that `id` says (B.2.4.2).
    fn segment(&self, id: u8) -> Vec<u8> {
        segment(0xC4, &[&[id], &self.definition.counts[..], &self.definition.symbols].concat())
    }

    fn symbol(&self, choices: &mut Choices) -> u8 {
        self.definition.symbols[choices.below(self.definition.symbols.len())]
    }
}

/// Numbers to choose by, always the same for a seed.
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// The bits of a value of `size` bits, and the value by F.2.2.1's EXTEND as it stands there.
    fn value(&mut self, size: u32) -> (u32, i32) {
        if size == 0 {
            return (0, 0);
        }
        let bits = self.below(1 << size) as u32;
        let value = bits.cast_signed();
        (bits, if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
    }
}

/// Bits, with a zero byte behind each 0xFF.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    byte: u8,
    held: u32,
}

impl Writer {
    fn put(&mut self, bits: u32, length: u32) {
        for at in (0..length).rev() {
            self.byte = self.byte << 1 | (bits >> at & 1) as u8;
            self.held += 1;
            if self.held == 8 {
                self.bytes.push(self.byte);
                if self.byte == 0xFF {
                    self.bytes.push(0);
                }
                self.held = 0;
            }
        }
    }

    fn symbol(&mut self, table: &Table, symbol: u8) {
        let (code, length) = table.codes[usize::from(symbol)].unwrap();
        self.put(code, length);
    }

    fn finish(mut self) -> Vec<u8> {
        while self.held > 0 {
            self.put(1, 1);
        }
        self.bytes
    }
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, marker], &length, content].concat()
}

/// A gray file of so many blocks across and down, every step of its quantisation 1. `scans` are tables, the first and
/// the last coefficient, the position of the lowest bit, and data.
fn file(progressive: bool, blocks: (usize, usize), scans: &[(Vec<u8>, [u8; 3], Vec<u8>)]) -> Vec<u8> {
    let edge = |blocks: usize| u16::try_from(8 * blocks).unwrap().to_be_bytes();
    let ([h1, h0], [w1, w0]) = (edge(blocks.1), edge(blocks.0));
    let mut bytes = vec![0xFF, 0xD8];
    bytes.extend(segment(0xDB, &[&[0], &[1; 64][..]].concat()));
    bytes.extend(segment(if progressive { 0xC2 } else { 0xC1 }, &[8, h1, h0, w1, w0, 1, 1, 0x11, 0]));
    for (tables, [start, end, low], data) in scans {
        bytes.extend(tables);
        bytes.extend(segment(0xDA, &[1, 1, 0, *start, *end, *low]));
        bytes.extend(data);
    }
    bytes.extend([0xFF, 0xD9]);
    bytes
}

/// Writes coefficients behind the first, as they are chosen; `ended` gets how many blocks behind this one end where
/// they start, which is progressive's.
fn coefficients(
    writer: &mut Writer,
    table: &Table,
    choices: &mut Choices,
    block: &mut [i32; 64],
    mut ended: Option<&mut u32>,
) {
    let mut k = 1;
    while k < 64 {
        let mut symbol = table.symbol(choices);
        let run = symbol >> 4;
        let run_of_blocks = symbol.is_multiple_of(16) && run < 15;
        if k + usize::from(run) > 63 && !run_of_blocks || run_of_blocks && ended.is_none() {
            symbol = END;
        }
        let (run, size) = (symbol >> 4, u32::from(symbol & 15));
        writer.symbol(table, symbol);
        if size == 0 && run < 15 {
            let more = choices.below(1 << run) as u32;
            writer.put(more, run.into());
            if let Some(ended) = ended.as_deref_mut() {
                *ended = (1 << run) - 1 + more;
            }
            return;
        }
        let (bits, value) = choices.value(size);
        writer.put(bits, size);
        block[k + usize::from(run)] = value;
        k += usize::from(run) + 1;
    }
}

/// A sequential file of blocks as they are chosen, and their coefficients.
fn sequential(
    blocks: (usize, usize),
    tables: &[Table; 2],
    choices: &mut Choices,
) -> (Vec<u8>, Vec<[i16; 64]>) {
    let [dc, ac] = tables;
    let (mut writer, mut all, mut prediction) = (Writer::default(), Vec::new(), 0);
    for _ in 0..blocks.0 * blocks.1 {
        let mut block = [0; 64];
        let size = dc.symbol(choices);
        let (bits, difference) = choices.value(size.into());
        writer.symbol(dc, size);
        writer.put(bits, size.into());
        prediction += difference;
        block[0] = prediction;
        coefficients(&mut writer, ac, choices, &mut block, None);
        all.push(block.map(|value| value as i16));
    }
    let scan = ([dc.segment(0x00), ac.segment(0x10)].concat(), [0, 63, 0], writer.finish());
    (file(false, blocks, &[scan]), all)
}

/// The same, progressive, in a scan of DC and one of AC, values without their `low` bits.
fn progressive(
    blocks: (usize, usize),
    tables: &[Table; 2],
    low: u8,
    choices: &mut Choices,
) -> (Vec<u8>, Vec<[i16; 64]>) {
    let [dc, ac] = tables;
    let mut all = vec![[0; 64]; blocks.0 * blocks.1];
    let (mut first, mut second) = (Writer::default(), Writer::default());
    let (mut prediction, mut ended) = (0, 0);
    for block in &mut all {
        let size = dc.symbol(choices);
        let (bits, difference) = choices.value(size.into());
        first.symbol(dc, size);
        first.put(bits, size.into());
        prediction += difference;
        block[0] = prediction;
        if ended > 0 {
            ended -= 1;
        } else {
            coefficients(&mut second, ac, choices, block, Some(&mut ended));
        }
    }
    let scans =
        [(dc.segment(0x00), [0, 0, low], first.finish()), (ac.segment(0x10), [1, 63, low], second.finish())];
    let all = all.into_iter().map(|block| block.map(|value| (i64::from(value) << low) as i16));
    (file(true, blocks, &scans), all.collect())
}

fn start(bytes: &[u8]) -> (Markers<'_>, Frame) {
    let mut markers = Markers::new(bytes);
    let Ok(Event::Frame(frame)) = markers.next() else { panic!("a frame") };
    (markers, frame)
}

/// Coefficients as lanes decode them.
fn by_lanes(bytes: &[u8]) -> Vec<[i16; 64]> {
    let (mut markers, frame) = start(bytes);
    let Ok(Event::Scan(scan)) = markers.next() else { panic!("a scan") };
    let layout = Layout::new(&frame, &scan.selected).unwrap();
    let (across, down) = layout.mcus;
    let mut band = Band::new(layout.blocks);
    let mut sequential = Sequential::new(bytes, &markers, &scan, layout).unwrap();
    let mut all = Vec::new();
    for _ in 0..down {
        sequential.row(&mut band).unwrap();
        all.extend(band.blocks[..across].iter().map(|block| block.0));
    }
    sequential.end().unwrap();
    assert!(!sequential.cut && !sequential.extraneous);
    all
}

/// Coefficients symbol by symbol, as lanes go on where a lookup doesn't tell.
fn by_symbols(bytes: &[u8], tables: &[Table; 2], count: usize) -> Vec<[i16; 64]> {
    let (mut markers, _) = start(bytes);
    let Ok(Event::Scan(scan)) = markers.next() else { panic!("a scan") };
    let (dc, ac) = (Dc::new(&tables[0].definition).unwrap(), Ac::new(&tables[1].definition).unwrap());
    let mut bits = Bits::new(bytes, scan.data);
    let mut prediction = 0;
    let mut all = Vec::new();
    for _ in 0..count {
        let mut block = [0; 64];
        bits.ready().unwrap();
        bits.refill();
        prediction += dc.next(&mut bits.reader).unwrap();
        block[0] = prediction as i16;
        let mut k = 1;
        while k < 64 {
            bits.refill();
            match ac.single(&mut bits.reader, k).unwrap() {
                Single::End => break,
                Single::Value(index, value) => {
                    block[index] = value as i16;
                    k = index + 1;
                }
            }
        }
        all.push(block);
    }
    all
}

/// Coefficients of a progressive file.
fn by_scans(bytes: &[u8]) -> Vec<[i16; 64]> {
    let (mut markers, frame) = start(bytes);
    let mut progressive = Progressive::new(bytes, &frame, [Scale::FULL; 3]);
    while let Event::Scan(scan) = markers.next().unwrap() {
        markers.seek(progressive.scan(&markers, &scan).unwrap());
    }
    assert!(!progressive.cut && !progressive.extraneous);
    let layout = Layout::new(&frame, &[Selected::default()]).unwrap();
    let mut band = Band::new(layout.blocks);
    let mut all = Vec::new();
    for row in 0..layout.mcus.1 {
        progressive.row(&layout, row, &mut band);
        all.extend(band.blocks[..layout.mcus.0].iter().map(|block| block.0));
    }
    all
}

/// 16 zeros by a code as long as a lookup, which leaves no bit of it for what follows.
#[test]
fn sixteen_zeros_may_have_a_code_of_any_length() {
    let dc = || Table::new(&[(0, 2), (1, 2), (2, 2), (3, 3)]);
    for length in 2..=16 {
        let symbols =
            [(END, 3), (0x01, 3), (0x02, 3), (0x11, 3), (0x21, 4), (0x33, 14), (0xE1, 16), (ZEROS, length)];
        let tables = [dc(), Table::new(&symbols)];
        // A single lane, and two.
        for blocks in [(3, 2), (60, 50)] {
            let (bytes, expected) = sequential(blocks, &tables, &mut Choices(1));
            assert!(by_lanes(&bytes) == expected, "{length}");
            assert!(by_symbols(&bytes, &tables, expected.len()) == expected, "{length}");
            for (threads, level) in [(1, crate::simd::level()), (2, Level::baseline())] {
                let ours = ours(&bytes, Scale::FULL, threads, level);
                assert_same(&ours.rows[0], &libjpeg(&bytes)[0], 1);
            }
            let (bytes, expected) = progressive(blocks, &tables, 0, &mut Choices(1));
            assert!(by_scans(&bytes) == expected, "{length}");
            let ours = ours(&bytes, Scale::FULL, 1, crate::simd::level());
            assert_same(&ours.rows[0], &libjpeg(&bytes)[0], 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_any_tables_code_comes_back(
        sizes in prop::collection::btree_set(0..=15_u8, 1..=16),
        others in prop::collection::btree_set(any::<u8>(), 0..=254),
        blocks in (1..40_usize, 1..40_usize),
        low in 0..=13_u8,
        seed: u64,
    ) {
        let mut choices = Choices(seed);
        let symbols = others.into_iter().chain([END, ZEROS]).collect::<std::collections::BTreeSet<_>>();
        let dc = Table::any(sizes.into_iter().collect(), &mut choices);
        let ac = Table::any(symbols.into_iter().collect(), &mut choices);
        let tables = [dc, ac];
        let (bytes, expected) = sequential(blocks, &tables, &mut choices);
        prop_assert!(by_lanes(&bytes) == expected);
        prop_assert!(by_symbols(&bytes, &tables, expected.len()) == expected);

        let (bytes, expected) = progressive(blocks, &tables, low, &mut choices);
        prop_assert!(by_scans(&bytes) == expected);
    }
}
