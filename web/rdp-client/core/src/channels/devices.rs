//! Drives and printers (MS-RDPEFS, MS-RDPEPC): one channel, whatever the devices.
//!
//! A host that breaks the rules of this channel loses its devices and nothing else: the desktop
//! goes on.

use ironrdp_core::impl_as_any;
use ironrdp_pdu::{PduResult, gcc::ChannelName, pdu_other_err};
use ironrdp_rdpdr::{
    Rdpdr, RdpdrBackend,
    pdu::{
        RdpdrPdu,
        efs::{
            DeviceControlRequest, DeviceIoRequest, NtStatus, PrinterIoRequest,
            ServerDeviceAnnounceResponse, ServerDriveIoRequest,
        },
        esc::{ReturnCode, ScardCall, ScardIoCtlCode},
    },
};
use ironrdp_svc::{CompressionCondition, SvcClientProcessor, SvcMessage, SvcProcessor};

use super::{Notice, Outlet};
use crate::{
    Settings,
    drive::{Drive, DriveAnswer, Mode},
    files::{DriveState, FileEvent},
    limits::DEVICE_MESSAGE_MAX,
    printer::{PRINTER_DRIVER, PRINTER_NAME, Printer},
    settings::DriveSetting,
};

/// The printer is there from the start; drives get numbers of their own after it, each a new one.
const PRINTER_ID: u32 = 1;
/// Removed drives whose requests are still refused.
const GONE_MAX: usize = 64;
/// Characters of a drive's name.
const DRIVE_NAME_LEN_MAX: usize = 64;

/// The channel, if the settings want a device in it.
pub(crate) fn channel(settings: &Settings, outlet: &Outlet) -> Option<Devices> {
    if settings.drive == DriveSetting::Off && !settings.printer {
        return None;
    }
    let backend = Backend {
        outlet: outlet.clone(),
        drive: None,
        prepared: None,
        printer: Printer::default(),
    };
    let mut inner = Rdpdr::new(Box::new(backend), settings.client_name_or_default());
    if settings.drive != DriveSetting::Off {
        inner = inner.with_drives(None);
    }
    if settings.printer {
        inner = inner.with_printer_driver_and_network(
            PRINTER_ID,
            PRINTER_NAME.to_owned(),
            PRINTER_DRIVER.to_owned(),
            false,
        );
    }
    Some(Devices {
        inner,
        outlet: outlet.clone(),
        policy: settings.drive,
        drive_id: None,
        last_id: PRINTER_ID,
        gone: Vec::new(),
        broken: false,
    })
}

/// The channel's processor.
#[derive(Debug)]
pub(crate) struct Devices {
    inner: Rdpdr,
    outlet: Outlet,
    policy: DriveSetting,
    drive_id: Option<u32>,
    last_id: u32,
    gone: Vec<u32>,
    /// The host broke the rules: nothing is read and nothing said any more.
    broken: bool,
}

impl_as_any!(Devices);

impl Devices {
    /// Shares a folder in place of the one before.
    pub(crate) fn add_drive(&mut self, name: &str, may_write: bool) -> Vec<SvcMessage> {
        let mode = match self.policy {
            DriveSetting::ReadWrite if may_write => Mode::ReadWrite,
            DriveSetting::ReadWrite | DriveSetting::Read => Mode::Read,
            DriveSetting::Off => return Vec::new(),
        };
        if self.broken {
            self.tell(DriveState::Broken);
            return Vec::new();
        }
        let mut messages = self.remove_drive();
        let name = drive_name(name);
        self.last_id = self.last_id.wrapping_add(1).max(PRINTER_ID + 1);
        let id = self.last_id;
        if let Some(backend) = self.backend() {
            backend.prepared = Some(Drive::new(name.clone(), mode));
        }
        match self.inner.add_dynamic_drive(id, name) {
            Ok(more) => {
                self.drive_id = Some(id);
                messages.extend(more);
            }
            // The one error is a host that was told of no drives, which `channel` rules out.
            Err(_) => self.tell(DriveState::Broken),
        }
        messages
    }

    /// Takes the folder back.
    pub(crate) fn remove_drive(&mut self) -> Vec<SvcMessage> {
        let Some(id) = self.drive_id.take() else {
            return Vec::new();
        };
        if self.gone.len() == GONE_MAX {
            self.gone.remove(0);
        }
        self.gone.push(id);
        if self.broken {
            return Vec::new();
        }
        self.inner.remove_drive(id).unwrap_or_default()
    }

    /// The worker's answer to a request.
    pub(crate) fn answer(
        &mut self,
        id: u32,
        answer: DriveAnswer,
        bytes: Vec<u8>,
    ) -> Vec<SvcMessage> {
        let Some(backend) = self.backend() else {
            return Vec::new();
        };
        let Some((_, drive)) = &mut backend.drive else {
            return Vec::new();
        };
        let messages = drive.answer(id, answer, bytes);
        backend.hand_requests_on();
        messages
    }

    fn backend(&mut self) -> Option<&mut Backend> {
        self.inner.downcast_backend_mut::<Backend>()
    }

    fn tell(&self, state: DriveState) {
        let event = FileEvent::DriveState { state };
        self.outlet.tell(Notice::Files(event, Vec::new()));
    }

    fn give_up(&mut self) {
        self.broken = true;
        if let Some(backend) = self.backend() {
            backend.drive = None;
            backend.printer.reset();
        }
        self.tell(DriveState::Broken);
    }
}

impl SvcProcessor for Devices {
    fn channel_name(&self) -> ChannelName {
        self.inner.channel_name()
    }

    fn compression_condition(&self) -> CompressionCondition {
        self.inner.compression_condition()
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        if self.broken {
            return Ok(Vec::new());
        }
        if payload.len() > DEVICE_MESSAGE_MAX {
            self.give_up();
            return Ok(Vec::new());
        }
        if let Some(refusal) = refusal_for_gone(payload, &self.gone) {
            return Ok(vec![refusal]);
        }
        match self.inner.process(payload) {
            Ok(messages) => Ok(messages),
            Err(_) => {
                self.give_up();
                Ok(Vec::new())
            }
        }
    }
}

impl SvcClientProcessor for Devices {}

/// Names of drives stand in paths on the host.
fn drive_name(name: &str) -> String {
    let good = |character: &char| !character.is_control() && !r#"<>:"/\|?*"#.contains(*character);
    let name: String = name.chars().filter(good).take(DRIVE_NAME_LEN_MAX).collect();
    let name = name.trim_matches(['.', ' ']);
    if name.is_empty() {
        "Portico".to_owned()
    } else {
        name.to_owned()
    }
}

/// A request to a drive that was taken away gets a refusal. The layer below is silent then, as the
/// specification wants; but xrdp does not know that drives can go, and whoever looks at the
/// folder there would wait for ever.
fn refusal_for_gone(payload: &[u8], gone: &[u32]) -> Option<SvcMessage> {
    /// Component and packet id of a Device I/O Request and of its completion (MS-RDPEFS 2.2.1.1).
    const REQUEST: [u8; 4] = *b"rDRI";
    const COMPLETION: [u8; 4] = *b"rDCI";
    /// STATUS_NO_SUCH_DEVICE.
    const NO_SUCH_DEVICE: u32 = 0xC000_000E;
    /// Room for the fixed part of every kind of answer.
    const EMPTY: [u8; 5] = [0; 5];
    let (head, rest) = payload.split_first_chunk::<4>()?;
    let (device, rest) = rest.split_first_chunk::<4>()?;
    let (_file, rest) = rest.split_first_chunk::<4>()?;
    let (completion, _) = rest.split_first_chunk::<4>()?;
    if *head != REQUEST || !gone.contains(&u32::from_le_bytes(*device)) {
        return None;
    }
    let status = NO_SUCH_DEVICE.to_le_bytes();
    let bytes = [&COMPLETION[..], device, completion, &status, &EMPTY].concat();
    Some(SvcMessage::from(bytes))
}

#[derive(Debug)]
struct Backend {
    outlet: Outlet,
    drive: Option<(u32, Drive)>,
    /// What is going to be the drive as soon as it has its number.
    prepared: Option<Drive>,
    printer: Printer,
}

impl_as_any!(Backend);

impl Backend {
    fn hand_requests_on(&mut self) {
        if let Some((_, drive)) = &mut self.drive {
            for (request, bytes) in drive.take_requests() {
                let event = FileEvent::DriveRequest(request);
                self.outlet.tell(Notice::Files(event, bytes));
            }
        }
    }

    fn tell(&self, state: DriveState) {
        let event = FileEvent::DriveState { state };
        self.outlet.tell(Notice::Files(event, Vec::new()));
    }
}

impl RdpdrBackend for Backend {
    fn reset(&mut self) -> PduResult<()> {
        if let Some((_, drive)) = &mut self.drive {
            drive.reset();
        }
        self.printer.reset();
        self.tell(DriveState::Ready);
        Ok(())
    }

    fn add_drive(&mut self, device_id: u32) -> PduResult<()> {
        let drive = self.prepared.take();
        self.drive = drive.map(|drive| (device_id, drive));
        Ok(())
    }

    fn remove_drive(&mut self, device_id: u32) -> PduResult<Vec<SvcMessage>> {
        match self.drive.take_if(|(id, _)| *id == device_id) {
            Some((_, mut drive)) => Ok(drive.cancel()),
            None => Ok(Vec::new()),
        }
    }

    fn handle_server_device_announce_response(
        &mut self,
        pdu: ServerDeviceAnnounceResponse,
    ) -> PduResult<()> {
        if pdu.device_id != PRINTER_ID {
            self.tell(match pdu.result_code {
                NtStatus::SUCCESS => DriveState::Accepted,
                _ => DriveState::Refused,
            });
        }
        Ok(())
    }

    fn handle_scard_call(
        &mut self,
        request: DeviceControlRequest<ScardIoCtlCode>,
        call: ScardCall,
    ) -> PduResult<Vec<SvcMessage>> {
        // No smart card is announced.
        let response = call.error_response(request, ReturnCode::NoService);
        Ok(vec![RdpdrPdu::DeviceControlResponse(response).into()])
    }

    fn handle_drive_io_request(
        &mut self,
        request: ServerDriveIoRequest,
    ) -> PduResult<Vec<SvcMessage>> {
        // The layer below lets through only requests for a drive that is there.
        let (_, drive) = self
            .drive
            .as_mut()
            .ok_or_else(|| pdu_other_err!("a request for no drive"))?;
        let messages = drive.handle(request);
        self.hand_requests_on();
        Ok(messages)
    }

    fn handle_printer_io_request(
        &mut self,
        request: PrinterIoRequest,
    ) -> PduResult<Vec<SvcMessage>> {
        let (message, job) = self.printer.handle(request);
        if let Some((event, bytes)) = job {
            self.outlet.tell(Notice::Files(event, bytes));
        }
        Ok(vec![message])
    }

    fn reject_printer_write(&mut self, request: DeviceIoRequest) -> PduResult<Vec<SvcMessage>> {
        Ok(vec![self.printer.reject(request)])
    }
}

#[cfg(test)]
mod tests;
