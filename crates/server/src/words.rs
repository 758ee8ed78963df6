//! The two languages that the server speaks to people: every text is given in both. It must never hold a text that
//! programs depend on; those read codes.

use std::fmt;
use std::str::FromStr;

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    /// Simplified Chinese, the default.
    #[default]
    Zh,
    /// English.
    En,
}

impl Lang {
    /// The language tag.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// The better one of an `Accept-Language` header: the highest quality wins, the first one where they are equal.
    /// Chinese where the header names neither.
    #[must_use]
    pub fn from_accept(header: &str) -> Self {
        let mut best = (Self::Zh, 0.0_f32);
        for item in header.split(',') {
            let (tag, parameters) = item.split_once(';').unwrap_or((item, ""));
            let quality = parameters.trim().strip_prefix("q=").map_or(1.0, |value| value.trim().parse().unwrap_or(0.0));
            if let Ok(lang) = tag.trim().parse::<Self>()
                && quality > best.1
            {
                best = (lang, quality);
            }
        }
        best.0
    }
}

impl FromStr for Lang {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let primary = text.split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "zh" => Ok(Self::Zh),
            "en" => Ok(Self::En),
            _ => Err(format!("{text}: zh-CN / en")),
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Words {
    /// Both texts.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// The text in one language.
    #[must_use]
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => &self.zh,
            Lang::En => &self.en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_the_language() {
        for (header, lang) in [
            ("", Lang::Zh),
            ("fr", Lang::Zh),
            ("en", Lang::En),
            ("en-GB,en;q=0.9", Lang::En),
            ("zh-CN,zh;q=0.9,en;q=0.8", Lang::Zh),
            ("en;q=0.3, zh;q=0.7", Lang::Zh),
            ("fr, en;q=0.1", Lang::En),
            ("en;q=0", Lang::Zh),
        ] {
            assert_eq!(Lang::from_accept(header), lang, "{header}");
        }
    }
}
