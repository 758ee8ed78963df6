//! The program as somebody puts it together: Muster with views of their own. It must hold nothing that a run does not give on by hand.

use std::process::ExitCode;

use muster_views::{Catalogue, CatalogueError, ViewFold};

use crate::cli;
use crate::words::Words;

/// The `muster` program with the views that it is to have besides Muster's own. Server, worker and every other subcommand of it know them.
///
/// ```no_run
/// # use muster_proto::v1::Envelope;
/// # #[derive(Clone, PartialEq, prost::Message, serde::Serialize)]
/// # struct MyRow { #[prost(string, tag = "1")] realm: String }
/// # impl muster_views::ViewRow for MyRow {
/// #     fn realm(&self) -> &str { &self.realm }
/// #     fn id(&self) -> String { String::new() }
/// #     fn area_id(&self) -> &str { "" }
/// #     fn position(&self) -> u64 { 0 }
/// # }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct MyFold;
/// # impl muster_views::ViewFold for MyFold {
/// #     const NAME: &'static str = "mine";
/// #     const VERSION: u32 = 1;
/// #     type Row = MyRow;
/// #     fn apply(&mut self, _: &Envelope, _: &mut muster_views::Rows<MyRow>) {}
/// # }
/// fn main() -> std::process::ExitCode {
///     muster_server::Muster::new().view::<MyFold>().run()
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Muster {
    catalogue: Catalogue,
    /// The first view that could not be taken.
    fault: Option<CatalogueError>,
}

impl Muster {
    /// With Muster's own views alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With this view as well. One that cannot be taken is told by [`Muster::run`], which then does nothing else.
    #[must_use]
    pub fn view<F: ViewFold>(mut self) -> Self {
        if let Err(error) = self.catalogue.add::<F>() {
            self.fault.get_or_insert(error);
        }
        self
    }

    /// Reads the arguments of the process and does what they say.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.fault {
            Some(fault) => cli::unusable(&words(&fault)),
            None => cli::main(&self.catalogue),
        }
    }
}

fn words(fault: &CatalogueError) -> Words {
    let zh = match fault {
        CatalogueError::BadName { name } => format!("视图名“{name}”无效：只能用小写字母、数字和 _，以字母开头，最多 40 个字符"),
        CatalogueError::Reserved { name } => format!("视图名“{name}”是 Muster 自己的，请换一个"),
        CatalogueError::Twice { name } => format!("有两个视图都叫“{name}”"),
        CatalogueError::NoVersion { name } => format!("视图“{name}”的版本为 0；版本从 1 开始"),
        CatalogueError::NoObject { name } => format!("视图“{name}”的行不是 JSON 对象"),
    };
    Words::new(zh, fault.to_string())
}

#[cfg(test)]
mod tests {
    use muster_proto::v1::Envelope;
    use muster_views::{Rows, ViewRow};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Clone, PartialEq, prost::Message, Serialize)]
    struct Row {
        #[prost(string, tag = "1")]
        realm: String,
    }

    impl ViewRow for Row {
        fn realm(&self) -> &str {
            &self.realm
        }

        fn id(&self) -> String {
            String::new()
        }

        fn area_id(&self) -> &'static str {
            ""
        }

        fn position(&self) -> u64 {
            0
        }
    }

    macro_rules! folds {
        ($($fold:ident $name:literal $version:literal),*) => {$(
            #[derive(Default, Serialize, Deserialize)]
            struct $fold;

            impl ViewFold for $fold {
                const NAME: &'static str = $name;
                const VERSION: u32 = $version;
                type Row = Row;

                fn apply(&mut self, _: &Envelope, _: &mut Rows<Row>) {}
            }
        )*};
    }

    folds!(Good "good" 1, Again "good" 2, Coverage "coverage" 1, Lease "lease" 1, Odd "Od d" 1, None "none" 0);

    #[test]
    fn a_view_that_cannot_be_taken_is_told_in_both_languages() {
        assert_eq!(Muster::new().view::<Good>().fault, Option::None);
        let fault = |muster: Muster| muster.fault.map(|fault| (words(&fault), fault));
        for (muster, name) in [
            (Muster::new().view::<Good>().view::<Again>(), "good"),
            (Muster::new().view::<Coverage>(), "coverage"),
            (Muster::new().view::<Lease>(), "lease"),
            (Muster::new().view::<Odd>(), "Od d"),
            (Muster::new().view::<None>(), "none"),
        ] {
            let Some((words, fault)) = fault(muster) else { panic!("{name} was taken") };
            assert!(words.zh.contains(name) && words.en.contains(name), "{fault:?}: {words:?}");
        }
    }
}
