//! What the viewer asks for.

use serde::Deserialize;

use crate::{
    limits::{PIXELS_MAX, SETTINGS_LEN_MAX, SIDE_MAX, SIDE_MIN, TICKET_LEN_MAX},
    monitors,
};

/// The settings of a connection, as the worker gives them in JSON (camel case).
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The launch ticket. A secret; `Debug` does not show it.
    pub ticket: String,
    /// Wished width, in pixels.
    pub width: u16,
    /// Wished height, in pixels.
    pub height: u16,
    /// Size of texts, 100 to 500 percent.
    #[serde(default = "hundred")]
    pub scale_percent: u32,
    /// Windows keyboard layout identifier, such as 0x407; 0 leaves it to the gateway.
    #[serde(default)]
    pub keyboard_layout: u32,
    /// The device's time zone.
    #[serde(default)]
    pub time_zone: TimeZone,
    /// Name of the device; the host sees the first 15 characters.
    #[serde(default)]
    pub client_name: String,
    /// Whether sound of the host is wanted.
    #[serde(default)]
    pub sound: bool,
    /// Whether the clipboard is wanted.
    #[serde(default)]
    pub clipboard: bool,
    /// What the policy allows a host to do in a folder of the device.
    #[serde(default)]
    pub drive: DriveSetting,
    /// Whether the host may print on the device.
    #[serde(default)]
    pub printer: bool,
    /// Whether the graphics pipeline (MS-RDPEGFX) is offered.
    #[serde(default = "yes")]
    pub graphics_pipeline: bool,
    /// Whether touch input is offered (MS-RDPEI).
    #[serde(default)]
    pub touch: bool,
    /// Whether the host may ask for the microphone (MS-RDPEAI).
    #[serde(default)]
    pub microphone: bool,
    /// Whether the worker decodes H.264, so that it is offered.
    #[serde(default)]
    pub h264: bool,
    /// Whether H.264 with full colour (AVC444) is offered besides.
    #[serde(default = "yes")]
    pub avc444: bool,
    /// Monitors, when there is more than one; then the desktop is the rectangle around them.
    #[serde(default)]
    pub monitors: Vec<Monitor>,
    /// Keys of an earlier connection to the same session.
    #[serde(default)]
    pub auto_reconnect: Option<AutoReconnect>,
}

/// What a host may do in a folder of the device, at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriveSetting {
    /// No folder is shared.
    #[default]
    Off,
    /// The host reads.
    Read,
    /// The host reads and writes.
    ReadWrite,
}

/// A time zone as Windows describes one (MS-RDPBCGR 2.2.1.11.1.1.1.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimeZone {
    /// Windows name, such as `W. Europe Standard Time`, or any.
    pub name: String,
    /// Name while summer time holds; empty means `name`.
    pub daylight_name: String,
    /// Minutes to add to local time to get UTC.
    pub bias_min: i32,
    /// The same on top while summer time holds, usually -60.
    pub daylight_bias_min: i32,
    /// When summer time ends.
    pub standard_date: Option<TransitionDate>,
    /// When summer time begins.
    pub daylight_date: Option<TransitionDate>,
}

/// A day of the year on which the clock changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransitionDate {
    /// 1 to 12.
    pub month: u8,
    /// 0 (Sunday) to 6.
    pub day_of_week: u8,
    /// 1 to 4, or 5 for the last in the month.
    pub week: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    #[serde(default)]
    pub minute: u8,
}

/// One monitor of the device, in pixels of the whole desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitor {
    /// Left edge; the primary monitor is at 0.
    pub left: i32,
    /// Top edge; the primary monitor is at 0.
    pub top: i32,
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
    /// Whether it is the primary one.
    #[serde(default)]
    pub primary: bool,
    /// Size of texts, in percent.
    #[serde(default = "hundred")]
    pub scale_percent: u32,
}

/// What the event `auto-reconnect-cookie` carried.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoReconnect {
    /// Session on the host.
    pub logon_id: u32,
    /// 16 bytes in hexadecimal. A secret; `Debug` does not show it.
    pub random: String,
}

/// Why settings are not taken.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The JSON does not fit.
    #[error("the settings are not what they must be: {0}")]
    Json(String),
    /// A value is outside its limits.
    #[error("the setting {0} is outside its limits")]
    Limit(&'static str),
}

fn hundred() -> u32 {
    100
}

fn yes() -> bool {
    true
}

impl Settings {
    /// Reads and checks settings.
    pub fn from_json(json: &str) -> Result<Self, SettingsError> {
        if json.len() > SETTINGS_LEN_MAX {
            return Err(SettingsError::Limit("settings"));
        }
        let settings: Self =
            serde_json::from_str(json).map_err(|error| SettingsError::Json(error.to_string()))?;
        settings.check()?;
        Ok(settings)
    }

    /// The name of the device as the host sees it beside drives.
    pub(crate) fn client_name_or_default(&self) -> String {
        crate::connect::client_name(&self.client_name)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let within = |name, good: bool| good.then_some(()).ok_or(SettingsError::Limit(name));
        within(
            "ticket",
            !self.ticket.is_empty() && self.ticket.len() <= TICKET_LEN_MAX,
        )?;
        within("width", (SIDE_MIN..=SIDE_MAX).contains(&self.width))?;
        within("height", (SIDE_MIN..=SIDE_MAX).contains(&self.height))?;
        within(
            "width and height",
            usize::from(self.width) * usize::from(self.height) <= PIXELS_MAX,
        )?;
        within("scalePercent", (100..=500).contains(&self.scale_percent))?;
        within(
            "monitors",
            self.monitors.is_empty() || monitors::desktop_size(&self.monitors).is_some(),
        )?;
        for date in [self.time_zone.standard_date, self.time_zone.daylight_date]
            .into_iter()
            .flatten()
        {
            within(
                "timeZone",
                (1..=12).contains(&date.month)
                    && date.day_of_week <= 6
                    && (1..=5).contains(&date.week)
                    && date.hour <= 23
                    && date.minute <= 59,
            )?;
        }
        if let Some(cookie) = &self.auto_reconnect {
            within("autoReconnect", cookie.random_bits().is_some())?;
        }
        Ok(())
    }
}

impl AutoReconnect {
    /// The secret as bytes.
    pub(crate) fn random_bits(&self) -> Option<[u8; 16]> {
        if !self.random.is_ascii() || self.random.len() != 32 {
            return None;
        }
        let mut bits = [0; 16];
        for (index, bit) in bits.iter_mut().enumerate() {
            let digits = self.random.get(index * 2..index * 2 + 2)?;
            *bit = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(bits)
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AutoReconnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AutoReconnect")
            .field("logon_id", &self.logon_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_the_contract_are_read() {
        let settings = Settings::from_json(
            r#"{"ticket":"t","width":1280,"height":800,"scalePercent":150,"keyboardLayout":1031,
            "timeZone":{"name":"W. Europe Standard Time","biasMin":-60},"clientName":"tab",
            "sound":true,"clipboard":true,"drive":"read-write","printer":true,"touch":false,"h264":false,
            "monitors":[{"left":0,"top":0,"width":1280,"height":800,"primary":true,"scalePercent":150}]}"#,
        )
        .unwrap();
        assert_eq!(settings.keyboard_layout, 0x407);
        assert_eq!(settings.time_zone.bias_min, -60);
        assert_eq!(settings.monitors.len(), 1);
        assert_eq!(settings.drive, DriveSetting::ReadWrite);
        assert!(!format!("{settings:?}").contains("ticket"));
    }

    #[test]
    fn absurd_settings_are_refused() {
        for json in [
            r#"{"ticket":"","width":1280,"height":800}"#,
            r#"{"ticket":"t","width":100,"height":800}"#,
            r#"{"ticket":"t","width":16384,"height":16384}"#,
            r#"{"ticket":"t","width":1280,"height":800,"scalePercent":9}"#,
            r#"{"ticket":"t","width":1280,"height":800,"timeZone":{"standardDate":{"month":13,"dayOfWeek":0,"week":5,"hour":3}}}"#,
            r#"{"ticket":"t","width":1280,"height":800,"autoReconnect":{"logonId":1,"random":"zz"}}"#,
            r#"{"ticket":"t"}"#,
            "",
        ] {
            assert!(Settings::from_json(json).is_err(), "{json}");
        }
        let long = format!(
            r#"{{"ticket":"{}","width":800,"height":600}}"#,
            "t".repeat(513)
        );
        assert!(Settings::from_json(&long).is_err());
    }
}
