//! Charts as SVG: points and lines over two axes, readable on light and on dark paper.

use std::fmt::Write as _;

/// A chart of several series.
pub struct Chart {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

/// What an axis means, and whether it grows by factors.
pub struct Axis {
    pub label: String,
    pub logarithmic: bool,
}

/// Points of one name, joined in the order of `x`.
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
/// Left, top, right and bottom of what the points are drawn in.
const FRAME: [f64; 4] = [72.0, 44.0, 520.0, 404.0];
/// Told apart by eye also where colours are not (Okabe & Ito, "Color universal design", 2008), on either paper.
const COLOURS: [&str; 8] =
    ["#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#cc79a7", "#009e73", "#a38b00", "#888888"];
/// Grey that stands out from black and from white alike.
const STYLE: &str = "text{font:13px sans-serif;fill:#59636e}.t{font-size:15px;font-weight:600}\
.g{stroke:#59636e;stroke-opacity:.25}.f{fill:none;stroke:#59636e}\
@media(prefers-color-scheme:dark){text{fill:#a9b4bf}.g{stroke:#a9b4bf}.f{stroke:#a9b4bf}}";

impl Chart {
    /// The chart as a file; the same chart gives the same bytes.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Scale::over(points().map(|point| point.0), self.x.logarithmic, FRAME[0], FRAME[2]);
        let y = Scale::over(points().map(|point| point.1), self.y.logarithmic, FRAME[3], FRAME[1]);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{0}</title>\n<style>{STYLE}</style>\n<text class=\"t\" x=\"{1}\" y=\"26\">{0}</text>\n",
            escaped(&self.title),
            FRAME[0],
        );
        grid(&mut out, &x, &y);
        let (middle, centre) = ((FRAME[0] + FRAME[2]) / 2.0, (FRAME[1] + FRAME[3]) / 2.0);
        let _ = writeln!(
            out,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(18 {centre}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 14.0,
            escaped(&self.x.label),
            escaped(&self.y.label),
        );
        for (at, series) in self.series.iter().enumerate() {
            draw(&mut out, series, at, &x, &y);
        }
        out + "</svg>\n"
    }
}

fn grid(out: &mut String, x: &Scale, y: &Scale) {
    let [left, top, right, bottom] = FRAME;
    for tick in x.ticks() {
        let at = x.at(tick);
        let _ = writeln!(
            out,
            "<path class=\"g\" d=\"M{at:.1} {top}V{bottom}\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 18.0,
            number(tick),
        );
    }
    for tick in y.ticks() {
        let at = y.at(tick);
        let _ = writeln!(
            out,
            "<path class=\"g\" d=\"M{left} {at:.1}H{right}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            at + 4.5,
            number(tick),
        );
    }
    let _ = writeln!(out, "<path class=\"f\" d=\"M{left} {top}V{bottom}H{right}\"/>");
}

fn draw(out: &mut String, series: &Series, at: usize, x: &Scale, y: &Scale) {
    let colour = COLOURS[at % COLOURS.len()];
    // Past the colours, dashes tell series apart.
    let dash = if at < COLOURS.len() { "" } else { " stroke-dasharray=\"4 3\"" };
    let mut points = series.points.clone();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line: Vec<String> =
        points.iter().map(|point| format!("{:.1},{:.1}", x.at(point.0), y.at(point.1))).collect();
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"{dash}/>",
        line.join(" ")
    );
    for point in &points {
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.6\" fill=\"{colour}\"><title>{}: {}, {}</title></circle>",
            x.at(point.0),
            y.at(point.1),
            escaped(&series.name),
            number(point.0),
            number(point.1),
        );
    }
    let (left, top) = (FRAME[2] + 20.0, FRAME[1] + 10.0 + 22.0 * at as f64);
    let _ = writeln!(
        out,
        "<path d=\"M{left} {top}h18\" stroke=\"{colour}\" stroke-width=\"3\"{dash}/><text x=\"{}\" y=\"{}\">{}</text>",
        left + 25.0,
        top + 4.5,
        escaped(&series.name),
    );
}

/// From numbers to places.
struct Scale {
    logarithmic: bool,
    /// The numbers at the ends, in logarithms to ten if it is logarithmic.
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Over all `values`, with a little room around them, between the places `from` and `to`.
    fn over(values: impl Iterator<Item = f64>, logarithmic: bool, from: f64, to: f64) -> Self {
        let values = values.map(|value| if logarithmic { value.log10() } else { value });
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let room = if high > low { (high - low) * 0.06 } else { 0.5 };
        Self { logarithmic, low: low - room, high: high + room, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.log10() } else { value };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round numbers on the scale, about five.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let steps: &[f64] = if self.high - self.low > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
            let powers = self.low.floor() as i32..=self.high.ceil() as i32;
            let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
            return all.filter(|tick| (self.low..=self.high).contains(&tick.log10())).collect();
        }
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        (first..).map(|at| at as f64 * step).take_while(|tick| *tick <= self.high).collect()
    }
}

/// A number as short as it can be said.
fn number(value: f64) -> String {
    let size = value.abs();
    let scaled = |value: f64, unit: &str| {
        let text = format!("{value:.2}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match size {
        _ if size >= 1e9 => scaled(value / 1e9, " G"),
        _ if size >= 1e6 => scaled(value / 1e6, " M"),
        _ if size >= 1e4 => scaled(value / 1e3, " k"),
        _ if size >= 0.1 || size == 0.0 => scaled(value, ""),
        _ => format!("{value:.4}").trim_end_matches('0').to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_where_their_numbers_are() {
        let chart = Chart {
            title: "recall < latency".to_owned(),
            x: Axis { label: "ms".to_owned(), logarithmic: true },
            y: Axis { label: "recall@100".to_owned(), logarithmic: false },
            series: vec![Series {
                name: "a & b".to_owned(),
                points: vec![(100.0, 1.0), (1.0, 0.5), (10.0, 0.75)],
            }],
        };
        let svg = chart.svg();
        assert!(svg.contains("recall &lt; latency") && svg.contains("a &amp; b"));
        let places: Vec<(f64, f64)> = svg
            .lines()
            .filter_map(|line| {
                let value = |name: &str| line.split_once(name)?.1.split_once('"')?.0.parse().ok();
                Some((value("cx=\"")?, value("cy=\"")?))
            })
            .collect();
        assert_eq!(places.len(), 3);
        // Equal factors and equal differences are equally far.
        assert!((places[1].0 * 2.0 - places[0].0 - places[2].0).abs() < 0.2, "{places:?}");
        assert!((places[1].1 * 2.0 - places[0].1 - places[2].1).abs() < 0.2 && places[0].1 > places[2].1);
        assert!(places.iter().all(|place| (FRAME[0]..FRAME[2]).contains(&place.0)));
    }

    #[test]
    fn ticks_are_round() {
        let scale = Scale::over([0.0, 10.0].into_iter(), false, 0.0, 1.0);
        assert_eq!(scale.ticks(), [0.0, 5.0, 10.0]);
        let scale = Scale::over([1e5, 2e7].into_iter(), true, 0.0, 1.0);
        assert_eq!(scale.ticks().first(), Some(&1e5));
        assert!(Scale::over(std::iter::empty(), false, 0.0, 1.0).ticks().len() > 2);
        assert_eq!([0.05, 1.5, 12_000.0, 2e7, 0.0].map(number), ["0.05", "1.5", "12 k", "20 M", "0"]);
    }
}
