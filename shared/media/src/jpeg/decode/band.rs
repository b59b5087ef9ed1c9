//! Coefficients of a row of MCUs, laid out for [`super::idct`]: eight blocks side by side share a group, in which
//! the eight lanes of one coefficient lie together. So each vector of the transform is one load, and neither
//! pass has to transpose.

use super::Refusal;
use super::markers::{Frame, Selected};

/// Blocks of a group.
pub(super) const LANES: usize = 8;
/// Coefficients of eight blocks, by row, column and lane.
pub(super) type Group = [i16; 64 * LANES];

/// Where a component lies in a band.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Index in the frame.
    pub component: usize,
    /// Blocks of an MCU, across and down.
    pub across: usize,
    pub down: usize,
    /// Groups of a row of blocks.
    pub stride: usize,
    /// The first group.
    pub offset: usize,
}

/// What a scan's bands look like.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub parts: Vec<Part>,
    pub mcus: (usize, usize),
    /// Groups of a band.
    pub groups: usize,
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
        let (mut groups, mut blocks) = (0, 0);
        let mut parts = Vec::with_capacity(selected.len());
        for selected in selected {
            let component = frame.components().get(selected.component).ok_or(Refusal::Damaged)?;
            let (across, down) =
                if alone { (1, 1) } else { (component.across.into(), component.down.into()) };
            let stride = (mcus.0 * across).div_ceil(LANES);
            parts.push(Part { component: selected.component, across, down, stride, offset: groups });
            groups += stride * down;
            blocks += across * down;
        }
        // B.2.3.
        if blocks > 10 {
            return Err(Refusal::Damaged);
        }
        Ok(Self { parts, mcus, groups })
    }
}

/// Coefficients of a row of MCUs.
#[derive(Debug, Default)]
pub(super) struct Band {
    pub groups: Vec<Group>,
    /// For each group, the index in zigzag order behind which all coefficients are 0.
    pub extents: Vec<u8>,
}

impl Band {
    pub fn new(groups: usize) -> Self {
        Self { groups: vec![[0; 64 * LANES]; groups], extents: vec![0; groups] }
    }

    /// Makes all coefficients 0 again, as far as they aren't.
    pub fn clear(&mut self) {
        for (group, extent) in self.groups.iter_mut().zip(&mut self.extents) {
            match *extent {
                0 => group[..LANES].fill(0),
                // The coefficients up to `extent` are in the rows up to it.
                1..8 => group[..(usize::from(*extent) + 1) * 8 * LANES].fill(0),
                _ => group.fill(0),
            }
            *extent = 0;
        }
    }
}
