//! A ROS domain for one program and its children, so that nobody else's graph is disturbed.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, id};

use anyhow::Context;

/// Set in the environment of a program that is inside its own domain.
const MARK: &str = "THALWEG_OWN_DOMAIN";

/// Fast DDS reads its profile from here.
const PROFILE: &str = "FASTRTPS_DEFAULT_PROFILES_FILE";

/// Profile that keeps traffic on this machine, in the checkout.
const LOOPBACK: &str = "tools/fastdds_loopback.xml";

/// Domains whose ports lie below Linux's ephemeral ones ("The ROS_DOMAIN_ID", ROS 2 documentation).
const DOMAINS: u32 = 101;

/// Puts this program into a domain of its own, on this machine only, by starting it anew.
///
/// Returns inside the domain; the first time, outside, it does not return: the process runs the
/// same program with the same arguments from its beginning. So it goes before any other work.
/// Without a number it takes a domain whose ports are free.
///
/// # Errors
/// When the program cannot be started anew.
pub fn enter_domain(domain: Option<u8>) -> anyhow::Result<()> {
    if std::env::var_os(MARK).is_some() {
        return Ok(());
    }
    let domain = domain.map_or_else(free_domain, u32::from);
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).env(MARK, "1");
    command.env("ROS_DOMAIN_ID", domain.to_string()).env("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST");
    if std::env::var_os(PROFILE).is_none() && Path::new(LOOPBACK).is_file() {
        command.env(PROFILE, LOOPBACK);
    }
    Err(command.exec()).context("cannot start this program anew")
}

/// A domain that no participant on this machine is in, beginning anywhere; else any.
fn free_domain() -> u32 {
    let first = id();
    (0..DOMAINS).map(|step| 1 + (first + step) % DOMAINS).find(|domain| is_free(*domain)).unwrap_or(1)
}

/// Whether the port of a domain's first participant is free (DDSI-RTPS 2.5, 9.6.2.3).
fn is_free(domain: u32) -> bool {
    u16::try_from(7410 + 250 * domain).is_ok_and(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_with_a_participant_is_not_free() {
        let domain = free_domain();
        let port = u16::try_from(7410 + 250 * domain).expect("the last domain ends below 65536");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect("it was free");
        assert!(!is_free(domain) && free_domain() != domain);
        drop(socket);
    }
}
