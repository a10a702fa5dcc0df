//! The provider agent's HTTP interface as data: routes, request and response bodies, problems
//! (RFC 9457), and the signing and checking of requests and responses (a profile of RFC 9421).
//!
//! Responsible for: one place where a route, a field, a limit or a problem is written down, used
//! alike by the agent and by its clients. Must never open a socket, read a clock or draw a random
//! number: time and nonces are passed in.

pub mod body;
mod bytes;
pub mod custody;
mod error;
pub mod header;
pub mod limits;
pub mod problem;
pub mod route;
pub mod signature;

pub use bytes::{Base64, Hex, Packed};
pub use error::ApiError;
pub use problem::{Problem, ProblemKind};
pub use route::Target;
pub use signature::{
    Authentic, AuthenticResponse, RequestParts, ResponseParts, SignatureError, SignedHeaders, check_request,
    check_response, sign_request, sign_response,
};
