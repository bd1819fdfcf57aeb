//! C programs, built with the library as a C programmer installs it.

#![allow(dead_code)] // each test file uses some of it

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Warnings are errors, in what a program includes as well.
const STRICT: [&str; 5] = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-g"];

pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A C compiler, or another if the variable says so.
pub fn cc() -> OsString {
    env::var_os("CC").unwrap_or_else(|| "gcc".into())
}

pub fn cxx() -> OsString {
    env::var_os("CXX").unwrap_or_else(|| "g++".into())
}

/// Runs a program to its end and gives what it printed.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let done = match command.output() {
        Ok(done) => done,
        Err(error) => panic!("{command:?}: {error}"),
    };
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {}\n{said}", done.status);
    String::from_utf8(done.stdout).unwrap()
}

/// Where the tests of this process have the library installed, as it was built for them.
pub fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let test = env::current_exe().unwrap();
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test.file_stem().unwrap());
        let mut install = Command::new(package().join("install"));
        install.env("SOCKEYE_BUILT", test.parent().unwrap()).env_remove("DESTDIR").arg(&prefix);
        run(&mut install);
        prefix
    })
}

/// What pkg-config says of the library.
#[track_caller]
pub fn pkg_config(args: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")).args(args).arg("sockeye");
    run(&mut command).split_whitespace().map(Into::into).collect()
}

/// How a program has the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// From `libsockeye.so`.
    Shared,
    /// In itself, from `libsockeye.a`; with sanitizers, which see the memory of both.
    Static,
}

pub const LINKS: [Link; 2] = [Link::Shared, Link::Static];

/// A C program, built once in each way.
#[track_caller]
pub fn program(source: &str, link: Link) -> PathBuf {
    static BUILT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let source = package().join(source);
    let name = format!("{}-{link:?}", source.file_stem().unwrap().to_str().unwrap());
    let program = prefix().join(name);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if built.insert(program.clone()) {
        let mut command = Command::new(cc());
        command.arg("-std=c99").args(STRICT).args(pkg_config(&["--cflags"])).arg("-O1");
        command.arg("-o").arg(&program).arg(source);
        match link {
            Link::Shared => {
                command.args(pkg_config(&["--libs"]));
                command.arg(format!("-Wl,-rpath,{}/lib", prefix().display()));
            }
            Link::Static => {
                command.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
                command.arg(prefix().join("lib/libsockeye.a"));
                let libs = pkg_config(&["--static", "--libs-only-l"]);
                command.args(libs.iter().filter(|lib| *lib != "-lsockeye"));
            }
        }
        run(&mut command);
    }
    program
}

/// Compiles a source to nothing, as strictly as it can be done.
#[track_caller]
pub fn compiles(compiler: OsString, standard: &str, source: &str) {
    let mut command = Command::new(compiler);
    command.arg(format!("-std={standard}")).args(STRICT).args(["-Wconversion", "-Wshadow"]);
    command.args(pkg_config(&["--cflags"])).arg("-fsyntax-only").arg(package().join(source));
    run(&mut command);
}
