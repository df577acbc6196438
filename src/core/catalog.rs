//! Vendor packs: host → vendor, what is collected, what breaks, source.
