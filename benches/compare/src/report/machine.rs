//! Where and with what it was measured.

use std::fs;
use std::io;

/// As in `Cargo.lock` beside the package's manifest.
const PEERS: [&str; 8] = [
    "fastwebsockets",
    "sockudo-ws",
    "tokio-tungstenite",
    "tokio-websockets",
    "tungstenite",
    "web-socket",
    "wtx",
    "yawc",
];

pub(super) struct About {
    pub(super) machine: String,
    pub(super) versions: Vec<(String, String)>,
}

pub(super) fn about(with: &str) -> io::Result<About> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<&str> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, model)| model)
        .collect();
    let model = models.first().copied().unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let kernel = kernel.split(|c| !is_number(c)).next().unwrap_or_default();
    let arch = std::env::consts::ARCH;
    let machine = format!("{model}, {cores} cores, {arch}, Linux {kernel}, {with}");
    Ok(About { machine, versions: versions() })
}

fn versions() -> Vec<(String, String)> {
    let lock = include_str!("../../Cargo.lock");
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim_matches([' ', '=', '"']).to_owned())
    };
    let mut versions = Vec::new();
    for package in lock.split("[[package]]") {
        if let (Some(name), Some(version)) = (field(package, "name"), field(package, "version"))
            && PEERS.contains(&name.as_str())
        {
            versions.push((name, version));
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_a_version() {
        let names: Vec<String> = versions().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, PEERS);
    }
}
