//! Pictures without a window.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use kiss3d::window::{CanvasSetup, Window};

use crate::body::Model;
use crate::film::{Film, Picture};
use crate::graphics;
use crate::source::Timed;
use crate::stage::{Stage, picture};

/// What is drawn without a window.
#[derive(Clone, Debug)]
pub struct Shots {
    /// Width and height, pixels.
    pub size: (u32, u32),
    /// Pixels for each logical pixel.
    pub scale: f32,
    /// Where the picture of one moment goes.
    pub snapshot: Option<PathBuf>,
    /// The moment, from the beginning of the stream.
    pub at: Duration,
    /// Where the GIF goes; it begins at the moment of the snapshot.
    pub gif: Option<PathBuf>,
    /// Length of the GIF.
    pub length: Duration,
    /// Pictures a second of the GIF.
    pub rate: f64,
    /// Factor by which the pictures of the GIF are smaller.
    pub reduction: u32,
    /// Which hypothesis is the body.
    pub chosen: usize,
}

/// A surface in memory, and what is drawn on it.
///
/// One after another needs a thread for each: kiss3d keeps things of the first that are gone with it.
pub struct Studio {
    window: Window,
    stage: Stage,
    scale: f32,
    is_drawn: bool,
}

impl Drop for Studio {
    fn drop(&mut self) {
        // kiss3d panics when a surface goes on which nothing was ever drawn: what it frees is made at the first picture.
        if !self.is_drawn {
            self.draw();
        }
    }
}

impl Studio {
    /// Readies a card and a surface of so many pixels.
    ///
    /// # Errors
    /// [`graphics::GraphicsError`].
    pub fn open((width, height): (u32, u32), scale: f32, model: Option<Model>) -> anyhow::Result<Self> {
        let card = graphics::open()?;
        tracing::info!("drawing with {} ({:?}, {})", card.name, card.backend, card.driver_info);
        let setup = CanvasSetup { samples: graphics::samples(&card), ..CanvasSetup::default() };
        let mut window = pollster::block_on(Window::new_headless_with_setup(width, height, setup));
        let stage = Stage::new(&mut window, model);
        Ok(Self { window, stage, scale, is_drawn: false })
    }

    /// What is drawn.
    pub fn stage_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }

    /// Draws what the stage shows, without reading it back.
    pub fn draw(&mut self) {
        self.is_drawn = true;
        self.stage.draw(&mut self.window, self.scale);
    }

    /// Draws what the stage shows.
    #[must_use]
    pub fn picture(&mut self) -> Picture {
        self.draw();
        picture(&self.window)
    }

    /// Changes the size, pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        self.window.canvas_mut().resize(width, height);
    }
}

/// Plays a stream from its beginning and draws what is asked for.
///
/// # Errors
/// What the stream or the disk says, and when the stream ends before the moment of the snapshot.
pub fn shoot(
    shots: &Shots,
    model: Option<Model>,
    stream: impl Iterator<Item = anyhow::Result<Timed>>,
) -> anyhow::Result<()> {
    let mut studio = Studio::open(shots.size, shots.scale, model)?;
    let period = Duration::from_secs_f64(shots.rate.recip());
    let (mut film, mut due, mut count) = (None, shots.at, 0u32);
    for timed in stream {
        let (at, shown) = timed?;
        studio.stage.show(shown, at);
        studio.stage.choose(isize::try_from(shots.chosen)? - isize::try_from(studio.stage.chosen())?);
        if at < due {
            continue;
        }
        let picture = studio.picture();
        if count == 0
            && let Some(path) = &shots.snapshot
        {
            picture.save(path).with_context(|| path.display().to_string())?;
        }
        count += 1;
        due = shots.at + period * count;
        let Some(path) = &shots.gif else { break };
        let small = picture.reduced(shots.reduction);
        match &mut film {
            None => film = Some(Film::create(path, &small, period).with_context(|| path.display().to_string())?),
            Some(film) => film.add(&small).with_context(|| path.display().to_string())?,
        }
        if due > shots.at + shots.length {
            break;
        }
    }
    if let (Some(film), Some(path)) = (film, &shots.gif) {
        film.end().with_context(|| path.display().to_string())?;
    }
    anyhow::ensure!(count > 0, "the stream ends before {:.1} s; choose an earlier --at", shots.at.as_secs_f64());
    Ok(())
}
