//! Shows what a node finds: the body, its other possibilities, and how well the solver does.
//!
//! ```text
//! topics, a recording, the demo ──> ShownAnswer ──[latest wins]──> Stage: Scene + Hud ──> window, or off-screen ──> PNG, GIF
//! ```
//!
//! [`body`] places any URDF, [`scene`] and [`hud`] draw with kiss3d, [`graphics`] finds a card that works.

pub mod body;
pub mod film;
pub mod graphics;
pub mod headless;
pub mod hud;
pub mod pace;
pub mod palette;
pub mod scene;
pub mod source;
pub mod stage;
pub mod window;
