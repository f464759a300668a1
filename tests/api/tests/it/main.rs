//! The OpenAPI document: it is what the types say, and the server does what it says.

mod document;
mod schemathesis;
