//! Where everything stands on a sheet, in millimetres from its upper left corner.

use super::lettering::Lettering;
use super::{Label, LabelError, LabelSize};
use qrcode::{EcLevel, QrCode};

/// A4.
pub(super) const WIDTH: f32 = 210.0;
/// A4.
pub(super) const HEIGHT: f32 = 297.0;
/// White modules around a code (ISO/IEC 18004).
const QUIET: usize = 4;
/// A module that a telephone's camera reads at arm's length.
const LEAST_MODULE: f32 = 0.3;
/// Between a label's edge and what stands on it.
const PADDING: f32 = 2.0;
/// Of a cut mark, and of its distance from the labels.
const MARK: f32 = 4.0;
const GAP: f32 = 1.0;
/// Lines to a company's name and to a model's.
const LINES: usize = 2;
/// From one line to the next, in sizes of a letter.
const LEADING: f32 = 1.25;

/// Something that is drawn.
pub(super) enum Placed {
    /// A QR code's dark modules; `x` and `y` are the corner of the first one.
    Code { x: f32, y: f32, module: f32, code: QrCode },
    /// A line of text; `y` is its baseline.
    Text { x: f32, y: f32, size: f32, text: String },
    /// A mark along which to cut.
    Cut { from: (f32, f32), to: (f32, f32) },
}

/// A sheet.
pub(super) struct Page {
    /// What stands on it.
    pub(super) placed: Vec<Placed>,
    /// The serial numbers, for who cannot see it.
    pub(super) serials: Vec<String>,
}

/// Lays out as many labels as stand on one sheet.
pub(super) fn lay_out(labels: &[Label], size: LabelSize, letters: &Lettering) -> Result<Page, LabelError> {
    let ((width, height), (columns, rows)) = (size.millimetres(), size.grid());
    let left = (WIDTH - width * columns as f32) / 2.0;
    let top = (HEIGHT - height * rows as f32) / 2.0;
    let mut placed = Vec::with_capacity(labels.len() * 6 + 2 * (columns + rows + 2));
    cut_marks(&mut placed, (left, top), (width, height), (columns, rows));
    for (at, label) in labels.iter().enumerate() {
        let corner = (left + width * (at % columns) as f32, top + height * (at / columns) as f32);
        draw(&mut placed, label, corner, size, letters)?;
    }
    Ok(Page { placed, serials: labels.iter().map(|label| label.serial.clone()).collect() })
}

fn cut_marks(
    placed: &mut Vec<Placed>,
    (left, top): (f32, f32),
    (width, height): (f32, f32),
    (columns, rows): (usize, usize),
) {
    let (right, bottom) = (left + width * columns as f32, top + height * rows as f32);
    for column in 0..=columns {
        let x = left + width * column as f32;
        placed.push(Placed::Cut { from: (x, top - GAP - MARK), to: (x, top - GAP) });
        placed.push(Placed::Cut { from: (x, bottom + GAP), to: (x, bottom + GAP + MARK) });
    }
    for row in 0..=rows {
        let y = top + height * row as f32;
        placed.push(Placed::Cut { from: (left - GAP - MARK, y), to: (left - GAP, y) });
        placed.push(Placed::Cut { from: (right + GAP, y), to: (right + GAP + MARK, y) });
    }
}

fn draw(
    placed: &mut Vec<Placed>,
    label: &Label,
    (left, top): (f32, f32),
    size: LabelSize,
    letters: &Lettering,
) -> Result<(), LabelError> {
    let (width, height) = size.millimetres();
    // The quiet zone may reach into the padding: the neighbour keeps its own.
    let square = height - PADDING;
    let too_fine = |module: f32| LabelError::TooFine {
        serial: label.serial.clone(),
        size: size.name(),
        module_um: (module * 1000.0) as u32,
        least_um: (LEAST_MODULE * 1000.0) as u32,
    };
    let code = QrCode::with_error_correction_level(&label.link, EcLevel::M).map_err(|_| too_fine(0.0))?;
    let module = square / (code.width() + 2 * QUIET) as f32;
    if module < LEAST_MODULE {
        return Err(too_fine(module));
    }
    let inset = PADDING / 2.0 + module * QUIET as f32;
    placed.push(Placed::Code { x: left + inset, y: top + inset, module, code });

    let x = left + PADDING / 2.0 + square;
    let room = width - PADDING * 1.5 - square;
    let letter = height / 10.0;
    let mut y = top + PADDING + letter;
    for line in wrapped(&label.company, letter, room, letters) {
        placed.push(Placed::Text { x, y, size: letter, text: line });
        y += letter * LEADING;
    }
    let small = letter * 0.85;
    for line in wrapped(&label.model, small, room, letters) {
        placed.push(Placed::Text { x, y, size: small, text: line });
        y += small * LEADING;
    }
    // The serial number is what a person reads out when no camera helps: as large as fits, and whole.
    let wide = letters.width(&label.serial, 1.0).max(f32::MIN_POSITIVE);
    let fitting = (letter * 1.3).min(room / wide);
    placed.push(Placed::Text {
        x,
        y: top + height - PADDING - letter * 0.3,
        size: fitting,
        text: label.serial.clone(),
    });
    Ok(())
}

/// A text in at most [`LINES`] lines; what does not fit is left out, and an ellipsis says so.
fn wrapped(text: &str, size: f32, room: f32, letters: &Lettering) -> Vec<String> {
    let mut lines = vec![String::new()];
    for c in text.trim().chars() {
        let Some(line) = lines.last_mut() else { break };
        line.push(c);
        if letters.width(line, size) <= room {
            continue;
        }
        line.pop();
        if lines.len() == LINES {
            let Some(line) = lines.last_mut() else { break };
            line.push('…');
            while letters.width(line, size) > room && line.chars().count() > 1 {
                line.pop();
                line.pop();
                line.push('…');
            }
            break;
        }
        lines.push(c.to_string());
    }
    lines.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}
