//! Reading JPEG by libjpeg.
//!
//! libjpeg calls `error_exit` on fatal errors, which must not return, and `emit_message` on damage that it
//! can read past. The first unwinds out of C (built with `-fexceptions`, declared `C-unwind`) and must
//! be caught by the caller; the second counts, so that a damaged picture can be told from a sound one.

use std::{
    cell::Cell,
    ffi::{CStr, c_int},
};

use mozjpeg::{ColorSpace, Decompress};
use mozjpeg_sys::{
    JWRN_EXTRANEOUS_DATA, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_JPEG_EOF, JWRN_MUST_RESYNC,
    jpeg_common_struct, jpeg_error_mgr, jpeg_std_error,
};
use sluice_pixels::raster::{Model, Raster, Samples};

use crate::error::{MediaError, contained};

/// A decoded JPEG.
pub(crate) struct Decoded {
    /// Gray, RGB, or CMYK with the inks as the file holds them.
    pub raster: Raster,
    /// How often libjpeg had to make up data for broken or missing bits.
    pub damages: u32,
}

thread_local! {
    /// Damages of the picture that this thread decodes; libjpeg gives its callbacks no room for state.
    static DAMAGES: Cell<u32> = const { Cell::new(0) };
}

/// Decodes at `eighths`/8 of the stored size (1 to 8).
///
/// Unwinds on what libjpeg can't read past: call it within [`crate::error::contained`].
pub(crate) fn decode(bytes: &[u8], eighths: u8) -> Result<Decoded, MediaError> {
    DAMAGES.set(0);
    let mut header = Decompress::with_err(error_manager()).from_mem(bytes).map_err(MediaError::corrupt)?;
    header.scale(eighths);
    let (space, model) = match header.color_space() {
        ColorSpace::JCS_GRAYSCALE => (ColorSpace::JCS_GRAYSCALE, Model::Gray),
        ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK => (ColorSpace::JCS_CMYK, Model::Cmyk),
        _ => (ColorSpace::JCS_RGB, Model::Rgb),
    };
    let mut picture = header.to_colorspace(space).map_err(MediaError::corrupt)?;
    let edge = |pixels: usize| u32::try_from(pixels).map_err(MediaError::corrupt);
    let (width, height) = (edge(picture.width())?, edge(picture.height())?);
    let samples = picture.read_scanlines::<u8>().map_err(MediaError::corrupt)?;
    if samples.len() != width as usize * height as usize * model.channels() {
        return Err(MediaError::corrupt("the decoder stopped before the last row"));
    }
    // Broken bits often decode to something, only to other lengths: then data is left over before the end.
    // What the last marker lacks is no reason to lose the picture.
    if contained(|| picture.finish().map_err(MediaError::corrupt)).is_err() {
        DAMAGES.set(DAMAGES.get().saturating_add(1));
    }
    Ok(Decoded {
        raster: Raster { width, height, model, samples: Samples::Eight(samples) },
        damages: DAMAGES.get(),
    })
}

#[expect(unsafe_code, reason = "libjpeg fills its error manager's defaults from C")]
fn error_manager() -> jpeg_error_mgr {
    // SAFETY: the struct is plain data (numbers, nullable pointers, `Option` of function pointers), for which
    // all zeros is a valid value; `jpeg_std_error` writes every field and keeps no pointer to it.
    let mut manager: jpeg_error_mgr = unsafe {
        let mut manager = std::mem::zeroed();
        jpeg_std_error(&mut manager);
        manager
    };
    manager.error_exit = Some(unwind);
    manager.emit_message = Some(count);
    manager.output_message = Some(drop_message);
    manager
}

/// libjpeg's fatal errors: unwinds with the message, without the panic hook's output.
#[expect(unsafe_code, reason = "libjpeg's message is reached through raw pointers")]
extern "C-unwind" fn unwind(common: &mut jpeg_common_struct) {
    // SAFETY: libjpeg calls this with its own live struct, whose `err` is the manager that it was given.
    let text = unsafe { common.err.as_ref() }.and_then(|manager| {
        let code = usize::try_from(manager.msg_code).ok()?;
        if manager.msg_code > manager.last_jpeg_message {
            return None;
        }
        // SAFETY: `jpeg_std_error` set the table, which has `last_jpeg_message` + 1 static strings. The text
        // is taken as it stands, without its parameters: `format_message` writes up to 200 bytes, and
        // the binding passes a buffer of 80.
        unsafe {
            let text = *manager.jpeg_message_table.add(code);
            (!text.is_null()).then(|| CStr::from_ptr(text.cast()).to_string_lossy().into_owned())
        }
    });
    std::panic::resume_unwind(Box::new(text.unwrap_or_else(|| "libjpeg gave up".to_owned())));
}

/// libjpeg's warnings and traces: counts the ones that mean lost picture data.
#[expect(unsafe_code, reason = "the code of the message is reached through libjpeg's raw error manager")]
extern "C-unwind" fn count(common: &mut jpeg_common_struct, level: c_int) {
    // SAFETY: as in `unwind`.
    let code = unsafe { common.err.as_ref() }.map_or(0, |manager| manager.msg_code);
    let lost = [JWRN_EXTRANEOUS_DATA, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_JPEG_EOF, JWRN_MUST_RESYNC];
    if level < 0 && lost.iter().any(|warning| *warning as c_int == code) {
        DAMAGES.set(DAMAGES.get().saturating_add(1));
    }
}

extern "C-unwind" fn drop_message(_: &mut jpeg_common_struct) {}
