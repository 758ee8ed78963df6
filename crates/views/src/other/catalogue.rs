//! Which views a program has: Muster's own, and those of other crates that it was made with.

use super::ViewFold;
use crate::view::{UnknownView, View};

/// Longest name of a view: a subject's token and a metric's label stay short.
const NAME_CHARS_MAX: usize = 40;

/// Names that something else beside the buckets of the views has.
const RESERVED: [&str; 1] = ["lease"];

/// Why a view is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// The name has other characters than it may have, or is too long.
    #[error("{name:?} is no name of a view: small letters, digits and _, a letter first, {NAME_CHARS_MAX} characters at most")]
    BadName {
        /// The name given.
        name: &'static str,
    },
    /// One of Muster's own views, or something beside them, has the name.
    #[error("the name {name:?} is Muster's own")]
    Reserved {
        /// The name given.
        name: &'static str,
    },
    /// Two views have the name.
    #[error("there are two views with the name {name:?}")]
    Twice {
        /// The name given.
        name: &'static str,
    },
    /// Versions count from 1.
    #[error("the view {name:?} has version 0; versions count from 1")]
    NoVersion {
        /// The view's name.
        name: &'static str,
    },
    /// A row must be a JSON object.
    #[error("a row of the view {name:?} is no JSON object")]
    NoObject {
        /// The view's name.
        name: &'static str,
    },
}

/// The views of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    views: Vec<View>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Catalogue {
    /// Muster's own views.
    #[must_use]
    pub fn built_in() -> Self {
        Self { views: View::ALL.to_vec() }
    }

    /// Takes a view of another crate.
    ///
    /// # Errors
    /// See [`CatalogueError`].
    pub fn add<F: ViewFold>(&mut self) -> Result<(), CatalogueError> {
        let (name, view) = (F::NAME, View::of::<F>());
        let is_letter = |byte: &u8| byte.is_ascii_lowercase();
        let is_inner = |byte: u8| is_letter(&byte) || byte.is_ascii_digit() || byte == b'_';
        if !name.as_bytes().first().is_some_and(is_letter) || !name.bytes().all(is_inner) || name.len() > NAME_CHARS_MAX {
            return Err(CatalogueError::BadName { name });
        }
        if RESERVED.contains(&name) || View::ALL.iter().any(|own| own.name() == name) {
            return Err(CatalogueError::Reserved { name });
        }
        if self.views.contains(&view) {
            return Err(CatalogueError::Twice { name });
        }
        if F::VERSION == 0 {
            return Err(CatalogueError::NoVersion { name });
        }
        let View::Other(registered) = view else { unreachable!("it is none of Muster's own") };
        if !registered.sample().is_some_and(|row| row.is_object()) {
            return Err(CatalogueError::NoObject { name });
        }
        self.views.push(view);
        Ok(())
    }

    /// All views, Muster's own first.
    #[must_use]
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The view of a name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, name: &str) -> Result<View, UnknownView> {
        let found = self.views.iter().find(|view| view.name() == name).copied();
        found.ok_or_else(|| UnknownView { name: name.to_owned(), known: self.names() })
    }

    /// The names, with commas.
    #[must_use]
    pub fn names(&self) -> String {
        self.views.iter().map(|view| view.name()).collect::<Vec<_>>().join(", ")
    }
}
