//! Every limit of the store and the journal, by name.

use std::time::Duration;

/// Longest key, in bytes of UTF-8. A key also may not be empty or contain NUL.
pub const KEY_LEN_MAX: usize = 1024;

/// Most bytes a transaction may carry: keys, values and [`OP_OVERHEAD`] for each comparison and
/// operation. This is etcd's default `--max-request-bytes`.
pub const TXN_BYTES_MAX: usize = 1536 * 1024;

/// What a comparison or operation counts beside its key and value.
pub const OP_OVERHEAD: usize = 64;

/// Longest value: 1.5 MiB less the room etcd needs around it in a request.
pub const VALUE_LEN_MAX: usize = TXN_BYTES_MAX - 8 * 1024;

/// Most comparisons, and most operations in either branch, of a transaction. This is etcd's
/// default `--max-txn-ops`.
pub const TXN_OPS_MAX: usize = 128;

/// Most items of one range; more are fetched with `range_after`.
pub const RANGE_ITEMS_MAX: usize = 10_000;

/// Most bytes of keys and values in one range, beyond which it stops after a whole item.
pub const RANGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Shortest life of a lease; shorter requests are rounded up.
pub const LEASE_TTL_MIN: Duration = Duration::from_secs(2);

/// Longest life of a lease.
pub const LEASE_TTL_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Most leases at a time.
pub const LEASES_MAX: usize = 10_000;

/// How often lapsed leases are looked for while there are leases.
pub const LEASE_TICK: Duration = Duration::from_millis(200);

/// Most open watches at a time.
pub const WATCHES_MAX: usize = 4096;

/// Most changes of the last revisions kept in memory for watches; a watch that is further behind
/// reads the log in the file.
pub const WATCH_BUFFER_CHANGES_MAX: usize = 4096;

/// Most bytes of changes kept in memory for watches.
pub const WATCH_BUFFER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Revisions a watch takes at a time.
pub const WATCH_BATCH_REVISIONS: usize = 256;

/// Changes a watch reads from the log at a time; one revision is never split.
pub const WATCH_BATCH_CHANGES: usize = 512;

/// Bytes of changes a watch reads from the log at a time; one revision is never split.
pub const WATCH_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Writes that may wait for the writer; further ones wait outside the queue.
pub const WRITE_QUEUE_LEN_MAX: usize = 1024;

/// Most writes in one commit.
pub const COMMIT_WRITES_MAX: usize = 256;

/// Bytes after which a commit takes no further write.
pub const COMMIT_BYTES: usize = 8 * 1024 * 1024;

/// How long the writer waits after a write of its own (a lapsed lease, a compaction) failed.
pub const OWN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Connections for reading.
pub const READERS: usize = 4;

/// Revisions an embedded store keeps at least; it compacts by itself at twice as many.
pub const HISTORY_REVISIONS: u64 = 10_000;

/// Rows of the log one step of a compaction looks at, so that writes get their turn.
pub const SWEEP_ROWS: usize = 500;

/// How long SQLite waits for a lock somebody else holds on the file.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest file that is checked page by page when it is opened.
pub const CHECKED_AT_OPEN_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Longest text of an audit entry, in bytes; longer ones are cut and end in `…`.
pub const AUDIT_TEXT_LEN_MAX: usize = 1024;

/// Longest detail of an audit entry as JSON, in bytes; a longer one is replaced by a note.
pub const AUDIT_DETAIL_LEN_MAX: usize = 16 * 1024;

/// Most items of one page of the journal.
pub const PAGE_LEN_MAX: usize = 500;

/// How often the head of the audit chain is to be signed.
pub const HEAD_SIGNED_EVERY: Duration = Duration::from_secs(60);

/// Most faults one verification of the audit chain lists.
pub const FAULTS_MAX: usize = 100;
