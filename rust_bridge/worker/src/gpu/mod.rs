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

/// Names of the GPUs, at the indices that [`open`] takes. None of them is started, so that they may be
/// of no use all the same.
#[must_use]
pub fn names() -> Vec<String> {
    let (usable, _) = adapters();
    usable.iter().map(Adapter::name).collect()
}

/// Opens the GPU of that index, and has it pass its self-test.
///
/// # Errors
///
/// A sentence that says why there is none.
pub fn open(index: usize) -> Result<Gpu, String> {
    let (usable, others) = adapters();
    let adapter = usable
        .get(index)
        .ok_or_else(|| match (usable.len(), others.first()) {
            (0, Some(other)) => format!("no GPU, only {}", other.name()),
            (0, None) => "no GPU that Vulkan or Metal reaches".to_owned(),
            (1, _) => format!("there is one GPU, number 0, and no number {index}"),
            (count, _) => format!("there are {count} GPUs, and no number {index}"),
        })?;
    let gpu = Gpu::open(adapter, Parameters::default()).map_err(|error| error.to_string())?;
    gpu.self_test()
        .map_err(|error| format!("{}: {error}", gpu.name()))?;
    Ok(gpu)
}

/// The devices that count as GPUs, and the others.
fn adapters() -> (Vec<Adapter>, Vec<Adapter>) {
    // A layer of Mesa's writes to standard error, which is the parent's log.
    std::env::set_var("NODEVICE_SELECT", "1");
    let software = std::env::var_os(SOFTWARE_VARIABLE).is_some_and(|value| !value.is_empty());
    let all = Adapter::all().into_iter();
    all.partition(|adapter| software || !adapter.is_software())
}
