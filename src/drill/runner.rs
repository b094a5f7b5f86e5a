//! Runs a script against a stack: the clock, the order of events, and what must come of each.

mod calls;
mod ends;
mod orders;
mod outbound;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use netmart_bus::Time;

use self::calls::{Waiting, since_start};
use self::ends::Ends;
use self::outbound::Claimable;
use super::ast::{Action, Direction, Event, Packet, Position, Script, When};
use super::code::Names;
use super::command::{self, Done, Place};
use super::conversation::Conversation;
use super::inbound::InboundError;
use super::process::{CallError, Process};
use super::report::{Mismatch, Verdict};
use super::rules::Rules;
use super::settings::Settings;
use super::world::{Addresses, START};

/// How a script shall be run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What is compared, and how.
    pub rules: Rules,
    /// Which version of IP; that of the script, or IPv4, if nothing is said.
    pub v6: Option<bool>,
}

/// What a script's run gives besides its verdict.
pub(super) struct Ran {
    pub(super) verdict: Verdict,
    pub(super) notes: Vec<String>,
    pub(super) elapsed: Duration,
}

/// Why a run ends early.
enum End {
    Failed(Box<Mismatch>),
    Skipped { at: Position, needs: String },
}

impl End {
    fn verdict(self) -> Verdict {
        match self {
            Self::Failed(mismatch) => Verdict::Failed(*mismatch),
            Self::Skipped { at, needs } => skipped(at, &needs),
        }
    }
}

fn skipped(at: Position, needs: &str) -> Verdict {
    Verdict::Skipped(format!("line {}: needs {needs}", at.line))
}

fn note(at: Position, text: &str) -> String {
    format!("line {}: {text}", at.line)
}

type Step<T = ()> = Result<T, End>;

/// A script on its way.
struct Run<'a> {
    script: &'a Script,
    rules: Rules,
    tolerance: Tolerance,
    process: Process,
    ends: Ends,
    conversation: Conversation,
    /// Packets of the connection under test that no event of the script has claimed.
    unclaimed: VecDeque<Claimable>,
    /// Acknowledgements that came before the script wants them.
    early: Vec<Claimable>,
    /// The highest acknowledgement that the stack has sent, on the wire.
    acked: Option<u32>,
    /// When the last packet was sent that the script has.
    claimed_at: Option<Time>,
    /// The number of the FIN that the stack has sent and the script has, in the script's numbers.
    fin_claimed: Option<u32>,
    /// How many of `unclaimed` were sent before the program began to close everything.
    owed: usize,
    /// A system call that waits.
    waiting: Option<Waiting<'a>>,
    /// The event before, for relative times.
    last: Option<Last>,
    /// What code has given names to.
    names: Names,
    notes: Vec<String>,
    /// The first thing that a command asked for and the stack refuses to do. Not every such script depends
    /// on it: it is run, and only if it fails, that is why.
    needs: Option<(Position, String)>,
}

/// The event before the present one.
#[derive(Clone, Copy)]
struct Last {
    /// When it was due.
    due: Time,
    /// Whether it was a packet of ours, after which times count from when it was due.
    is_inbound: bool,
}

/// How far off a moment may be.
#[derive(Clone, Copy, Debug)]
struct Tolerance {
    fixed: Duration,
    percent: f64,
}

impl Tolerance {
    fn of(script: &Script) -> Self {
        let micros = script.option("tolerance_usecs").and_then(|micros| micros.parse().ok());
        let percent = script.option("tolerance_percent").and_then(|percent| percent.parse().ok());
        Self {
            fixed: Duration::from_micros(micros.unwrap_or(4_000)),
            percent: percent.unwrap_or(0.0),
        }
    }

    /// For something that was due so long after the event before it.
    fn after(self, wait: Duration) -> Duration {
        self.fixed.max(wait.mul_f64((self.percent / 100.0).max(0.0)))
    }
}

/// How long after its due time an event is waited for, only to tell how late it came.
const GRACE: Duration = Duration::from_secs(10);

/// How long an event that may come at any time is waited for: longer than any timer of a connection runs
/// but that of a keep-alive.
const ANY_TIME: Duration = Duration::from_secs(3600);

/// How many octets more the header of IPv6 has than that of IPv4.
const IPV6_HEADER_MORE: u16 = 20;

/// Longer than this no script runs.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// When an event is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// What relative times count from.
    base: Time,
    from: Time,
    to: Time,
    /// How far off it may be; nothing if any time will do.
    tolerance: Option<Duration>,
}

/// Runs `script`.
pub(super) fn run(script: &Script, options: &Options) -> Ran {
    let written_for_v6 = script.option("ip_version") == Some("ipv6");
    let v6 = options.v6.unwrap_or(written_for_v6);
    let mut settings = Settings::of(script);
    settings.exact_errors = options.rules.errnos;
    // The segment sizes of the script hold over the other version, too, if its larger header has room; so
    // do those who run the public suites over both.
    settings.mtu = match (written_for_v6, v6) {
        (false, true) => settings.mtu.saturating_add(IPV6_HEADER_MORE),
        (true, false) => settings.mtu.saturating_sub(IPV6_HEADER_MORE),
        _ => settings.mtu,
    };
    let (notes, needs) = set_up(script, &mut settings);
    let addresses = Addresses::of_script(script);
    let (local, remote) = addresses.of(v6);
    let mut run = Run {
        script,
        rules: options.rules,
        tolerance: Tolerance::of(script),
        process: Process::new(settings, addresses, v6),
        ends: Ends::new(local, remote),
        conversation: Conversation::new((local, 8080).into(), (remote, 40_000).into()),
        unclaimed: VecDeque::new(),
        early: Vec::new(),
        acked: None,
        claimed_at: None,
        fin_claimed: None,
        owed: 0,
        waiting: None,
        last: None,
        names: Names::default(),
        notes,
        needs,
    };
    let verdict = match (run.all(), run.needs.take()) {
        (Ok(()), _) => Verdict::Passed,
        // What the script asked for in vain may well be why.
        (Err(End::Failed(_)), Some((at, needs))) => skipped(at, &needs),
        (Err(end), _) => end.verdict(),
    };
    let elapsed = run.process.world.elapsed();
    Ran { verdict, notes: run.notes, elapsed }
}

/// What stands before the first call sets up the stack; it is carried out again in its place, where it changes nothing
/// more. Gives notes, and the first thing asked for that the stack refuses to do.
fn set_up(script: &Script, settings: &mut Settings) -> (Vec<String>, Option<(Position, String)>) {
    let (mut notes, mut needs) = (Vec::new(), None);
    let calls =
        script.events.iter().take_while(|event| !matches!(event.action, Action::Syscall(_)));
    let early = calls.filter_map(|event| match &event.action {
        Action::Command(command) => Some(command),
        _ => None,
    });
    for command in script.init.iter().chain(early) {
        if command::looks_at_connections(&command.text) {
            continue;
        }
        for done in command::run(&command.text, Place::Before(settings)).into_iter().flatten() {
            match done {
                Done::Needs(what) => needs = needs.or(Some((command.at, what))),
                Done::Ignored(text) => notes.push(note(command.at, &text)),
                Done::Yes | Done::Failed(_) => {}
            }
        }
    }
    (notes, needs)
}

impl<'a> Run<'a> {
    fn all(&mut self) -> Step {
        let script = self.script;
        for event in &script.events {
            let due = self.due(event)?;
            match &event.action {
                Action::Packet(packet) if packet.direction == Direction::Outbound => {
                    self.expect(event, packet, due)?;
                }
                action => {
                    self.advance(event.at, due.from)?;
                    match action {
                        Action::Packet(packet) => self.deliver(event, packet)?,
                        Action::Syscall(call) => self.call(event, call, due)?,
                        Action::Command(command) => self.command(command)?,
                        Action::Code(code) => self.code(code)?,
                    }
                }
            }
            self.collect(event.at)?;
            if !is_teardown(&event.action) {
                self.owed = self.unclaimed.len();
            }
            let is_inbound = matches!(&event.action, Action::Packet(packet)
                if packet.direction == Direction::Inbound);
            self.last = Some(Last { due: due.from, is_inbound });
        }
        self.finish()
    }

    /// When an event is due: relative times count from now, but between packets of ours, which cannot be
    /// late, from when the one before was due.
    fn due(&self, event: &Event) -> Step<Due> {
        let start = START;
        let now = self.process.world.now();
        let is_inbound = matches!(&event.action, Action::Packet(packet)
            if packet.direction == Direction::Inbound);
        let base = match self.last {
            Some(last) if last.is_inbound && is_inbound => last.due,
            _ => now,
        };
        let (from, to, any) = match event.time {
            When::Absolute(time) => (start + time, start + time, false),
            When::Relative(time) => (base + time, base + time, false),
            When::Any => (now, now + ANY_TIME, true),
            When::AbsoluteRange(from, to) => (start + from, start + to, false),
            When::RelativeRange(from, to) => (base + from, base + to, false),
        };
        if to.saturating_since(start) > LONGEST {
            return Err(self.failed(event.at, "the script runs for more than a day"));
        }
        let wait = from.saturating_since(self.last.map_or(start, |last| last.due));
        let tolerance = (!any).then(|| self.tolerance.after(wait));
        Ok(Due { base, from, to, tolerance })
    }

    fn elapsed(&self) -> Duration {
        self.process.world.elapsed()
    }

    fn failed(&self, at: Position, reason: impl Into<String>) -> End {
        let time = Some(self.elapsed());
        End::Failed(Box::new(Mismatch { time, ..Mismatch::new(at, reason) }))
    }

    fn call_error(&self, at: Position, error: CallError) -> End {
        match error {
            CallError::Unsupported(needs) => End::Skipped { at, needs },
            other => self.failed(at, other.to_string()),
        }
    }

    /// Lets the stack and the program work until `until`, and leaves the clock there.
    fn advance(&mut self, at: Position, until: Time) -> Step {
        while self.step(at, until)? {}
        Ok(())
    }

    /// Goes on to the next moment at which something happens, `until` at the latest, and lets it happen;
    /// tells whether that was before `until`.
    fn step(&mut self, at: Position, until: Time) -> Step<bool> {
        self.work(at)?;
        let world = &self.process.world;
        let timer = self.waiting.as_ref().filter(|call| call.returned.is_none());
        let next = [world.next_deadline(), timer.and_then(|call| call.until)];
        let next = next.into_iter().flatten().min().filter(|next| *next < until);
        self.process.world.set_time(next.unwrap_or(until));
        self.work(at)?;
        Ok(next.is_some())
    }

    /// Lets stack and program do what there is to do at this moment.
    fn work(&mut self, at: Position) -> Step {
        self.process.settle().map_err(|stuck| self.call_error(at, stuck.into()))?;
        self.look_at_waiting()
    }

    // --------------------------------------------------------------------------- packets

    fn deliver(&mut self, event: &Event, packet: &Packet) -> Step {
        if let Some((local, remote)) = self.ends.for_inbound(packet, &self.process) {
            self.turn_to(local, remote);
        }
        let wire = self.conversation.inbound(packet).map_err(|error| match error {
            InboundError::Unsupported(needs) => {
                End::Skipped { at: event.at, needs: needs.to_owned() }
            }
            InboundError::Impossible(_) => self.failed(event.at, error.to_string()),
        })?;
        self.process.world.deliver(wire);
        self.work(event.at)
    }

    /// From now on packets belong to another connection.
    fn turn_to(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.conversation = Conversation::new(local, remote);
        self.unclaimed.clear();
        self.early.clear();
        self.acked = None;
        self.claimed_at = None;
        self.fin_claimed = None;
        self.owed = 0;
    }

    /// After the last event.
    fn finish(&mut self) -> Step {
        self.finish_waiting()?;
        self.nothing_is_left()
    }
}

/// Whether an event only cleans up: what a stack sends because of it need not stand in the script.
fn is_teardown(action: &Action) -> bool {
    match action {
        Action::Syscall(call) => matches!(call.name.as_str(), "close" | "shutdown"),
        Action::Command(_) => true,
        Action::Packet(_) | Action::Code(_) => false,
    }
}
