//! Tables of the store.

use crate::file::open::Schema;

/// Steps are never changed once released; a new one is added.
pub(super) const SCHEMA: Schema = Schema {
    what: "a store of portico",
    mark: 0x5072_7453, // "PrtS"
    steps: &[STEP_1],
};

/// Ids of `log` rise with the revision and, within it, in the order of the transaction.
const STEP_1: &str = "
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('compacted', 0);

CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    revision INTEGER NOT NULL,
    key TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    create_revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    lease INTEGER,
    value BLOB NOT NULL
) STRICT;
CREATE INDEX log_revision ON log (revision);
CREATE UNIQUE INDEX log_key ON log (key, revision);

CREATE TABLE current (
    key TEXT PRIMARY KEY,
    log_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ttl_s INTEGER NOT NULL
) STRICT;
CREATE TABLE lease_key (
    lease INTEGER NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (lease, key)
) STRICT, WITHOUT ROWID;
";
