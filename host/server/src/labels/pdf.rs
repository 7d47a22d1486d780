//! Sheets as PDF. Each glyph that occurs is drawn once, as a Type 3 font with a map back to characters: text can be searched and copied,
//! and needs no font of the printer's.

use super::LabelError;
use super::layout::{HEIGHT, Page, Placed, WIDTH};
use super::lettering::{Lettering, Pen};
use super::svg::runs;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str};
use std::collections::HashMap;
use std::io::Write as _;

/// Points to a millimetre.
const POINTS: f32 = 72.0 / 25.4;
/// Glyphs to one font: a byte each, from 1.
const PER_FONT: usize = 255;

/// The characters that occur, each with its place: font and byte.
#[derive(Default)]
struct Case {
    places: HashMap<char, (usize, u8)>,
    fonts: Vec<Vec<char>>,
}

impl Case {
    fn place(&mut self, c: char) -> (usize, u8) {
        if let Some(place) = self.places.get(&c) {
            return *place;
        }
        if self.fonts.last().is_none_or(|font| font.len() == PER_FONT) {
            self.fonts.push(Vec::new());
        }
        let font = self.fonts.len() - 1;
        let mut byte = 0;
        if let Some(letters) = self.fonts.last_mut() {
            letters.push(c);
            byte = letters.len() as u8;
        }
        self.places.insert(c, (font, byte));
        (font, byte)
    }
}

struct Refs(i32);

impl Refs {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

impl Pen for Content {
    fn move_to(&mut self, x: f32, y: f32) {
        self.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.line_to(x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.close_path();
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // A vector takes everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn font_name(font: usize) -> String {
    format!("F{font}")
}

/// Draws them.
pub(super) fn draw(
    pages: impl Iterator<Item = Result<Page, LabelError>>,
    letters: &Lettering,
) -> Result<Vec<u8>, LabelError> {
    let mut pdf = Pdf::new();
    let mut refs = Refs(0);
    let (catalog, tree, resources, info) = (refs.next(), refs.next(), refs.next(), refs.next());
    let mut case = Case::default();
    let mut kids = Vec::new();
    for page in pages {
        let content = packed(&content(&page?, &mut case));
        let (page, stream) = (refs.next(), refs.next());
        pdf.stream(stream, &content).filter(Filter::FlateDecode);
        let mut dictionary = pdf.page(page);
        dictionary.media_box(Rect::new(0.0, 0.0, WIDTH * POINTS, HEIGHT * POINTS)).parent(tree).contents(stream);
        dictionary.pair(Name(b"Resources"), resources);
        dictionary.finish();
        kids.push(page);
    }
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).count(kids.len() as i32).kids(kids);
    let fonts: Vec<_> = case.fonts.iter().map(|chars| font(&mut pdf, &mut refs, chars, letters)).collect();
    let mut dictionary = pdf.indirect(resources).dict();
    let mut listed = dictionary.insert(Name(b"Font")).dict();
    for (at, font) in fonts.into_iter().enumerate() {
        listed.pair(Name(font_name(at).as_bytes()), font);
    }
    listed.finish();
    dictionary.finish();
    pdf.document_info(info).producer(pdf_writer::TextStr("Davy"));
    Ok(pdf.finish())
}

fn content(page: &Page, case: &mut Case) -> Vec<u8> {
    let mut content = Content::new();
    // Millimetres from the lower left corner.
    content.transform([POINTS, 0.0, 0.0, POINTS, 0.0, 0.0]);
    content.set_line_width(0.1);
    for placed in &page.placed {
        match placed {
            Placed::Cut { from, to } => {
                Content::move_to(&mut content, from.0, HEIGHT - from.1).line_to(to.0, HEIGHT - to.1).stroke();
            }
            Placed::Code { x, y, module, code } => {
                content.save_state().transform([*module, 0.0, 0.0, -module, *x, HEIGHT - y]);
                for (column, row, length) in runs(code) {
                    content.rect(column as f32, row as f32, length as f32, 1.0);
                }
                content.fill_nonzero().restore_state();
            }
            Placed::Text { x, y, size, text } => {
                content.begin_text().set_text_matrix([1.0, 0.0, 0.0, 1.0, *x, HEIGHT - y]);
                let places: Vec<_> = text.chars().map(|c| case.place(c)).collect();
                for run in places.chunk_by(|left, right| left.0 == right.0) {
                    let Some((font, _)) = run.first() else { continue };
                    content.set_font(Name(font_name(*font).as_bytes()), *size);
                    let bytes: Vec<u8> = run.iter().map(|(_, byte)| *byte).collect();
                    content.show(Str(&bytes));
                }
                content.end_text();
            }
        }
    }
    content.finish().into_vec()
}

fn font(pdf: &mut Pdf, refs: &mut Refs, chars: &[char], letters: &Lettering) -> Ref {
    let (font, to_unicode) = (refs.next(), refs.next());
    let mut procedures = Vec::with_capacity(chars.len());
    for c in chars {
        let (glyph, id) = (letters.glyph(*c), refs.next());
        let mut drawn = Content::new();
        drawn.start_color_glyph(letters.advance(glyph));
        letters.draw(glyph, &mut drawn);
        drawn.fill_nonzero();
        pdf.stream(id, &packed(&drawn.finish())).filter(Filter::FlateDecode);
        procedures.push(id);
    }
    let names: Vec<String> = (1..=chars.len()).map(|at| format!("c{at}")).collect();
    let unit = 1.0 / letters.units();
    let mut dictionary = pdf.type3_font(font);
    // All zero: whoever draws it looks at the glyphs themselves (ISO 32000-1, table 112).
    dictionary.bbox(Rect::new(0.0, 0.0, 0.0, 0.0)).matrix([unit, 0.0, 0.0, unit, 0.0, 0.0]);
    dictionary.first_char(1).last_char(chars.len() as u8);
    dictionary.widths(chars.iter().map(|c| letters.advance(letters.glyph(*c))));
    dictionary.to_unicode(to_unicode);
    let mut listed = dictionary.char_procs();
    for (name, id) in names.iter().zip(&procedures) {
        listed.pair(Name(name.as_bytes()), *id);
    }
    listed.finish();
    dictionary.encoding_custom().differences().consecutive(1, names.iter().map(|name| Name(name.as_bytes())));
    dictionary.resources();
    dictionary.finish();
    let information = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"UCS"), supplement: 0 };
    let mut map = UnicodeCmap::<u8>::new(Name(b"Davy"), information);
    for (at, c) in chars.iter().enumerate() {
        map.pair(at as u8 + 1, *c);
    }
    pdf.stream(to_unicode, &packed(&map.finish())).filter(Filter::FlateDecode);
    font
}
