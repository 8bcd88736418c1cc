//! A window that shows the newest answer until it is closed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use thalweg_task::panic_line;

use anyhow::Context as _;
use kiss3d::event::{Action, Key, WindowEvent};
use kiss3d::window::{CanvasSetup, Window};

use crate::body::Model;
use crate::film::{Film, FilmFile};
use crate::graphics::{self, GraphicsError};
use crate::source::Stream;
use crate::stage::{Stage, picture};

/// Least time between two pictures; at least half as long as one took it rests, for drawing in software must leave
/// the solver its core.
const PERIOD: Duration = Duration::from_millis(25);

/// How long a notice is shown.
const NOTICE: Duration = Duration::from_secs(4);

/// Time between two pictures of a GIF, and the factor by which they are made smaller.
const FILM: (Duration, u32) = (Duration::from_millis(80), 2);

/// The longest GIF: longer ones are no use in a page.
const LONGEST_FILM: Duration = Duration::from_secs(30);

/// What a window is opened with.
pub struct WindowOptions {
    /// What stands above it.
    pub title: String,
    /// Width and height, logical pixels.
    pub size: (u32, u32),
    /// Where screenshots and GIFs go.
    pub folder: PathBuf,
}

/// Opens a window and shows a stream in it until it is closed or `ends` says so.
///
/// To be called on the main thread. The stream is opened when the window is there: without one there is no use in it.
///
/// # Errors
/// [`GraphicsError`] when there is no display, no adapter, or a driver that does not work; what `open` says.
pub fn run(
    options: &WindowOptions,
    model: Option<Model>,
    open: impl FnOnce() -> anyhow::Result<Stream>,
    ends: &AtomicBool,
) -> anyhow::Result<()> {
    check_display()?;
    let setup = CanvasSetup { samples: graphics::open_for_window()?, ..CanvasSetup::default() };
    let (width, height) = options.size;
    let show = || pollster::block_on(Window::new_with_setup(&options.title, width, height, setup));
    // kiss3d and winit panic where there is no display, adapter or device.
    let mut window = quietly(show).map_err(GraphicsError::Driver)?;
    // Closed by Q or by its button, not by a key that is pressed by mistake.
    window.rebind_close_key(None);
    let mut stage = Stage::new(&mut window, model);
    stage.mode.source.clone_from(&options.title);
    // Before anything can fail: kiss3d panics when a window goes in which nothing was ever drawn.
    quietly(|| stage.draw(&mut window, 1.0)).map_err(GraphicsError::Driver)?;
    let mut player = Player::new(stage, options, open()?);
    while !ends.load(Ordering::Acquire) {
        let begin = Instant::now();
        // A driver may die later, too; then there is nothing left to draw with.
        let is_open = quietly(|| player.turn(&mut window)).map_err(GraphicsError::Driver)?;
        if !is_open {
            break;
        }
        let took = begin.elapsed();
        std::thread::sleep(PERIOD.saturating_sub(took).max(took / 2));
    }
    Ok(())
}

/// Looks whether there is anything to open a window on.
///
/// # Errors
/// [`GraphicsError::NoDisplay`].
pub fn check_display() -> Result<(), GraphicsError> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let has_one = ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].into_iter().any(is_set);
    if has_one { Ok(()) } else { Err(GraphicsError::NoDisplay) }
}

/// Turns a panic into its first line, without the noise.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_panic| {}));
    // Unwind safe: after a panic nothing of it is used again.
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    result.map_err(|panic| panic_line(panic.as_ref()).to_owned())
}

/// What happens between two pictures.
struct Player<'a> {
    stage: Stage,
    stream: Stream,
    options: &'a WindowOptions,
    begin: Instant,
    /// When the last answer came.
    heard: Instant,
    notice: Option<Instant>,
    film: Option<Shooting>,
}

/// A GIF that is being recorded.
struct Shooting {
    film: FilmFile,
    path: PathBuf,
    begin: Instant,
    next: Instant,
}

/// A window that is closed ends its GIF.
impl Drop for Player<'_> {
    fn drop(&mut self) {
        self.end_film();
    }
}

impl<'a> Player<'a> {
    fn new(stage: Stage, options: &'a WindowOptions, stream: Stream) -> Self {
        let begin = Instant::now();
        Self { stage, stream, options, begin, heard: begin, notice: None, film: None }
    }

    /// One picture; says whether the window is still open.
    fn turn(&mut self, window: &mut Window) -> bool {
        if self.keys(window) {
            return false;
        }
        if let Some((_, shown)) = self.stream.take() {
            self.heard = Instant::now();
            self.stage.show(shown, self.begin.elapsed());
        }
        self.update_mode();
        let scale = window.scale_factor() as f32;
        let is_open = self.stage.draw(window, scale);
        if is_open && let Err(error) = self.shoot(window) {
            self.end_film();
            self.tell(format!("the GIF ends: {error:#}"));
        }
        is_open
    }

    fn update_mode(&mut self) {
        let mode = &mut self.stage.mode;
        mode.silence = self.heard.elapsed();
        mode.filming = self.film.as_ref().map(|film| film.begin.elapsed());
        if let Some(trouble) = self.stream.control.trouble() {
            mode.notice = Some(trouble);
        } else if self.notice.is_some_and(|since| since.elapsed() > NOTICE) {
            (mode.notice, self.notice) = (None, None);
        }
    }

    fn tell(&mut self, text: String) {
        tracing::info!("{text}");
        (self.stage.mode.notice, self.notice) = (Some(text), Some(Instant::now()));
    }

    /// Does what the keys say; says whether to close.
    fn keys(&mut self, window: &Window) -> bool {
        let mut closes = false;
        for event in window.events().iter() {
            let WindowEvent::Key(key, Action::Press, _) = event.value else { continue };
            match key {
                Key::Space => self.stage.mode.is_paused = self.stream.control.pause(),
                Key::Period => self.stream.control.step(),
                Key::Up => self.stage.choose(-1),
                Key::Down => self.stage.choose(1),
                Key::R => self.stage.reset_camera(),
                Key::H => self.stage.mode.has_help = !self.stage.mode.has_help,
                Key::S => self.screenshot(window),
                Key::G => self.toggle_film(window),
                Key::Q => closes = true,
                _ => {}
            }
        }
        closes
    }

    fn screenshot(&mut self, window: &Window) {
        let path = self.path("png");
        match picture(window).save(&path) {
            Ok(()) => self.tell(format!("screenshot: {}", path.display())),
            Err(error) => self.tell(format!("no screenshot: {}: {error:#}", path.display())),
        }
    }

    fn toggle_film(&mut self, window: &Window) {
        if self.film.is_some() {
            return self.end_film();
        }
        let (path, first) = (self.path("gif"), picture(window).reduced(FILM.1));
        let now = Instant::now();
        match Film::create(&path, &first, FILM.0) {
            Ok(film) => self.film = Some(Shooting { film, path, begin: now, next: now + FILM.0 }),
            Err(error) => self.tell(format!("no GIF: {}: {error:#}", path.display())),
        }
    }

    /// Gives the GIF that is being recorded its name.
    fn end_film(&mut self) {
        let Some(Shooting { film, path, .. }) = self.film.take() else { return };
        match film.end() {
            Ok(()) => self.tell(format!("GIF: {}", path.display())),
            Err(error) => self.tell(format!("no GIF: {}: {error:#}", path.display())),
        }
    }

    fn shoot(&mut self, window: &Window) -> anyhow::Result<()> {
        let now = Instant::now();
        let Some(film) = self.film.as_mut().filter(|film| now >= film.next) else { return Ok(()) };
        film.next += FILM.0;
        film.film.add(&picture(window).reduced(FILM.1)).context("the window was resized")?;
        if film.begin.elapsed() > LONGEST_FILM {
            self.toggle_film(window);
        }
        Ok(())
    }

    /// A file of its own in the folder of pictures, named after the time.
    fn path(&self, ending: &str) -> PathBuf {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let name = |number: u32| match number {
            0 => format!("thalweg_{seconds}.{ending}"),
            _ => format!("thalweg_{seconds}_{number}.{ending}"),
        };
        let free = (0..).map(|number| self.options.folder.join(name(number))).find(|path| !path.exists());
        free.unwrap_or_else(|| Path::new("thalweg").with_extension(ending))
    }
}
