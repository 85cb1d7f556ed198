pub mod acks;
pub mod admin;
