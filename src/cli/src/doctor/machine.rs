//! Processor, libtorch, disks, screen.

use std::fs;
use std::path::{Path, PathBuf};

use thalweg_engine::gpu::{Gpu, GpuChoice, GpuError};

use super::finding::Finding;
use super::space;

/// The libtorch that tch 0.24 is written for.
const LIBTORCH: &str = "2.11";

/// Checks of the machine, in their order.
pub(super) const CHECKS: [fn() -> Finding; 7] = [libtorch, threads, device, gpu, processor, log_folder, display];

fn libtorch() -> Finding {
    const WHAT: &str = "libtorch";
    let Some(folder) = libtorch_folder() else {
        return Finding::warn(WHAT, "loaded from nowhere to be seen", "link it dynamically, as `make setup` does");
    };
    let place = folder.display();
    let version = folder.parent().map(|root| fs::read_to_string(root.join("build-version")));
    match version {
        Some(Ok(version)) if version.starts_with(LIBTORCH) => {
            Finding::ok(WHAT, format!("{} in {place}", version.trim()))
        }
        Some(Ok(version)) => {
            let found = format!("{} in {place}, this build is for {LIBTORCH}", version.trim());
            Finding::warn(WHAT, found, "run `make setup`, or set LD_LIBRARY_PATH to that one's lib folder")
        }
        _ => Finding::warn(WHAT, format!("in {place}, of unknown version"), format!("{LIBTORCH} is expected")),
    }
}

/// Where the libtorch of this process was loaded from.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    path.find('/').and_then(|start| Path::new(&path[start..]).parent().map(Path::to_owned))
}

fn threads() -> Finding {
    const WHAT: &str = "threads";
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let openmp = std::env::var("OMP_NUM_THREADS").unwrap_or_else(|_unset| "unset".to_owned());
    let torch = tch::get_num_threads();
    let found = format!("{processors} processors, libtorch would take {torch}, OMP_NUM_THREADS is {openmp}");
    if processors < 2 {
        let cure = "the node solves on one and talks to ROS on another; give it two";
        return Finding::warn(WHAT, found, cure);
    }
    Finding::ok(WHAT, format!("{found}; the node takes its parameter `threads`, 1 unless set"))
}

fn device() -> Finding {
    let devices = tch::Cuda::device_count();
    let found = if devices > 0 { format!("cpu and {devices} CUDA device(s)") } else { "cpu, no CUDA".to_owned() };
    Finding::ok("device", found)
}

/// The adapters for compute shaders, and which one `device: gpu` takes.
fn gpu() -> Finding {
    let adapters = thalweg_engine::gpu::adapters();
    let list: Vec<String> = adapters.iter().enumerate().map(|(at, adapter)| format!("gpu:{at} is {adapter}")).collect();
    let used = match Gpu::open(&GpuChoice::Best) {
        Ok(gpu) => format!("device gpu would use {}", gpu.report().name),
        Err(GpuError::NotBuilt) => return Finding::ok("gpu", GpuError::NotBuilt.to_string()),
        Err(GpuError::NoAdapter { .. }) if adapters.is_empty() => "no adapter".to_owned(),
        Err(GpuError::NoAdapter { .. }) => "device gpu would use none, for software must be named".to_owned(),
        Err(error) => return Finding::warn("gpu", error.to_string(), "the node would go on natively; mend the driver"),
    };
    Finding::ok("gpu", list.into_iter().chain([used]).collect::<Vec<_>>().join("; "))
}

fn processor() -> Finding {
    const WHAT: &str = "processor";
    let missing = missing_features();
    if missing.is_empty() {
        return Finding::ok(WHAT, format!("{}, vector instructions are there", std::env::consts::ARCH));
    }
    let cure = "expect fewer steps in a budget; in a virtual machine pass the host's processor through";
    Finding::warn(WHAT, format!("without {}", missing.join(" and ")), cure)
}

#[cfg(target_arch = "x86_64")]
fn missing_features() -> Vec<&'static str> {
    let features = [("AVX2", is_x86_feature_detected!("avx2")), ("FMA", is_x86_feature_detected!("fma"))];
    features.into_iter().filter_map(|(name, is_there)| (!is_there).then_some(name)).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn missing_features() -> Vec<&'static str> {
    Vec::new()
}

fn log_folder() -> Finding {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = of("ROS_LOG_DIR")
        .or_else(|| of("ROS_HOME").map(|home| home.join("log")))
        .or_else(|| of("HOME").map(|home| home.join(".ros/log")))
        .unwrap_or_else(std::env::temp_dir);
    space::check("log folder", &folder, 1024, "free some, or set ROS_LOG_DIR to a folder on another disk")
}

fn display() -> Finding {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let found = ["WAYLAND_DISPLAY", "DISPLAY"].into_iter().find_map(|name| Some(format!("{name}={}", named(name)?)));
    match found {
        Some(found) => Finding::ok("display", found),
        None => Finding::warn("display", "none", "the node needs none; for rviz2 set DISPLAY, or run it elsewhere"),
    }
}
