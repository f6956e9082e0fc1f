//! `texgen-worker`: one engine behind length-prefixed frames on standard
//! input and output. Started by texgen, one a core; not for use by hand.

mod lifetime;
mod upstream;

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use texgen_engine::{Embark, Engine, Fast, Stub};
use texgen_worker::gpu;
use texgen_worker::serve::serve;

const USAGE: &str = "usage: texgen-worker --engine fast|embark|embark-cli|stub \
                     [--device cpu|gpu] [--gpu INDEX] \
                     [--engine-bin PATH] [--scratch DIR] [--parent PID], or --list-gpus";

/// Names the inner loop of the engine `fast`, which is otherwise the fastest
/// that the processor runs; textures are the same with any.
const KERNEL_VARIABLE: &str = "TEXGEN_KERNEL";

/// What makes the textures of the engine `fast`, which are the same with any.
#[derive(Clone, Copy, Default, PartialEq)]
enum Device {
    #[default]
    Cpu,
    Gpu,
}

/// Bytes that a pipe holds on Linux.
const PIPE: usize = 1 << 16;

#[derive(Default)]
struct Arguments {
    engine: String,
    device: Device,
    gpu: usize,
    engine_bin: Option<PathBuf>,
    scratch: Option<PathBuf>,
    parent: Option<i32>,
}

fn main() -> ExitCode {
    let code = match run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("texgen-worker: {error}");
            2
        }
    };
    if gpu::any_hangs() {
        // All answers are written. A driver that waits for its GPU when the process ends would keep
        // the process for good.
        lifetime::exit_at_once(code);
    }
    ExitCode::from(code)
}

fn run() -> Result<(), String> {
    if std::env::args().skip(1).eq(["--list-gpus"]) {
        return list_gpus().map_err(|error| error.to_string());
    }
    let arguments = parse(std::env::args().skip(1))?;
    lifetime::ignore_interrupt()?;
    if let Some(parent) = arguments.parent {
        lifetime::follow_parent(parent)?;
    }
    let (input, output) = pipes().map_err(|error| error.to_string())?;
    let mut input = BufReader::with_capacity(PIPE, input);
    let on_gpu = arguments.device == Device::Gpu && arguments.engine == "fast";
    let served = if on_gpu {
        let engines = (0..gpu::engines()).map(|_| fast());
        let engines = engines.collect::<Result<_, _>>()?;
        gpu::serve(&gpu::open(arguments.gpu)?, engines, &mut input, output)
    } else {
        serve(open(arguments)?.as_mut(), &mut input, output)
    };
    match served {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| error.to_string()),
    }
}

/// Writes the names of the GPUs, a line each, in the order of the numbers that `--gpu` takes.
fn list_gpus() -> io::Result<()> {
    let mut output = io::stdout();
    for name in gpu::names() {
        writeln!(output, "{}", name.replace('\n', " "))?;
    }
    Ok(())
}

/// Standard input and output without the standard library's buffers: those of
/// output look for ends of lines in a frame, and send it in pieces there.
fn pipes() -> io::Result<(File, File)> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    Ok((input.into(), output.into()))
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match name.as_str() {
            "--engine" => parsed.engine = value,
            "--device" => {
                parsed.device = match value.as_str() {
                    "cpu" => Device::Cpu,
                    "gpu" => Device::Gpu,
                    _ => return Err(USAGE.to_owned()),
                }
            }
            "--gpu" => parsed.gpu = value.parse().map_err(|_| USAGE)?,
            "--engine-bin" => parsed.engine_bin = Some(value.into()),
            "--scratch" => parsed.scratch = Some(value.into()),
            "--parent" => parsed.parent = Some(value.parse().map_err(|_| USAGE)?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(parsed)
}

fn open(arguments: Arguments) -> Result<Box<dyn Engine>, String> {
    match arguments.engine.as_str() {
        "fast" => Ok(Box::new(fast()?)),
        "embark" => Ok(Box::new(Embark::new())),
        "stub" => Ok(Box::new(Stub)),
        "embark-cli" => {
            let binary = arguments
                .engine_bin
                .ok_or("embark-cli needs --engine-bin")?;
            let scratch = arguments.scratch.unwrap_or_else(std::env::temp_dir);
            Ok(Box::new(upstream::UpstreamCli::new(binary, &scratch)?))
        }
        other => Err(format!("unknown engine {other:?}; {USAGE}")),
    }
}

fn fast() -> Result<Fast, String> {
    let kernel = std::env::var_os(KERNEL_VARIABLE).filter(|name| !name.is_empty());
    let kernel = kernel.as_deref().map(std::ffi::OsStr::to_string_lossy);
    Fast::new(kernel.as_deref()).map_err(|error| format!("{KERNEL_VARIABLE}: {error}"))
}
