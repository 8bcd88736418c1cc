//! Adapters, one opened device, one submission.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thalweg_task::{guarded, lock, panic_line};
use wgpu::{Adapter, Backends, Buffer, BufferUsages, Device, DeviceType, Instance, InstanceDescriptor, Queue};

use super::{AdapterReport, GpuChoice, GpuError};

/// How long a submission may take: an answer after that is of no use to a robot, and drivers reset a device that is busy
/// for much longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lists what may be asked for by place or name, in that order.
#[must_use]
pub fn adapters() -> Vec<AdapterReport> {
    all().iter().map(report).collect()
}

/// The adapters that run compute shaders well: those of Vulkan, Metal and DirectX 12.
fn all() -> Vec<Adapter> {
    let backends = Backends::PRIMARY;
    let instance = Instance::new(InstanceDescriptor { backends, ..InstanceDescriptor::new_without_display_handle() });
    pollster::block_on(instance.enumerate_adapters(backends))
}

fn report(adapter: &Adapter) -> AdapterReport {
    let info = adapter.get_info();
    let driver = format!("{} {}", info.driver, info.driver_info);
    AdapterReport {
        name: info.name,
        driver: driver.trim().to_owned(),
        interface: format!("{:?}", info.backend),
        is_software: info.device_type == DeviceType::Cpu,
    }
}

/// Lower is better.
fn rank(adapter: &Adapter) -> u32 {
    match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

fn choose(choice: &GpuChoice) -> Result<Adapter, GpuError> {
    let all = all();
    let found: Vec<String> = all.iter().map(|adapter| report(adapter).to_string()).collect();
    let adapter = match choice {
        GpuChoice::Best => all.into_iter().filter(|one| !report(one).is_software).min_by_key(rank),
        GpuChoice::Index(index) => all.into_iter().nth(*index),
        GpuChoice::Named(name) => {
            let name = name.to_lowercase();
            all.into_iter().find(|adapter| adapter.get_info().name.to_lowercase().contains(&name))
        }
    };
    let found = if found.is_empty() { "none".to_owned() } else { found.join("; ") };
    adapter.ok_or_else(|| GpuError::NoAdapter { wanted: choice.to_string(), found })
}

/// Finds what a choice means on this machine, without opening it.
///
/// # Errors
/// [`GpuError::NoAdapter`].
pub fn find(choice: &GpuChoice) -> Result<AdapterReport, GpuError> {
    choose(choice).map(|adapter| report(&adapter))
}

/// An opened device; a clone is a second handle.
#[derive(Clone)]
pub struct Gpu(Arc<Opened>);

struct Opened {
    report: AdapterReport,
    device: Device,
    queue: Queue,
    /// What went wrong first.
    trouble: Arc<Mutex<Option<GpuError>>>,
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gpu").field(&self.0.report).field(&self.trouble()).finish()
    }
}

impl Gpu {
    /// Opens a device.
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`] or [`GpuError::NotOpened`].
    pub fn open(choice: &GpuChoice) -> Result<Self, GpuError> {
        // Unwind safe: what was being opened is dropped. wgpu compiles shaders of its own then, and panics where a driver
        // fails at that.
        guarded(|| Self::opened(choice)).unwrap_or_else(|panic| {
            let reason = panic_line(panic.as_ref()).to_owned();
            Err(GpuError::NotOpened { adapter: choice.to_string(), reason })
        })
    }

    fn opened(choice: &GpuChoice) -> Result<Self, GpuError> {
        let adapter = choose(choice)?;
        let report = report(&adapter);
        let wanted = wgpu::DeviceDescriptor {
            label: Some("thalweg"),
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..wgpu::DeviceDescriptor::default()
        };
        let opened = pollster::block_on(adapter.request_device(&wanted));
        let refused = |error: wgpu::RequestDeviceError| GpuError::NotOpened {
            adapter: report.to_string(),
            reason: error.to_string(),
        };
        let (device, queue) = opened.map_err(refused)?;
        let trouble = Arc::new(Mutex::new(None));
        let of_calls = Arc::clone(&trouble);
        // Without it wgpu panics.
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&of_calls, of_call(&error))));
        let of_device = Arc::clone(&trouble);
        device.set_device_lost_callback(move |reason, message| {
            note(&of_device, GpuError::Lost(format!("{reason:?} {message}").trim().to_owned()));
        });
        Ok(Self(Arc::new(Opened { report, device, queue, trouble })))
    }

    /// What it is.
    #[must_use]
    pub fn report(&self) -> &AdapterReport {
        &self.0.report
    }

    /// Why it is of no use any more.
    #[must_use]
    pub fn trouble(&self) -> Option<GpuError> {
        lock(&self.0.trouble).clone()
    }

    /// Takes the device away, as a driver does that crashes.
    pub fn destroy(&self) {
        self.0.device.destroy();
    }

    pub(super) fn device(&self) -> &Device {
        &self.0.device
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// Fails when anything has gone wrong since the device was opened.
    pub(super) fn check(&self) -> Result<(), GpuError> {
        self.trouble().map_or(Ok(()), Err)
    }

    /// Allocates a buffer of so many numbers.
    pub(super) fn buffer(&self, what: &'static str, numbers: usize, usage: BufferUsages) -> Result<Buffer, GpuError> {
        let (needed, limits) = (4 * numbers.max(4) as u64, self.device().limits());
        let limit = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        if needed > limit {
            return Err(GpuError::TooLarge { what, needed, limit });
        }
        let wanted = wgpu::BufferDescriptor { label: Some(what), size: needed, usage, mapped_at_creation: false };
        let buffer = self.device().create_buffer(&wanted);
        self.check()?;
        Ok(buffer)
    }

    /// Waits for what was submitted and reads the first `numbers` numbers of a buffer that takes what is copied out.
    pub(super) fn read(
        &self,
        submitted: wgpu::SubmissionIndex,
        buffer: &Buffer,
        numbers: usize,
    ) -> Result<Vec<f32>, GpuError> {
        let slice = buffer.slice(..4 * numbers as u64);
        // Whether it could be mapped shows where it is read.
        slice.map_async(wgpu::MapMode::Read, |_mapped| {});
        let wait = wgpu::PollType::Wait { submission_index: Some(submitted), timeout: Some(PATIENCE) };
        let waited = self.device().poll(wait);
        self.check()?;
        if let Err(error) = waited {
            let error = match error {
                wgpu::PollError::Timeout => GpuError::Silent { seconds: PATIENCE.as_secs() },
                // What a device that is gone was given it has not taken.
                wgpu::PollError::WrongSubmissionIndex(..) => GpuError::Lost(error.to_string()),
            };
            return Err(self.give_up(error));
        }
        let view = slice.get_mapped_range().map_err(|error| self.give_up(GpuError::Lost(error.to_string())))?;
        let read = view.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        drop(view);
        buffer.unmap();
        Ok(read)
    }

    /// Keeps why the device is of no use any more; what went wrong first counts.
    pub(super) fn give_up(&self, error: GpuError) -> GpuError {
        note(&self.0.trouble, error.clone());
        self.trouble().unwrap_or(error)
    }
}

fn note(trouble: &Mutex<Option<GpuError>>, error: GpuError) {
    lock(trouble).get_or_insert(error);
}

fn of_call(error: &wgpu::Error) -> GpuError {
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    match error {
        wgpu::Error::OutOfMemory { .. } => GpuError::Memory,
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            let text = line(description);
            if text.contains("is lost") || text.contains("destroyed") {
                GpuError::Lost(text)
            } else {
                GpuError::Refused(text)
            }
        }
    }
}
