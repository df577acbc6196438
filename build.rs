//! Packs the texts of `blocklists/` for `src/core/catalog/embedded.rs`: they are long, and few
//! are read at a time.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=blocklists");
    let out = env::var_os("OUT_DIR").expect("cargo says where to");
    for entry in fs::read_dir("blocklists")? {
        let path = entry?.path();
        let (Some(key), true) = (path.file_stem(), path.extension() == Some("toml".as_ref()))
        else {
            continue;
        };
        let packed = miniz_oxide::deflate::compress_to_vec(&fs::read(&path)?, SMALLEST);
        fs::write(Path::new(&out).join(key).with_extension("deflate"), packed)?;
    }
    Ok(())
}

const SMALLEST: u8 = 10; // miniz_oxide's highest level
