//! `Stream` and `Sink`, for those who want combinators.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::Driver;
use super::socket::WebSocket;
use super::split::{Reader, Sender};
use crate::message::Message;
use crate::net::Error;

macro_rules! stream_of_messages {
    ($of:ident) => {
        /// What `read` gives; after an error, nothing.
        impl<S: AsyncRead + AsyncWrite + Unpin> Stream for $of<S> {
            type Item = Result<Message<'static>, Error>;

            fn poll_next(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Self::Item>> {
                if self.has_ended {
                    return Poll::Ready(None);
                }
                let result = ready!(self.poll_read(cx));
                self.has_ended = result.is_err();
                Poll::Ready(result.transpose())
            }
        }
    };
}

stream_of_messages!(WebSocket);
stream_of_messages!(Reader);

/// Ready while no more is queued than
/// [`Config::max_queued_len`](crate::Config::max_queued_len). Closing starts
/// the closing handshake with 1000: go on receiving until its end.
impl<'m, S: AsyncRead + AsyncWrite + Unpin> Sink<Message<'m>> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.driver.poll_room(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message<'m>) -> Result<(), Error> {
        Ok(self.driver.queue(&message)?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.driver.poll_flush(&mut &[][..], cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.driver.start_close()?;
        self.driver.poll_flush(&mut &[][..], cx)
    }
}

/// As that of [`WebSocket`].
impl<'m, S: AsyncRead + AsyncWrite + Unpin> Sink<Message<'m>> for Sender<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_room(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message<'m>) -> Result<(), Error> {
        self.flush_mark = None;
        Ok(self.with_driver(|driver| driver.queue(&message))?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Sender::poll_flush(self.get_mut(), cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_open() {
            self.flush_mark = None;
        }
        self.with_driver(Driver::start_close)?;
        Sender::poll_flush(self.get_mut(), cx)
    }
}
