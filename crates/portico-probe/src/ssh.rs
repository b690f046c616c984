//! SSH: the exchange of identification strings (RFC 4253 §4.2).

use portico_model::estate::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{ProbeError, broken, shown};

/// Longest identification string with its CR LF (RFC 4253 §4.2).
pub(crate) const LINE_LEN_MAX: usize = 255;
/// Lines that a server may send before it, as OpenSSH reads them.
pub(crate) const LINES_BEFORE_MAX: usize = 50;
/// Ours; servers log it.
const OURS: &[u8] = b"SSH-2.0-Portico_probe\r\n";

/// Reads the server's identification string and sends ours, so that the server logs a client that
/// went away and not an attack.
pub(crate) async fn probe<S>(stream: &mut S) -> Result<String, ProbeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut lines = Lines::default();
    for _ in 0..=LINES_BEFORE_MAX {
        let line = lines.next(stream).await?;
        if !line.starts_with(b"SSH-") {
            continue;
        }
        // 1.99 is version 2 that also speaks version 1 (RFC 4253 §5.1).
        if !line.starts_with(b"SSH-2.0-") && !line.starts_with(b"SSH-1.99-") {
            return Err(ProbeError::new(
                format!(
                    "the host speaks an SSH version other than 2: {:?}",
                    shown(&line)
                ),
                "update the SSH service of the host",
            ));
        }
        // That the host does not read ours changes nothing: it has answered.
        if let Err(error) = stream.write_all(OURS).await {
            tracing::trace!(%error, "Host closed after its identification");
        }
        return Ok(shown(&line));
    }
    Err(no_ssh(&format!(
        "no identification within {LINES_BEFORE_MAX} lines"
    )))
}

#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// The next line, without CR LF.
    async fn next<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<Vec<u8>, ProbeError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.buffer.len() >= LINE_LEN_MAX {
                let reason = format!(
                    "a line of more than {LINE_LEN_MAX} bytes, {:?}",
                    shown(&self.buffer)
                );
                return Err(no_ssh(&reason));
            }
            let mut chunk = [0_u8; LINE_LEN_MAX];
            let room = LINE_LEN_MAX - self.buffer.len();
            let chunk = chunk.get_mut(..room).unwrap_or_default();
            let read = stream
                .read(chunk)
                .await
                .map_err(|error| broken(Protocol::Ssh, &error))?;
            if read == 0 {
                return Err(self.ended());
            }
            self.buffer
                .extend_from_slice(chunk.get(..read).unwrap_or_default());
        }
    }

    fn ended(&self) -> ProbeError {
        if self.buffer.is_empty() {
            broken(Protocol::Ssh, &std::io::ErrorKind::UnexpectedEof.into())
        } else {
            no_ssh(&format!("{:?}, and then the end", shown(&self.buffer)))
        }
    }
}

fn no_ssh(reason: &str) -> ProbeError {
    ProbeError::new(
        format!("what answers on this port does not speak SSH: {reason}"),
        "correct the port or the protocol of the host in the estate",
    )
}
