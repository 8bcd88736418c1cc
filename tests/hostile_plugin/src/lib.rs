//! An arm in a library that fails as its parameter `fault` asks: what a plugin of others may do.

use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tch::Tensor;
use thalweg_task::{
    Change, Entry, LoadOptions, Objective, Observation, ParameterRange, ParameterSpec, ParameterValue, Reconstruction,
    Result, Target, Task, TaskSpec,
};

/// The task.
pub const ENTRY: Entry = Entry {
    name: "hostile_plugin",
    summary: "an arm in a library that fails when asked to",
    parameters,
    load: |options| Ok(Box::new(Hostile::load(options)?)),
    ..thalweg_planar_arm::ENTRY
};

thalweg_task::export!(ENTRY);

/// What may be asked for; `later` panics, `stuck` hangs, `slow` is slow and `greedy` takes memory and threads after the
/// checks at load.
const FAULTS: [&str; 11] =
    ["none", "load", "hang", "not_finite", "rows", "later", "stuck", "drop", "slow", "greedy", "meddle"];
/// Position of the first joint at which they do, rad.
const LATER: f64 = 1.25;
/// How long F takes where it is slow: ten times the budget that the test gives.
const SLOW: Duration = Duration::from_millis(80);
/// What is taken at once, and never given back: bytes, and threads.
const TAKEN: usize = 64 << 20;
const THREADS: usize = 64;

fn parameters() -> Vec<ParameterSpec> {
    assert!(std::env::var_os("THALWEG_HOSTILE_PLUGIN").is_none(), "as asked, at the start");
    vec![ParameterSpec {
        name: "fault".into(),
        default: ParameterValue::String("none".to_owned()),
        unit: "",
        range: ParameterRange::Choice(FAULTS.to_vec()),
        change: Change::Unconfigured,
        description: "What fails.".into(),
    }]
}

struct Hostile {
    arm: Box<dyn Task>,
    spec: TaskSpec,
    fault: String,
    is_slow: AtomicBool,
}

/// Changes what belongs to the whole process, and prints.
fn meddle() {
    println!("{{\"a line\": \"of a library\"}}");
    std::env::set_current_dir("/").expect("it is there");
    std::panic::set_hook(Box::new(|_| println!("the library's own hook")));
    // SAFETY: what any library of C may call; texts and structures are as these functions want them.
    unsafe {
        libc::setlocale(libc::LC_ALL, c"C.UTF-8".as_ptr());
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
        let mut blocked: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut blocked, libc::SIGINT);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, ptr::null_mut());
    }
}

/// Takes memory, every page of it, and threads.
fn take() {
    let taken: Vec<u8> = (0..TAKEN).map(|at| at as u8).collect();
    std::mem::forget(taken);
    for _ in 0..THREADS {
        std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        });
    }
}

impl Hostile {
    fn load(options: &LoadOptions) -> Result<Self> {
        let fault = options.parameters.get("fault").and_then(|fault| fault.as_str()).unwrap_or("none").to_owned();
        assert!(fault != "load", "as asked, while loading");
        if fault == "hang" {
            loop {
                std::thread::park();
            }
        }
        if fault == "meddle" {
            meddle();
        }
        let arm = (thalweg_planar_arm::ENTRY.load)(&LoadOptions { parameters: Default::default(), ..options.clone() })?;
        let spec = TaskSpec { name: ENTRY.name.to_owned(), ..arm.spec().clone() };
        Ok(Self { arm, spec, fault, is_slow: AtomicBool::new(false) })
    }
}

impl Task for Hostile {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.is_slow.load(Ordering::Relaxed) {
            std::thread::sleep(SLOW);
        }
        let y_hat = self.arm.forward(x)?;
        Ok(match self.fault.as_str() {
            "not_finite" => y_hat * f64::NAN,
            "rows" => &y_hat - y_hat.mean_dim(0, true, y_hat.kind()),
            _ => y_hat,
        })
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let target = self.arm.encode(obs)?;
        let is_later = (target.value.double_value(&[0, 0]) - LATER).abs() < 1e-4;
        assert!(self.fault != "later" || !is_later, "as asked, later");
        self.is_slow.store(self.fault == "slow" && is_later, Ordering::Relaxed);
        if self.fault == "greedy" && is_later {
            take();
        }
        if self.fault == "stuck" && is_later {
            loop {
                std::thread::park();
            }
        }
        Ok(target)
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        self.arm.objective(y_hat, target)
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.arm.render(y_hat)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        assert!(self.fault != "drop", "as asked, when dropped");
    }
}
