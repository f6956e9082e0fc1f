use crate::Error;

/// Most neighbours that a candidate is compared on.
pub(crate) const MAX_NEIGHBOURS: usize = 50;

/// Most random candidates for one pixel.
pub(crate) const MAX_RANDOM: usize = 50;

/// What the algorithm is run with; the defaults are those of upstream's command line.
///
/// Backtracking is fixed to upstream's default: six stages that resolve 1/32,
/// 1/16, 1/8, 1/4, 1/2 and all of the pixels, on five pyramid levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Resolved neighbours that a candidate is compared on, 1 to 50.
    pub neighbours: u32,
    /// Random candidates tried for each pixel, 1 to 50.
    pub random_candidates: u32,
    /// Whether random candidates are compared with a point-mirrored
    /// neighbourhood, as upstream does. Without it textures differ visibly in
    /// their statistics; it is here for that comparison.
    pub mirrored: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            neighbours: 50,
            random_candidates: 50,
            mirrored: true,
        }
    }
}

impl Parameters {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] names the first that is outside its range.
    pub fn check(&self) -> Result<(), Error> {
        let limits = [
            ("neighbours", self.neighbours, MAX_NEIGHBOURS),
            ("random_candidates", self.random_candidates, MAX_RANDOM),
        ];
        for (name, value, max) in limits {
            #[allow(clippy::cast_possible_truncation)] // Both limits are below 100.
            let max = max as u32;
            if !(1..=max).contains(&value) {
                return Err(Error::Parameter { name, value, max });
            }
        }
        Ok(())
    }
}
