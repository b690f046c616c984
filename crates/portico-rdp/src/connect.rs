//! The connect sequence between browser and host, as far as the gateway rewrites it.
//!
//! Two PDUs of the client are changed and everything between them is checked:
//!
//! - **MCS Connect Initial** (MS-RDPBCGR 2.2.1.3), in place: the security that the host really
//!   chose, and the names of channels that the policy closes. How the desktop looks and which keys
//!   it has, such as colour depth and keyboard layout, is the client's to say.
//! - **Client Info** (MS-RDPBCGR 2.2.1.11), built anew: domain, user, password, program, folder.
//!   What the client says there is thrown away, not merged: hosts run a shell that a client names.
//!
//! Between them only Erect Domain, Attach User and Channel Join may come. After Client Info the
//! rewriter is done and bytes are relayed as they are.
//!
//! # Clipboard
//!
//! A policy is only promised where it can be enforced. The gateway closes the static channel
//! `cliprdr` by giving it a name that no host knows, chosen at random for each connection so that
//! no program on the host can open it. That closes both directions. Directions are not told apart
//! on the wire before the channel's own PDUs, which the gateway does not look into yet; so every
//! policy but `both` closes the channel.
//!
//! # Microphone
//!
//! What a host hears comes through `AUDIO_INPUT`, a channel within the dynamic ones, whose messages
//! the relay does not read. What the gateway does is to keep the client from offering a microphone
//! in the Client Info; the channel itself is closed by the viewer, which does not open it.

mod client_info;
mod initial;
mod tpkt;

use portico_model::{
    Secret,
    estate::{Clipboard, Drive, Microphone, Printer},
    grant::Program,
};
use zeroize::Zeroizing;

use crate::{
    account::{Account, FieldError, check_field},
    negotiation::Security,
};

/// Longest PDU of the connect sequence, in bytes. A Connect Initial with 31 channels has about 900.
pub const PDU_LEN_MAX: usize = 16 * 1024;

/// Most PDUs between the two that are rewritten: 31 static channels, the I/O, user and message
/// channel, Erect Domain and Attach User, and room.
pub const PDUS_BETWEEN_MAX: usize = 64;

/// Length of a name that replaces the one of a closed channel.
pub const CHANNEL_NAME_LEN: usize = 7;

/// Why the connect sequence of a client is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// No TPKT header, or not the PDU that must come.
    #[error("the viewer sent something else than the {expected} of the connect sequence")]
    Unexpected {
        /// What must come.
        expected: &'static str,
    },
    /// A length field does not fit its surroundings, or a part is missing.
    #[error("the {part} of the connect sequence is malformed")]
    Malformed {
        /// Which part.
        part: &'static str,
    },
    /// A PDU beyond [`PDU_LEN_MAX`], or more than [`PDUS_BETWEEN_MAX`].
    #[error("the connect sequence goes beyond its limits")]
    Limit,
}

/// How the connect sequence shall look to the host.
#[derive(Debug, Clone)]
pub struct ConnectRules {
    account: Account,
    password: Option<Secret>,
    shell: String,
    work_dir: String,
    clipboard: Clipboard,
    microphone: Microphone,
    devices: Devices,
    /// Name for closed channels, ASCII letters and digits.
    closed_channel_name: [u8; CHANNEL_NAME_LEN],
}

impl ConnectRules {
    /// Checks that everything fits into the PDUs. `random` makes the name of closed channels.
    pub fn new(
        account: Account,
        password: Option<Secret>,
        program: Option<&Program>,
        clipboard: Clipboard,
        random: [u8; CHANNEL_NAME_LEN],
    ) -> Result<Self, FieldError> {
        if let Some(password) = &password {
            check_field("password", password.expose())?;
        }
        let (shell, work_dir) = match program {
            Some(program) => (program.command.clone(), program.work_dir.clone()),
            None => (String::new(), String::new()),
        };
        check_field("program", &shell)?;
        check_field("folder", &work_dir)?;
        Ok(Self {
            account,
            password,
            shell,
            work_dir,
            clipboard,
            microphone: Microphone::Off,
            devices: Devices::Closed,
            closed_channel_name: random.map(|byte| b'a' + byte % 26),
        })
    }

    /// Lets a client offer its microphone.
    #[must_use]
    pub fn with_microphone(mut self, microphone: Microphone) -> Self {
        self.microphone = microphone;
        self
    }

    /// Opens the channel of drives and printers when the policy has one of them. Which devices a
    /// client announces in it, and whether it writes, the gateway does not see.
    #[must_use]
    pub fn with_devices(mut self, drive: Drive, printer: Printer) -> Self {
        self.devices = match (drive, printer) {
            (Drive::Off, Printer::Off) => Devices::Closed,
            _ => Devices::Open,
        };
        self
    }

    /// The account to log on with.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The password to log on with.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }
}

/// The channel of drives and printers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Devices {
    Closed,
    Open,
}

/// Whether the rewriter wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Both PDUs are through; from now on bytes go through unchanged.
    Done,
    /// Give it what the client sends next.
    More,
}

/// Rewrites what a client sends until both PDUs are through.
///
/// After an error the connection must be closed.
pub struct ConnectRewriter {
    rules: ConnectRules,
    security: Security,
    /// Beginning of a PDU whose end has not come.
    partial: Vec<u8>,
    expect: Expect,
}

/// What must come next.
enum Expect {
    ConnectInitial,
    ClientInfo { pdus_between: usize },
    Nothing,
}

impl ConnectRewriter {
    /// A rewriter for a host that chose `security`.
    pub fn new(rules: ConnectRules, security: Security) -> Self {
        Self {
            rules,
            security,
            partial: Vec::new(),
            expect: Expect::ConnectInitial,
        }
    }

    /// Takes bytes of the client and adds to `output` what the host shall get. `output` will hold
    /// the password.
    pub fn feed(
        &mut self,
        mut input: &[u8],
        output: &mut Zeroizing<Vec<u8>>,
    ) -> Result<Progress, RewriteError> {
        loop {
            if matches!(self.expect, Expect::Nothing) {
                append(output, input);
                return Ok(Progress::Done);
            }
            // One PDU is taken at a time, so that `partial` never holds more than one.
            let missing = match tpkt::len(&self.partial)? {
                None => tpkt::HEADER_LEN - self.partial.len(),
                Some(len) if len > PDU_LEN_MAX => return Err(RewriteError::Limit),
                Some(len) => len - self.partial.len(),
            };
            if missing > 0 {
                if input.is_empty() {
                    return Ok(Progress::More);
                }
                let (taken, rest) = input.split_at(missing.min(input.len()));
                self.partial.extend_from_slice(taken);
                input = rest;
                continue;
            }
            let pdu = std::mem::take(&mut self.partial);
            self.pdu(pdu, output)?;
        }
    }

    /// Takes a whole PDU.
    fn pdu(
        &mut self,
        mut pdu: Vec<u8>,
        output: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(), RewriteError> {
        match &mut self.expect {
            Expect::ConnectInitial => {
                initial::rewrite(&mut pdu, &self.rules, self.security)?;
                append(output, &pdu);
                self.expect = Expect::ClientInfo { pdus_between: 0 };
            }
            Expect::ClientInfo { pdus_between } => match tpkt::domain_pdu(&pdu)? {
                tpkt::DomainPdu::Setup => {
                    *pdus_between += 1;
                    if *pdus_between > PDUS_BETWEEN_MAX {
                        return Err(RewriteError::Limit);
                    }
                    append(output, &pdu);
                }
                tpkt::DomainPdu::SendData(data) => {
                    append(output, &client_info::rewrite(&data, &self.rules)?);
                    self.expect = Expect::Nothing;
                    // It is not needed any more.
                    self.rules.password = None;
                }
            },
            Expect::Nothing => append(output, &pdu),
        }
        Ok(())
    }
}

/// Appends without leaving a copy of what was there behind: a vector that grows moves.
fn append(output: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    if output.capacity() - output.len() < more.len() {
        let mut grown = Zeroizing::new(Vec::with_capacity((output.len() + more.len()) * 2));
        grown.extend_from_slice(output);
        *output = grown;
    }
    output.extend_from_slice(more);
}

#[cfg(test)]
mod tests;
