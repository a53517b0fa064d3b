//! How the cost grows with the number of services: a small picture of the table's own values.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::listeners::Kind;
use crate::parts::cost;
use crate::table::Table;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const INTERVAL: f64 = 10.0;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 36.0;
const DECADE: f64 = 90.0;

/// One panel: what it shows, and its values with their sizes.
struct Panel {
    title: &'static str,
    unit: &'static str,
    points: Vec<(usize, f64)>,
    /// Exponents of ten at its lower and upper edge.
    from: i32,
    to: i32,
}

/// Draws the curve where the table holds its values.
pub(crate) fn write(table: &Table, folder: &Path) -> Result<()> {
    let points = |what: &str| -> Vec<(usize, f64)> {
        let row = |size| table.find(&format!("{}: {what}", cost::name(Kind::Tcp, size, INTERVAL)));
        SIZES
            .iter()
            .filter_map(|size| Some((*size, row(*size)?.value())))
            .collect()
    };
    let panels = [
        Panel {
            title: "Share of one core",
            unit: "%",
            points: points(cost::CORE),
            from: -2,
            to: 2,
        },
        Panel {
            title: "Resident memory",
            unit: "MiB",
            points: points(cost::RESIDENT),
            from: 0,
            to: 3,
        },
    ];
    if panels.iter().any(|panel| panel.points.len() < SIZES.len()) {
        return Ok(());
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{HEIGHT}\" viewBox=\"0 0 {0} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        2.0 * WIDTH + 30.0
    );
    for (number, panel) in panels.iter().enumerate() {
        panel.draw(&mut svg, number as f64 * WIDTH)?;
    }
    svg.push_str("</svg>\n");
    let file = folder.join("curve.svg");
    fs::write(&file, svg)?;
    println!("as a picture: {}", file.display());
    Ok(())
}

// === impl Panel ===

impl Panel {
    fn draw(&self, svg: &mut String, shift: f64) -> Result<()> {
        let bottom = HEIGHT - 40.0;
        let x = |services: usize| shift + LEFT + ((services as f64).log10() - 1.0) * DECADE;
        let scale = (bottom - TOP) / f64::from(self.to - self.from);
        let y = |value: f64| bottom - (value.log10() - f64::from(self.from)) * scale;
        let (left, right) = (x(10), x(10_000));
        writeln!(
            svg,
            "<text x=\"{left}\" y=\"20\" font-size=\"13\" fill=\"#1f2430\">{} ({})</text>",
            self.title, self.unit
        )?;
        for exponent in self.from..=self.to {
            let (value, height) = (10_f64.powi(exponent), y(10_f64.powi(exponent)));
            writeln!(
                svg,
                "<line x1=\"{left}\" y1=\"{height}\" x2=\"{right}\" y2=\"{height}\" stroke=\"#e1e4ea\"/>"
            )?;
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#5b6270\">{value}</text>",
                left - 8.0,
                height + 4.0
            )?;
        }
        for size in SIZES {
            let place = x(size);
            writeln!(
                svg,
                "<text x=\"{place}\" y=\"{}\" text-anchor=\"middle\" fill=\"#5b6270\">{size}</text>",
                bottom + 18.0
            )?;
        }
        let path: Vec<String> = self
            .points
            .iter()
            .map(|(size, value)| format!("{:.1},{:.1}", x(*size), y(*value)))
            .collect();
        writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#1a7f5a\" stroke-width=\"2\"/>",
            path.join(" ")
        )?;
        for (size, value) in &self.points {
            let (x, y) = (x(*size), y(*value));
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"#1a7f5a\"/>")?;
            writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#1f2430\">{value:.2}</text>",
                y - 9.0
            )?;
        }
        writeln!(
            svg,
            "<text x=\"{left}\" y=\"{}\" fill=\"#5b6270\">services, one TCP check each every {INTERVAL} s</text>",
            bottom + 34.0
        )?;
        Ok(())
    }
}
