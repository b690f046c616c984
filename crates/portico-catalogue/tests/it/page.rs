//! `docs/ports.md` is made from the catalogue. After a change of the data:
//! `UPDATE_EXPECT=1 cargo test -p portico-catalogue`, and read the difference.

use portico_catalogue::{
    Catalogue, DocumentText,
    markdown::{cell, ports_page},
};

#[test]
fn the_page_in_docs_is_the_one_of_the_data() {
    let page = ports_page(Catalogue::portico());
    expect_test::expect_file!["../../../../docs/ports.md"].assert_eq(&page);
}

#[test]
fn every_flow_role_and_feature_is_on_the_page() {
    let catalogue = Catalogue::portico();
    let page = ports_page(catalogue);
    let flows = catalogue.flows().map(|flow| &flow.id);
    let roles = catalogue.roles().map(|role| &role.id);
    let features = catalogue.features().map(|feature| &feature.id);
    for id in flows.chain(roles).chain(features) {
        assert!(page.contains(&format!("`{id}`")), "{id}");
    }
}

#[test]
fn every_line_of_a_table_has_as_many_cells_as_its_head() {
    let page = ports_page(Catalogue::portico());
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut head = None;
    for line in page.lines() {
        if line.starts_with('|') {
            let wanted = *head.get_or_insert(cells(line));
            assert_eq!(cells(line), wanted, "{line}");
        } else {
            head = None;
        }
    }
}

#[test]
fn text_of_a_cell_stays_text() {
    assert_eq!(cell("a|b\r\nc"), "a\\|b  c");
    assert_eq!(cell("<script>&"), "&lt;script&gt;&amp;");
    assert_eq!(
        cell("**[x](y)** `z` ${}"),
        "\\*\\*\\[x\\](y)\\*\\* \\`z\\` ${}"
    );
    assert_eq!(cell("\u{1b}[0m\u{202e}"), "\u{fffd}\\[0m\u{fffd}");
}

#[test]
fn hostile_names_do_not_break_out_of_the_page() {
    let text = "document = \"d\"\ntitle = \"D | <b>\\r\\n# x\"\n";
    let catalogue = Catalogue::parse(&[DocumentText {
        file_name: "d.toml",
        text,
    }])
    .unwrap();
    let page = ports_page(&catalogue);
    assert!(page.contains("## D \\| &lt;b&gt;  \\# x\n"), "{page}");
}
