//! Times the worker's encoders, and others beside them, on PNG files:
//! `cargo run --release --example encoders -- *.png`. User time and bytes, mean
//! of an image; the median of some rounds, in each of which every encoder runs.
#![allow(clippy::print_stdout)] // the result of a program for people

use std::error::Error;
use std::io::Cursor;

use nix::sys::resource::{getrusage, UsageWho};
use texgen_engine::RgbImage;
use texgen_worker::encode::{self, Format, ENCODERS};

const ROUNDS: usize = 21;

type Outcome<T> = Result<T, Box<dyn Error>>;
type Encoder = Box<dyn Fn(&RgbImage) -> Outcome<Vec<u8>>>;

fn main() -> Outcome<()> {
    let images = std::env::args()
        .skip(1)
        .map(|path| read(&path))
        .collect::<Outcome<Vec<_>>>()?;
    if images.is_empty() {
        return Err("usage: encoders IMAGE.png ...".into());
    }
    let encoders = encoders()?;
    let mut times = vec![Vec::new(); encoders.len()];
    let mut bytes = vec![0; encoders.len()];
    for _ in 0..ROUNDS {
        for (i, (_, encoder)) in encoders.iter().enumerate() {
            let start = user_ms()?;
            bytes[i] = 0;
            for image in &images {
                bytes[i] += encoder(image)?.len();
            }
            times[i].push((user_ms()? - start) / images.len() as f64);
        }
    }
    println!("{:>6} {:>14} {:>7}  encoder", "ms", "(range)", "kB");
    for (i, (name, _)) in encoders.iter().enumerate() {
        times[i].sort_by(f64::total_cmp);
        let (least, median, most) = (times[i][0], times[i][ROUNDS / 2], times[i][ROUNDS - 1]);
        let kilobytes = bytes[i] as f64 / images.len() as f64 / 1000.0;
        println!("{median:6.2} ({least:5.2} to {most:5.2}) {kilobytes:7.1}  {name}");
    }
    Ok(())
}

fn encoders() -> Outcome<Vec<(String, Encoder)>> {
    let mut encoders: Vec<(String, Encoder)> = Vec::new();
    for (number, (name, version)) in (1..).zip(ENCODERS) {
        for quality in [90, 95].into_iter().skip(usize::from(*name != "jpg")) {
            let format = Format::from_wire(number, quality)?.ok_or("no format")?;
            let encoder = move |image: &RgbImage| Ok(encode::encode(image, format)?);
            encoders.push((format!("{format:?}: {version}"), Box::new(encoder)));
        }
    }
    for filter in [png::Filter::NoFilter, png::Filter::Adaptive] {
        for level in [0, 1, 4, 6] {
            let compression = match level {
                0 => png::DeflateCompression::FdeflateUltraFast,
                level => png::DeflateCompression::Level(level),
            };
            let encoder = move |image: &RgbImage| png(image, compression, filter);
            let name = format!("crate png: {compression:?}, {filter:?}");
            encoders.push((name, Box::new(encoder)));
        }
    }
    encoders.push(("crate image-webp".into(), Box::new(webp)));
    Ok(encoders)
}

fn png(
    image: &RgbImage,
    compression: png::DeflateCompression,
    filter: png::Filter,
) -> Outcome<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, image.width, image.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_deflate_compression(compression);
    encoder.set_filter(filter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.pixels)?;
    writer.finish()?;
    Ok(file)
}

fn webp(image: &RgbImage) -> Outcome<Vec<u8>> {
    let mut file = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut file);
    let colour = image_webp::ColorType::Rgb8;
    encoder.encode(&image.pixels, image.width, image.height, colour)?;
    Ok(file)
}

fn read(path: &str) -> Outcome<RgbImage> {
    let mut reader = png::Decoder::new(Cursor::new(std::fs::read(path)?)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("a large image")?];
    let info = reader.next_frame(&mut pixels)?;
    if (info.color_type, info.bit_depth) != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return Err(format!("{path} is not 8-bit RGB").into());
    }
    Ok(RgbImage {
        width: info.width,
        height: info.height,
        pixels,
    })
}

fn user_ms() -> Outcome<f64> {
    let time = getrusage(UsageWho::RUSAGE_SELF)?.user_time();
    Ok(time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3)
}
