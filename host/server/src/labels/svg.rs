//! A sheet as SVG: paths only, so that no viewer needs a font.

use super::layout::{HEIGHT, Page, Placed, WIDTH};
use super::lettering::{Lettering, Pen};
use qrcode::{Color, QrCode};
use std::collections::BTreeSet;
use std::fmt::Write as _;

struct Path(String);

impl Pen for Path {
    fn move_to(&mut self, x: f32, y: f32) {
        let _ = write!(self.0, "M{x} {y}");
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let _ = write!(self.0, "L{x} {y}");
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let _ = write!(self.0, "C{x1} {y1} {x2} {y2} {x} {y}");
    }

    fn close(&mut self) {
        self.0.push('Z');
    }
}

/// Draws it.
pub(super) fn draw(page: &Page, letters: &Lettering) -> String {
    let mut used = BTreeSet::new();
    let mut body = String::new();
    for placed in &page.placed {
        match placed {
            Placed::Cut { from, to } => {
                let _ = writeln!(
                    body,
                    "<path d=\"M{} {}L{} {}\" stroke=\"#000\" stroke-width=\".1\"/>",
                    from.0, from.1, to.0, to.1
                );
            }
            Placed::Code { x, y, module, code } => {
                let _ =
                    writeln!(body, "<path transform=\"translate({x} {y})scale({module})\" d=\"{}\"/>", modules(code));
            }
            Placed::Text { x, y, size, text } => {
                let scale = size / letters.units();
                let _ = write!(body, "<g transform=\"translate({x} {y})scale({scale} -{scale})\">");
                let mut at = 0.0;
                for c in text.chars() {
                    let glyph = letters.glyph(c);
                    used.insert(glyph);
                    let _ = write!(body, "<use href=\"#g{}\" x=\"{at}\"/>", glyph.0);
                    at += letters.advance(glyph);
                }
                body.push_str("</g>\n");
            }
        }
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}mm\" height=\"{HEIGHT}mm\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\">\n<title>{}</title>\n<defs>\n",
        escaped(&page.serials.join(", "))
    );
    for glyph in used {
        let mut path = Path(String::new());
        letters.draw(glyph, &mut path);
        let _ = writeln!(out, "<path id=\"g{}\" d=\"{}\"/>", glyph.0, path.0);
    }
    let _ = write!(out, "</defs>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n{body}</svg>\n");
    out
}

/// The dark modules as one path, a rectangle for each run in a row: no seams between neighbours.
fn modules(code: &QrCode) -> String {
    let mut path = String::new();
    for (x, y, length) in runs(code) {
        let _ = write!(path, "M{x} {y}h{length}v1h-{length}z");
    }
    path
}

/// Dark modules of a row that stand together: column, row and how many.
pub(super) fn runs(code: &QrCode) -> Vec<(usize, usize, usize)> {
    let mut runs = Vec::new();
    for y in 0..code.width() {
        let mut from = None;
        // A module beyond the edge is light: it ends the last run.
        for x in 0..=code.width() {
            match (x < code.width() && code[(x, y)] == Color::Dark, from) {
                (true, None) => from = Some(x),
                (false, Some(begin)) => {
                    runs.push((begin, y, x - begin));
                    from = None;
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }
    runs
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // XML has no way to say them.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
        out
    })
}
