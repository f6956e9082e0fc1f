use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use texgen_fast::RgbView;

/// A square example.
#[derive(Debug, Clone)]
pub struct Patch {
    pub side: u32,
    pub pixels: Vec<u8>,
}

/// A square texture and the column, row and example that each pixel is from.
pub struct Texture {
    pub pixels: Vec<u8>,
    pub sources: Vec<[u16; 3]>,
}

/// Makes textures, one after the other.
pub trait Maker {
    fn make(&mut self, pair: &[Patch; 2], size: u32, seed: u64) -> Result<Texture, String>;
}

/// One texture of a named pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    name: String,
    seed: u64,
}

impl Job {
    /// From `NAME:SEED`.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split_once(':')
            .and_then(|(name, seed)| {
                Some(Self {
                    name: name.to_owned(),
                    seed: seed.parse().ok()?,
                })
            })
            .ok_or_else(|| format!("a texture is named as NAME:SEED, not {text:?}"))
    }

    fn file(&self, folder: &Path, extension: &str) -> PathBuf {
        folder.join(format!("{}_{}.{extension}", self.name, self.seed))
    }
}

/// What to make of what, and where to.
#[derive(Debug, PartialEq)]
pub struct Plan {
    pub patches: PathBuf,
    pub out: PathBuf,
    pub size: u32,
    pub jobs: Vec<Job>,
}

/// Makes what is not there yet, with `threads` makers.
pub fn make(
    plan: &Plan,
    threads: usize,
    open: &(dyn Fn() -> Result<Box<dyn Maker>, String> + Sync),
) -> Result<(), String> {
    fs::create_dir_all(&plan.out).map_err(|why| named(&plan.out, &why))?;
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), String> {
        let mut maker = open()?;
        while let Some(job) = plan.jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Written last, so what it stands for is whole.
            if !job.file(&plan.out, "map").exists() {
                let pair = [patch(plan, job, "a")?, patch(plan, job, "b")?];
                write(plan, job, &maker.make(&pair, plan.size, job.seed)?)?;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .try_for_each(|handle| handle.join().map_err(|_| "an engine panicked")?)
    })
}

fn patch(plan: &Plan, job: &Job, which: &str) -> Result<Patch, String> {
    let path = plan.patches.join(format!("{}_{which}.rgb", job.name));
    let pixels = fs::read(&path).map_err(|why| named(&path, &why))?;
    let side = (pixels.len() / 3).isqrt();
    if side * side * 3 != pixels.len() {
        return Err(format!("{} is not a square RGB image", path.display()));
    }
    let side = u32::try_from(side).map_err(|_| format!("{} is too large", path.display()))?;
    Ok(Patch { side, pixels })
}

fn write(plan: &Plan, job: &Job, texture: &Texture) -> Result<(), String> {
    let words = texture.sources.iter().flatten();
    let map: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
    for (extension, bytes) in [("rgb", &texture.pixels), ("map", &map)] {
        let unfinished = job.file(&plan.out, "part");
        let path = job.file(&plan.out, extension);
        fs::write(&unfinished, bytes)
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(|why| named(&path, &why))?;
    }
    Ok(())
}

/// The patches as engines take them.
pub fn views(pair: &[Patch; 2]) -> Result<Vec<RgbView<'_>>, String> {
    pair.iter()
        .map(|patch| RgbView::new(patch.side, patch.side, &patch.pixels))
        .collect::<Result<_, _>>()
        .map_err(|why| why.to_string())
}

fn named(path: &Path, why: &std::io::Error) -> String {
    format!("{}: {why}", path.display())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn noise(side: u32, salt: u32) -> Patch {
        let pixels = (0..side * side * 3)
            .map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 13) as u8)
            .collect();
        Patch { side, pixels }
    }

    impl Texture {
        pub fn assert_copied_from(&self, pair: &[Patch; 2]) {
            assert_eq!(self.sources.len() * 3, self.pixels.len());
            for (pixel, [x, y, example]) in self.pixels.chunks(3).zip(&self.sources) {
                let patch = &pair[usize::from(*example)];
                let place = usize::from(*y) * patch.side as usize + usize::from(*x);
                assert_eq!(pixel, &patch.pixels[place * 3..][..3]);
            }
        }
    }

    #[test]
    fn jobs_are_named_with_their_seed() {
        assert_eq!(
            Job::parse("00:18446744073709551615").unwrap(),
            Job {
                name: "00".to_owned(),
                seed: u64::MAX
            }
        );
    }
}
