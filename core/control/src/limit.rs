//! A connection has a place among those that are served at once, until it is closed. Who does not take what was asked for
//! is cut off.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::Sleep,
};

/// A connection whose reader takes nothing for this long is cut off: what it waits for is held only so long.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(30);

/// A connection that counts until it is closed.
pub(crate) struct Held<C> {
    stream: C,
    /// Runs while nothing can be written.
    stalled: Option<Pin<Box<Sleep>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<C> Held<C> {
    pub(crate) fn new(stream: C, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, stalled: None, _permit: permit }
    }

    /// The outcome of a write, unless nothing could be written for too long.
    fn patiently<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_MAX)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Held<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Held<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.patiently(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.patiently(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixStream,
    };

    fn held(stream: UnixStream) -> Held<UnixStream> {
        Held::new(stream, None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_cut_off() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let began = tokio::time::Instant::now();
        let error = held(ours).write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), STALL_MAX.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let began = tokio::time::Instant::now();
        let reader = tokio::spawn(async move {
            let mut taken = vec![0; 1 << 20];
            // The kernel's buffer has to empty before it is writable again.
            while theirs.read(&mut taken).await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let mut writer = held(ours);
        writer.write_all(&vec![0; 8 << 20]).await.unwrap();
        drop(writer);
        reader.await.unwrap();
        assert!(began.elapsed() > STALL_MAX);
    }
}
