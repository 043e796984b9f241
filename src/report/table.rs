//! Aligned columns. In: rows of text. Out: lines.

use super::fit::harmless;

/// Lays `rows` out under `header`, columns two spaces apart, none after the last.
pub fn align(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    // A name from the history or a folder may hold a line feed; a row stays a row.
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| harmless(cell).replace(['\n', '\t'], " ")).collect()).collect();
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width - cell.chars().count() + 2));
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["1".to_owned(), "é".to_owned()], vec!["1000".to_owned(), "x".to_owned()]];
        assert_eq!(align(&["VERSION", "A"], &rows), ["VERSION  A", "1        é", "1000     x"]);
    }
}
