use super::layout::Placed;
use super::*;

fn labels(count: usize) -> Vec<Label> {
    let label = |at| Label {
        company: "示例绿洲燃气公司".to_owned(),
        model: "TC-20".to_owned(),
        serial: format!("GD-2026-{at:05}"),
        link: format!("https://gas.example/bind?device=dev_1&serial=GD-2026-{at:05}&code=0123456789abcdef"),
    };
    (0..count).map(label).collect()
}

#[test]
fn a_sheet_holds_as_many_labels_as_its_paper_and_no_page_is_empty() {
    for size in LabelSize::ALL {
        let ((width, height), (columns, rows)) = (size.millimetres(), size.grid());
        let margin = 2.0 * 5.0;
        assert!(width * columns as f32 <= layout::WIDTH - margin, "{size:?} leaves no room for cut marks");
        assert!(height * rows as f32 <= layout::HEIGHT - margin, "{size:?} leaves no room for cut marks");
        let full = columns * rows;
        assert_eq!([size.pages(1), size.pages(full), size.pages(full + 1)], [1, 1, 2]);
        assert!(svg(&labels(full + 1), size, 2).is_ok());
        let error = svg(&labels(full), size, 2).unwrap_err();
        assert_eq!(error, LabelError::NoSuchPage { page: 2, pages: 1 });
        assert!(svg(&labels(1), size, 0).is_err());
    }
}

#[test]
fn everything_stands_within_its_label() {
    let mut long = labels(1).remove(0);
    long.company = "一家名字特别特别长的示例城镇燃气有限责任公司（集团）".to_owned();
    long.model = "NB-IoT-G2.5-2026-XL-特别型号-特别型号-特别型号".to_owned();
    long.serial = "0123456789012345678901234567890123456789".to_owned();
    let letters = lettering::lettering().unwrap();
    for size in LabelSize::ALL {
        let full = size.grid().0 * size.grid().1;
        let page = page(&vec![long.clone(); full], size, 1).unwrap();
        let (width, _) = size.millimetres();
        let left = (layout::WIDTH - width * size.grid().0 as f32) / 2.0;
        let mut serials = 0;
        for placed in &page.placed {
            if let Placed::Text { x, size: letter, text, .. } = placed {
                let column = ((x - left) / width).floor();
                let end = x + letters.width(text, *letter);
                assert!(end <= left + width * (column + 1.0) - 0.9, "{size:?}: {text} ends at {end}");
                serials += usize::from(*text == long.serial);
            }
        }
        assert_eq!(serials, full, "{size:?}: a serial number was cut short");
    }
}

#[test]
fn a_code_that_no_camera_could_read_is_refused() {
    let mut label = labels(1).remove(0);
    label.link.push_str(&"%E9%94%85".repeat(60));
    let error = pdf(&[label], LabelSize::Small).unwrap_err();
    assert!(matches!(&error, LabelError::TooFine { serial, .. } if serial == "GD-2026-00000"), "{error}");
}

#[test]
fn text_of_the_maker_cannot_become_markup() {
    let mut label = labels(1).remove(0);
    label.serial = "</title><script>alert(1)</script>&\u{1}".to_owned();
    let drawn = svg(&[label], LabelSize::Large, 1).unwrap();
    assert!(!drawn.contains("<script") && !drawn.contains('\u{1}'), "markup came through");
    assert!(drawn.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp; "));
}

#[test]
fn the_lettering_has_every_character_of_gb_2312_and_marks_others() {
    let letters = lettering::lettering().unwrap();
    let missing = letters.glyph('〓');
    for c in "燃气公司龢鑫濂瀛啊齄ＡＺ（）·—…0123456789ABCxyz-/".chars() {
        assert_eq!(letters.glyph(c) == missing, c == '龢', "{c}");
    }
    assert_eq!(letters.glyph('𠮷'), missing);
    assert!(letters.width("中", 10.0) > 9.9);
}

#[test]
fn a_document_of_thousands_stays_small_enough_to_mail() {
    let document = pdf(&labels(2_000), LabelSize::Small).unwrap();
    assert!(document.starts_with(b"%PDF-"));
    let each = document.len() / 2_000;
    assert!(each < 2_048, "{each} bytes a label");
}
