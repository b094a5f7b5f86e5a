//! Draws a [`Figure`], as SVG or as PNG, by the same code.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use damascene_fonts_roboto::ROBOTO_REGULAR;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use plotters::style::register_font;

use super::figure::{Axis, Figure, Line, Panel};

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Lines and words; no larger than it has to be.
    Svg,
    /// Points of colour, twice as many each way as the SVG says.
    Png,
}

impl Format {
    /// By the end of the name.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        let named = |name| extension.eq_ignore_ascii_case(name);
        [("svg", Self::Svg), ("png", Self::Png)]
            .into_iter()
            .find_map(|(n, f)| named(n).then_some(f))
    }
}

/// The name of a picture on the command line.
pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match Format::of(&path) {
        Some(_) => Ok(path),
        None => Err("expected a name that ends in .svg or .png".to_owned()),
    }
}

/// The octets of a file with the picture.
pub(super) fn render(figure: &Figure, format: Format) -> anyhow::Result<Vec<u8>> {
    // Texts are measured with these letters in either format.
    register_font(FONT, FontStyle::Normal, ROBOTO_REGULAR)
        .map_err(|_| anyhow!("the font cannot be read"))?;
    match format {
        Format::Svg => svg(figure),
        Format::Png => png(figure),
    }
}

fn svg(figure: &Figure) -> anyhow::Result<Vec<u8>> {
    let mut picture = String::new();
    let pen = Pen { unit: 1 };
    let root = SVGBackend::with_string(&mut picture, pen.size(figure)).into_drawing_area();
    pen.draw(figure, &root)?;
    drop(root);
    Ok(picture.into_bytes())
}

/// Drawn twice as fine as it is written: edges become smooth.
fn png(figure: &Figure) -> anyhow::Result<Vec<u8>> {
    let pen = Pen { unit: 2 * FINENESS };
    let (width, height) = pen.size(figure);
    let mut fine = vec![0; width as usize * height as usize * CHANNELS];
    let root = BitMapBackend::with_buffer(&mut fine, (width, height)).into_drawing_area();
    pen.draw(figure, &root)?;
    drop(root);
    let pixels = shrink(&fine, width as usize);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width / FINENESS, height / FINENESS);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    written.context("cannot write PNG")?;
    Ok(file)
}

/// The means of squares of pixels.
fn shrink(fine: &[u8], width: usize) -> Vec<u8> {
    const SIDE: usize = FINENESS as usize;
    let row = width * CHANNELS;
    let mut pixels = Vec::with_capacity(fine.len() / (SIDE * SIDE));
    for rows in fine.chunks_exact(row * SIDE) {
        for left in (0..row).step_by(CHANNELS * SIDE) {
            for channel in 0..CHANNELS {
                let places = (0..SIDE * SIDE).map(|n| (n / SIDE) * row + (n % SIDE) * CHANNELS);
                let sum: usize = places.map(|at| rows[left + channel + at] as usize).sum();
                pixels.push((sum / (SIDE * SIDE)) as u8);
            }
        }
    }
    pixels
}

/// Draws, each length so many pixels for one.
#[derive(Clone, Copy)]
struct Pen {
    unit: u32,
}

type Area<B> = DrawingArea<B, Shift>;

impl Pen {
    fn length(self, length: u32) -> i32 {
        (length * self.unit) as i32
    }

    fn font(self, size: u32) -> (&'static str, i32) {
        (FONT, self.length(size))
    }

    fn line(self, name: usize) -> ShapeStyle {
        colour(name).stroke_width(2 * self.unit)
    }

    fn size(self, figure: &Figure) -> (u32, u32) {
        let columns = figure.columns.max(1);
        let rows = figure.panels.len().div_ceil(columns).max(1);
        let height = figure.size.1 * rows as u32 + legend_height(figure);
        (figure.size.0 * columns as u32 * self.unit, height * self.unit)
    }

    fn draw<B>(self, figure: &Figure, root: &Area<B>) -> anyhow::Result<()>
    where
        B: DrawingBackend,
    {
        root.fill(&WHITE).map_err(failed)?;
        let (legend, panels) = root.split_vertically(self.length(legend_height(figure)));
        self.draw_legend(&legend, figure)?;
        let columns = figure.columns.max(1);
        let areas = panels.split_evenly((figure.panels.len().div_ceil(columns).max(1), columns));
        for (area, panel) in areas.iter().zip(&figure.panels) {
            if let Some(panel) = panel {
                self.draw_panel(area, panel)?;
            }
        }
        root.present().map_err(failed)
    }

    fn draw_legend<B: DrawingBackend>(self, area: &Area<B>, figure: &Figure) -> anyhow::Result<()> {
        let style = self.font(14).into_text_style(area);
        for (number, name) in figure.names.iter().enumerate() {
            let (row, column) = (number / in_a_row(figure), number % in_a_row(figure));
            let x = self.length(20 + column as u32 * entry_width(figure));
            let y = self.length(18 + row as u32 * LEGEND_ROW);
            let line = vec![(x, y), (x + self.length(28), y)];
            area.draw(&PathElement::new(line, self.line(number))).map_err(failed)?;
            let dot = (x + self.length(14), y);
            let dot = Circle::new(dot, self.length(DOT), colour(number).filled());
            area.draw(&dot).map_err(failed)?;
            let place = (x + self.length(34), y - self.length(5));
            area.draw_text(name, &style, place).map_err(failed)?;
        }
        Ok(())
    }

    fn draw_panel<B: DrawingBackend>(self, area: &Area<B>, panel: &Panel) -> anyhow::Result<()> {
        let Panel { across, up, .. } = panel;
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.caption, self.font(16))
            .margin(self.length(12))
            .x_label_area_size(self.length(40))
            .y_label_area_size(self.length(64))
            .build_cartesian_2d(Labelled(across.clone()), Labelled(up.clone()))
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_labels(across.ticks.len().max(2))
            .y_labels(up.ticks.len().max(2))
            .x_label_formatter(&|at| label(across, *at))
            .y_label_formatter(&|at| label(up, *at))
            .x_desc(&across.title)
            .y_desc(&up.title)
            .axis_style(BLACK.stroke_width(self.unit))
            .bold_line_style(BLACK.mix(0.15).stroke_width(self.unit))
            .set_all_tick_mark_size(self.length(4))
            .axis_desc_style(self.font(13))
            .label_style(self.font(12))
            .draw()
            .map_err(failed)?;
        for line in &panel.lines {
            let style = self.line(line.name);
            chart.draw_series(LineSeries::new(places(line, panel), style)).map_err(failed)?;
            let thin = colour(line.name).mix(0.5).stroke_width(self.unit);
            let spreads = line.points.iter().filter_map(|point| {
                let (least, most) = point.spread?;
                let x = across.place(point.x);
                Some(PathElement::new([(x, up.place(least)), (x, up.place(most))], thin))
            });
            chart.draw_series(spreads).map_err(failed)?;
            let dot = |place| Circle::new(place, self.length(DOT), colour(line.name).filled());
            chart.draw_series(places(line, panel).map(dot)).map_err(failed)?;
        }
        Ok(())
    }
}

fn places(line: &Line, panel: &Panel) -> impl Iterator<Item = (f64, f64)> {
    line.points.iter().map(|point| (panel.across.place(point.x), panel.up.place(point.y)))
}

/// An axis as the library sees it: a range with labels at places of our own.
#[derive(Clone)]
struct Labelled(Axis);

impl Ranged for Labelled {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (from, to): (i32, i32)) -> i32 {
        let (least, most) = self.0.ends;
        from + (f64::from(to - from) * (place - least) / (most - least)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.0.ticks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.0.ends.0..self.0.ends.1
    }
}

fn label(axis: &Axis, at: f64) -> String {
    let found = axis.ticks.iter().find(|(tick, _)| (tick - at).abs() < 1e-9);
    found.map(|(_, label)| label.clone()).unwrap_or_default()
}

fn legend_height(figure: &Figure) -> u32 {
    let rows = figure.names.len().div_ceil(in_a_row(figure)).max(1);
    14 + LEGEND_ROW * rows as u32
}

fn in_a_row(figure: &Figure) -> usize {
    let width = figure.size.0 * figure.columns.max(1) as u32 - 20;
    ((width / entry_width(figure)) as usize).max(1)
}

/// Room for the longest name, for letters of the usual width.
fn entry_width(figure: &Figure) -> u32 {
    let longest = figure.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    52 + 7 * longest as u32
}

/// Colours that can be told apart in print and by most eyes, after Okabe and Ito.
fn colour(number: usize) -> RGBColor {
    const COLOURS: [RGBColor; 8] = [
        RGBColor(0, 114, 178),
        RGBColor(213, 94, 0),
        RGBColor(0, 158, 115),
        RGBColor(204, 121, 167),
        RGBColor(230, 159, 0),
        RGBColor(86, 180, 233),
        RGBColor(120, 120, 120),
        RGBColor(0, 0, 0),
    ];
    COLOURS[number % COLOURS.len()]
}

/// The library's errors borrow what they tell of.
fn failed<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

const FONT: &str = "sans-serif";
/// The height of a line of names, before it is enlarged.
const LEGEND_ROW: u32 = 20;
/// The radius of a dot.
const DOT: u32 = 3;
/// By how much finer PNG is drawn than written, each way.
const FINENESS: u32 = 2;
/// Red, green and blue.
const CHANNELS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::figure::{PANEL, Point, trimmed};

    fn sample() -> Figure {
        let points = vec![Point::new(0.0, 3.0), Point { x: 1.0, y: 1.0, spread: Some((0.5, 2.0)) }];
        let names = ["none", "some"].map(str::to_owned).to_vec();
        let panel = Panel {
            caption: "a caption".to_owned(),
            across: Axis::of_names("lost", names),
            up: Axis::linear("Mbit/s", 3.0, trimmed),
            lines: vec![Line { name: 1, points }],
        };
        let names = vec!["first".to_owned(), "second".to_owned()];
        Figure {
            names,
            columns: 2,
            size: PANEL,
            panels: vec![Some(panel.clone()), None, Some(panel)],
        }
    }

    #[test]
    fn a_picture_has_its_words() {
        let svg = String::from_utf8(render(&sample(), Format::Svg).unwrap()).unwrap();
        for word in ["a caption", "lost", "Mbit/s", "first", "second", "none", "some"] {
            assert!(svg.contains(word), "{word} is missing");
        }
        assert_eq!(svg.matches("a caption").count(), 2);
    }

    #[test]
    fn a_png_has_twice_the_size_of_the_svg_and_the_colour_of_its_line() {
        let file = render(&sample(), Format::Png).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let (width, height) = Pen { unit: 2 }.size(&sample());
        assert_eq!((info.width, info.height), (width, height));
        let RGBColor(red, green, blue) = colour(1);
        assert!(pixels.chunks(3).filter(|pixel| **pixel == [red, green, blue]).count() > 300);
        let white = pixels.chunks(3).filter(|pixel| **pixel == [255, 255, 255]).count();
        assert!(white > pixels.len() / 3 / 2, "most of it is paper");
    }

    #[test]
    fn formats_are_told_by_the_name() {
        assert_eq!(Format::of(Path::new("a/b.SVG")), Some(Format::Svg));
        assert_eq!(Format::of(Path::new("b.png")), Some(Format::Png));
        assert!(file("b.jpeg").is_err() && file("png").is_err());
    }
}
