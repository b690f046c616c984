//! What the worker learns besides pictures and sound.

use serde::Serialize;

use crate::End;

/// Something that happened. As JSON: an object with `type` and the fields in camel case.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// How far the connection is.
    Progress {
        /// Which step began.
        step: Step,
    },
    /// The picture has another size, also at the start; all of it is to be drawn anew.
    Resized {
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
    },
    /// The pointer changed.
    Pointer(PointerChange),
    /// The host has something in its clipboard.
    ClipboardOffer {
        /// What it can be had as; none when the clipboard became empty.
        formats: Vec<ClipboardFormat>,
    },
    /// The host wants what the device offered.
    ClipboardRequest {
        /// To be named in the answer.
        request_id: u32,
        /// One of the ids that were offered.
        format_id: u32,
    },
    /// The host answered a request; the bytes wait in `clipboard_bytes`.
    ClipboardData {
        /// Whether it could.
        ok: bool,
    },
    /// Sound of this kind follows.
    SoundFormat {
        /// 1 or 2.
        channels: u16,
        /// Samples per second and channel.
        rate: u32,
        /// Bits of one sample: always 16.
        bits: u16,
    },
    /// The host set the volume of the device.
    SoundVolume {
        /// 0 to 65535.
        left: u16,
        /// 0 to 65535.
        right: u16,
    },
    /// The host takes new sizes from now on (MS-RDPEDISP 2.2.2.1).
    DisplayControl {
        /// How many monitors at most.
        max_monitors: u32,
        /// Largest picture of all monitors together, in pixels.
        max_area: u64,
    },
    /// What of the device's touch input the host takes from now on (MS-RDPEI).
    TouchInput {
        /// Fingers.
        fingers: bool,
        /// A pen.
        pen: bool,
    },
    /// The host listens from now on (MS-RDPEAI); it wants PCM of 16 bits.
    MicrophoneWanted {
        /// 1 or 2.
        channels: u16,
        /// Samples per second and channel.
        rate: u32,
    },
    /// The host listens no more.
    MicrophoneUnwanted,
    /// The lock keys as the host has them (MS-RDPBCGR 2.2.8.2.1.1).
    KeyboardLeds {
        /// Scroll Lock.
        scroll: bool,
        /// Num Lock.
        num: bool,
        /// Caps Lock.
        caps: bool,
        /// Kana Lock.
        kana: bool,
    },
    /// Keys to come back to the session with, should the network break (MS-RDPBCGR 5.5); goes
    /// unchanged into the settings of the next client.
    AutoReconnectCookie {
        /// Session on the host.
        logon_id: u32,
        /// 16 bytes in hexadecimal. A secret.
        random: String,
    },
    /// The host reports the sign-in (MS-RDPBCGR 2.2.10.1).
    SignedIn,
    /// The host reports that the sign-in failed or waits for something
    /// (MS-RDPBCGR 2.2.10.1.1.4.1.1).
    SignInNotice {
        /// `ErrorNotificationType`.
        kind: u32,
        /// `ErrorNotificationData`.
        data: u32,
    },
    /// The connection is over; nothing follows. Exactly one per client.
    End(End),
}

/// A step of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The gateway was asked; it opens the host and logs on.
    SigningIn,
    /// The host answered; the desktop is being negotiated.
    Starting,
    /// The desktop is open; pictures follow.
    Open,
}

/// How the pointer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum PointerChange {
    /// A new shape; its pixels wait in `pointer_pixels`.
    Shape {
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
        /// Where the shape points, in pixels from its left.
        hotspot_x: u16,
        /// Where the shape points, in pixels from its top.
        hotspot_y: u16,
    },
    /// The device's own arrow.
    Default,
    /// None.
    Hidden,
    /// The host moved the pointer.
    Position {
        /// Pixels from the left.
        x: u16,
        /// Pixels from the top.
        y: u16,
    },
}

/// One format of a clipboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ClipboardFormat {
    /// Format id: a standard one of Windows, or one of whoever offers it.
    pub id: u32,
    /// Name of a registered format; empty for standard ones.
    #[serde(default)]
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_json_of_the_contract() {
        let cases = [
            (
                Event::Progress {
                    step: Step::SigningIn,
                },
                r#"{"type":"progress","step":"signing-in"}"#,
            ),
            (
                Event::Pointer(PointerChange::Shape {
                    width: 32,
                    height: 33,
                    hotspot_x: 1,
                    hotspot_y: 2,
                }),
                r#"{"type":"pointer","kind":"shape","width":32,"height":33,"hotspotX":1,"hotspotY":2}"#,
            ),
            (
                Event::Pointer(PointerChange::Default),
                r#"{"type":"pointer","kind":"default"}"#,
            ),
            (
                Event::ClipboardRequest {
                    request_id: 1,
                    format_id: 13,
                },
                r#"{"type":"clipboard-request","requestId":1,"formatId":13}"#,
            ),
        ];
        for (event, json) in cases {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
        }
    }
}
