//! An RDP client as far as the first picture, without I/O: for tests and benches against real
//! hosts, where it stands for the browser. Not for users.

use ironrdp_connector::{
    BitmapConfig, ClientConnector, ClientConnectorState, Config, Credentials, DesktopSize,
    Sequence as _,
};
use ironrdp_core::WriteBuf;
use ironrdp_pdu::{
    Action,
    fast_path::{FastPathHeader, FastPathUpdatePdu, UpdateCode},
    gcc::{ConnectionType, KeyboardType},
    nego::SecurityProtocol,
    rdp::{
        capability_sets::{BitmapCodecs, MajorPlatformType, RailSupportLevel},
        client_info::{PerformanceFlags, TimezoneInfo},
    },
};

use crate::cleanpath::{Answer, decode_answer, encode_request};

/// Most bytes kept of PDUs that are not whole.
const UNREAD_LEN_MAX: usize = 1024 * 1024;

/// Why the client gave up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The gateway refused.
    #[error("refused: {0:?}")]
    Refused(crate::cleanpath::Failure),
    /// Something that cannot be read.
    #[error("malformed: {0}")]
    Malformed(String),
}

fn malformed(error: impl std::fmt::Debug) -> ClientError {
    ClientError::Malformed(format!("{error:?}"))
}

/// The client.
pub struct NativeClient {
    connector: ClientConnector,
    unread: Vec<u8>,
    connected: bool,
    /// Picture updates seen, by kind.
    pub bitmaps: usize,
    /// Surface commands seen (RemoteFX and the like).
    pub surface_commands: usize,
}

impl NativeClient {
    /// A client that knows neither user nor password, as the browser's.
    pub fn new(width: u16, height: u16) -> Self {
        let nowhere = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
        Self {
            connector: ClientConnector::new(config(width, height), nowhere),
            unread: Vec::new(),
            connected: false,
            bitmaps: 0,
            surface_commands: 0,
        }
    }

    /// The RDCleanPath request.
    pub fn request(&mut self, ticket: &str) -> Result<Vec<u8>, ClientError> {
        let mut output = WriteBuf::new();
        self.connector
            .step_no_input(&mut output)
            .map_err(malformed)?;
        // The connector's own X.224 request says the same as this one: TLS.
        Ok(encode_request(
            "ignored:0",
            ticket,
            SecurityProtocol::SSL.bits(),
        ))
    }

    /// Takes the RDCleanPath answer and gives what is to be sent.
    pub fn answered(&mut self, answer: &[u8]) -> Result<Vec<u8>, ClientError> {
        let confirm = match decode_answer(answer) {
            Some(Answer::Ready { confirm, .. }) => confirm,
            Some(Answer::Failed(failure)) => return Err(ClientError::Refused(failure)),
            None => return Err(ClientError::Malformed("no RDCleanPath answer".into())),
        };
        let mut output = WriteBuf::new();
        self.connector
            .step(&confirm, None, &mut output)
            .map_err(malformed)?;
        self.connector.mark_security_upgrade_as_done();
        self.advance(&mut output)?;
        Ok(output.filled().to_vec())
    }

    /// Takes bytes of the host and gives what is to be sent.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<u8>, ClientError> {
        self.unread.extend_from_slice(bytes);
        if self.unread.len() > UNREAD_LEN_MAX {
            return Err(ClientError::Malformed("no end of a PDU".into()));
        }
        let mut output = WriteBuf::new();
        while let Some(info) = ironrdp_pdu::find_size(&self.unread).map_err(malformed)? {
            if info.length > self.unread.len() {
                break;
            }
            let rest = self.unread.split_off(info.length);
            let pdu = std::mem::replace(&mut self.unread, rest);
            if info.action == Action::FastPath {
                self.update(&pdu);
            } else if !self.connected {
                self.connector
                    .step(&pdu, None, &mut output)
                    .map_err(malformed)?;
                self.advance(&mut output)?;
            }
        }
        Ok(output.filled().to_vec())
    }

    /// Whether the connection sequence is complete.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Steps of the sequence that need nothing from the host.
    fn advance(&mut self, output: &mut WriteBuf) -> Result<(), ClientError> {
        while !self.connected && self.connector.next_pdu_hint().is_none() {
            if self.connector.should_perform_multitransport() {
                self.connector
                    .skip_multitransport(output)
                    .map_err(malformed)?;
                continue;
            }
            if matches!(self.connector.state, ClientConnectorState::Connected { .. }) {
                self.connected = true;
                break;
            }
            if self.connector.state().is_terminal() {
                return Err(ClientError::Malformed("redirected".into()));
            }
            self.connector.step_no_input(output).map_err(malformed)?;
        }
        Ok(())
    }

    fn update(&mut self, pdu: &[u8]) {
        let mut cursor = ironrdp_core::ReadCursor::new(pdu);
        let header = ironrdp_core::decode_cursor::<FastPathHeader>(&mut cursor);
        if header.is_err() {
            return;
        }
        while let Ok(update) = ironrdp_core::decode_cursor::<FastPathUpdatePdu<'_>>(&mut cursor) {
            match update.update_code {
                UpdateCode::Bitmap => self.bitmaps += 1,
                UpdateCode::SurfaceCommands => self.surface_commands += 1,
                _ => {}
            }
        }
    }
}

/// As the component of the web page has it: 16 bits per pixel, no keyboard layout, no log-on.
fn config(width: u16, height: u16) -> Config {
    Config {
        desktop_size: DesktopSize { width, height },
        monitor_layout: None,
        desktop_scale_factor: 0,
        desktop_physical_size: None,
        desktop_orientation: None,
        device_scale_factor: None,
        monitor_extended_layout: None,
        relative_mouse_input: false,
        enable_tls: true,
        enable_credssp: false,
        enable_standard_rdp_security: false,
        credentials: Credentials::UsernamePassword {
            username: "browser".into(),
            password: "none".into(),
        },
        domain: None,
        client_build: 0,
        client_name: "portico-test".into(),
        keyboard_type: KeyboardType::IBM_ENHANCED,
        keyboard_subtype: 0,
        keyboard_functional_keys_count: 12,
        keyboard_layout: 0,
        connection_type: ConnectionType::Lan,
        ime_file_name: String::new(),
        bitmap: Some(BitmapConfig {
            lossy_compression: true,
            color_depth: 32,
            codecs: remote_fx(),
        }),
        dig_product_id: String::new(),
        client_dir: "C:\\".into(),
        alternate_shell: String::new(),
        work_dir: String::new(),
        remote_application_mode: false,
        rail_support_level: RailSupportLevel::empty(),
        platform: MajorPlatformType::UNSPECIFIED,
        hardware_id: None,
        request_data: None,
        autologon: false,
        enable_audio_playback: false,
        enable_audio_capture: false,
        performance_flags: PerformanceFlags::default(),
        license_cache: None,
        timezone_info: TimezoneInfo::default(),
        compression_type: None,
        enable_server_pointer: true,
        pointer_software_rendering: true,
        multitransport_flags: None,
        support_dyn_vc_gfx_protocol: false,
    }
}

fn remote_fx() -> BitmapCodecs {
    ironrdp_pdu::rdp::capability_sets::client_codecs_capabilities(&[]).unwrap_or_default()
}
