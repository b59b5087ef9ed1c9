//! What can't be done with pixels.

use std::{error::Error, fmt};

/// Why there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PixelError {
    /// A resize got no row.
    NoRows,
    /// The pixels are inks or of 16 bits, as they are before a conversion of their colours.
    NotConverted,
}

impl fmt::Display for PixelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRows => "there are no rows",
            Self::NotConverted => "the colours were not converted",
        })
    }
}

impl Error for PixelError {}
