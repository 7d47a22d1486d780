//! The letters of labels: outlines and widths of a font that has the characters of GB/T 2312, drawn as paths so that a sheet looks the same
//! wherever it is printed.

use super::LabelError;
use std::sync::LazyLock;
use ttf_parser::{Face, GlyphId, OutlineBuilder};

static FACE: LazyLock<Option<Lettering>> = LazyLock::new(|| {
    let face = Face::parse(include_bytes!("lettering.otf"), 0).ok()?;
    let unknown = face.glyph_index(UNKNOWN)?;
    Some(Lettering { face, unknown })
});

/// Stands for a character that the font does not have: the printer's mark for a missing sort.
const UNKNOWN: char = '〓';

/// The font.
pub(super) struct Lettering {
    face: Face<'static>,
    unknown: GlyphId,
}

/// The font that this program was built with.
pub(super) fn lettering() -> Result<&'static Lettering, LabelError> {
    FACE.as_ref().ok_or(LabelError::Lettering)
}

/// What takes an outline, in font units with y upwards.
pub(super) trait Pen {
    fn move_to(&mut self, x: f32, y: f32);
    fn line_to(&mut self, x: f32, y: f32);
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32);
    fn close(&mut self);
}

struct Cubic<'a, P> {
    pen: &'a mut P,
    at: (f32, f32),
}

impl<P: Pen> OutlineBuilder for Cubic<'_, P> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.at = (x, y);
        self.pen.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.at = (x, y);
        self.pen.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (x0, y0) = self.at;
        let third = |from: f32, control: f32| from + (control - from) * 2.0 / 3.0;
        self.at = (x, y);
        self.pen.curve_to(third(x0, x1), third(y0, y1), third(x, x1), third(y, y1), x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.at = (x, y);
        self.pen.curve_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.pen.close();
    }
}

impl Lettering {
    /// The glyph of a character.
    pub(super) fn glyph(&self, c: char) -> GlyphId {
        self.face.glyph_index(c).unwrap_or(self.unknown)
    }

    /// How far a glyph moves on, in font units.
    pub(super) fn advance(&self, glyph: GlyphId) -> f32 {
        self.face.glyph_hor_advance(glyph).map_or(0.0, f32::from)
    }

    /// Font units to the size of a letter.
    pub(super) fn units(&self) -> f32 {
        f32::from(self.face.units_per_em())
    }

    /// How wide a text of this size is, in the size's unit.
    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|c| self.advance(self.glyph(c))).sum::<f32>() / self.units() * size
    }

    /// Draws a glyph; one without an outline, such as a space, draws nothing.
    pub(super) fn draw(&self, glyph: GlyphId, pen: &mut impl Pen) {
        let _ = self.face.outline_glyph(glyph, &mut Cubic { pen, at: (0.0, 0.0) });
    }
}
