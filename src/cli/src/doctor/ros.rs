//! The ROS environment, and a look at the graph.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use thalweg_ros::client::survey::{Survey, survey};

use super::finding::{Finding, Level};
use super::space;

/// How long the graph is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Shared memory below which images and point clouds do not fit, MiB: Docker gives 64 unless told.
const SHARED_MIB: u64 = 128;

/// Highest domain whose ports lie below Linux's ephemeral ones ("The ROS_DOMAIN_ID", ROS 2
/// documentation), and highest one at all.
const DOMAINS: (u32, u32) = (101, 232);

/// Middleware of ROS 2 Jazzy unless another is chosen.
const DEFAULT_RMW: &str = "rmw_fastrtps_cpp";

/// All checks, in their order.
pub(super) fn checks(arguments: &[String]) -> Vec<Finding> {
    let shared = || {
        let cure = "free some of it; in Docker give --shm-size=512m";
        space::check("shared memory", Path::new("/dev/shm"), SHARED_MIB, cure)
    };
    let mut findings = vec![prefixes(), middleware(), shared(), domain(), range()];
    // The middleware may end this whole process over an environment that makes no sense.
    if findings.iter().any(|finding| finding.level == Level::Fail) {
        findings.push(Finding::warn("graph", "not looked at", "mend the environment first"));
    } else {
        findings.extend(graph(arguments));
    }
    findings
}

/// Declares parameters in a process of its own.
///
/// # Errors
/// What the node would say.
pub(super) fn parse_parameters(arguments: &[String]) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let output =
        Command::new(program).arg("ros-parameters").args(arguments).output().context("cannot start this program")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rev().find_map(|line| line.strip_prefix("error: "));
    anyhow::ensure!(output.status.success(), "{}", said.unwrap_or("refused without a word"));
    Ok(())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn folders(name: &str) -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os(name).unwrap_or_default()).filter(|path| *path != Path::new("")).collect()
}

fn prefixes() -> Finding {
    const WHAT: &str = "AMENT_PREFIX_PATH";
    let prefixes = folders(WHAT);
    let missing = prefixes.iter().find(|prefix| !prefix.is_dir());
    let cure = "source the setup.bash of ROS 2";
    match (prefixes.first(), missing) {
        (None, _) => Finding::warn(WHAT, "not set", cure),
        (_, Some(missing)) => Finding::warn(WHAT, format!("{} does not exist", missing.display()), cure),
        (Some(first), None) => Finding::ok(WHAT, format!("begins with {}, {} in all", first.display(), prefixes.len())),
    }
}

fn middleware() -> Finding {
    const WHAT: &str = "RMW_IMPLEMENTATION";
    let chosen = variable(WHAT);
    let name = chosen.as_deref().unwrap_or(DEFAULT_RMW);
    let libraries = folders("AMENT_PREFIX_PATH").into_iter().map(|prefix| prefix.join("lib"));
    let file = format!("lib{name}.so");
    let mut places = libraries.chain(folders("LD_LIBRARY_PATH"));
    if places.any(|folder| folder.join(&file).is_file()) {
        let how = if chosen.is_some() { "chosen" } else { "the default" };
        return Finding::ok(WHAT, format!("{name}, {how}"));
    }
    let cure = format!("install {}, or unset RMW_IMPLEMENTATION", name.replace('_', "-"));
    Finding::fail(WHAT, format!("{file} is neither in AMENT_PREFIX_PATH nor in LD_LIBRARY_PATH"), cure)
}

fn domain() -> Finding {
    const WHAT: &str = "ROS_DOMAIN_ID";
    let Some(text) = variable(WHAT) else {
        return Finding::ok(WHAT, "0, not set");
    };
    let (safe, last) = DOMAINS;
    match text.parse::<u32>() {
        Ok(domain) if domain <= safe => Finding::ok(WHAT, text),
        Ok(domain) if domain <= last => {
            let found = format!("{domain} shares ports with what the system hands out to others");
            Finding::warn(WHAT, found, format!("take one of 0 to {safe}"))
        }
        _ => Finding::fail(WHAT, format!("got '{}'", text.escape_debug()), format!("take one of 0 to {safe}")),
    }
}

fn range() -> Finding {
    const WHAT: &str = "discovery range";
    const RANGES: [&str; 3] = ["SUBNET", "LOCALHOST", "SYSTEM_DEFAULT"];
    if variable("ROS_LOCALHOST_ONLY").is_some() {
        let cure = "unset it, and set ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST where that is meant";
        return Finding::warn(WHAT, "ROS_LOCALHOST_ONLY is set, which ROS 2 has given up", cure);
    }
    match variable("ROS_AUTOMATIC_DISCOVERY_RANGE") {
        None => Finding::ok(WHAT, "SUBNET, not set"),
        Some(text) if RANGES.contains(&text.as_str()) => Finding::ok(WHAT, text),
        Some(text) => {
            let found = format!("ROS_AUTOMATIC_DISCOVERY_RANGE is '{}'", text.escape_debug());
            Finding::warn(WHAT, found, format!("nodes are found with one of {}", RANGES.join(", ")))
        }
    }
}

fn graph(arguments: &[String]) -> Vec<Finding> {
    match survey(arguments, LOOK) {
        Ok(survey) => vec![node(&survey), publishers(&survey)],
        Err(error) => {
            let cure = "see what is said above of the environment";
            vec![Finding::fail("graph", format!("{error:#}"), cure)]
        }
    }
}

fn node(survey: &Survey) -> Finding {
    const WHAT: &str = "node";
    let name = &survey.node;
    match survey.namesakes {
        0 => Finding::ok(WHAT, format!("none named {name} in sight; `thalweg_node` starts one")),
        1 => Finding::ok(WHAT, format!("{name} runs")),
        count => {
            let cure = "end all but one, or rename them with --ros-args -r __node:=NAME";
            Finding::fail(WHAT, format!("{count} nodes are named {name}"), cure)
        }
    }
}

fn publishers(survey: &Survey) -> Finding {
    const WHAT: &str = "publishers";
    if let Some(mismatch) = survey.mismatches.first() {
        let more = survey.mismatches.len() - 1;
        let found = if more == 0 { mismatch.clone() } else { format!("{mismatch} (and {more} more)") };
        let cure = "publish what is expected, or remap the topic; for QoS see the parameters qos_overrides";
        return Finding::warn(WHAT, found, cure);
    }
    let counts = survey.publishers.iter().map(|(topic, count)| format!("{count} of {topic}"));
    Finding::ok(WHAT, counts.collect::<Vec<_>>().join(", "))
}
