//! Which graphics card draws, real or in software.

mod x11;

use kiss3d::context::Context;
use kiss3d::window::NumSamples;
use wgpu::{Adapter, AdapterInfo, Backend, Backends, DeviceType, Instance, InstanceDescriptor};

/// Why nothing can be drawn.
#[derive(Debug, thiserror::Error)]
pub enum GraphicsError {
    /// There is no screen to open a window on.
    #[error("no display: neither DISPLAY nor WAYLAND_DISPLAY is set; set one, or draw with --headless")]
    NoDisplay,
    /// The screen is not there.
    #[error("no display: {0}, which DISPLAY names, does not answer")]
    Display(String),
    /// Nothing draws.
    #[error(
        "no graphics adapter: no driver of Vulkan or OpenGL answers; install one (in software: tools/setup_graphics.sh)"
    )]
    NoAdapter,
    /// A driver is there and does not work.
    #[error("the graphics driver does not work: {0}")]
    Driver(String),
}

/// First major version of Mesa whose lavapipe does not leak: 22.3 loses 218 MB with each picture of 960 x 540
/// (measured on Debian 12, November 2026), 25.0 nothing.
const SOUND_LAVAPIPE: u32 = 23;

/// Readies a card for drawing without a window, and says which one it is.
///
/// Real cards come first, then OpenGL in software, then Vulkan in software; `WGPU_BACKEND` and
/// `WGPU_ADAPTER_NAME` choose otherwise.
///
/// # Errors
/// [`GraphicsError::NoAdapter`] or [`GraphicsError::Driver`].
pub fn open() -> Result<AdapterInfo, GraphicsError> {
    if Context::is_initialized() {
        return Ok(Context::get().adapter.get_info());
    }
    let backends = Backends::from_env().unwrap_or(Backends::VULKAN | Backends::GL);
    ready(instance(backends), backends)
}

/// How many samples a pixel has: by OpenGL one, for Mesa 22.3 shows nothing of what several have kept from one
/// pass to the next (llvmpipe, November 2026); edges are smoothed afterwards there.
#[must_use]
pub fn samples(card: &AdapterInfo) -> NumSamples {
    if card.backend == Backend::Gl { NumSamples::One } else { NumSamples::Four }
}

/// Readies OpenGL for a window on X where no Vulkan card is; elsewhere kiss3d chooses by itself.
///
/// kiss3d does not name the display to EGL, so its own windows need Vulkan, which in software leaks.
///
/// # Errors
/// As [`open`].
pub fn open_for_window() -> Result<NumSamples, GraphicsError> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_x11 = is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") && !is_set("WAYLAND_SOCKET");
    if !is_x11 || has_vulkan_card() {
        return Ok(NumSamples::Four);
    }
    let card = x11::instance().map_err(|_refused| GraphicsError::NoAdapter).and_then(|gl| ready(gl, Backends::GL));
    match card {
        Ok(card) => Ok(samples(&card)),
        // OpenGL that draws without a display, and not with it, means that there is none.
        Err(GraphicsError::NoAdapter) if !adapters(Backends::GL).is_empty() => {
            Err(GraphicsError::Display(std::env::var("DISPLAY").unwrap_or_default()))
        }
        Err(error) => Err(error),
    }
}

fn has_vulkan_card() -> bool {
    adapters(Backends::VULKAN).iter().any(|adapter| rank(&adapter.get_info()) <= 2)
}

/// The cards that draw without a display.
fn adapters(backends: Backends) -> Vec<Adapter> {
    pollster::block_on(instance(backends).enumerate_adapters(backends))
}

fn instance(backends: Backends) -> Instance {
    Instance::new(InstanceDescriptor { backends, ..InstanceDescriptor::new_without_display_handle() })
}

/// Chooses among the cards of an instance and hands the best one to kiss3d.
fn ready(instance: Instance, backends: Backends) -> Result<AdapterInfo, GraphicsError> {
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    let adapter = choose(adapters).ok_or(GraphicsError::NoAdapter)?;
    let info = adapter.get_info();
    let wanted = wgpu::DeviceDescriptor {
        label: Some("thalweg"),
        // kiss3d's shaders need more than the least that every card has.
        required_limits: adapter.limits(),
        ..wgpu::DeviceDescriptor::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&wanted))
        .map_err(|error| GraphicsError::Driver(format!("{}: {error}", info.name)))?;
    Context::init(instance, device, queue, adapter, wgpu::TextureFormat::Rgba8Unorm);
    Ok(info)
}

fn choose(adapters: Vec<Adapter>) -> Option<Adapter> {
    let wanted = std::env::var("WGPU_ADAPTER_NAME").unwrap_or_default().to_lowercase();
    let named = adapters.into_iter().filter(|adapter| adapter.get_info().name.to_lowercase().contains(&wanted));
    named.min_by_key(|adapter| rank(&adapter.get_info()))
}

/// Smaller is better.
fn rank(info: &AdapterInfo) -> u32 {
    match (info.device_type, info.backend) {
        (DeviceType::DiscreteGpu, _) => 0,
        (DeviceType::IntegratedGpu, _) => 1,
        (DeviceType::VirtualGpu, _) => 2,
        // OpenGL does not say what draws; llvmpipe and softpipe do in their names.
        (_, Backend::Gl) if !is_software(info) => 3,
        (_, Backend::Gl) => 4,
        _ if mesa(info).is_some_and(|major| major < SOUND_LAVAPIPE) => 6,
        _ => 5,
    }
}

fn is_software(info: &AdapterInfo) -> bool {
    ["llvmpipe", "softpipe", "swrast", "swiftshader"].iter().any(|name| info.name.to_lowercase().contains(name))
}

/// Major version of Mesa, where the driver is Mesa's.
fn mesa(info: &AdapterInfo) -> Option<u32> {
    let (_, version) = info.driver_info.split_once("Mesa ")?;
    version.split('.').next()?.parse().ok()
}
