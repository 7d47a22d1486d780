//! Sheets of labels for devices: A4 with cut marks, as PDF or SVG. A label has a QR code with a link, the serial number in plain text, the
//! company and the model.
//!
//! Only lays out and draws: who may have a sheet is decided elsewhere. A label must never carry anything of a device's key.

mod layout;
mod lettering;
mod pdf;
mod svg;

use layout::Page;

/// What stands on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The gas company's name.
    pub company: String,
    /// The maker's name for the model.
    pub model: String,
    /// The serial number; never cut short.
    pub serial: String,
    /// Where the QR code leads.
    pub link: String,
}

/// How large a label is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelSize {
    /// 48 × 25 mm, 44 to a sheet.
    Small,
    /// 64 × 40 mm, 21 to a sheet.
    #[default]
    Medium,
    /// 96 × 56 mm, 10 to a sheet.
    Large,
}

impl LabelSize {
    /// Every size.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// The stable name, as in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }

    /// The size of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.name() == name)
    }

    /// Width and height in millimetres.
    pub const fn millimetres(self) -> (f32, f32) {
        match self {
            Self::Small => (48.0, 25.0),
            Self::Medium => (64.0, 40.0),
            Self::Large => (96.0, 56.0),
        }
    }

    /// Labels beside and below each other on a sheet.
    pub const fn grid(self) -> (usize, usize) {
        match self {
            Self::Small => (4, 11),
            Self::Medium => (3, 7),
            Self::Large => (2, 5),
        }
    }

    /// Sheets that so many labels take.
    pub const fn pages(self, labels: usize) -> usize {
        let (columns, rows) = self.grid();
        labels.div_ceil(columns * rows)
    }
}

/// Why there is no sheet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A camera could not read it.
    #[error(
        "the QR code of {serial} would have modules of {module_um} µm on a {size} label, expected at least {least_um}: choose larger labels"
    )]
    TooFine {
        /// Of which device.
        serial: String,
        /// On which labels.
        size: &'static str,
        /// The side of a module, micrometres.
        module_um: u32,
        /// The smallest that is drawn, micrometres.
        least_um: u32,
    },
    /// A sheet that is not there.
    #[error("expected a page from 1 to {pages}, got {page}")]
    NoSuchPage {
        /// The page, from 1.
        page: usize,
        /// How many there are.
        pages: usize,
    },
    /// The program was built with a font that is none.
    #[error("the lettering that this program was built with cannot be read")]
    Lettering,
}

fn page(labels: &[Label], size: LabelSize, page: usize) -> Result<Page, LabelError> {
    let (columns, rows) = size.grid();
    let pages = size.pages(labels.len());
    let nowhere = LabelError::NoSuchPage { page, pages };
    let on_it = page.checked_sub(1).and_then(|before| labels.chunks(columns * rows).nth(before)).ok_or(nowhere)?;
    layout::lay_out(on_it, size, lettering::lettering()?)
}

/// One sheet, pages counted from 1.
///
/// # Errors
/// [`LabelError`].
pub fn svg(labels: &[Label], size: LabelSize, number: usize) -> Result<String, LabelError> {
    Ok(svg::draw(&page(labels, size, number)?, lettering::lettering()?))
}

/// Every sheet in one document.
///
/// # Errors
/// [`LabelError`].
pub fn pdf(labels: &[Label], size: LabelSize) -> Result<Vec<u8>, LabelError> {
    let pages = (1..=size.pages(labels.len())).map(|number| page(labels, size, number));
    pdf::draw(pages, lettering::lettering()?)
}

#[cfg(test)]
mod tests;
