use super::*;

fn faults(text: &str) -> Vec<(u64, String, String)> {
    let faults = read(text.as_bytes()).unwrap_err();
    faults.into_iter().map(|it| (it.line, it.column, it.fault)).collect()
}

#[test]
fn a_file_of_a_spreadsheet_is_read_whatever_the_order_of_its_columns() {
    let text = "\u{feff}model,serial,kind,links,premises,address,lon,lat\r\nTC-20,D1,detector,V1; V2,home,\"Road 1, \"\"A\"\"\",120.1,30.2\r\n\
                QF-15,V1,valve,,home,,,\r\nQF-15,V2,valve,,pre_2D,,,\r\n";
    let file = read(text.as_bytes()).unwrap();
    assert_eq!((file.lines.as_slice(), file.premises.as_slice()), ([2, 3, 4].as_slice(), [2].as_slice()));
    assert_eq!(file.manifest.premises[0].address, "Road 1, \"A\"");
    assert_eq!(file.manifest.devices[0].links, ["V1", "V2"]);
    assert_eq!(count_lines(text.as_bytes()), 3);
}

#[test]
fn every_fault_is_told_with_its_line_and_column_and_without_keys() {
    let text = "serial,kind,model,sleepy,lon,lat,master_secret,master_salt,premises\n\
                ,detector,m,,,,,,\n\
                D2,toaster,m,perhaps,200,x,,,\n\
                D3,valve,m,,,,5a5a5a5a,,\n\
                D4,valve,m,,,,,,new\n\
                D5,valve\n";
    let faults = faults(text);
    let places: Vec<_> = faults.iter().map(|(line, column, _)| (*line, column.as_str())).collect();
    assert_eq!(
        places,
        [
            (2, "serial"),
            (3, "kind"),
            (3, "lon"),
            (3, "lat"),
            (3, "sleepy"),
            (4, "master_secret"),
            (5, "premises"),
            (6, "")
        ]
    );
    assert!(!format!("{faults:?}").contains("5a5a"), "{faults:?}");
}

#[test]
fn lines_are_counted_as_an_editor_does_whatever_ends_them() {
    for end in ["\n", "\r\n"] {
        let text = ["serial,kind,model", "D1,valve,\"a", "b\"", "", "D2,valve,m,x", "D3,no,m"].join(end);
        let told = read(text.as_bytes()).unwrap_err();
        assert_eq!(told.iter().map(|it| it.line).collect::<Vec<_>>(), [2, 5, 6], "{end:?}: {told:?}");
    }
}

#[test]
fn a_heading_that_is_not_understood_refuses_the_file() {
    let told = faults("serial,kind,modle,serial\nD1,valve,m,D1\n");
    let places: Vec<_> = told.iter().map(|(_, column, _)| column.as_str()).collect();
    assert_eq!(places, ["modle", "serial", "model"]);
    assert!(faults("serial,kind,model\n")[0].2.contains("at least one device"));
    let gbk = read(b"serial,kind,model\nD1,valve,\xc2\xa5\xff\n").unwrap_err();
    assert!(gbk[0].fault.contains("CSV UTF-8"), "{gbk:?}");
}

#[test]
fn what_a_spreadsheet_would_compute_is_a_text_in_the_report() {
    let evil = LineFault { line: 2, column: "=1+1".to_owned(), fault: "@SUM(A1), \"x\"".to_owned() };
    assert_eq!(report(&[evil]), "line,column,fault\n2,'=1+1,\"'@SUM(A1), \"\"x\"\"\"\n");
    for harmful in ["=a", "+a", "-a", "@a", "\ta", "\ra"] {
        assert_eq!(harmless(harmful), format!("'{harmful}"));
    }
    assert_eq!(harmless("a=b"), "a=b");
}
