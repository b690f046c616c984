//! From the settings to a running connect sequence (MS-RDPBCGR 1.3.1.1).

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use ironrdp_connector::{
    BitmapConfig, ClientConnector, ClientConnectorState, Config, Credentials, DesktopSize,
};
use ironrdp_pdu::{
    gcc,
    rdp::{
        capability_sets::{MajorPlatformType, RailSupportLevel, client_codecs_capabilities},
        client_info::{
            DayOfWeek, DayOfWeekOccurrence, Month, OptionalSystemTime, PerformanceFlags,
            SystemTime, TimezoneInfo,
        },
        session_info::ServerAutoReconnect,
    },
};

use crate::{
    End, EndCode, Settings, TimeZone, TransitionDate, channels, limits::EARLY_BYTES_MAX, monitors,
    peek,
};

/// Build number that is reported: that of a current Windows client, as hosts switch features
/// on by it.
const CLIENT_BUILD: u32 = 19_041;

/// A connector for the settings, with the channels that are wanted.
pub(crate) fn connector(
    settings: &Settings,
    outlet: &channels::Outlet,
    microphone: &channels::microphone::Microphone,
) -> Result<ClientConnector, End> {
    // The gateway opens the connection; the host is told no address of the device.
    let nowhere = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
    let mut connector = ClientConnector::new(config(settings)?, nowhere);
    if let Some(cookie) = &settings.auto_reconnect
        && let Some(random_bits) = cookie.random_bits()
    {
        connector = connector.with_auto_reconnect_cookie(ServerAutoReconnect {
            logon_id: cookie.logon_id,
            random_bits,
        });
    }
    channels::attach(&mut connector, settings, outlet, microphone);
    Ok(connector)
}

fn config(settings: &Settings) -> Result<Config, End> {
    let codecs = client_codecs_capabilities(&["remotefx"])
        .map_err(|error| End::new(EndCode::Settings, error))?;
    let (monitor_layout, monitor_extended_layout) =
        monitors::connect_data(&settings.monitors).unzip();
    let (width, height) = match &monitor_layout {
        Some(_) => monitors::desktop_size(&settings.monitors),
        None => None,
    }
    .unwrap_or((settings.width, settings.height));
    Ok(Config {
        desktop_size: DesktopSize { width, height },
        monitor_layout,
        monitor_extended_layout,
        desktop_scale_factor: settings.scale_percent,
        desktop_physical_size: None,
        desktop_orientation: None,
        device_scale_factor: None,
        relative_mouse_input: false,
        // The gateway ends network level authentication and tells the browser "TLS only".
        enable_tls: true,
        enable_credssp: false,
        enable_standard_rdp_security: false,
        // The gateway puts the account and the password in; this side never has them.
        credentials: Credentials::UsernamePassword {
            username: "portico".to_owned(),
            password: String::new(),
        },
        domain: None,
        client_build: CLIENT_BUILD,
        client_name: client_name(&settings.client_name),
        keyboard_type: gcc::KeyboardType::IBM_ENHANCED,
        keyboard_subtype: 0,
        keyboard_functional_keys_count: 12,
        keyboard_layout: settings.keyboard_layout,
        // Not `Autodetect`: that makes hosts measure before the first picture, and none of
        // those of the lab does more with the result than with `Lan`.
        connection_type: gcc::ConnectionType::Lan,
        ime_file_name: String::new(),
        bitmap: Some(BitmapConfig {
            lossy_compression: true,
            // xrdp sends RemoteFX only at 32 bits; at 16 it sends run-length bitmaps.
            color_depth: 32,
            codecs,
        }),
        dig_product_id: String::new(),
        client_dir: String::new(),
        alternate_shell: String::new(),
        work_dir: String::new(),
        remote_application_mode: false,
        rail_support_level: RailSupportLevel::empty(),
        platform: MajorPlatformType::UNSPECIFIED,
        hardware_id: None,
        request_data: None,
        autologon: true,
        enable_audio_playback: settings.sound,
        enable_audio_capture: settings.microphone,
        performance_flags: PerformanceFlags::DISABLE_WALLPAPER
            | PerformanceFlags::DISABLE_FULLWINDOWDRAG
            | PerformanceFlags::DISABLE_MENUANIMATIONS
            | PerformanceFlags::DISABLE_CURSOR_SHADOW
            | PerformanceFlags::ENABLE_FONT_SMOOTHING,
        license_cache: None,
        timezone_info: time_zone(&settings.time_zone),
        // None: pictures come compressed by their codecs and gain a few percent. xrdp 0.9 loses
        // step with its own history when the size changes, which ended the connection.
        compression_type: None,
        enable_server_pointer: true,
        // The browser draws the pointer, at full size and without a round trip.
        pointer_software_rendering: false,
        multitransport_flags: None,
        support_dyn_vc_gfx_protocol: settings.graphics_pipeline,
    })
}

/// Hosts get 15 characters (MS-RDPBCGR 2.2.1.3.2, `clientName`).
pub(crate) fn client_name(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|character| !character.is_control())
        .take(15)
        .collect();
    if name.is_empty() {
        "portico".to_owned()
    } else {
        name
    }
}

fn time_zone(zone: &TimeZone) -> TimezoneInfo {
    // 32 UTF-16 units with the closing zero (MS-RDPBCGR 2.2.1.11.1.1.1.1).
    let name = |text: &str| {
        text.chars()
            .filter(|c| c.len_utf16() == 1)
            .take(31)
            .collect()
    };
    TimezoneInfo {
        bias: zone.bias_min,
        standard_name: name(&zone.name),
        standard_date: OptionalSystemTime(zone.standard_date.and_then(transition)),
        standard_bias: 0,
        daylight_name: name(if zone.daylight_name.is_empty() {
            &zone.name
        } else {
            &zone.daylight_name
        }),
        daylight_date: OptionalSystemTime(zone.daylight_date.and_then(transition)),
        daylight_bias: zone.daylight_bias_min,
    }
}

/// `None` for values outside the calendar, which [`Settings::from_json`] has refused before.
fn transition(date: TransitionDate) -> Option<SystemTime> {
    Some(SystemTime {
        month: match date.month {
            1 => Month::January,
            2 => Month::February,
            3 => Month::March,
            4 => Month::April,
            5 => Month::May,
            6 => Month::June,
            7 => Month::July,
            8 => Month::August,
            9 => Month::September,
            10 => Month::October,
            11 => Month::November,
            12 => Month::December,
            _ => return None,
        },
        day_of_week: match date.day_of_week {
            0 => DayOfWeek::Sunday,
            1 => DayOfWeek::Monday,
            2 => DayOfWeek::Tuesday,
            3 => DayOfWeek::Wednesday,
            4 => DayOfWeek::Thursday,
            5 => DayOfWeek::Friday,
            6 => DayOfWeek::Saturday,
            _ => return None,
        },
        day: match date.week {
            1 => DayOfWeekOccurrence::First,
            2 => DayOfWeekOccurrence::Second,
            3 => DayOfWeekOccurrence::Third,
            4 => DayOfWeekOccurrence::Fourth,
            5 => DayOfWeekOccurrence::Last,
            _ => return None,
        },
        hour: date.hour.into(),
        minute: date.minute.into(),
        second: 0,
        milliseconds: 0,
    })
}

/// Channel messages that a host sends before the desktop is open.
///
/// A connector knows only its own sequence and would fail on them; a host may start a channel
/// as soon as it is joined. They are handed to the session once it exists.
#[derive(Debug, Default)]
pub(crate) struct Early {
    pdus: Vec<Vec<u8>>,
    bytes: usize,
}

impl Early {
    /// Keeps `pdu` when it belongs to a channel, drops it when nobody waits for it, and gives it
    /// back when it is the connector's.
    pub(crate) fn sort(
        &mut self,
        connector: &ClientConnector,
        mut pdu: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, End> {
        let waits_for_activation = matches!(
            connector.state,
            ClientConnectorState::LicensingExchange { .. }
                | ClientConnectorState::MultitransportBootstrapping { .. }
                | ClientConnectorState::CapabilitiesExchange { .. }
                | ClientConnectorState::ConnectionFinalization { .. }
        );
        if !waits_for_activation {
            return Ok(Some(pdu));
        }
        let Ok(data) = ironrdp_pdu::mcs::decode_send_data_indication(&pdu) else {
            return Ok(Some(pdu));
        };
        let channel_id = data.channel_id;
        let activating = matches!(
            connector.state,
            ClientConnectorState::CapabilitiesExchange { .. }
                | ClientConnectorState::ConnectionFinalization { .. }
        );
        // Measurements of the network (MS-RDPBCGR 2.2.14) may come at any time.
        let of_message_channel = connector.message_channel_id == Some(channel_id);
        let of_channel = connector
            .static_channels
            .get_by_channel_id(channel_id)
            .is_some();
        if !(of_channel || of_message_channel && activating) {
            let finalizing = matches!(
                connector.state,
                ClientConnectorState::ConnectionFinalization { .. }
            );
            if finalizing {
                peek::uncompress_finalizing(&mut pdu);
            }
            let dropped = finalizing && peek::look(&pdu, channel_id).not_for_finalization;
            return Ok((!dropped).then_some(pdu));
        }
        self.bytes += pdu.len();
        if self.bytes > EARLY_BYTES_MAX {
            return Err(End::new(
                EndCode::Limit,
                "the host sent too much before the desktop was open",
            ));
        }
        self.pdus.push(pdu);
        Ok(None)
    }

    pub(crate) fn into_pdus(self) -> Vec<Vec<u8>> {
        self.pdus
    }
}
