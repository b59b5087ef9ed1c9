//! An object's bytes, as they arrive, for code that blocks: a decoder reads while S3 still sends, and a picture that
//! is decoded by rows is never in memory whole.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use sluice_core::{Result, ports::ObjectBody};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Chunks that may wait for their reader. S3's are some ten KiB each.
const CHUNKS: usize = 16;

/// The end that is fed.
#[derive(Debug)]
pub struct Feed(Sender<Bytes>);

/// The end that is read. At its end where the feed was dropped: whether the body was whole, only [`Feed::run`] tells.
#[derive(Debug)]
pub struct Reader {
    chunks: Receiver<Bytes>,
    current: Bytes,
}

/// Both ends.
pub fn pipe() -> (Feed, Reader) {
    let (sender, chunks) = channel(CHUNKS);
    (Feed(sender), Reader { chunks, current: Bytes::new() })
}

impl Feed {
    /// Feeds the reader until the body ends or nobody reads any more.
    ///
    /// # Errors
    /// What broke the body off. Whatever was made of the part that arrived is then to be thrown away.
    pub async fn run(self, mut body: impl ObjectBody) -> Result<()> {
        while let Some(chunk) = body.next().await? {
            if self.0.send(chunk).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let length = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use sluice_core::Error;

    use super::*;

    struct Chunks(VecDeque<Result<Bytes>>);

    impl ObjectBody for Chunks {
        async fn next(&mut self) -> Result<Option<Bytes>> {
            self.0.pop_front().transpose()
        }
    }

    fn body(chunks: impl IntoIterator<Item = Result<&'static [u8]>>) -> Chunks {
        Chunks(chunks.into_iter().map(|chunk| chunk.map(Bytes::from_static)).collect())
    }

    #[tokio::test]
    async fn chunks_are_read_as_one() {
        let (feed, mut reader) = pipe();
        let reading = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes)
        });
        feed.run(body([Ok(&b"a"[..]), Ok(b""), Ok(b"bcd")])).await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), b"abcd");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_by_its_feed() {
        let (feed, mut reader) = pipe();
        let reading = tokio::task::spawn_blocking(move || io::copy(&mut reader, &mut io::sink()));
        let broken = feed.run(body([Ok(&b"a"[..]), Err(Error::internal("reset"))])).await;
        assert_eq!((broken.is_err(), reading.await.unwrap().unwrap()), (true, 1));
    }

    #[tokio::test]
    async fn a_reader_that_leaves_ends_the_feed() {
        let (feed, reader) = pipe();
        drop(reader);
        feed.run(body((0..100).map(|_| Ok(&b"x"[..])))).await.unwrap();
    }
}
