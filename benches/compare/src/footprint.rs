//! What the engines allocate: for each message, and for a connection that has
//! nothing to do. Not measured along with time, since counting takes some.

use allocation_counter::{AllocationInfo, measure};
use sockeye_compare::engines::{Engine, Role, Setup, all};
use sockeye_compare::frames::{Content, Traffic};
use sockeye_compare::memory::length;
use sockeye_compare::pipe::Sink;
use sockeye_compare::results::{Line, Unit};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let report = |group: &str, row: &str, unit, engine: &Engine, value: f64| {
        if words.iter().all(|word| format!("{group}: {row}").contains(word)) {
            let line = Line {
                group: group.into(),
                row: row.into(),
                unit,
                engine: engine.name.into(),
                setting: engine.setting.into(),
                median: value,
                low: value,
                high: value,
            };
            println!("{line}");
        }
    };
    for (row, what) in per_message() {
        for engine in all() {
            let Some(info) = what(&engine) else { continue };
            let each = |count: u64| count as f64 / MESSAGES as f64;
            report("Allocations of a message", &row, Unit::Count, &engine, each(info.count_total));
            report(
                "Bytes allocated for a message",
                &row,
                Unit::Bytes,
                &engine,
                each(info.bytes_total),
            );
        }
    }
    for engine in all() {
        let group = "Memory of an idle connection";
        let Some((heap, state)) = idle(&engine) else { continue };
        report(group, "server, on the heap", Unit::Bytes, &engine, heap as f64);
        report(group, "server, in all", Unit::Bytes, &engine, (heap + state) as f64);
    }
}

const MESSAGES: u64 = 1000;

type Measured = Box<dyn Fn(&Engine) -> Option<AllocationInfo>>;

fn per_message() -> Vec<(String, Measured)> {
    let mut rows: Vec<(String, Measured)> = Vec::new();
    for len in [64, 1 << 10, 64 << 10] {
        let row = format!("server receives binary {}, many in a read", length(len));
        let traffic = move || Traffic::whole(Content::Binary, len, true);
        rows.push((row, Box::new(move |engine| received(engine, traffic()))));
    }
    let row = "server receives binary 64 B, one in a read".into();
    rows.push((row, Box::new(|e| received(e, Traffic::single(Content::Binary, 64, true)))));
    let row = "server receives CJK 64 KiB in fragments of 4 KiB".into();
    let traffic = || Traffic::fragmented(Content::Cjk, 64 << 10, 4 << 10, true);
    rows.push((row, Box::new(move |engine| received(engine, traffic()))));
    for (role, name) in [(Role::Server, "server"), (Role::Client, "client")] {
        for len in [64, 64 << 10] {
            let row = format!("{name} sends binary {}", length(len));
            rows.push((row, Box::new(move |engine| sent(engine, role, len))));
        }
    }
    rows
}

fn received(engine: &Engine, traffic: Traffic) -> Option<AllocationInfo> {
    let setup = Setup { role: Role::Server, traffic, sends: false, sink: Sink::new() };
    let mut engine = (engine.receive?)(&setup);
    engine.count(MESSAGES);
    Some(measure(|| {
        engine.count(MESSAGES);
    }))
}

fn sent(engine: &Engine, role: Role, len: usize) -> Option<AllocationInfo> {
    let traffic = Traffic::whole(Content::Binary, len, false);
    let setup = Setup { role, traffic, sends: true, sink: Sink::new() };
    let mut engine = (engine.send?)(&setup);
    engine.send(MESSAGES, 1);
    Some(measure(|| engine.send(MESSAGES, 1)))
}

/// Bytes on the heap and of the connection itself, after some messages.
fn idle(engine: &Engine) -> Option<(u64, u64)> {
    let receive = engine.receive?;
    let open = || {
        let traffic = Traffic::single(Content::Binary, 64, true);
        Setup { role: Role::Server, traffic, sends: false, sink: Sink::new() }
    };
    // What threads share is there then.
    drop((receive(&open()), receive(&open()).count(8)));
    let (setup, mut kept) = (open(), None);
    let info = measure(|| {
        let mut connection = receive(&setup);
        connection.count(8);
        kept = Some(connection);
    });
    let (state, boxed) = kept.as_deref().map(|kept| (kept.state_len(), size_of_val(kept)))?;
    let heap = u64::try_from(info.bytes_current).ok()?;
    // The box that the connection is in here is no part of it.
    Some((heap - boxed as u64, state as u64))
}
