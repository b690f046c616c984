//! The state folder and the files in it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use portico_model::estate::Estate;
use portico_store::{FileReport, FileUser, OpenError, SqliteJournal, SqliteStore};
use rustix::fs::{Access, access, statvfs};

use super::{Line, Node};
use crate::{cli::humane, settings::journal_file};

const FOLDER: &str = "state folder";
const DISK: &str = "disk";
/// Free bytes below which a store soon takes nothing.
const FREE_FEW: u64 = 1 << 30;
const FREE_TOO_FEW: u64 = 100 << 20;

/// Whether there is an installation.
pub(super) fn is_made(node: &Node) -> bool {
    store_file(node).exists()
}

fn store_file(node: &Node) -> PathBuf {
    node.settings.state_dir.join("store.sqlite")
}

/// Permissions of a file.
pub(super) fn mode(path: &Path) -> Option<u32> {
    let meta = fs::metadata(path).ok()?;
    Some(meta.permissions().mode() & 0o777)
}

/// The folder: it is there for its owner only, can be written to, and has room.
pub(super) fn folder(node: &Node) -> Vec<Line> {
    let path = &node.settings.state_dir;
    let name = path.display();
    let mut lines = Vec::new();
    let line = match (path.try_exists(), mode(path)) {
        (Err(error), _) => Line::failed(
            FOLDER,
            format!("{name} cannot be looked at: {error}"),
            "run this as root or as the user that Portico runs as",
        ),
        (Ok(false), _) => not_made(path),
        (Ok(true), Some(mode)) if mode & 0o077 != 0 => Line::failed(
            FOLDER,
            format!("others may read {name} (mode {mode:o})"),
            format!("run `chmod 700 {name}`"),
        ),
        (Ok(true), _) => match access(path, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Line::ok(FOLDER, format!("{name} is there, for its owner only")),
            Err(error) => Line::failed(
                FOLDER,
                format!("{name} cannot be written to: {error}"),
                "run this as the user that Portico runs as, or give the folder to that user",
            ),
        },
    };
    lines.push(line);
    lines.extend(disk(path));
    lines
}

/// The nearest folder above that is there.
fn nearest_folder(path: &Path) -> &Path {
    let there = path.ancestors().find(|folder| folder.exists());
    there.unwrap_or(Path::new("/"))
}

fn not_made(path: &Path) -> Line {
    let above = nearest_folder(path);
    match access(above, Access::WRITE_OK) {
        Ok(()) => Line::ok(
            FOLDER,
            format!(
                "there is no {} so far: `portico init` makes it",
                path.display()
            ),
        ),
        Err(error) => Line::failed(
            FOLDER,
            format!(
                "there is no {}, and it cannot be made in {}: {error}",
                path.display(),
                above.display()
            ),
            "run `portico init` as root, or name another folder with --state",
        ),
    }
}

fn disk(path: &Path) -> Option<Line> {
    let folder = nearest_folder(path);
    let room = statvfs(folder).ok()?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    let shown = format!("{} has {} free", folder.display(), humane::bytes(free));
    // Some file systems have no such count, and say zero of zero.
    if room.f_files > 0 && room.f_favail == 0 {
        return Some(Line::failed(
            DISK,
            format!("{} has no room for another file (inodes)", folder.display()),
            "remove files there",
        ));
    }
    Some(disk_line(free, shown))
}

fn disk_line(free: u64, shown: String) -> Line {
    const MAKE_ROOM: &str =
        "make room there: without it nothing new is placed, and nothing recorded";
    match free {
        ..FREE_TOO_FEW => Line::failed(DISK, shown, MAKE_ROOM),
        FREE_TOO_FEW..FREE_FEW => Line::warning(DISK, shown, MAKE_ROOM),
        _ => Line::ok(DISK, shown),
    }
}

/// The store and the journal.
pub(super) fn files(node: &Node) -> Vec<Line> {
    let store = store_file(node);
    let journal = journal_file(&node.settings.state_dir);
    vec![
        file(node, "store", &store, SqliteStore::examine(&store)),
        file(node, "journal", &journal, SqliteJournal::examine(&journal)),
    ]
}

fn file(
    node: &Node,
    about: &'static str,
    path: &Path,
    found: Result<Option<FileReport>, OpenError>,
) -> Line {
    let name = path.display();
    let report = match found {
        Ok(Some(report)) => report,
        Ok(None) => {
            return Line::ok(
                about,
                format!("there is no {name} so far: the first start makes it"),
            );
        }
        Err(error) => {
            let next_step = match &error {
                OpenError::NoAccess { .. } => {
                    "run this as root or as the user that Portico runs as"
                }
                OpenError::Newer { .. } => "install the newer Portico again",
                _ => "stop Portico, move the file away, and restore it from a backup",
            };
            return Line::failed(about, error.to_string(), next_step);
        }
    };
    if report.mode & 0o077 != 0 {
        return Line::failed(
            about,
            format!("others may read {name} (mode {:o})", report.mode),
            format!("run `chmod 600 {name}`"),
        );
    }
    if !report.is_writable {
        return Line::failed(
            about,
            format!("{name} cannot be written to"),
            "run this as the user that Portico runs as, or give the file to that user",
        );
    }
    let size = humane::bytes(report.bytes);
    let version = match report.schema == report.schema_known {
        true => format!("version {}", report.schema),
        false => format!(
            "version {}, which the next start brings to {}",
            report.schema, report.schema_known
        ),
    };
    match (report.user, node.is_running) {
        (FileUser::Process(pid), false) => {
            let pid = pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
            Line::warning(
                about,
                format!("{pid} has {name}, and does not answer on the socket of these settings"),
                "see whether a Portico with other settings runs",
            )
        }
        (FileUser::Process(_), true) => {
            Line::ok(about, format!("{version}, {size}, in use by the server"))
        }
        (FileUser::Nobody, _) => Line::ok(about, format!("{version}, {size}, whole")),
    }
}

/// The estate in the store of a server that does not run. It is opened only when that changes
/// nothing: when nobody has it, and it needs no migration.
pub(super) async fn estate(node: &Node) -> Option<Estate> {
    let path = store_file(node);
    let report = SqliteStore::examine(&path).ok()??;
    if report.user != FileUser::Nobody || report.schema != report.schema_known {
        return None;
    }
    let store = SqliteStore::open(&path).ok()?;
    portico_broker::stored_estate(&store).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;

    #[test]
    fn a_disk_that_is_nearly_full_is_said_before_it_is_full() {
        let state = |free| disk_line(free, String::new()).state;
        assert_eq!(state(0), State::Failed);
        assert_eq!(state(FREE_TOO_FEW), State::Warning);
        assert_eq!(state(FREE_FEW - 1), State::Warning);
        assert_eq!(state(FREE_FEW), State::Ok);
    }
}
