//! Curves and points as inline SVG.

use super::Html;
use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 52.0;
/// Colours of the theme.
const COLOURS: usize = 8;

/// A place on a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    /// The ends of an interval of `y`.
    pub ends: Option<(f64, f64)>,
    /// What is said of it.
    pub says: String,
}

/// Points that belong together; more than one are joined.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    pub points: Vec<Point>,
}

/// What the horizontal axis means.
#[derive(Debug, Clone, PartialEq)]
pub enum Horizontal {
    /// Powers of ten are as far apart as they are.
    Logarithmic,
    /// 0, 1, 2, … have these names.
    Names(Vec<String>),
}

pub struct Chart<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    pub horizontal: Horizontal,
    pub series: Vec<Series>,
}

impl Chart<'_> {
    /// Draws it; without a point there is nothing to draw.
    pub fn draw(&self, out: &mut Html) {
        let Some(frame) = Frame::of(self) else { return };
        out.tag("figure", &[], |out| {
            out.with("h3", &[], self.title);
            self.legend(out);
            let view = format!("0 0 {WIDTH} {HEIGHT}");
            let (width, height) = (WIDTH.to_string(), HEIGHT.to_string());
            let attributes = [
                ("viewBox", view.as_str()),
                ("width", &width),
                ("height", &height),
                ("role", "img"),
                ("aria-label", self.title),
            ];
            out.tag("svg", &attributes, |out| {
                frame.axes(out, self);
                for (at, series) in self.series.iter().enumerate() {
                    frame.series(out, series, at);
                }
            });
        });
    }

    fn legend(&self, out: &mut Html) {
        out.tag("ul", &[("class", "legend")], |out| {
            for (at, series) in self.series.iter().enumerate() {
                out.tag("li", &[("class", &colour(at))], |out| {
                    out.raw("<i></i>").text(format_args!("{}  {}", at + 1, series.name));
                });
            }
        });
    }
}

fn colour(at: usize) -> String {
    format!("s{}", at % COLOURS)
}

/// From values to places.
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
    logarithmic: bool,
}

impl Frame {
    fn of(chart: &Chart<'_>) -> Option<Self> {
        let points = || chart.series.iter().flat_map(|series| &series.points);
        let logarithmic = chart.horizontal == Horizontal::Logarithmic;
        let scaled = |x: f64| if logarithmic { x.max(1e-9).log10() } else { x };
        let x = match &chart.horizontal {
            Horizontal::Names(names) => (-0.5, names.len() as f64 - 0.5),
            _ => range(points().map(|point| scaled(point.x)))?,
        };
        let y = range(points().flat_map(|point| {
            let (lower, upper) = point.ends.unwrap_or((point.y, point.y));
            [point.y, lower, upper]
        }))?;
        Some(Self { x, y, logarithmic })
    }

    fn place_x(&self, x: f64) -> f64 {
        let x = if self.logarithmic { x.max(1e-9).log10() } else { x };
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn place_y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - (y - self.y.0) / (self.y.1 - self.y.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, out: &mut Html, chart: &Chart<'_>) {
        let (left, right, floor) = (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, name) in ticks(self.y) {
            let y = self.place_y(value);
            line(out, "grid", (left, y), (right, y));
            label(out, &name, (left - 8.0, y + 4.0), "end");
        }
        for (value, name) in self.ticks_x(chart) {
            let x = self.place_x(value);
            line(out, "axis", (x, floor), (x, floor + 5.0));
            label(out, &name, (x, floor + 20.0), "middle");
        }
        line(out, "axis", (left, floor), (right, floor));
        label(out, chart.x, ((left + right) / 2.0, HEIGHT - 10.0), "middle");
        let middle = (TOP + floor) / 2.0;
        let turn = format!("translate(14 {middle:.1}) rotate(-90)");
        out.with("text", &[("transform", &turn), ("text-anchor", "middle")], chart.y);
    }

    fn ticks_x(&self, chart: &Chart<'_>) -> Vec<(f64, String)> {
        match &chart.horizontal {
            Horizontal::Names(names) => {
                names.iter().enumerate().map(|(at, name)| (at as f64, name.clone())).collect()
            }
            Horizontal::Logarithmic => {
                let (from, to) = (self.x.0.floor() as i32, self.x.1.ceil() as i32);
                let all =
                    (from..=to).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
                let inside = |value: &f64| (self.x.0..=self.x.1).contains(&value.log10());
                let ticks: Vec<f64> = all.filter(inside).collect();
                // Too many stand in each other's way.
                let step = ticks.len().div_ceil(9).max(1);
                ticks.into_iter().step_by(step).map(|value| (value, short(value))).collect()
            }
        }
    }

    fn series(&self, out: &mut Html, series: &Series, at: usize) {
        out.tag("g", &[("class", &colour(at))], |out| {
            if series.points.len() > 1 {
                let mut path = String::new();
                for (at, point) in series.points.iter().enumerate() {
                    let step = if at == 0 { 'M' } else { 'L' };
                    let _ = write!(path, "{step}{:.1} {:.1}", self.place_x(point.x), self.place_y(point.y));
                }
                out.empty("path", &[("class", "stroke"), ("d", &path)]);
            }
            for point in &series.points {
                self.point(out, &series.name, point);
            }
            // There are more systems than colours.
            if let Some(last) = series.points.last() {
                let place = (self.place_x(last.x) + 8.0, self.place_y(last.y) - 6.0);
                label(out, &(at + 1).to_string(), place, "start");
            }
        });
    }

    fn point(&self, out: &mut Html, name: &str, point: &Point) {
        let (x, y) = (self.place_x(point.x), self.place_y(point.y));
        if let Some((lower, upper)) = point.ends {
            line(out, "stroke", (x, self.place_y(lower)), (x, self.place_y(upper)));
        }
        let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
        let attributes = [("class", "fill"), ("cx", x.as_str()), ("cy", &y), ("r", "5"), ("tabindex", "0")];
        out.tag("circle", &attributes, |out| {
            out.with("title", &[], format_args!("{name}: {}", point.says));
        });
    }
}

/// A range with a little room on both sides.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let values = values.filter(|value| value.is_finite());
    let (least, most) = values.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(least, most)| (least.min(value), most.max(value))))
    })?;
    let room = ((most - least) * 0.08).max(most.abs() * 0.01).max(1e-3);
    Some((least - room, most + room))
}

/// Round numbers, three to eight of them.
fn ticks((from, to): (f64, f64)) -> Vec<(f64, String)> {
    let rough = (to - from) / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let (first, last) = ((from / step).ceil() as i64, (to / step).floor() as i64);
    (first..=last).map(|at| at as f64 * step).map(|value| (value, format!("{value:.decimals$}"))).collect()
}

/// `1500000` as `1.5M`.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 1e9 => (v / 1e9, "G"),
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e4 => (v / 1e3, "k"),
        v => (v, ""),
    };
    format!("{value}{unit}")
}

fn line(out: &mut Html, class: &str, from: (f64, f64), to: (f64, f64)) {
    let path = format!("M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1);
    out.empty("path", &[("class", class), ("d", &path)]);
}

fn label(out: &mut Html, text: &str, (x, y): (f64, f64), anchor: &str) {
    let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
    out.with("text", &[("class", "faint"), ("x", &x), ("y", &y), ("text-anchor", anchor)], text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(horizontal: Horizontal, places: &[(f64, f64)]) -> String {
        let point =
            |&(x, y): &(f64, f64)| Point { x, y, ends: Some((y - 0.1, y + 0.1)), says: "<here>".into() };
        let series = Series { name: "a & b".into(), points: places.iter().map(point).collect() };
        let mut out = Html::new();
        Chart { title: "t", x: "x", y: "y", horizontal, series: vec![series] }.draw(&mut out);
        out.as_str().to_owned()
    }

    #[test]
    fn everything_drawn_is_inside() {
        for horizontal in
            [Horizontal::Logarithmic, Horizontal::Names(vec!["a".into(), "b".into(), "c".into()])]
        {
            let svg = chart(horizontal, &[(0.0, 0.5), (1.0, 0.5), (2.0, 0.9)]);
            assert_eq!(svg.matches("<circle").count(), 3);
            for part in svg.split("<circle").skip(1) {
                let number = |name: &str| -> f64 {
                    let (_, rest) = part.split_once(&format!("{name}=\"")).unwrap();
                    rest.split('"').next().unwrap().parse().unwrap()
                };
                assert!(
                    (LEFT..=WIDTH).contains(&number("cx")) && (0.0..=HEIGHT).contains(&number("cy")),
                    "{part}"
                );
            }
            assert!(svg.contains("a &amp; b") && svg.contains("&lt;here&gt;") && !svg.contains("NaN"));
        }
    }

    #[test]
    fn one_point_and_none_are_charts_too() {
        assert!(chart(Horizontal::Logarithmic, &[(3.0, 0.0)]).contains("<circle"));
        assert_eq!(chart(Horizontal::Logarithmic, &[]), "");
    }

    #[test]
    fn ticks_are_round() {
        let names: Vec<String> = ticks((0.61, 0.72)).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["0.62", "0.64", "0.66", "0.68", "0.70", "0.72"]);
        assert_eq!(short(2.5e6), "2.5M");
    }
}
