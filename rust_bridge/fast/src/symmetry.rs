use crate::{RgbImage, RgbView};

/// One of the eight symmetries of a square.
///
/// The geometry of a synthesis (order of the pixels, neighbours, weights) may be
/// turned and mirrored without a change to its statistics. Turning the examples
/// one way and the texture back is the same as that, and costs next to nothing:
/// eight geometries from one schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symmetry {
    transpose: bool,
    flip_x: bool,
    flip_y: bool,
}

impl Symmetry {
    /// One symmetry for each of the values of the lowest three bits.
    pub fn new(bits: u64) -> Self {
        Self {
            transpose: bits & 1 != 0,
            flip_x: bits & 2 != 0,
            flip_y: bits & 4 != 0,
        }
    }

    /// The sides of a turned image, and those of the image of a turned one.
    pub fn sides(self, width: u32, height: u32) -> (u32, u32) {
        if self.transpose {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// Where the pixel (x, y) of a turned image lay in the image of `width` x `height`.
    pub fn origin(self, x: u32, y: u32, width: u32, height: u32) -> (u32, u32) {
        let (turned_w, turned_h) = self.sides(width, height);
        let x = if self.flip_x { turned_w - 1 - x } else { x };
        let y = if self.flip_y { turned_h - 1 - y } else { y };
        if self.transpose {
            (y, x)
        } else {
            (x, y)
        }
    }

    /// The symmetry that undoes this one.
    pub fn inverse(self) -> Self {
        if self.transpose {
            // Flips lie on the other side of the transposition.
            Self {
                flip_x: self.flip_y,
                flip_y: self.flip_x,
                ..self
            }
        } else {
            self
        }
    }

    /// The image, turned: its pixel (x, y) is the image's pixel `origin(x, y)`.
    pub fn turn(self, image: RgbView<'_>) -> RgbImage {
        let (width, height) = self.sides(image.width(), image.height());
        let mut pixels = Vec::with_capacity(image.pixels().len());
        for y in 0..height {
            for x in 0..width {
                let (from_x, from_y) = self.origin(x, y, image.width(), image.height());
                let at = (from_y as usize * image.width() as usize + from_x as usize) * 3;
                pixels.extend_from_slice(&image.pixels()[at..at + 3]);
            }
        }
        RgbImage {
            width,
            height,
            pixels,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_eight_symmetries_differ_and_keep_neighbours_neighbours() {
        let pixels: Vec<u8> = (0..3 * 4 * 3).collect();
        let view = RgbView::new(3, 4, &pixels).unwrap();
        let turned: Vec<RgbImage> = (0..8).map(|bits| Symmetry::new(bits).turn(view)).collect();
        let distinct: HashSet<_> = turned.iter().map(|t| (t.width, &t.pixels)).collect();
        assert_eq!(distinct.len(), 8);
        for (bits, image) in (0..8).zip(&turned) {
            let origin = |x, y| Symmetry::new(bits).origin(x, y, 3, 4);
            assert_eq!(
                Symmetry::new(bits).inverse().turn(image.view()),
                view.to_image()
            );
            for x in 1..image.width {
                let ((ax, ay), (bx, by)) = (origin(x - 1, 0), origin(x, 0));
                assert_eq!(ax.abs_diff(bx) + ay.abs_diff(by), 1);
            }
        }
    }
}
