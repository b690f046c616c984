//! Who asks: local users, lock-out, custody of passwords, and the random values of a sign-in.
//!
//! Read [`door::Door`] (from a name and a password to a cookie) and [`sign_ins::SignIns`] (from a
//! cookie to a principal) first.
#![warn(missing_docs)]

pub mod custody;
pub mod door;
mod keys;
pub mod local;
pub mod lockout;
pub mod password;
pub mod sign_ins;
pub mod tokens;

pub use custody::{CustodyError, GatewayKeyPair, SignInKey, seal_for_gateway};
pub use door::{Door, SignInError};
pub use local::{LocalUsers, Verdict, VerifyBusy};
pub use password::{HashError, WeakPassword, check_new_password, hash_password};
pub use sign_ins::{NewSignIn, SignInInfo, SignInSettings, SignIns, SignInsError, SignedIn};
