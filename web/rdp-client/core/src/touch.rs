//! Fingers and a pen as touch input of the host (MS-RDPEI), where it has the channel.
//!
//! The channel's processor belongs to the session layer; what is here turns single events of the
//! page into frames, and keeps no more contacts than the host was told of.

use ironrdp_rdpei::{
    RdpeiClient, RdpeiInputState,
    contact::{
        ContactSample, ContactState, ContactTransition, TouchFrameBuilder, TouchPhase, transition,
    },
    pdu::{
        CsReadyFlags, PenContact, PenContactFlags, PenEventPdu, PenFlags, PenFrame,
        RdpInputProtocolVersion,
    },
};
use ironrdp_session::ActiveStage;

use crate::{End, Event, limits::TOUCH_CONTACTS_MAX, output::Output};

/// The channel for the connect sequence.
pub(crate) fn channel() -> RdpeiClient {
    RdpeiClient::new(
        TOUCH_CONTACTS_MAX,
        CsReadyFlags::empty(),
        RdpInputProtocolVersion::V200,
    )
}

/// What a finger did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FingerPhase {
    /// Came down.
    Down,
    /// Moved, or was pressed harder.
    Move,
    /// Went up.
    Up,
    /// The device took it back, such as for a gesture of its own.
    Cancel,
}

/// What the pen does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PenSample {
    /// Pixels of the desktop.
    pub x: u16,
    /// Pixels of the desktop.
    pub y: u16,
    /// Whether the device sees the pen at all.
    pub in_range: bool,
    /// Whether it touches.
    pub in_contact: bool,
    /// 0 to 1024.
    pub pressure: u16,
    /// Degrees from the upright, -90 to 90, to the right.
    pub tilt_x: i16,
    /// The same, towards the person.
    pub tilt_y: i16,
    /// Whether the button at its barrel is pressed.
    pub barrel: bool,
    /// Whether its other end is used.
    pub eraser: bool,
}

/// Highest pressure of the protocol (MS-RDPEI 2.2.3.3.1.1, `pressure`).
const PRESSURE_MAX: u16 = 1024;
/// Greatest tilt of the protocol, in degrees (MS-RDPEI 2.2.3.7.1.1, `tiltX`).
const TILT_MAX: i16 = 90;

/// The contacts that the host knows of.
#[derive(Debug)]
pub(crate) struct Touch {
    fingers: TouchFrameBuilder,
    pen: Option<Pen>,
    /// What the page was told that the host takes.
    told: RdpeiInputState,
}

/// A pen that the host knows of.
#[derive(Debug)]
struct Pen {
    state: ContactState,
    sample: PenSample,
}

impl Default for Touch {
    fn default() -> Self {
        Self {
            fingers: TouchFrameBuilder::new(TOUCH_CONTACTS_MAX),
            pen: None,
            told: RdpeiInputState::default(),
        }
    }
}

impl Touch {
    /// Looks whether the host opened, closed or paused the channel; after each of its PDUs.
    pub(crate) fn follow(
        &mut self,
        stage: &mut ActiveStage,
        now_us: u64,
        output: &mut Output,
    ) -> Result<(), End> {
        let state = stage.rdpei_input_state();
        if !state.touch {
            self.fingers.reset();
            self.pen = None;
        }
        if (state.touch, state.pen) != (self.told.touch, self.told.pen) {
            output.event(Event::TouchInput {
                fingers: state.touch,
                pen: state.pen,
            });
        }
        let resumed = self.told.suspended && !state.suspended;
        self.told = state;
        match resumed {
            true => self.send_fingers(stage, now_us, output),
            false => Ok(()),
        }
    }

    /// A finger did something; `pressure` is 0 to 1024, or 0 where the device does not tell.
    pub(crate) fn finger(
        &mut self,
        stage: &mut ActiveStage,
        (id, phase): (u32, FingerPhase),
        (x, y, pressure): (u16, u16, u16),
        now_us: u64,
        output: &mut Output,
    ) -> Result<(), End> {
        // While the host takes nothing, only what ends a contact is kept for later: so no more
        // frames wait than there are contacts.
        let kept = match self.told.suspended {
            true => matches!(phase, FingerPhase::Up | FingerPhase::Cancel),
            false => self.told.touch,
        };
        if !kept {
            return Ok(());
        }
        let phase = match phase {
            FingerPhase::Down => TouchPhase::Started,
            FingerPhase::Move => TouchPhase::Moved,
            FingerPhase::Up => TouchPhase::Ended,
            FingerPhase::Cancel => TouchPhase::Canceled,
        };
        let pressure = (pressure > 0).then(|| u32::from(pressure.min(PRESSURE_MAX)));
        self.fingers
            .push(id.into(), phase, x.into(), y.into(), pressure, now_us);
        self.send_fingers(stage, now_us, output)
    }

    /// The pen is somewhere else, or nowhere.
    pub(crate) fn pen(
        &mut self,
        stage: &mut ActiveStage,
        mut sample: PenSample,
        output: &mut Output,
    ) -> Result<(), End> {
        if !self.told.pen || self.told.suspended {
            return Ok(());
        }
        let next = transition(
            self.pen.as_ref().map(|pen| pen.state),
            ContactSample {
                in_range: sample.in_range,
                in_contact: sample.in_contact,
                canceled: false,
            },
        );
        let Some(next) = next else { return Ok(()) };
        if let Some(last) = self.pen.as_ref().filter(|_| next.keeps_position()) {
            (sample.x, sample.y) = (last.sample.x, last.sample.y);
        }
        self.send_pen(stage, next, sample, output)
    }

    /// Takes all contacts back: nobody holds them any more.
    pub(crate) fn cancel_all(
        &mut self,
        stage: &mut ActiveStage,
        now_us: u64,
        output: &mut Output,
    ) -> Result<(), End> {
        self.fingers.cancel_all(now_us);
        self.send_fingers(stage, now_us, output)?;
        let Some(Pen { state, sample }) = self.pen.take() else {
            return Ok(());
        };
        let canceled = ContactSample {
            in_range: false,
            in_contact: false,
            canceled: true,
        };
        match transition(Some(state), canceled) {
            Some(next) if !self.told.suspended => self.send_pen(stage, next, sample, output),
            _ => Ok(()),
        }
    }

    fn send_fingers(
        &mut self,
        stage: &mut ActiveStage,
        now_us: u64,
        output: &mut Output,
    ) -> Result<(), End> {
        if self.told.suspended {
            return Ok(());
        }
        let Some(event) = self.fingers.take_event(now_us) else {
            return Ok(());
        };
        send(stage.encode_rdpei_touch(event), output)
    }

    fn send_pen(
        &mut self,
        stage: &mut ActiveStage,
        next: ContactTransition,
        sample: PenSample,
        output: &mut Output,
    ) -> Result<(), End> {
        let event = PenEventPdu::new(0, vec![PenFrame::new(0, vec![contact(sample, next)])]);
        self.pen = next.next.map(|state| Pen { state, sample });
        send(stage.encode_rdpei_pen(event), output)
    }
}

fn contact(sample: PenSample, next: ContactTransition) -> PenContact {
    let mut flags = PenFlags::empty();
    flags.set(PenFlags::BARREL_PRESSED, sample.barrel);
    flags.set(
        PenFlags::ERASER_PRESSED,
        sample.eraser && sample.in_contact && next.pen_flags().contains(PenContactFlags::INCONTACT),
    );
    flags.set(PenFlags::INVERTED, sample.eraser);
    let tilt = |degrees: i16| degrees.clamp(-TILT_MAX, TILT_MAX);
    PenContact::new(0, sample.x.into(), sample.y.into(), next.pen_flags())
        .with_pen_flags(flags)
        .with_pressure(sample.pressure.min(PRESSURE_MAX).into())
        .with_tilt(tilt(sample.tilt_x), tilt(sample.tilt_y))
}

/// The channel may have closed in the same moment; then there is nobody to tell.
fn send(
    bytes: Option<ironrdp_session::SessionResult<Vec<u8>>>,
    output: &mut Output,
) -> Result<(), End> {
    match bytes {
        Some(Ok(bytes)) => output.send(&bytes),
        Some(Err(error)) => {
            return Err(End::protocol("touch input", crate::active::chain(&error)));
        }
        None => {}
    }
    Ok(())
}
