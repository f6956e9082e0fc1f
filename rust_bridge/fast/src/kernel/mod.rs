//! The inner loop, once for each instruction set.
//!
//! [`scalar`] says what a step does; the others give the same bytes, which
//! tests hold them to. Which one runs is decided once, by [`Kernel::detect`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod tangent;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vector;

use crate::atlas::Atlas;
use crate::draws::Draws;
use crate::layout::Layout;
use crate::schedule::{Run, Step};
use crate::{Error, Parameters};

/// A pixel of the texture in the making.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Cell {
    /// RGBA; 0 where it is not resolved yet.
    pub colour: u32,
    /// Address of its source in the atlas less its own.
    pub shift: i32,
}

/// The texture in the making, with unresolved cells around it.
#[derive(Debug, Default)]
pub struct Cells {
    cells: Vec<Cell>,
    origin: usize,
}

impl Cells {
    /// Makes room for `layout`; nothing is resolved.
    pub fn reset(&mut self, layout: &Layout) {
        self.cells.clear();
        self.cells.resize(layout.cells_len(), Cell::default());
        self.origin = layout.cells_origin();
    }

    /// The cell at an address: row times stride plus column.
    #[inline(always)]
    pub fn at(&self, place: i32) -> Cell {
        self.cells[self.origin.wrapping_add_signed(place as isize)]
    }

    /// Resolves the cell at an address.
    #[inline(always)]
    pub fn set(&mut self, place: i32, cell: Cell) {
        self.cells[self.origin.wrapping_add_signed(place as isize)] = cell;
    }

    /// Where address 0 lies.
    #[cfg(target_arch = "x86_64")]
    pub fn as_mut_ptr(&mut self) -> *mut Cell {
        self.cells[self.origin..].as_mut_ptr()
    }
}

/// What steps are done to.
pub struct Canvas<'a> {
    /// The examples on this stage's level.
    pub atlas: &'a Atlas,
    /// The texture.
    pub cells: &'a mut Cells,
    /// Random candidates.
    pub draws: &'a Draws,
    /// How many candidates, and how they are compared.
    pub parameters: Parameters,
}

/// An implementation of the inner loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernel {
    /// Plain Rust, one pixel pair at a time: what the others are compared with.
    Scalar,
    /// x86-64 with AVX2 and BMI2.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL, and BMI2.
    Avx512,
}

impl Kernel {
    /// Every kernel, the fastest last.
    const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// Its name, as [`Kernel::named`] takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The kernels that this processor runs, the fastest last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|kernel| kernel.runs_here())
            .collect()
    }

    /// The fastest kernel that this processor runs.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().pop().unwrap_or(Self::Scalar)
    }

    /// The kernel of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`] where there is none, or this processor does not run it.
    pub fn named(name: &str) -> Result<Self, Error> {
        Self::available()
            .into_iter()
            .find(|kernel| kernel.name() == name)
            .ok_or_else(|| Error::Kernel(name.to_owned()))
    }

    fn runs_here(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::runs_here(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::runs_here(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// Resolves the pixels of these steps.
    pub(crate) fn resolve(self, canvas: &mut Canvas<'_>, run: Run<'_>) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel other than `Scalar` comes from `available`, so
            // that the processor has its instructions; steps are a schedule's
            // and the canvas has its layout, so that every place, neighbour and
            // candidate lies within cells and atlas.
            Self::Avx2 => unsafe { avx2::resolve(canvas, run) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx512 => unsafe { avx512::resolve(canvas, run) },
            _ => {
                for (number, entry, far) in run.steps() {
                    scalar::resolve(canvas, &entry.unpack(far), number);
                }
            }
        }
    }

    /// Resolves one pixel that has no entry; step number `number`.
    pub(crate) fn resolve_one(canvas: &mut Canvas<'_>, step: &Step, number: u32) {
        scalar::resolve(canvas, step, number);
    }
}
