//! Limits of an estate file. Each has a test that reaches it.

/// Bytes of the file.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pools, client sites, resources, entitlements, session policies: each.
pub const OBJECTS_MAX: usize = 5_000;
/// Hosts.
pub const HOSTS_MAX: usize = 10_000;
/// Groups.
pub const GROUPS_MAX: usize = 10_000;
/// Users.
pub const USERS_MAX: usize = 50_000;
/// Characters of a title or name.
pub const TITLE_LEN_MAX: usize = 200;
/// Characters of a description, folder or command line.
pub const DESCRIPTION_LEN_MAX: usize = 2_000;
/// Characters of the notice.
pub const NOTICE_LEN_MAX: usize = 10_000;
/// Bytes of a link.
pub const URL_LEN_MAX: usize = 2_000;
/// Bytes of an account on a host, or its template.
pub const ACCOUNT_LEN_MAX: usize = 256;
/// Bytes of a password, plain or hashed.
pub const PASSWORD_LEN_MAX: usize = 1_024;
/// Elements of a short list: roles, pins, networks, times.
pub const LIST_LEN_MAX: usize = 1_000;
/// Sessions of one host.
pub const SESSIONS_MAX: u32 = 10_000;
/// Sign-ins in progress on one host that a pool may allow.
pub const SIGN_INS_MAX: u32 = 10_000;
/// Longest idle or total time, a year, in seconds.
pub const TIMEOUT_S_MAX: u32 = 366 * 24 * 3600;
