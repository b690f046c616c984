//! Why a connection ended, as a WebSocket close frame.

use portico_model::session::EndReason;
use portico_wire::websocket::{CloseCode, CloseFrame};

/// The close code of `reason`; the crate's page has the table.
pub const fn close_code(reason: EndReason) -> u16 {
    match reason {
        EndReason::ClientClosed => CloseCode::NORMAL.value(),
        EndReason::HostClosed => 4000,
        EndReason::HostLost => 4001,
        EndReason::HostFailed => 4002,
        EndReason::TakenOver => 4003,
        EndReason::UserDisconnected => 4004,
        EndReason::UserEnded => 4005,
        EndReason::OperatorEnded => 4006,
        EndReason::IdleTimeout => 4007,
        EndReason::TotalTimeout => 4008,
        EndReason::SignedOut => 4009,
        EndReason::LimitReached => 4010,
        EndReason::ProcessStopped => 4011,
        EndReason::TicketLapsed => 4012,
        EndReason::ProgramExited => 4013,
        EndReason::ClientLost => 4014,
        EndReason::LoggedOff => 4015,
        EndReason::HostRestarted => 4016,
        EndReason::DisconnectedTimeout => 4017,
        EndReason::SessionTimeout => 4018,
        EndReason::Maintenance => 4019,
    }
}

/// The close frame of `reason`.
pub(crate) fn close_frame(reason: EndReason) -> CloseFrame {
    close_frame_with(reason, None)
}

/// The detail for a host that failed; `cause` is why it is not reached, when that is known.
pub(crate) fn host_failed_detail(cause: Option<&str>) -> Option<String> {
    cause.map(|cause| format!("cause={cause}"))
}

/// The close frame of `reason`, whose text goes on with ` ` and the detail when there is one.
pub(crate) fn close_frame_with(reason: EndReason, detail: Option<&str>) -> CloseFrame {
    let code = CloseCode::new(close_code(reason)).unwrap_or(CloseCode::NORMAL);
    match detail {
        None => CloseFrame::new(code, reason.as_str()),
        Some(detail) => CloseFrame::new(code, &format!("{} {detail}", reason.as_str())),
    }
}
