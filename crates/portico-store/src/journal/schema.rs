//! Tables of the journal.

use crate::file::open::Schema;

/// Steps are never changed once released; a new one is added.
pub(super) const SCHEMA: Schema = Schema {
    what: "a journal of portico",
    mark: 0x5072_744a, // "PrtJ"
    steps: &[STEP_1],
};

/// `chain` has one row, the head, written with every record: cutting off records without care
/// shows even before the next signature. `audit` is without row ids so that every byte of a record
/// on disk means something that the hash covers.
const STEP_1: &str = "
CREATE TABLE chain (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    writer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE audit (
    seq INTEGER NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    client_address TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_object ON audit (object, seq);

CREATE TABLE head (
    seq INTEGER NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    hash BLOB NOT NULL,
    public_key BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session_event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    session TEXT NOT NULL,
    user TEXT NOT NULL,
    resource TEXT NOT NULL,
    host TEXT NOT NULL,
    kind TEXT NOT NULL
) STRICT;
CREATE INDEX session_event_session ON session_event (session, seq);
CREATE INDEX session_event_user ON session_event (user, seq);
";
