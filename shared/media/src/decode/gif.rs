//! Decoding GIF.
