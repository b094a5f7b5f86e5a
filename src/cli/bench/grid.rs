//! `netmart bench grid`: goodput over losses, round trips, rates and controllers.

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use netmart::bench::draw_losses;
use netmart::proto::netem::{Loss, LossPattern};
use netmart::proto::tcp::CongestionControl;

use super::axis::{self, CONTROLLERS, Flows, LossModel, Overtaking};
use super::files::{Pictures, Tables, create, said};
use super::row::{Figures, Losses, Row};
use super::table::{Head, Line, Summary};
use super::{canvas, export, jobs, plot, versus};
use crate::cli::quantity;

/// Goodput over losses, round trips, rates and controllers, in virtual time
///
/// Each cell is a simulation of its own: one sender (or several) that always has something to send, over
/// one bottleneck. The rate counts the octets of IP packets, losses meet the data only, and goodput
/// counts the octets that the receiving application got within the duration, from the first SYN on. The
/// same seed always gives the same figures. Values of a list are separated by commas.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Grid {
    /// Every combination: all controllers, 10 Mbit/s to 1 Gbit/s, 1 to 200 ms, both models
    /// of loss. Axes that are given explicitly stay as given
    #[arg(long)]
    full: bool,

    /// Controllers: reno, cubic, bbr [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = axis::controller)]
    controller: Vec<CongestionControl>,

    /// Flows that share the path, a controller each, such as cubic,bbr; may be repeated
    #[arg(long, value_name = "NAME,NAME", value_parser = Flows::read, conflicts_with = "controller")]
    flows: Vec<Flows>,

    /// Shares of data packets that get lost [default: 0,0.1%,1%,2%,5%,10%]
    #[arg(long, value_name = "SHARE", value_delimiter = ',', value_parser = axis::loss)]
    loss: Vec<f64>,

    /// How losses are spread [default: independent]
    #[arg(long, value_name = "MODEL", value_delimiter = ',')]
    loss_model: Vec<LossModel>,

    /// The mean length of a burst of losses, in packets
    #[arg(long, value_name = "PACKETS", default_value_t = 5.0, value_parser = burst)]
    burst: f64,

    /// Lose the packets that these files say, instead of --loss
    #[arg(long, value_name = "FILE", value_delimiter = ',', conflicts_with_all = ["loss", "loss_model"])]
    pattern: Vec<PathBuf>,

    /// Draw the losses beforehand, the same for every controller, and leave them in this folder for
    /// --pattern
    #[arg(long, value_name = "FOLDER", conflicts_with = "pattern")]
    save_pattern: Option<PathBuf>,

    /// Round-trip times [default: 50ms]
    #[arg(long, value_name = "TIME", value_delimiter = ',', value_parser = axis::rtt)]
    rtt: Vec<Duration>,

    /// Rates of the bottleneck, in bits per second [default: 100M]
    #[arg(long, value_name = "RATE", value_delimiter = ',', value_parser = quantity::rate)]
    rate: Vec<u64>,

    /// Queues before the bottleneck, in bandwidth-delay products
    #[arg(long, value_name = "BDP", value_delimiter = ',', default_value = "1", value_parser = axis::queue)]
    queue: Vec<f64>,

    /// Shares of data packets that are held for up to half a round trip, or for up to TIME
    #[arg(long, value_name = "SHARE[:TIME]", value_delimiter = ',', default_value = "0", value_parser = Overtaking::read)]
    reorder: Vec<Overtaking>,

    /// How many seeds each cell is measured with, and figures averaged over
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,

    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    first_seed: u64,

    /// How long each measurement lasts, in virtual time [default: 60s, above 100 Mbit/s less: down to 10s; with --kernel 12s]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    duration: Option<Duration>,

    /// How much later each flow begins than the one before it
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantity::duration)]
    stagger: Duration,

    /// How many measurements run at once [default: one for each processor]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Compare with the kernel, in real time (as root): netmart to the kernel and the kernel to itself,
    /// over the same losses; at most 12 cells
    #[arg(long, conflicts_with_all = ["full", "flows", "jobs", "csv", "json", "plot", "samples", "stagger"])]
    kernel: bool,

    /// Write every measurement to this file, as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write every measurement to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Draw goodput over loss: as SVG or as PNG, by the end of the name; may be repeated
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_parser = canvas::file)]
    plot: Vec<PathBuf>,

    /// Look at the senders this often, and write windows and round-trip times to FILE, as CSV; takes a
    /// grid of one cell and one seed
    #[arg(long, value_name = "TIME:FILE", value_parser = Samples::read)]
    samples: Option<Samples>,
}

const EXAMPLES: &str = "\
Examples:
  netmart bench grid                              every controller at 50 ms, 100 Mbit/s, 0 to 10% lost
  netmart bench grid --full --seeds 2 --csv grid.csv --plot grid.svg,grid.png
  netmart bench grid --loss 0 --reorder 0,5%
  netmart bench grid --loss 0 --flows cubic,cubic --flows cubic,reno
  netmart bench grid --kernel --controller cubic  the same losses for netmart and for Linux (as root)
  netmart bench grid --controller cubic --loss 1% --seeds 1 --samples 10ms:cubic.csv";

/// How often to look at senders, and where to write what is seen.
#[derive(Clone, Debug)]
struct Samples {
    every: Duration,
    file: PathBuf,
}

impl Samples {
    fn read(text: &str) -> Result<Self, String> {
        let (every, file) =
            text.split_once(':').ok_or("expected TIME:FILE, such as 10ms:cwnd.csv")?;
        let every = axis::rtt(every)?;
        if every.is_zero() {
            return Err("samples have to lie apart".to_owned());
        }
        Ok(Self { every, file: file.into() })
    }
}

fn burst(text: &str) -> Result<f64, String> {
    let packets = text.trim().parse::<f64>().ok();
    let packets = packets.filter(|packets| packets.is_finite() && *packets >= 1.0);
    packets.ok_or_else(|| "expected a number of packets from 1 on, such as 5".to_owned())
}

impl Grid {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let seeds: Vec<u64> = (0..self.seeds).map(|n| self.first_seed.wrapping_add(n)).collect();
        let rows = self.rows()?;
        if self.kernel {
            return versus::run(&rows, &seeds, &mut io::stdout().lock());
        }
        ensure!(
            self.samples.is_none() || rows.len() * seeds.len() == 1,
            "--samples takes one cell and one seed, and these are {} cells with {} seeds",
            rows.len(),
            seeds.len()
        );
        let tables = Tables::create(self.csv.as_deref(), self.json.as_deref())?;
        let pictures = Pictures::create(&self.plot)?;
        let samples = self.samples.as_ref().map(|samples| create(&samples.file)).transpose()?;

        let began = Instant::now();
        let mut out = io::stdout().lock();
        let shared = rows.iter().any(|row| row.flows.0.len() > 1);
        writeln!(out, "{}", Head { shared })?;
        out.flush()?;
        let mut records = Vec::new();
        let mut measured = Vec::new();
        let mut samples = samples;
        let measure = |number: usize, seed| rows[number].cell(seed).run();
        jobs::run(
            rows.len(),
            &seeds,
            jobs::threads(self.jobs),
            measure,
            |number, outcomes, bar| {
                let row = &rows[number];
                let figures = Figures::of(&outcomes);
                for (seed, outcome) in seeds.iter().zip(&outcomes) {
                    records.extend(export::records(row, *seed, outcome));
                }
                if let (Some(file), Some(outcome)) = (&mut samples, outcomes.first()) {
                    export::samples(outcome, file)?;
                }
                bar.suspend(|| writeln!(out, "{}", Line { row, figures: &figures, shared }))?;
                measured.push((row.clone(), figures));
                Ok(())
            },
        )?;
        write!(out, "{}", Summary(&measured))?;
        out.flush()?;

        tables.write(&records)?;
        pictures.draw(&plot::figure(&measured))?;
        if let Some(mut file) = samples {
            file.flush()?;
        }
        let virtually: Duration = rows.iter().map(|row| row.duration * seeds.len() as u32).sum();
        let took = began.elapsed();
        eprintln!(
            "\n{} cells with {} seeds: {:.0} s of virtual time in {:.1} s, {:.0} times as fast",
            rows.len(),
            seeds.len(),
            virtually.as_secs_f64(),
            took.as_secs_f64(),
            virtually.as_secs_f64() / took.as_secs_f64().max(1e-6)
        );
        Ok(())
    }

    /// All combinations, those of one path together.
    fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let flows = self.all_flows();
        for shared in &flows {
            let (count, most) = (shared.0.len(), netmart::bench::Cell::FLOWS_MAX);
            ensure!(count <= most, "{count} flows are too many for one path: {most} can share it");
        }
        let mut rows = Vec::new();
        for &rate in &given(&self.rate, &[100_000_000], self.full.then_some(&FULL_RATES)) {
            for &rtt in
                &given(&self.rtt, &[Duration::from_millis(50)], self.full.then_some(&FULL_RTTS))
            {
                let duration = self.duration.unwrap_or_else(|| self.default_duration(rate, rtt));
                ensure!(!duration.is_zero(), "a measurement has to last for some time");
                for &queue in &self.queue {
                    for &overtaking in &self.reorder {
                        for losses in self.losses(rate, duration)? {
                            rows.extend(flows.iter().map(|flows| Row {
                                flows: flows.clone(),
                                rate,
                                rtt,
                                queue,
                                losses: losses.clone(),
                                overtaking,
                                duration,
                                stagger: self.stagger,
                                sample: self.samples.as_ref().map(|samples| samples.every),
                            }));
                        }
                    }
                }
            }
        }
        Ok(rows)
    }

    /// Long enough for the means to mean something, and not longer: fast links do not take as long, but a
    /// window has to open and close some times.
    fn default_duration(&self, rate: u64, rtt: Duration) -> Duration {
        const USUAL: Duration = Duration::from_secs(60);
        if self.kernel {
            return Duration::from_secs(12);
        }
        let octets_alike = USUAL.mul_f64((100e6 / rate as f64).min(1.0));
        octets_alike.max(Duration::from_secs(10)).max(rtt * 100).min(USUAL)
    }

    fn all_flows(&self) -> Vec<Flows> {
        if !self.flows.is_empty() {
            return self.flows.clone();
        }
        let all = CONTROLLERS.map(|(_, controller)| controller);
        let controllers = given(&self.controller, &all, None);
        controllers.into_iter().map(|controller| Flows(vec![controller])).collect()
    }

    fn losses(&self, rate: u64, duration: Duration) -> anyhow::Result<Vec<Losses>> {
        if !self.pattern.is_empty() {
            return self.pattern.iter().map(|path| read_pattern(path)).collect();
        }
        let models = given(
            &self.loss_model,
            &[LossModel::Independent],
            self.full.then_some(&[LossModel::Independent, LossModel::Bursty]),
        );
        let mut all = Vec::new();
        for model in models {
            for &share in &given(&self.loss, &LOSSES, None) {
                let losses = Losses::of(share, model, self.burst);
                if !all.contains(&losses) {
                    all.push(losses);
                }
            }
        }
        let Some(folder) = &self.save_pattern else { return Ok(all) };
        fs::create_dir_all(folder).with_context(|| said(folder))?;
        all.into_iter().map(|losses| self.saved(folder, &losses, rate, duration)).collect()
    }

    /// The losses as a pattern that is long enough for the link at its full rate, left in `folder`.
    fn saved(
        &self,
        folder: &Path,
        losses: &Losses,
        rate: u64,
        duration: Duration,
    ) -> anyhow::Result<Losses> {
        let packets = netmart::bench::Path { rate, ..Default::default() }.packets_in(duration);
        let pattern = draw_losses(&losses.loss(), packets, self.first_seed);
        let name = losses.label().replace([' ', '%'], "-");
        let path = folder.join(format!("{name}seed{}.pattern", self.first_seed));
        fs::write(&path, pattern.to_string()).with_context(|| said(&path))?;
        Ok(match losses {
            Losses::None => Losses::None,
            _ => Losses::Pattern { name: losses.label(), loss: Loss::Pattern(pattern) },
        })
    }
}

fn read_pattern(path: &Path) -> anyhow::Result<Losses> {
    let text = fs::read_to_string(path).with_context(|| said(path))?;
    let pattern: LossPattern = text.parse().with_context(|| said(path))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Losses::Pattern { name, loss: Loss::Pattern(pattern) })
}

/// What was asked for; else all of it, if all is wished; else the default.
fn given<T: Clone>(asked: &[T], default: &[T], full: Option<&[T]>) -> Vec<T> {
    match asked {
        [] => full.unwrap_or(default).to_vec(),
        _ => asked.to_vec(),
    }
}

const LOSSES: [f64; 6] = [0.0, 0.001, 0.01, 0.02, 0.05, 0.1];
const FULL_RATES: [u64; 3] = [10_000_000, 100_000_000, 1_000_000_000];
const FULL_RTTS: [Duration; 4] = [
    Duration::from_millis(1),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];
