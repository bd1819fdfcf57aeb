//! A simulated world for two engines: one seed decides everything in it, so
//! that what fails once fails again.
//!
//! `plan` is what the seed decides beforehand, `world` the scheduler, `wire` a
//! direction of the transport. An `end` drives one engine, and holds each of its
//! calls against a `model` of what RFC 6455 asks for, a `log` of what was sent,
//! and the `invariants`.

#![cfg_attr(not(feature = "deflate"), allow(dead_code))] // what is for contexts alone

pub mod command;
pub mod end;
pub mod invariants;
pub mod log;
pub mod model;
pub mod outgoing;
pub mod plan;
#[cfg(feature = "deflate")]
pub mod pool;
pub mod seeds;
pub mod session;
pub mod wire;
pub mod world;
