//! The catalogue that is built in.
use allim::notification::Catalogue;

#[test]
fn the_built_in_catalogue_is_valid() {
    let text = include_str!("../../../src/notification/catalogue.toml");
    if let Err(error) = Catalogue::parse(text) {
        panic!("{}", error.complaints.join("\n"));
    }
}
