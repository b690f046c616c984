//! Buffers that belong to the thread and not to the session: a session uses them only while bytes
//! are at hand, so an idle one costs none.

use std::cell::RefCell;

/// Bytes read from a socket at once.
pub(super) const WIRE_LEN: usize = 64 * 1024;

/// Room for what TLS may have kept from before: one record that was not whole, and its overhead.
const KEPT_LEN: usize = 20 * 1024;

/// Room before the plain text for the header of a WebSocket frame.
pub(super) const HEADROOM: usize = 16;

/// The buffers of one thread.
pub(super) struct Scratch {
    /// As it comes from a socket.
    pub(super) wire: Box<[u8]>,
    /// Decrypted, from [`HEADROOM`] on.
    pub(super) plain: Box<[u8]>,
}

impl Scratch {
    fn new() -> Self {
        Self {
            wire: vec![0; WIRE_LEN].into(),
            plain: vec![0; HEADROOM + WIRE_LEN + KEPT_LEN].into(),
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// Lends the buffers of this thread. Not to be nested; the second one gets fresh ones.
pub(super) fn with<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        Err(_) => work(&mut Scratch::new()),
    })
}
