//! `texgen-parity`: textures and their source maps with `embark` and `fast`, as
//! raw files for `benchmarks/parity`. Not part of what is installed.

#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod embark;
mod fast;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use texgen_engine::EmbarkParameters;
use texgen_fast::Parameters;

use crate::embark::Embark;
use crate::fast::Fast;
use crate::work::{Job, Maker, Plan};

const USAGE: &str = "usage: texgen-parity embark|fast PATCHES OUT [--size PX] [--threads N] \
                     [--neighbours K] [--random-candidates M] [--upright] NAME:SEED...
Reads PATCHES/NAME_a.rgb and NAME_b.rgb (square, 8-bit RGB) and writes
OUT/NAME_SEED.rgb and NAME_SEED.map (u16 column, row and example of each pixel's
source, little-endian). What is in OUT already is not made again.";

/// The command line.
#[derive(Debug, PartialEq)]
struct Arguments {
    engine: String,
    parameters: Parameters,
    threads: usize,
    plan: Plan,
}

fn main() -> ExitCode {
    let outcome = parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("texgen-parity: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let Parameters {
        neighbours,
        random_candidates,
        ..
    } = arguments.parameters;
    let open = || -> Result<Box<dyn Maker>, String> {
        if arguments.engine == "fast" {
            return Ok(Box::new(Fast::new(arguments.parameters)?));
        }
        Ok(Box::new(Embark::new(EmbarkParameters {
            k_neighs: neighbours,
            m_rand: random_candidates,
            ..EmbarkParameters::default()
        })))
    };
    work::make(&arguments.plan, arguments.threads, &open)
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parameters = Parameters::default();
    let (mut size, mut threads) = (224, 1);
    let mut places = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--upright" => parameters.mirrored = false,
            "--size" => size = value(&argument, arguments.next())?,
            "--threads" => threads = value(&argument, arguments.next())?,
            "--neighbours" => parameters.neighbours = value(&argument, arguments.next())?,
            "--random-candidates" => {
                parameters.random_candidates = value(&argument, arguments.next())?;
            }
            _ => places.push(argument),
        }
    }
    let [engine, patches, out, jobs @ ..] = places.as_slice() else {
        return Err(USAGE.to_owned());
    };
    if !["embark", "fast"].contains(&engine.as_str()) {
        return Err(format!("no engine {engine:?}\n{USAGE}"));
    }
    if engine == "embark" && !parameters.mirrored {
        return Err("embark has no --upright: it always mirrors".to_owned());
    }
    Ok(Arguments {
        engine: engine.clone(),
        parameters,
        threads,
        plan: Plan {
            patches: PathBuf::from(patches),
            out: PathBuf::from(out),
            size,
            jobs: jobs
                .iter()
                .map(|job| Job::parse(job))
                .collect::<Result<_, _>>()?,
        },
    })
}

fn value<T: std::str::FromStr>(name: &str, given: Option<String>) -> Result<T, String> {
    let text = given.ok_or_else(|| format!("{name} needs a number\n{USAGE}"))?;
    text.parse()
        .map_err(|_| format!("{name} needs a number, not {text:?}\n{USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_and_jobs_may_be_mixed() {
        let arguments = parsed("fast in out --upright 00:7 --random-candidates 25 x_1:8").unwrap();
        assert!(!arguments.parameters.mirrored);
        assert_eq!(arguments.parameters.random_candidates, 25);
        assert_eq!(arguments.plan.size, 224);
        assert_eq!(arguments.plan.jobs[1], Job::parse("x_1:8").unwrap());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in [
            "fast in",
            "slow in out 00:1",
            "embark in out --upright 00:1",
            "fast in out 00",
            "fast in out 00:x",
            "fast in out --size",
            "fast in out --size x 00:1",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
