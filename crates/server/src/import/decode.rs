//! Bytes to text: UTF-8 with or without a mark, UTF-16 with one, GBK and GB18030 without. Owns the guess; must never
//! replace a byte that it cannot read.

use encoding_rs::{DecoderResult, GB18030};

use crate::words::Words;

/// How a file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// GB18030, which holds GBK and GB2312.
    Gb18030,
    /// UTF-16, as spreadsheets write "Unicode text".
    Utf16,
}

impl Encoding {
    /// Its usual name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gb18030 => "GB18030",
            Self::Utf16 => "UTF-16",
        }
    }
}

/// Where the text breaks off and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The line, from 1.
    pub(super) line: u64,
    pub(super) reason: Words,
}

/// The file's text, without a byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<(String, Encoding), Unreadable> {
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return match std::str::from_utf8(rest) {
            Ok(text) => Ok((text.to_owned(), Encoding::Utf8)),
            Err(error) => Err(unreadable(bytes, 3 + error.valid_up_to(), "UTF-8")),
        };
    }
    for (mark, encoding) in [(b"\xff\xfe", encoding_rs::UTF_16LE), (b"\xfe\xff", encoding_rs::UTF_16BE)] {
        if let Some(rest) = bytes.strip_prefix(mark) {
            let text = encoding.decode_without_bom_handling_and_without_replacement(rest);
            let whole = || Unreadable { line: 0, reason: reason_whole("UTF-16") };
            return text.map(|text| (text.into_owned(), Encoding::Utf16)).ok_or_else(whole);
        }
    }
    let broken_at = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok((text.to_owned(), Encoding::Utf8)),
        Err(error) => error.valid_up_to(),
    };
    if is_broken_utf8(bytes) {
        return Err(unreadable(bytes, broken_at, "UTF-8"));
    }
    decode_gb18030(bytes).map(|text| (text, Encoding::Gb18030)).map_err(|at| unreadable(bytes, at, "UTF-8 / GB18030"))
}

/// Whether most of what is not ASCII reads as UTF-8. A UTF-8 file with a broken byte often reads as GB18030 too, as
/// nonsense; GBK text read as UTF-8 is broken at nearly every character.
fn is_broken_utf8(bytes: &[u8]) -> bool {
    let (mut sound, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        sound += chunk.valid().chars().filter(|character| character.len_utf8() > 2).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    sound > broken
}

/// The text, or the place of the first byte that is none.
fn decode_gb18030(bytes: &[u8]) -> Result<String, usize> {
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let capacity = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len().saturating_mul(4));
    let mut text = String::with_capacity(capacity);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::InputEmpty, _) => Ok(text),
        (DecoderResult::Malformed(bad, after), read) => Err(read.saturating_sub(usize::from(bad) + usize::from(after))),
        (DecoderResult::OutputFull, read) => Err(read),
    }
}

fn unreadable(bytes: &[u8], at: usize, expected: &str) -> Unreadable {
    let before = &bytes[..at.min(bytes.len())];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
    let in_line = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    let byte = bytes.get(at).map_or_else(String::new, |byte| format!("0x{byte:02X}"));
    Unreadable {
        line,
        reason: Words::new(
            format!("第 {in_line} 字节（文件第 {} 字节）{byte} 不是有效的 {expected} 编码；请另存为“CSV UTF-8”后重试", at + 1),
            format!("byte {in_line} of the line (byte {} of the file) {byte} is not {expected}; save the file as CSV UTF-8", at + 1),
        ),
    }
}

fn reason_whole(expected: &str) -> Words {
    Words::new(
        format!("文件不是有效的 {expected} 编码；请另存为“CSV UTF-8”后重试"),
        format!("the file is not {expected}; save it as CSV UTF-8"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "编码,名称,层级\n4408,湛江市,市\n440802,赤坎区,县\n";

    #[test]
    fn each_encoding_is_recognised() {
        assert_eq!(decode(TEXT.as_bytes()).unwrap(), (TEXT.to_owned(), Encoding::Utf8));
        let marked = ["\u{feff}", TEXT].concat();
        assert_eq!(decode(marked.as_bytes()).unwrap(), (TEXT.to_owned(), Encoding::Utf8));
        let (gbk, _, lost) = encoding_rs::GBK.encode(TEXT);
        assert!(!lost);
        assert_eq!(decode(&gbk).unwrap(), (TEXT.to_owned(), Encoding::Gb18030));
        // A character that GBK lacks and GB18030 writes with four bytes.
        let rare = "姓名\n\u{20000}玥\n";
        let (four_bytes, _, lost) = GB18030.encode(rare);
        assert!(!lost);
        assert_eq!(decode(&four_bytes).unwrap(), (rare.to_owned(), Encoding::Gb18030));
        let utf16: Vec<u8> = std::iter::once(0xfeff).chain(TEXT.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf16).unwrap(), (TEXT.to_owned(), Encoding::Utf16));
        let utf16: Vec<u8> = std::iter::once(0xfeff).chain(TEXT.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&utf16).unwrap(), (TEXT.to_owned(), Encoding::Utf16));
        assert_eq!(decode(b"").unwrap(), (String::new(), Encoding::Utf8));
    }

    #[test]
    fn the_place_of_an_unreadable_byte_is_named() {
        let mut bytes = TEXT.as_bytes().to_vec();
        let at = TEXT.find("赤坎").unwrap();
        bytes[at] = 0xff;
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error.line, 3);
        assert!(error.reason.en.contains(&format!("byte 8 of the line (byte {} of the file) 0xFF", at + 1)), "{}", error.reason.en);
        assert!(error.reason.zh.contains("第 8 字节") && error.reason.zh.contains("UTF-8"), "{}", error.reason.zh);

        let (gbk, _, _) = encoding_rs::GBK.encode(TEXT);
        let mut bytes = gbk.into_owned();
        let at = bytes.len() - 6;
        bytes[at] = 0xff;
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error.line, 3);
        assert!(error.reason.en.contains(&format!("byte {} of the file", at + 1)), "{}", error.reason.en);

        let marked = [b"\xef\xbb\xbf".as_slice(), b"a\nb\xff"].concat();
        assert_eq!(decode(&marked).unwrap_err().line, 2);
        assert_eq!(decode(b"\xff\xfea").unwrap_err().line, 0);
    }

    /// One byte lost from a Chinese UTF-8 file: GB18030 would read the rest, as nonsense that passes for names.
    #[test]
    fn a_broken_utf8_file_is_not_read_as_gb18030() {
        let whole = "code,name\n1,湛江市赤坎区中华街道办\n";
        let text = whole.as_bytes();
        let mut misread = 0;
        for lost in whole.find("湛江").unwrap()..text.len() - 1 {
            let mut bytes = text.to_vec();
            bytes.remove(lost);
            misread += usize::from(decode_gb18030(&bytes).is_ok());
            match decode(&bytes) {
                Err(error) => assert_eq!(error.line, 2, "byte {lost}"),
                Ok((_, encoding)) => assert_eq!(encoding, Encoding::Utf8, "byte {lost}"),
            }
        }
        assert!(misread > 0, "the case exists");
    }
}
