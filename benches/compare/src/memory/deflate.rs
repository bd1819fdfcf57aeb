//! permessage-deflate (RFC 7692), contexts kept between messages, level 6.

use super::receive;
use super::send::check_compressed;
use super::{Per, Session, length};
use crate::engines::{Role, Setup};
use crate::frames::{Content, Traffic};
use crate::measure::Work;
use crate::pipe::Sink;
use crate::results::Unit;

pub(super) fn run(session: &Session<'_>) {
    for len in [256, 64 << 10] {
        let per = |len| match len {
            256 => Per::Message,
            _ => Per::Bytes(len, Unit::MibPerSecond),
        };
        let row = format!("client inflates JSON {}", length(len));
        session.row(("Compression", &row, per(len)), |engine| {
            let traffic = Traffic::compressed(len, false);
            let setup = Setup { role: Role::Client, traffic, sends: false, sink: Sink::new() };
            Some(receive::work(engine.receive_compressed?, &setup))
        });
        let row = format!("server deflates JSON {}", length(len));
        session.row(("Compression", &row, per(len)), |engine| {
            let mut traffic = Traffic::whole(Content::Json, len, false);
            traffic.compressed = true;
            let setup = Setup { role: Role::Server, traffic, sends: true, sink: Sink::new() };
            let make = engine.send_compressed?;
            setup.sink.borrow_mut().record = Some(Vec::new());
            let count = setup.traffic.messages.len() as u64;
            make(&setup).send(count, 1);
            let wire = setup.sink.borrow_mut().record.take().expect("recorded");
            let shrunk = check_compressed(&wire, &setup.traffic.messages);
            let share = 100.0 * shrunk as f64 / (count as f64 * len as f64);
            eprintln!("{row}: {} {}: {share:.1} %", engine.name, engine.setting);
            let mut engine = make(&setup);
            Some(Box::new(move |messages| {
                engine.send(messages, 1);
                messages
            }) as Work)
        });
    }
}
