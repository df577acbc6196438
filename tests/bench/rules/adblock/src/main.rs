//! How Brave's adblock-rust holds a list of names.
//!
//!     bench-adblock RULES HIT DEEP MISS
//!
//! RULES has one `||name^` a line. Prints what tests/bench/rules/libraries.py reads.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;
use std::{env, fs};

use adblock::Engine;
use adblock::lists::{FilterSet, ParseOptions};
use adblock::request::Request;

fn main() {
    let args: Vec<String> = env::args().collect();
    let [_, rules, sets @ ..] = args.as_slice() else { panic!("RULES HIT DEEP MISS") };
    let read = |path: &String| fs::read_to_string(path).expect("a readable file");
    let sets: Vec<String> = sets.iter().map(read).collect();

    let mut said = BTreeMap::from([("base_kib".to_owned(), resident("VmRSS"))]);
    let begun = Instant::now();
    let engine = load(read(rules));
    said.insert("load_s".to_owned(), begun.elapsed().as_secs_f64());
    said.insert("loaded_kib".to_owned(), resident("VmRSS"));
    for (name, set) in ["hit", "deep", "miss"].into_iter().zip(&sets) {
        let (ns, asked, blocked) = ask(&engine, set);
        said.insert(format!("{name}_ns"), ns);
        said.insert(format!("{name}_asked"), f64::from(asked));
        said.insert(format!("{name}_blocked"), f64::from(blocked));
    }
    said.insert("peak_kib".to_owned(), resident("VmHWM"));
    said.insert("rss_kib".to_owned(), resident("VmRSS"));
    let fields: Vec<String> =
        said.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    println!("{{{}}}", fields.join(", "));
    drop(black_box(engine));
}

fn load(rules: String) -> Engine {
    let mut set = FilterSet::new(false);
    set.add_filter_list(rules, ParseOptions::default());
    Engine::new_with_filter_set(set)
}

/// Nanoseconds a lookup, the best of three passes; how many were asked, and how many blocked.
/// To look a name up one must make a request of it, so that is part of it.
fn ask(engine: &Engine, set: &str) -> (f64, u32, u32) {
    let urls: Vec<String> = set.lines().map(|name| format!("https://{name}/")).collect();
    let (mut best, mut blocked) = (f64::INFINITY, 0);
    for _ in 0..3 {
        blocked = 0;
        let begun = Instant::now();
        for url in &urls {
            let request = Request::new(url, "https://page.example/", "script", "GET");
            let found = engine.check_network_request(&request.expect("a URL"));
            blocked += u32::from(found.should_block());
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / urls.len() as f64);
    }
    (best, u32::try_from(urls.len()).expect("a short list"), blocked)
}

/// In KiB, when all that is free was given back.
fn resident(key: &str) -> f64 {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse().ok()).expect("a figure in KiB")
}
