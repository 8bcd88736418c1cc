//! OpenGL on the X display.
//!
//! kiss3d makes its instance without naming a display, and winit names one only when there is a window; wgpu wants it
//! before. Its inner interface takes the display that DISPLAY names, on a connection of EGL's own.

use raw_window_handle::{DisplayHandle, RawDisplayHandle, XlibDisplayHandle};
use wgpu::hal::{Api, Instance as _, InstanceDescriptor, InstanceError, api::Gles};
use wgpu::{BackendOptions, Instance, InstanceFlags, MemoryBudgetThresholds};

/// Gives an instance whose cards can draw into windows of X.
///
/// # Errors
/// What EGL says, for instance that the display does not answer.
#[allow(unsafe_code, reason = "wgpu's inner interface")]
pub(super) fn instance() -> Result<Instance, InstanceError> {
    let default = RawDisplayHandle::Xlib(XlibDisplayHandle::new(None, 0));
    // SAFETY: the handle points to nothing, so there is nothing that could end before it; it stands for
    // EGL_DEFAULT_DISPLAY.
    let display = unsafe { DisplayHandle::borrow_raw(default) };
    let descriptor = InstanceDescriptor {
        name: "thalweg",
        flags: InstanceFlags::default(),
        memory_budget_thresholds: MemoryBudgetThresholds::default(),
        backend_options: BackendOptions::default(),
        telemetry: None,
        display: Some(display),
    };
    // SAFETY: the display outlives the call, and EGL keeps its own connection.
    let instance = unsafe { <Gles as Api>::Instance::init(&descriptor) }?;
    // SAFETY: it was just made, works, and is handed over.
    Ok(unsafe { Instance::from_hal::<Gles>(instance) })
}
