//! The way to a host: dial, check its key against the pins, sign in, start the program.

mod key;
mod refusal;
mod sign_in;
mod stream;

use std::{borrow::Cow, sync::Arc, time::Duration};

use portico_net::{dial_tcp, flows::ENGINE_HOST_SSH};
use portico_wire::terminal::header::{Open, ProgramToRun, RefusedError};
use russh::{
    ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Preferred, Pty, SshId,
    client::{Handle, Msg, connect_stream},
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use self::refusal::refusal;
use self::{
    key::Client,
    stream::{Cut, HostStream},
};

/// Time for the TCP connection.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the key exchange.
const KEY_EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);
/// Time for the sign-in: hosts ask directories, and delay after a wrong password.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the terminal and its program.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// A host that is silent for so long is asked whether it lives, and given up after three
/// questions without an answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVES_MAX: usize = 3;
/// Bytes the host may send beyond what was read. All of it may have to pass before an interrupted
/// flood ends on the screen, so it is not larger than a fast line needs.
const SSH_WINDOW_LEN: u32 = 256 * 1024;
/// Packets that wait in memory before the SSH connection is not read any more.
const PACKETS_WAITING_MAX: usize = 4;
/// Largest SSH packet, in bytes of output.
pub(crate) const PACKET_LEN_MAX: u32 = 32 * 1024;

/// A connection to a host, with a program in a terminal.
pub(crate) struct HostLink {
    /// What comes from the program.
    pub(crate) reader: ChannelReadHalf,
    // Ends russh's task when dropped.
    _handle: Handle<Client>,
    // Cuts the TCP connection when dropped, whatever russh's task is waiting for.
    _cut: DropGuard,
}

/// A program that was just started.
pub(crate) struct Started {
    pub(crate) link: HostLink,
    /// What goes to the program.
    pub(crate) writer: ChannelWriteHalf<Msg>,
    /// What the host says to everybody who signs in, in lines for a terminal.
    pub(crate) banner: String,
    /// What came while it was being started.
    pub(crate) early: Vec<ChannelMsg>,
    /// Size of its terminal.
    pub(crate) cols: u16,
    pub(crate) rows: u16,
}

/// Connects, signs in and starts the program of `open`.
pub(crate) async fn start(open: &Open) -> Result<Started, RefusedError> {
    let pins = key::ssh_pins(&open.pins);
    if pins.is_empty() {
        return Err(refusal::not_trusted(open));
    }
    let tcp = dial_tcp(ENGINE_HOST_SSH, &open.address, open.port, DIAL_TIMEOUT)
        .await
        .map_err(|error| refusal::dial(open, &error))?;
    let cut = CancellationToken::new();
    let guard = cut.clone().drop_guard();
    let (client, banner) = Client::new(pins.clone());
    let stream = HostStream::new(tcp, Cut::new(cut));
    let connecting = connect_stream(Arc::new(config(&pins)), stream, client);
    let mut handle = tokio::time::timeout(KEY_EXCHANGE_TIMEOUT, connecting)
        .await
        .map_err(|_| refusal::timed_out(open, "the key exchange", KEY_EXCHANGE_TIMEOUT))?
        .map_err(|error| refusal::key_exchange(open, &pins, error))?;
    let signing_in = sign_in::sign_in(&mut handle, open);
    tokio::time::timeout(SIGN_IN_TIMEOUT, signing_in)
        .await
        .map_err(|_| refusal::timed_out(open, "the sign-in", SIGN_IN_TIMEOUT))??;
    let starting = start_program(&handle, open);
    let (reader, writer, early) = tokio::time::timeout(START_TIMEOUT, starting)
        .await
        .map_err(|_| refusal::timed_out(open, "the start of the program", START_TIMEOUT))??;
    let link = HostLink {
        reader,
        _handle: handle,
        _cut: guard,
    };
    let Open { cols, rows, .. } = *open;
    Ok(Started {
        link,
        writer,
        banner: banner.take(),
        early,
        cols,
        rows,
    })
}

fn config(pins: &[key::SshPin]) -> russh::client::Config {
    russh::client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!(
            "SSH-2.0-Portico_",
            env!("CARGO_PKG_VERSION")
        ))),
        window_size: SSH_WINDOW_LEN,
        maximum_packet_size: PACKET_LEN_MAX,
        channel_buffer_size: PACKETS_WAITING_MAX,
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVES_MAX,
        nodelay: true,
        preferred: Preferred {
            key: Cow::Owned(key::algorithms(pins)),
            // The processor's own AES first: it is several times faster here than ChaCha20.
            cipher: Cow::Borrowed(&[
                russh::cipher::AES_256_GCM,
                russh::cipher::CHACHA20_POLY1305,
                russh::cipher::AES_256_CTR,
                russh::cipher::AES_128_CTR,
            ]),
            ..Preferred::DEFAULT
        },
        ..russh::client::Config::default()
    }
}

type Channel = (ChannelReadHalf, ChannelWriteHalf<Msg>, Vec<ChannelMsg>);

async fn start_program(handle: &Handle<Client>, open: &Open) -> Result<Channel, RefusedError> {
    let lost = |error: russh::Error| refusal::lost(open, &error);
    let channel = handle
        .channel_open_session()
        .await
        .map_err(|error| refusal::no_session(open, &error))?;
    let (cols, rows) = (u32::from(open.cols), u32::from(open.rows));
    // Without IUTF8 the line discipline erases one byte of a character, not the character.
    let modes = [(Pty::IUTF8, 1)];
    channel
        .request_pty(true, &open.term, cols, rows, 0, 0, &modes)
        .await
        .map_err(lost)?;
    // Viewers speak UTF-8 only. The host's own language stays: a locale that it does not have
    // would make programs complain, and this one it always has. Hosts may ignore the request.
    channel
        .set_env(false, "LC_CTYPE", "C.UTF-8")
        .await
        .map_err(lost)?;
    match &open.program {
        None => channel.request_shell(true).await.map_err(lost)?,
        Some(program) => channel
            .exec(true, command_line(program))
            .await
            .map_err(lost)?,
    }
    let (mut reader, writer) = channel.split();
    let mut early = Vec::new();
    for request in ["a terminal", "the program"] {
        loop {
            match reader.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure) => return Err(refusal::not_started(open, request)),
                None => return Err(refusal::lost(open, &russh::Error::Disconnect)),
                // The window keeps this short.
                Some(message) => early.push(message),
            }
        }
    }
    Ok((reader, writer, early))
}

/// The command line as the account's shell reads it. `exec` saves a process.
fn command_line(program: &ProgramToRun) -> String {
    if program.work_dir.is_empty() {
        return program.command.clone();
    }
    let quoted = program.work_dir.replace('\'', r"'\''");
    format!("cd '{quoted}' && {}", program.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_program_cannot_end_its_quotes() {
        let program = |work_dir: &str| ProgramToRun {
            command: "htop".into(),
            work_dir: work_dir.into(),
        };
        assert_eq!(command_line(&program("")), "htop");
        assert_eq!(command_line(&program("/srv/a b")), "cd '/srv/a b' && htop");
        assert_eq!(
            command_line(&program("'; rm x '")),
            r"cd ''\''; rm x '\''' && htop"
        );
    }
}
