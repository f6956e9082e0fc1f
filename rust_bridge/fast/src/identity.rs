use crate::math::Random;
use crate::symmetry::Symmetry;

/// Schedules that textures rotate among, each in eight symmetries.
pub const SCHEDULES: usize = 2;

/// What a texture's seed stands for.
pub struct Identity {
    /// Seed of its schedule, below [`SCHEDULES`].
    pub schedule_seed: u64,
    /// How its examples are turned, and its pixels back.
    pub symmetry: Symmetry,
    /// Seed of its random candidates.
    pub draw_seed: u32,
}

impl Identity {
    /// The meaning of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let bits = random.next();
        Self {
            schedule_seed: (bits >> 3) % SCHEDULES as u64,
            symmetry: Symmetry::new(bits),
            // The high half fits.
            draw_seed: u32::try_from(random.next() >> 32).unwrap_or(0),
        }
    }
}
