//! A printer of the host whose jobs become downloads (MS-RDPEPC).
//!
//! The host's driver decides what a job is made of. The one that is asked for makes PostScript; it
//! comes with Windows, and is the one that FreeRDP asks for.

use std::collections::BTreeMap;

use ironrdp_rdpdr::pdu::{
    RdpdrPdu,
    efs::{
        DEFAULT_PRINTER_DRIVER_NAME, DeviceCloseResponse, DeviceCreateResponse, DeviceIoRequest,
        DeviceIoResponse, DeviceWriteResponse, Information, NtStatus, PrinterIoRequest,
    },
};
use ironrdp_svc::SvcMessage;

use crate::{
    files::FileEvent,
    limits::{PRINT_BYTES_MAX, PRINT_JOBS_MAX},
};

pub(crate) const PRINTER_NAME: &str = "Portico";
pub(crate) const PRINTER_DRIVER: &str = DEFAULT_PRINTER_DRIVER_NAME;

/// The jobs that are being printed.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    jobs: BTreeMap<u32, Job>,
    last_id: u32,
}

#[derive(Debug, Default)]
struct Job {
    bytes: Vec<u8>,
    /// Something of it was lost.
    spoilt: bool,
}

impl Printer {
    pub(crate) fn reset(&mut self) {
        self.jobs.clear();
    }

    /// Takes a request of the host; returns its answer, and a job that is complete.
    pub(crate) fn handle(
        &mut self,
        request: PrinterIoRequest,
    ) -> (SvcMessage, Option<(FileEvent, Vec<u8>)>) {
        match request {
            PrinterIoRequest::Create(request) => (self.begin(request.device_io_request), None),
            PrinterIoRequest::Write(request) => (
                self.write(request.device_io_request, &request.write_data),
                None,
            ),
            PrinterIoRequest::Close(request) => self.close(request.device_io_request),
        }
    }

    /// A part that is too long to be taken: the job is spoilt.
    pub(crate) fn reject(&mut self, irp: DeviceIoRequest) -> SvcMessage {
        if let Some(job) = self.jobs.get_mut(&irp.file_id) {
            job.spoilt = true;
            job.bytes = Vec::new();
        }
        written(irp, Err(NtStatus::INSUFFICIENT_RESOURCES))
    }

    fn begin(&mut self, irp: DeviceIoRequest) -> SvcMessage {
        let (status, file_id) = if self.jobs.len() < PRINT_JOBS_MAX {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            self.jobs.insert(self.last_id, Job::default());
            (NtStatus::SUCCESS, self.last_id)
        } else {
            (NtStatus::INSUFFICIENT_RESOURCES, 0)
        };
        RdpdrPdu::from(DeviceCreateResponse {
            device_io_reply: DeviceIoResponse::new(irp, status),
            file_id,
            information: Information::empty(),
        })
        .into()
    }

    fn write(&mut self, irp: DeviceIoRequest, data: &[u8]) -> SvcMessage {
        let used: usize = self.jobs.values().map(|job| job.bytes.len()).sum();
        let Some(job) = self.jobs.get_mut(&irp.file_id) else {
            return written(irp, Err(NtStatus::INVALID_HANDLE));
        };
        if job.spoilt || used + data.len() > PRINT_BYTES_MAX {
            job.spoilt = true;
            job.bytes = Vec::new();
            return written(irp, Err(NtStatus::DISK_FULL));
        }
        job.bytes.extend_from_slice(data);
        written(
            irp,
            u32::try_from(data.len()).map_err(|_| NtStatus::UNSUCCESSFUL),
        )
    }

    fn close(&mut self, irp: DeviceIoRequest) -> (SvcMessage, Option<(FileEvent, Vec<u8>)>) {
        let job = self.jobs.remove(&irp.file_id);
        let status = match &job {
            Some(_) => NtStatus::SUCCESS,
            None => NtStatus::INVALID_HANDLE,
        };
        let message = RdpdrPdu::from(DeviceCloseResponse {
            device_io_response: DeviceIoResponse::new(irp, status),
        });
        // Hosts open the printer to ask it things, and print nothing then.
        let job = job.filter(|job| job.spoilt || !job.bytes.is_empty());
        let event = job.map(|job| {
            let complete = !job.spoilt;
            (FileEvent::PrintJob { complete }, job.bytes)
        });
        (message.into(), event)
    }
}

fn written(irp: DeviceIoRequest, outcome: Result<u32, NtStatus>) -> SvcMessage {
    let (status, length) = match outcome {
        Ok(length) => (NtStatus::SUCCESS, length),
        Err(status) => (status, 0),
    };
    RdpdrPdu::from(DeviceWriteResponse {
        device_io_reply: DeviceIoResponse::new(irp, status),
        length,
    })
    .into()
}

#[cfg(test)]
mod tests {
    use ironrdp_rdpdr::pdu::efs::{
        DeviceCloseRequest, DeviceWriteRequest, MajorFunction, MinorFunction,
    };

    use super::*;

    fn irp(file_id: u32, major_function: MajorFunction) -> DeviceIoRequest {
        DeviceIoRequest {
            device_id: 1,
            file_id,
            completion_id: 1,
            major_function,
            minor_function: MinorFunction::from(0),
        }
    }

    fn write(printer: &mut Printer, file_id: u32, data: &[u8]) -> u32 {
        let request = PrinterIoRequest::Write(DeviceWriteRequest {
            device_io_request: irp(file_id, MajorFunction::Write),
            offset: 0,
            write_data: data.to_vec(),
        });
        status(&printer.handle(request).0)
    }

    fn close(printer: &mut Printer, file_id: u32) -> Option<(FileEvent, Vec<u8>)> {
        let device_io_request = irp(file_id, MajorFunction::Close);
        let request = PrinterIoRequest::Close(DeviceCloseRequest { device_io_request });
        printer.handle(request).1
    }

    /// Header, device, completion, then the status.
    fn status(message: &SvcMessage) -> u32 {
        let bytes = message.encode_unframed_pdu().unwrap();
        u32::from_le_bytes(*bytes[12..].first_chunk().unwrap())
    }

    #[test]
    fn a_job_is_what_was_written_between_opening_and_closing() {
        let mut printer = Printer::default();
        printer.begin(irp(0, MajorFunction::Create));
        printer.begin(irp(0, MajorFunction::Create));
        assert_eq!(write(&mut printer, 1, b"%!PS"), 0);
        assert_eq!(write(&mut printer, 2, b"other"), 0);
        assert_eq!(write(&mut printer, 1, b" more"), 0);
        let (event, bytes) = close(&mut printer, 1).unwrap();
        assert_eq!(event, FileEvent::PrintJob { complete: true });
        assert_eq!(bytes, b"%!PS more");
        assert_eq!(close(&mut printer, 2).unwrap().1, b"other");
        assert_eq!(close(&mut printer, 2), None, "closed already");
    }

    #[test]
    fn opening_and_closing_prints_nothing() {
        let mut printer = Printer::default();
        printer.begin(irp(0, MajorFunction::Create));
        assert_eq!(close(&mut printer, 1), None);
    }

    #[test]
    fn a_job_beyond_the_limit_is_told_and_takes_no_memory() {
        let mut printer = Printer::default();
        printer.begin(irp(0, MajorFunction::Create));
        let part = vec![0; PRINT_BYTES_MAX / 4];
        for _ in 0..4 {
            assert_eq!(write(&mut printer, 1, &part), 0);
        }
        assert_eq!(write(&mut printer, 1, b"x"), u32::from(NtStatus::DISK_FULL));
        let (event, bytes) = close(&mut printer, 1).unwrap();
        assert_eq!(event, FileEvent::PrintJob { complete: false });
        assert!(bytes.is_empty());
    }

    #[test]
    fn jobs_have_a_limit() {
        let mut printer = Printer::default();
        for _ in 0..PRINT_JOBS_MAX {
            assert_eq!(status(&printer.begin(irp(0, MajorFunction::Create))), 0);
        }
        let refused = printer.begin(irp(0, MajorFunction::Create));
        assert_eq!(
            status(&refused),
            u32::from(NtStatus::INSUFFICIENT_RESOURCES)
        );
        printer.reset();
        assert_eq!(status(&printer.begin(irp(0, MajorFunction::Create))), 0);
    }
}
