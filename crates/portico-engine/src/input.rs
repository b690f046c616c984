//! The way of input from viewers to the host, beside the session's own loop: a host that does not
//! read must not keep the session from reading what the host writes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use portico_wire::terminal::INPUT_LEN_MAX;
use russh::{ChannelWriteHalf, client::Msg};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Longest pause between the two sizes of a nudge. A program that finds the size unchanged when it
/// looks does not draw again, so it must have time to look twice.
const NUDGE_PAUSE: Duration = Duration::from_millis(150);
/// One frame's worth of room, as the semaphore counts it.
#[expect(clippy::cast_possible_truncation, reason = "64 KiB")]
const FRAME_ROOM: u32 = INPUT_LEN_MAX as u32;

/// Size of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) cols: u16,
    pub(crate) rows: u16,
    /// Grows when a full-screen program has to draw again although the size is the same.
    nudges: u32,
}

/// Where the session puts input.
pub(crate) struct Input {
    queue: mpsc::UnboundedSender<(Bytes, OwnedSemaphorePermit)>,
    // INVARIANT: the permits in the queue are its bytes, so it holds two full frames at most.
    room: Arc<Semaphore>,
    size: watch::Sender<Size>,
}

/// Where the task finds it.
pub(crate) struct Pump {
    queue: mpsc::UnboundedReceiver<(Bytes, OwnedSemaphorePermit)>,
    size: watch::Receiver<Size>,
}

/// Both ends for a terminal that was started with this size.
pub(crate) fn input(cols: u16, rows: u16) -> (Input, Pump) {
    let (queue, from_queue) = mpsc::unbounded_channel();
    let (size, from_size) = watch::channel(Size {
        cols,
        rows,
        nudges: 0,
    });
    let room = Arc::new(Semaphore::new(2 * INPUT_LEN_MAX));
    (
        Input { queue, room, size },
        Pump {
            queue: from_queue,
            size: from_size,
        },
    )
}

impl Input {
    /// Whether the longest frame fits.
    pub(crate) fn has_room(&self) -> bool {
        self.room.available_permits() >= INPUT_LEN_MAX
    }

    /// Waits until the longest frame fits.
    pub(crate) async fn wait_for_room(&self) {
        // Closed never, and given back at once.
        let _ = self.room.acquire_many(FRAME_ROOM).await;
    }

    /// Queues `bytes`, for which there must be room.
    pub(crate) fn put(&self, bytes: Bytes) {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(len) {
            // The task ends only with the host, and then input means nothing.
            let _ = self.queue.send((bytes, permit));
        }
    }

    /// Sets the size of the terminal.
    pub(crate) fn resize(&self, cols: u16, rows: u16) {
        self.size.send_if_modified(|size| {
            let is_new = (size.cols, size.rows) != (cols, rows);
            (size.cols, size.rows) = (cols, rows);
            is_new
        });
    }

    /// Makes a full-screen program draw everything again.
    pub(crate) fn nudge(&self) {
        self.size
            .send_modify(|size| size.nudges = size.nudges.wrapping_add(1));
    }
}

impl Pump {
    /// Carries input to the host until either end is gone.
    pub(crate) async fn run(mut self, writer: ChannelWriteHalf<Msg>) -> Result<(), russh::Error> {
        let mut nudges = self.size.borrow().nudges;
        loop {
            tokio::select! {
                biased;
                changed = self.size.changed() => match changed {
                    Ok(()) => nudges = tell_size(&writer, &mut self.size, nudges).await?,
                    Err(_) => return Ok(()),
                },
                item = self.queue.recv() => {
                    let Some((bytes, _permit)) = item else { return Ok(()) };
                    let mut sending = std::pin::pin!(writer.data_bytes(bytes));
                    // A program that does not read still learns of the new size.
                    loop {
                        tokio::select! {
                            biased;
                            sent = &mut sending => { sent?; break }
                            Ok(()) = self.size.changed() => {
                                nudges = tell_size(&writer, &mut self.size, nudges).await?;
                            }
                        }
                    }
                }
            }
        }
    }
}

async fn tell_size(
    writer: &ChannelWriteHalf<Msg>,
    sizes: &mut watch::Receiver<Size>,
    nudges: u32,
) -> Result<u32, russh::Error> {
    let size = *sizes.borrow_and_update();
    let (cols, rows) = (u32::from(size.cols), u32::from(size.rows));
    if size.nudges != nudges {
        let other = if rows > 1 { rows - 1 } else { rows + 1 };
        writer.window_change(cols, other, 0, 0).await?;
        tokio::time::sleep(NUDGE_PAUSE).await;
    }
    writer.window_change(cols, rows, 0, 0).await?;
    Ok(size.nudges)
}
