//! A server's process: started, watched, and killed.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::serve::Server;

pub struct Process {
    child: Child,
    pub addr: SocketAddr,
}

impl Process {
    /// Starts it, on a core of its own if there are two.
    pub fn start(server: &Server) -> io::Result<Self> {
        let this = std::env::current_exe()?;
        let mut command = match server.program() {
            None => Command::new(&this),
            Some(name) => Command::new(this.with_file_name(name)),
        };
        match server.program() {
            None => command.args(["serve", server.name]),
            Some(_) => command.arg("127.0.0.1:0"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut process = Self { child, addr: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addr =
            line.trim_end().strip_prefix("listening on ws://").and_then(|addr| addr.parse().ok());
        process.addr =
            addr.ok_or_else(|| io::Error::other(format!("{}: {line:?}", server.name)))?;
        pin(Some(process.pid()), 0)?;
        Ok(process)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Processor time so far.
    pub fn time(&self) -> io::Result<Duration> {
        let mut time = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
            time += Duration::from_nanos(ns.ok_or(io::ErrorKind::InvalidData)?);
        }
        Ok(time)
    }

    /// Bytes of memory that it has and nobody else.
    pub fn resident(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages: Vec<u64> = text.split(' ').filter_map(|pages| pages.parse().ok()).collect();
        let [_, resident, shared, ..] = pages[..] else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        Ok((resident - shared) * rustix::param::page_size() as u64)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps a process, or this thread, to one core, where there are several.
pub fn pin(pid: Option<Pid>, core: usize) -> io::Result<()> {
    // Of whom was pinned, and of whom it starts, there is only one.
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, Into::into));
    if cores > 1 {
        let mut set = CpuSet::new();
        set.set(core);
        sched_setaffinity(pid, &set)?;
    }
    Ok(())
}

/// As many descriptors as may be had; for the servers too, which inherit it.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::sched_getaffinity;

    /// Where there are two cores; the second pin must not think there is one.
    #[test]
    fn server_and_load_have_a_core_each() {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        pin(None, 1).unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        pin(Some(pid), 0).unwrap();
        let (ours, its) = (sched_getaffinity(None).unwrap(), sched_getaffinity(Some(pid)).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        if cores > 1 {
            assert!((ours.count(), its.count()) == (1, 1) && ours.is_set(1) && its.is_set(0));
        }
    }
}
