//! Network level authentication, done by the gateway: CredSSP as client (MS-CSSP).
//!
//! NTLM only. Kerberos needs exchanges with a KDC in between and is not done here yet; a host
//! that insists on it refuses the log-on.

use std::io;

use ironrdp_connector::sspi::{
    self,
    credssp::{
        ClientMode, ClientState, CredSspClient, CredSspMode, EARLY_USER_AUTH_RESULT_PDU_SIZE,
        EarlyUserAuthResult, TsRequest,
    },
    ntlm::NtlmConfig,
};
use portico_model::Secret;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{account::Account, negotiation::Security};

/// Longest TSRequest that is read, in bytes.
pub const TS_REQUEST_LEN_MAX: usize = 16 * 1024;

/// Most rounds; NTLM takes three.
pub const ROUNDS_MAX: usize = 8;

/// Why the authentication failed.
#[derive(Debug, thiserror::Error)]
pub enum CredSspError {
    /// The connection broke.
    #[error("the connection broke during network level authentication")]
    Io(#[from] io::Error),
    /// The host does not accept the account or password, or the account may not log on there.
    #[error("the host refused the log-on of the account: {detail}")]
    LogonRefused {
        /// What the host said; no secrets.
        detail: String,
    },
    /// The host broke the protocol, or the authentication could not be carried out.
    #[error("network level authentication failed: {detail}")]
    Protocol {
        /// What happened; no secrets.
        detail: String,
    },
    /// No end after [`ROUNDS_MAX`] rounds, or a message of more than [`TS_REQUEST_LEN_MAX`].
    #[error("network level authentication went beyond its limits")]
    Limit,
}

/// Authenticates on `stream`, which is TLS with the host. `public_key` comes from
/// [`crate::certificate::public_key`]: CredSSP binds to it, so a man in the middle gets nothing.
///
/// The caller bounds the time.
pub async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    security: Security,
    account: &Account,
    password: &Secret,
    host: &str,
    public_key: Vec<u8>,
) -> Result<(), CredSspError> {
    if security == Security::Tls {
        return Ok(());
    }
    let mut client = client(account, password, host, public_key)?;
    let mut incoming = TsRequest::default();
    for round in 0..ROUNDS_MAX {
        // NTLM needs nobody else, so this resolves at once.
        let state = client.process(incoming).resolve_to_result();
        let (outgoing, last) = match state.map_err(refused_or_broken)? {
            ClientState::ReplyNeeded(request) => (request, false),
            ClientState::FinalMessage(request) => (request, true),
        };
        send(stream, &outgoing).await?;
        if !last {
            incoming = match receive(stream).await {
                // From the second round on the host has our proof, and many hosts say no by
                // hanging up.
                Err(CredSspError::Io(_)) if round > 0 => {
                    return Err(CredSspError::LogonRefused {
                        detail: "it closed the connection without a reason".into(),
                    });
                }
                outcome => outcome?,
            };
            continue;
        }
        if security == Security::HybridEx {
            return early_result(stream).await;
        }
        return Ok(());
    }
    Err(CredSspError::Limit)
}

fn client(
    account: &Account,
    password: &Secret,
    host: &str,
    public_key: Vec<u8>,
) -> Result<CredSspClient, CredSspError> {
    let username = sspi::Username::new(&account.user, Some(&account.domain)).map_err(|error| {
        CredSspError::Protocol {
            detail: format!("the account name cannot be used: {error}"),
        }
    })?;
    let identity = sspi::AuthIdentity {
        username,
        password: password.expose().to_owned().into(),
    };
    CredSspClient::new(
        public_key,
        identity.into(),
        CredSspMode::WithCredentials,
        ClientMode::Ntlm(NtlmConfig::default()),
        format!("TERMSRV/{host}"),
    )
    .map_err(refused_or_broken)
}

fn refused_or_broken(error: sspi::Error) -> CredSspError {
    match error.nstatus {
        Some(status) => CredSspError::LogonRefused {
            detail: status.to_string(),
        },
        None => CredSspError::Protocol {
            detail: format!("{:?}: {}", error.error_type, error.description),
        },
    }
}

async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    request: &TsRequest,
) -> Result<(), CredSspError> {
    let len = request.buffer_len().map_err(refused_or_broken)?;
    let mut bytes = Vec::with_capacity(len.into());
    request.encode_ts_request(&mut bytes).map_err(protocol)?;
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(())
}

async fn receive<S: AsyncRead + Unpin>(stream: &mut S) -> Result<TsRequest, CredSspError> {
    let mut bytes = vec![0; 2];
    stream.read_exact(&mut bytes).await?;
    let total = loop {
        match sequence_len(&bytes)? {
            Some(total) => break total,
            None => bytes.push(stream.read_u8().await?),
        }
    };
    if total > TS_REQUEST_LEN_MAX || total < bytes.len() {
        return Err(CredSspError::Limit);
    }
    let read = bytes.len();
    bytes.resize(total, 0);
    let rest = bytes.get_mut(read..).unwrap_or_default();
    stream.read_exact(rest).await?;
    TsRequest::from_buffer(&bytes).map_err(protocol)
}

/// Length of the DER sequence that begins with `bytes`, header included; `None` until it is known.
fn sequence_len(bytes: &[u8]) -> Result<Option<usize>, CredSspError> {
    let total = match bytes {
        [0x30, len @ ..=0x7f, ..] => 2 + usize::from(*len),
        [0x30, 0x81, len, ..] => 3 + usize::from(*len),
        [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        [] | [0x30] | [0x30, 0x81] | [0x30, 0x82] | [0x30, 0x82, _] => return Ok(None),
        _ => {
            return Err(CredSspError::Protocol {
                detail: "the host sent something else than a TSRequest".into(),
            });
        }
    };
    Ok(Some(total))
}

/// The early user authorization result (MS-CSSP 2.2.3).
async fn early_result<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(), CredSspError> {
    let mut bytes = [0; EARLY_USER_AUTH_RESULT_PDU_SIZE];
    stream.read_exact(&mut bytes).await?;
    match EarlyUserAuthResult::from_buffer(bytes.as_slice()).map_err(protocol)? {
        EarlyUserAuthResult::Success => Ok(()),
        EarlyUserAuthResult::AccessDenied => Err(CredSspError::LogonRefused {
            detail: "the account may not log on to this host".into(),
        }),
    }
}

fn protocol(error: io::Error) -> CredSspError {
    CredSspError::Protocol {
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ts_request_is_framed_at_every_length() {
        for len in 0..2 {
            assert!(matches!(sequence_len(&[0x30, 0x81][..len]), Ok(None)));
        }
        assert!(matches!(sequence_len(&[0x30, 5]), Ok(Some(7))));
        assert!(matches!(sequence_len(&[0x30, 0x81, 200]), Ok(Some(203))));
        assert!(matches!(sequence_len(&[0x30, 0x82, 1, 0]), Ok(Some(260))));
        assert!(sequence_len(&[0x30, 0x83, 1, 0, 0]).is_err());
        assert!(sequence_len(&[3, 0]).is_err());
    }

    fn run(host_sends: Vec<u8>) -> CredSspError {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut ours, mut theirs) = tokio::io::duplex(64 * 1024);
            theirs.write_all(&host_sends).await.unwrap();
            theirs.shutdown().await.unwrap();
            let account = Account::parse("EX\\anna").unwrap();
            authenticate(
                &mut ours,
                Security::Hybrid,
                &account,
                &Secret::new("pw".into()),
                "host",
                vec![1; 32],
            )
            .await
            .unwrap_err()
        })
    }

    #[test]
    fn a_host_that_misbehaves_ends_the_authentication() {
        assert!(matches!(run(vec![]), CredSspError::Io(_)));
        assert!(matches!(
            run(b"HTTP/1.1 400".to_vec()),
            CredSspError::Protocol { .. }
        ));
        assert!(matches!(
            run(vec![0x30, 0x82, 0xff, 0xff]),
            CredSspError::Limit
        ));
        assert!(matches!(
            run(vec![0x30, 0x03, 1, 2, 3]),
            CredSspError::Protocol { .. }
        ));
    }
}
