//! The upstream command line, a process an image, called as the paper's
//! authors called it: `texture-synthesis --out-size N --out F generate A B`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use texgen_engine::{Description, EmbarkParameters, Engine, EngineError, RgbImage, RgbView};
use texgen_worker::encode::{self, Format};

/// Runs the upstream binary for each texture.
///
/// Upstream is called without `--seed`, so every texture is made with its
/// default of 0, and with its default threads, so that it is not
/// deterministic.
pub struct UpstreamCli {
    binary: PathBuf,
    version: String,
    scratch: TempDir,
}

impl UpstreamCli {
    /// Finds out the binary's version; patches and textures pass through a
    /// folder of its own below `scratch`.
    ///
    /// # Errors
    ///
    /// A sentence when the binary does not run or is another program.
    pub fn new(binary: PathBuf, scratch: &Path) -> Result<Self, String> {
        let output = follow(Command::new(&binary).arg("--version"))
            .output()
            .map_err(|error| format!("cannot run {}: {error}", binary.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text
            .trim()
            .rsplit_once(' ')
            .filter(|(name, _)| name.contains("texture-synthesis"))
            .map(|(_, version)| version.to_owned())
            .ok_or_else(|| format!("{} is not upstream's program", binary.display()))?;
        let scratch = tempfile::Builder::new()
            .prefix("upstream-")
            .tempdir_in(scratch)
            .map_err(|error| format!("cannot make a folder in {}: {error}", scratch.display()))?;
        Ok(Self {
            binary,
            version,
            scratch,
        })
    }

    fn run(&self, examples: &[PathBuf], size: u32, out: &Path) -> Result<Output, EngineError> {
        follow(
            Command::new(&self.binary)
                .arg("--out-size")
                .arg(size.to_string())
                .arg("--out")
                .arg(out)
                .arg("generate")
                .args(examples),
        )
        .output()
        .map_err(|error| failed("cannot run upstream's program", &error))
    }
}

impl Engine for UpstreamCli {
    fn description(&self) -> Description {
        Description {
            name: "embark-cli",
            version: self.version.clone(),
            parameters: EmbarkParameters::default().named(),
        }
    }

    fn synthesize(
        &mut self,
        examples: &[RgbView<'_>],
        size: u32,
        _seed: u64,
    ) -> Result<RgbImage, EngineError> {
        let mut paths = Vec::with_capacity(examples.len());
        for (index, example) in examples.iter().enumerate() {
            let path = self.scratch.path().join(format!("{index}.png"));
            let image = RgbImage {
                width: example.width(),
                height: example.height(),
                pixels: example.pixels().to_vec(),
            };
            let file = encode::encode(&image, Format::Png)
                .map_err(|error| failed("cannot encode a patch", &error))?;
            fs::write(&path, file).map_err(|error| failed("cannot write a patch", &error))?;
            paths.push(path);
        }
        let out = self.scratch.path().join("texture.png");
        // A texture left from the last call must not pass for this one's.
        let _ = fs::remove_file(&out);
        let output = self.run(&paths, size, &out)?;
        if !output.status.success() {
            return Err(EngineError::Failed(format!(
                "upstream's program ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        read_png(&out, size)
    }
}

/// Lets no process outlive this worker, and keeps it off the worker's pipes.
fn follow(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null());
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        // SAFETY: between fork and exec only prctl is called, which is
        // async-signal-safe and allocates nothing.
        unsafe {
            command.pre_exec(|| {
                nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
                    .map_err(std::io::Error::from)
            });
        }
    }
    command
}

fn read_png(path: &Path, size: u32) -> Result<RgbImage, EngineError> {
    let file =
        fs::File::open(path).map_err(|error| failed("upstream's program wrote nothing", &error))?;
    let mut decoder = png::Decoder::new(std::io::BufReader::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder
        .read_info()
        .map_err(|error| failed("cannot read upstream's texture", &error))?;
    let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
    let info = reader
        .next_frame(&mut pixels)
        .map_err(|error| failed("cannot read upstream's texture", &error))?;
    let channels = info.color_type.samples();
    if (info.width, info.height) != (size, size) || channels < 3 {
        return Err(EngineError::Failed(format!(
            "upstream's texture is {}x{} px with {channels} channels",
            info.width, info.height
        )));
    }
    let pixels = pixels
        .chunks_exact(channels)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    Ok(RgbImage {
        width: size,
        height: size,
        pixels,
    })
}

fn failed(what: &str, error: &dyn std::error::Error) -> EngineError {
    EngineError::Failed(format!("{what}: {error}"))
}
