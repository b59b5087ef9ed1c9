//! Coefficients of a row of MCUs: for each component, rows of blocks from left to right.

use super::{
    Refusal,
    markers::{Frame, Selected},
};

/// Blocks that are transformed at once.
pub(super) const LANES: usize = 8;

/// The coefficients of a block, in zigzag order.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Block(pub [i16; 64]);

impl Default for Block {
    fn default() -> Self {
        Self([0; 64])
    }
}

/// Where a component lies in a band.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Index in the frame.
    pub component: usize,
    /// Blocks of an MCU, across and down.
    pub across: usize,
    pub down: usize,
    /// Blocks of a row, a multiple of [`LANES`].
    pub stride: usize,
    /// The first block.
    pub offset: usize,
}

/// What a scan's bands look like.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub parts: Vec<Part>,
    pub mcus: (usize, usize),
    /// Blocks of a band.
    pub blocks: usize,
}

impl Layout {
    /// Of the scan of some components (A.2): alone, a component's MCU is one block.
    pub fn new(frame: &Frame, selected: &[Selected]) -> Result<Self, Refusal> {
        let alone = selected.len() == 1;
        let mcus = match selected {
            [only] => {
                let (width, height) = frame.samples(only.component);
                (width.div_ceil(8), height.div_ceil(8))
            }
            _ => frame.mcus(),
        };
        let mcus = (mcus.0 as usize, mcus.1 as usize);
        let (mut blocks, mut of_mcu) = (0, 0);
        let mut parts = Vec::with_capacity(selected.len());
        for selected in selected {
            let component = frame.components().get(selected.component).ok_or(Refusal::Damaged)?;
            let (across, down) =
                if alone { (1, 1) } else { (component.across.into(), component.down.into()) };
            let stride = (mcus.0 * across).next_multiple_of(LANES);
            parts.push(Part { component: selected.component, across, down, stride, offset: blocks });
            blocks += stride * down;
            of_mcu += across * down;
        }
        // B.2.3.
        if of_mcu > 10 {
            return Err(Refusal::Damaged);
        }
        Ok(Self { parts, mcus, blocks })
    }
}

/// Coefficients of a row of MCUs.
#[derive(Debug, Default)]
pub(super) struct Band {
    pub blocks: Vec<Block>,
    /// For each block, the index in zigzag order behind which all coefficients are 0.
    pub extents: Vec<u8>,
}

impl Band {
    pub fn new(blocks: usize) -> Self {
        Self { blocks: vec![Block::default(); blocks], extents: vec![0; blocks] }
    }

    /// Makes the coefficients of the MCUs from `mcu` on 0.
    pub fn clear(&mut self, layout: &Layout, mcu: usize) {
        for part in &layout.parts {
            for row in 0..part.down {
                let range = part.offset + row * part.stride..part.offset + (row + 1) * part.stride;
                let first = mcu * part.across;
                if let (Some(blocks), Some(extents)) =
                    (self.blocks.get_mut(range.clone()), self.extents.get_mut(range))
                {
                    blocks.iter_mut().skip(first).for_each(|block| block.0 = [0; 64]);
                    extents.iter_mut().skip(first).for_each(|extent| *extent = 0);
                }
            }
        }
    }
}
