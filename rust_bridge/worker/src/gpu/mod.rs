//! The engine `fast` on a GPU, behind the same frames.
//!
//! A GPU makes hundreds of textures at a time. So the worker takes many jobs,
//! and answers them in any order: threads prepare examples, two of them keep
//! the GPU busy (one batch is computed while the next is uploaded), and
//! threads encode. What the GPU does not make, the CPU makes: same bytes.

mod queue;
mod serve;
mod state;

use texgen_fast::Parameters;
use texgen_gpu::{Adapter, Gpu};

pub use serve::{engines, serve};
pub use texgen_gpu::any_hangs;

/// Allows GPUs that a CPU plays, such as Mesa's: for tests, since the CPU itself is faster.
pub const SOFTWARE_VARIABLE: &str = "TEXGEN_SOFTWARE_GPU";

/// Opens the GPU of that index, and has it pass its self-test.
///
/// # Errors
///
/// A sentence that says why there is none.
pub fn open(index: usize) -> Result<Gpu, String> {
    // A layer of Mesa's writes to standard error, which is the parent's log.
    std::env::set_var("NODEVICE_SELECT", "1");
    let software = std::env::var_os(SOFTWARE_VARIABLE).is_some_and(|value| !value.is_empty());
    let all = Adapter::all();
    let usable: Vec<_> = all
        .iter()
        .filter(|adapter| software || !adapter.is_software())
        .collect();
    let adapter = usable.get(index).ok_or_else(|| match all.first() {
        Some(_) if usable.len() == 1 => {
            format!("there is one GPU, number 0, and no number {index}")
        }
        Some(_) if usable.len() > 1 => {
            format!("there are {} GPUs, and no number {index}", usable.len())
        }
        Some(other) => format!("no GPU, only {}", other.name()),
        None => "no GPU that Vulkan or Metal reaches".to_owned(),
    })?;
    let gpu = Gpu::open(adapter, Parameters::default()).map_err(|error| error.to_string())?;
    gpu.self_test()
        .map_err(|error| format!("{}: {error}", gpu.name()))?;
    Ok(gpu)
}
