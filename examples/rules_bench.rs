//! What a rule set costs, on names of your own:
//! `cargo run --release --example rules_bench -- NAMES HITS DEEP MISSES [--json]`.
//!
//! `NAMES` is a list of one name a line; the others are names to look up: ones that are in
//! the list, ones below them, ones that are not. The set is written to a file and mapped.

#![expect(clippy::cast_precision_loss, reason = "no file here has so many bytes")]

use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memmap2::Mmap;
use nix::time::{ClockId, clock_gettime};
use optout::core::list::{Format, Guard, Options, Reader};
use optout::core::rules::{Builder, Kind, RuleSet, Spill, Summary};
use optout::core::verdict::Mode;

fn main() -> ExitCode {
    let (flags, files): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let json = flags == ["--json"];
    let [names, hits, deep, misses] = &files[..] else { return usage() };
    if !json && !flags.is_empty() {
        return usage();
    }
    match measure(names, [hits, deep, misses]) {
        Ok(measures) => say(&measures, json),
        Err(error) => say_error(&error),
    }
}

/// Name, value and unit of what was measured.
type Measure = (&'static str, f64, &'static str);

fn measure(names: &str, queries: [&String; 3]) -> Result<Vec<Measure>> {
    let before = status("VmHWM:")?;
    let (began, busy) = (Instant::now(), processor()?);
    let mut out = tempfile()?;
    let summary = build(names, &mut out).with_context(|| format!("cannot compile {names}"))?;
    let (build, build_busy) = (began.elapsed().as_secs_f64(), processor()? - busy);
    let peak = status("VmHWM:")?;
    let domains = summary.names as f64;

    let began = Instant::now();
    let set = open(&out)?;
    let first_open = began.elapsed().as_secs_f64() * 1e3;
    let mut open_again = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        black_box(open(&out)?);
        open_again = open_again.min(began.elapsed().as_secs_f64() * 1e3);
    }
    let mut all = vec![
        ("names", domains, ""),
        ("memory", set.memory() as f64 / domains, "B a name"),
        ("disk", summary.bytes as f64 / domains, "B a name"),
        ("build", build, "s"),
        ("build_cpu", build_busy, "s"),
        ("rss_before", before, "MiB"),
        ("rss_peak", peak, "MiB"),
        ("open_first", first_open, "ms"),
        ("open", open_again, "ms"),
    ];
    for ((what, file), hits) in
        ["hit", "deep", "miss"].into_iter().zip(queries).zip([true, true, false])
    {
        let names = read(file)?;
        let (nanos, found) = look_up(&set, &names)?;
        ensure!(!hits || found == names.len(), "{file}: only {found} of {} found", names.len());
        ensure!(hits || found == 0, "{file}: {found} were found");
        all.push((what, nanos, "ns"));
    }
    Ok(all)
}

fn build(names: &str, out: &mut File) -> Result<Summary> {
    let mut builder = Builder::spilling(Temporary::new()?).seeded(0x5eed);
    builder.list(names, Kind::File(Format::Wildcard), Mode::Enforce);
    // Made-up names may be public suffixes; here they are names like any other.
    let options = Options { tlds: true, ..Options::of(Format::Wildcard) };
    let mut reader = Reader::new(options, Arc::new(Guard::default()));
    let mut file = BufReader::with_capacity(1 << 16, File::open(names)?);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        reader.line(&line, |number, rule| {
            if let Ok(rule) = rule {
                assert!(builder.rule(number, rule), "it fits");
            }
        });
        line.clear();
    }
    builder.ended(reader.options(), reader.counts());
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let summary = builder.finish([0; 32], &mut out)?;
    out.flush()?;
    Ok(summary)
}

fn open(image: &File) -> Result<RuleSet> {
    #[expect(unsafe_code, reason = "a file can be mapped in no other way")]
    // SAFETY: the file has no name, so nobody else writes to it.
    let map = unsafe { Mmap::map(image)? };
    Ok(RuleSet::open(Box::new(map))?)
}

/// Nanoseconds of one lookup, the best of five rounds, and how many names were found. It is
/// the time of the processor, as others may have it too.
fn look_up(set: &RuleSet, names: &[String]) -> Result<(f64, usize)> {
    let (mut best, mut found) = (f64::MAX, 0);
    for _ in 0..5 {
        found = 0;
        let began = processor()?;
        for name in names {
            let mut any = false;
            set.visit(name, |hit| any |= black_box(hit).nearness > 0);
            found += usize::from(any);
        }
        best = best.min((processor()? - began) * 1e9 / names.len() as f64);
    }
    Ok((best, found))
}

fn read(file: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// A spill in a file without a name: each part is a chain of blocks.
struct Temporary {
    file: File,
    /// Of each part, where its blocks lie.
    blocks: Vec<Vec<(u64, usize)>>,
    end: u64,
}

impl Temporary {
    fn new() -> Result<Self> {
        Ok(Self { file: tempfile()?, blocks: vec![Vec::new(); 256], end: 0 })
    }
}

impl Spill for Temporary {
    fn append(&mut self, part: usize, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.blocks[part].push((self.end, bytes.len()));
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn take(&mut self, part: usize, into: &mut Vec<u8>) -> io::Result<()> {
        for (at, len) in std::mem::take(&mut self.blocks[part]) {
            let before = into.len();
            into.resize(before + len, 0);
            self.file.seek(SeekFrom::Start(at))?;
            self.file.read_exact(&mut into[before..])?;
        }
        Ok(())
    }
}

fn tempfile() -> Result<File> {
    let path = std::env::temp_dir().join(format!("optout-bench-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// Seconds that this thread has had the processor.
fn processor() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(Duration::from(time).as_secs_f64())
}

/// MiB of memory, as the system counts it.
fn status(key: &str) -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kibibytes.context("no such line in /proc/self/status")? / 1024.0)
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
fn say(measures: &[Measure], json: bool) -> ExitCode {
    if json {
        let all: Vec<_> =
            measures.iter().map(|(what, value, _)| format!("{what:?}:{value:.3}")).collect();
        println!("{{{}}}", all.join(","));
    } else {
        for (what, value, unit) in measures {
            println!("{what:12} {value:12.2} {unit}");
        }
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "this is what the program is for")]
fn say_error(error: &anyhow::Error) -> ExitCode {
    eprintln!("rules_bench: {error:#}");
    ExitCode::from(1)
}

#[expect(clippy::print_stderr, reason = "this is what the program is for")]
fn usage() -> ExitCode {
    eprintln!("usage: rules_bench NAMES HITS DEEP MISSES [--json]");
    ExitCode::from(2)
}
